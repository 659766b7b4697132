"""Proof by one-time code: secrets and counters that only the worker opens, and marks that only it makes."""
