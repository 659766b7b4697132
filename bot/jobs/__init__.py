"""Durable execution: the engine, the worker and its gate."""
