"""Worlds that tests share: one for each pair of databases, as long as all goes well in it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.servers import PostgreSQL, own_postgresql, postgresql_database
from tests.stories.world import World


class Worlds:
    """One world for each pair of databases, as long as all goes well in it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._worlds: dict[tuple[str, str], tuple[World, ExitStack]] = {}
        self._server: PostgreSQL | None = None

    def one(self, pair: tuple[str, str]) -> World:
        if pair in self._worlds and self._worlds[pair][0].busy:
            self._worlds.pop(pair)[1].close()
        if pair not in self._worlds:
            with ExitStack() as stack:
                folder = self._folders.mktemp("world")
                own, target = (
                    stack.enter_context(postgresql_database(server=self._postgresql()))
                    if kind == "postgresql"
                    else f"sqlite:///{folder}/{name}.db"
                    for kind, name in zip(pair, ("data/countersign", "crm"), strict=True)
                )
                world = stack.enter_context(World(folder, own, target))
                self._worlds[pair] = world, stack.pop_all()
        return self._worlds[pair][0]

    def _postgresql(self) -> str:
        """A server of our own: the connections of the dead would crowd out others."""
        if self._server is None:
            self._server = own_postgresql().start()
        return self._server.url

    def close(self) -> None:
        for _, stack in self._worlds.values():
            stack.close()
        if self._server is not None:
            self._server.remove()


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    worlds = Worlds(tmp_path_factory)
    yield worlds
    worlds.close()


@pytest.fixture
def world(worlds: Worlds, pair: tuple[str, str]) -> World:
    """A world in which nothing is under way. A test that fails leaves it busy, and nobody uses it again."""
    world = worlds.one(pair)
    world.busy = True
    return world
