"""A Slack on loopback: Web API, Socket Mode and the people's hands, in one process, without an account."""
