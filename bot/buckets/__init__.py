"""How stores of objects are spoken to, for whoever keeps something in one: attachments and backups."""
