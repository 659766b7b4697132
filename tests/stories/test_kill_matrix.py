"""kill -9 before, inside and after every step of a deletion and of a restore, then a new start.

After each, somebody from outside looks: what went is what the backup holds, byte for byte, opened with public
tools; every other row is explained by the writer that never stopped; nothing happened or was said twice; the
log is whole. See docs/operations.md.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.operations import delete_records, restore
from tests.stories.fates import Fate
from tests.stories.world import World

pytestmark = pytest.mark.slow

COMMIT = r".*Writing\.commit"
#: What a job goes through outside of its operation.
AROUND = {
    "before it asks for its permit": Fate("call", r"Crew\.permit"),
    "with the permit taken and not committed": Fate("return", r"Permits\.consume"),
    "with the permit committed, unknown to the engine": Fate("return", r"Crew\.permit"),
    "with the permit known to the engine": Fate("engine-after", "permit"),
    "before the operation": Fate("engine-before", "execute"),
    "before the note that COMMIT comes": Fate("call", r"Gatekeeper\.committing"),
    "with that note written and not committed": Fate("return", r"Jobs\.save", about="'committing'"),
    "between that note and COMMIT": Fate("call", COMMIT),
    "within COMMIT, at once": Fate("during", COMMIT),
    "within COMMIT, soon": Fate("during", COMMIT, delay=0.0005),
    "within COMMIT, or after": Fate("during", COMMIT, delay=0.003),
    "between COMMIT and our own note": Fate("return", COMMIT),
    "before our own note": Fate("call", r"Crew\._committed"),
    "with our own note written and not committed": Fate("return", r"Jobs\.save", about="'committed'"),
    "after our own note": Fate("return", r"Crew\._committed"),
    "with the operation unknown to the engine": Fate("return", r"Crew\.execute"),
    "with the operation known to the engine": Fate("engine-after", "execute"),
    "before the last word": Fate("call", r"Crew\.tell"),
    "with the last word written and not committed": Fate("return", r"Outbox\.want", about="receipt"),
    "after the last word": Fate("return", r"Crew\.tell"),
    "with the last word known to the engine": Fate("engine-after", "tell"),
}
DELETION = {
    **{f"{at} {step}": Fate(at, step) for step in delete_records.STEPS for at in ("before", "begun", "done")},
    **AROUND,
    "halfway through the closure": Fate("call", r".*Session\.grow", nth=3),
    "with a backup noted and none begun": Fate("return", r"Gatekeeper\.backup_started"),
    "with an empty archive": Fate("return", r"Sealing\.__enter__"),
    "between two tables of the archive": Fate("call", r"Sealing\.table", nth=3),
    "with the archive written and not visible": Fate("call", r".*Upload\.commit"),
    "with an archive and no README": Fate("call", r"Sealing\._put"),
    "with a README and no key": Fate("call", r"Sealing\._put", nth=2),
    "with a key, not read back": Fate("call", r"Sealing\._read_back"),
    "halfway through the test restore": Fate("call", r".*Session\.stage", nth=3),
    "with links emptied and nothing deleted": Fate("return", r".*Writing\.unlink"),
    "between two tables of the deletion": Fate("call", r".*Writing\.delete", nth=3),
    "with everything deleted, nothing counted": Fate("call", r"_nothing_left"),
}
RESTORE = {
    **{f"{at} {step}": Fate(at, step) for step in restore.STEPS for at in ("before", "begun", "done")},
    **AROUND,
    "halfway through the unpacking": Fate("call", r".*Session\.stage", nth=3),
    "between two tables of the restore": Fate("call", r".*Writing\.insert", nth=3),
    "before links are put back": Fate("call", r".*Writing\.relink"),
    "with everything back, nothing compared": Fate("call", r"_compare"),
}


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Worlds"]:
    worlds = Worlds(tmp_path_factory)
    yield worlds
    worlds.close()


class Worlds:
    """One world that went well so far."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._world: World | None = None
        self._stack = ExitStack()

    def one(self) -> World:
        if self._world is None or self._world.busy:
            self.close()
            folder: Path = self._folders.mktemp("world")
            own, target = f"sqlite:///{folder}/data/countersign.db", f"sqlite:///{folder}/crm.db"
            self._world = self._stack.enter_context(World(folder, own, target))
        return self._world

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def world(worlds: Worlds) -> World:
    return worlds.one()


@pytest.mark.parametrize("fate", DELETION.values(), ids=DELETION.keys())
def test_a_deletion_survives_a_kill(world: World, fate: Fate) -> None:
    world.busy = True
    request, victim = world.asked()
    world.ballot(request)
    world.seal("worker", fate)
    world.approve(request, "U0BOB", "U0CAROL")
    world.dies("worker")
    world.start("worker")
    world.ends(request, "succeeded")
    world.deleted(request, victim)
    world.told_once(request)
    world.log_is_whole()
    world.busy = False


@pytest.mark.parametrize("fate", RESTORE.values(), ids=RESTORE.keys())
def test_a_restore_survives_a_kill(world: World, fate: Fate) -> None:
    world.busy = True
    deletion, victim = world.restorable()
    request = world.ask_back(deletion)
    world.ballot(request)
    world.seal("worker", fate)
    world.approve(request, "U0DAN")
    world.dies("worker")
    world.start("worker")
    world.ends(request, "succeeded")
    world.restored(request, victim)
    world.told_once(request)
    world.log_is_whole()
    world.busy = False
