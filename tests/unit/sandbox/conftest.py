"""The sources of the page, for every test of this room that builds them."""

from tests.fakes.page_sources import page_sources

__all__ = ["page_sources"]
