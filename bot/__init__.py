"""Countersign: the rooms behind the Slack door."""
