"""A world that tests share, as long as they want the same pair of databases and all goes well in it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.servers import PostgreSQL, own_postgresql, postgresql_database
from tests.stories.world import World


class Worlds:
    """One world at a time: its writer never rests, and would take the processor from everybody else."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._open = ExitStack()
        self._pair: tuple[str, str] | None = None
        self._world: World | None = None
        self._server: PostgreSQL | None = None

    def one(self, pair: tuple[str, str]) -> World:
        if self._world is None or self._world.busy or self._pair != pair:
            self._open.close()
            self._world = None
            with ExitStack() as stack:
                self._world = self._new(pair, stack)
                self._pair, self._open = pair, stack.pop_all()
        return self._world

    def _new(self, pair: tuple[str, str], stack: ExitStack) -> World:
        folder = self._folders.mktemp("world")
        own, target = (
            stack.enter_context(postgresql_database(server=self._postgresql()))
            if kind == "postgresql"
            else f"sqlite:///{folder}/{name}.db"
            for kind, name in zip(pair, ("data/countersign", "crm"), strict=True)
        )
        return stack.enter_context(World(folder, own, target))

    def _postgresql(self) -> str:
        """A server of our own: the connections of the dead would crowd out others."""
        if self._server is None:
            self._server = own_postgresql().start()
        return self._server.url

    def close(self) -> None:
        self._open.close()
        if self._server is not None:
            self._server.remove()


@pytest.fixture(scope="module")
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
