"""The page of the sandbox: the workspace in a browser, on a port of its own of the loopback."""
