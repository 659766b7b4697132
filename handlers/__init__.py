"""The Slack door: listens, answers, renders; decides nothing."""
