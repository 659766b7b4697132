"""A Slack on loopback and a sample CRM, for trying everything without an account."""
