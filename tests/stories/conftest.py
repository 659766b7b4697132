"""The worlds for every test of this room that names a pair of databases."""

from tests.stories.worlds import world, worlds

__all__ = ["world", "worlds"]
