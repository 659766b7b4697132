"""What is done to a target: plan and run, readable from top to bottom."""
