"""Changes of our tables, in order."""
