"""What each application says of its own database; these scripts run inside the applications, not here."""
