"""A Slack on loopback: Web API, Socket Mode and the hands of the people, in one process, without an account."""
