"""A house for every test of this room."""

from tests.fakes.rooms import house

__all__ = ["house"]
