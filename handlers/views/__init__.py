"""What people see: pure functions from facts to blocks."""
