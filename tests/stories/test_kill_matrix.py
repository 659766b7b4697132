"""kill -9 before, inside and after every step of a deletion and of a restore, then a new start.

After each, somebody from outside looks: what went is what the backup holds, byte for byte, opened with public
tools; every other row is explained by the writer that never stopped; nothing happened or was said twice; the
log is whole. Our own database and the target are SQLite or PostgreSQL. Every third moment is tried on SQLite,
a sixth of them on PostgreSQL, some where they differ; ``make kill-matrix`` tries all of them everywhere.
"""

import ast
import os
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import bot
import handlers
from bot.operations import deleting, restore
from bot.sandbox.people import DELETIONS
from tests.stories.fates import Fate
from tests.stories.world import World, deletion_of

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
    **{f"{at} {step}": Fate(at, step) for step in deleting.STEPS for at in ("before", "begun", "done")},
    **AROUND,
    "halfway through the closure": Fate("call", r".*Session\.grow", nth=3),
    "with a backup noted and none begun": Fate("return", r"Gatekeeper\.backup_started"),
    "with an empty archive": Fate("return", r"Sealing\.__enter__"),
    "between two tables of the archive": Fate("call", r"Sealing\.table", nth=3),
    "with the archive written and not visible": Fate("call", r".*Upload\.commit"),
    "with an archive and no README": Fate("call", r"Sealing\._put"),
    "with a README and no key": Fate("call", r"Sealing\._put", nth=2),
    "with a key, not read back": Fate("call", r"Sealing\.read_back"),
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
    "with everything back, nothing compared": Fate("call", r"compare_sums"),
}


#: Dead in the work, dead again in what the next start does about it.
TWICE = {
    "in the deletion, then before its backup is cleared away": (
        Fate("begun", "step.delete"),
        Fate("call", r"Vault\.shred"),
    ),
    "in the deletion, then with half of its backup cleared away": (
        Fate("begun", "step.delete"),
        Fate("return", r".*Storage\.delete"),
    ),
    "in the deletion, then in the copy of the second attempt": (
        Fate("begun", "step.delete"),
        Fate("begun", "step.copy"),
    ),
    "before COMMIT, then before it is found out": (Fate("call", COMMIT), Fate("call", r"settle")),
    "before COMMIT, then after it was found out": (Fate("call", COMMIT), Fate("return", r"settle")),
    "before COMMIT, then before COMMIT": (Fate("call", COMMIT), Fate("call", COMMIT)),
    "before COMMIT, then after COMMIT": (Fate("call", COMMIT), Fate("return", COMMIT)),
    "after COMMIT, then after it was found out": (Fate("return", COMMIT), Fate("return", r"settle")),
    "after COMMIT, then within our note": (
        Fate("return", COMMIT),
        Fate("return", r"Jobs\.save", about="'committed'"),
    ),
    "after COMMIT, then after our note": (Fate("return", COMMIT), Fate("return", r"Crew\._committed")),
    "before the last word, then within it": (
        Fate("call", r"Crew\.tell"),
        Fate("return", r"Outbox\.want", about="receipt"),
    ),
}
TWICE_RESTORE = {
    "before COMMIT, then before it is found out": (Fate("call", COMMIT), Fate("call", r"settle")),
    "before COMMIT, then after COMMIT": (Fate("call", COMMIT), Fate("return", COMMIT)),
    "after COMMIT, then after it was found out": (Fate("return", COMMIT), Fate("return", r"settle")),
}
#: The worker dies by its fate, and the bot at once with it.
TOGETHER = {
    "in the copy": Fate("begun", "step.copy"),
    "before COMMIT": Fate("call", COMMIT),
    "after COMMIT": Fate("return", COMMIT),
    "before the last word": Fate("call", r"Crew\.tell"),
    "after the last word": Fate("return", r"Crew\.tell"),
}
ASKING = ("card", "plan", "ballot")
#: What the bot goes through with one message.
MESSAGE = {
    "before {} is noted": Fate("call", r"Drain\._post", about="subject='{}:"),
    "with {} noted and not posted": Fate("return", r"OutboxPort\.posting", about="{}:"),
    "with {} posted, unknown to us": Fate("return", r"Slack\.call", about="'subject': '{}:"),
    "with {} posted and known": Fate("return", r"OutboxPort\.posted", about="{}:"),
}
#: What the bot goes through with one delivery.
DELIVERY = {
    "before it is written down": Fate("call", r"InboxPort\.accept"),
    "written down and not acknowledged": Fate("return", r"InboxPort\.accept"),
    "before it is handled": Fate("call", r"dispatch"),
    "claimed and not committed": Fate("return", r"Inbox\.claim"),
    "settled": Fate("return", r"Desk\.settle"),
}
KINDS = ("sqlite", "postgresql")
ALL = os.environ.get("KILL_MATRIX") == "all"


def cases(table: Mapping[str, object], every: int) -> list[object]:
    """A table of moments times the databases: a fifth on SQLite, a tenth on PostgreSQL, fewer where they differ."""
    found: list[object] = []
    for own in KINDS:
        for target in KINDS:
            first, step = (0, 3 * every) if own != target else (0, 5) if own == "sqlite" else (1, 10)
            chosen = list(table.items()) if ALL else list(table.items())[first::step]
            place = f"{target}-from-{own}"
            found += [
                pytest.param((own, target), case, id=f"{place}: {name}", marks=pytest.mark.xdist_group(place))
                for name, case in chosen
            ]
    return found


def functions(of: ast.AST, within: str = "") -> Iterator[str]:
    """The qualified name of every function of a module or class."""
    for node in ast.iter_child_nodes(of):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield within + node.name


def fates(table: Mapping[str, Fate | tuple[Fate, ...]]) -> Iterable[Fate]:
    for case in table.values():
        yield from case if isinstance(case, tuple) else (case,)


@pytest.mark.parametrize(
    "table",
    [DELETION, RESTORE, TWICE, TWICE_RESTORE, TOGETHER, MESSAGE, DELIVERY],
    ids=lambda table: next(iter(table)),
)
def test_every_moment_still_has_a_name(table: Mapping[str, Fate | tuple[Fate, ...]]) -> None:
    """A function that got another name would kill nobody, on those pairs only that are rarely tried."""
    files = (path for room in (bot, handlers) for path in Path(room.__path__[0]).rglob("*.py"))
    known = {name for path in files for name in functions(ast.parse(path.read_bytes()))}
    for fate in fates(table):
        if fate.at in ("call", "return", "during"):
            assert any(re.fullmatch(fate.where, name) for name in known), fate


def all_is_well(world: World, request: int, victim: int, deletion: bool = True) -> None:
    world.ends(request, "succeeded")
    if deletion:
        world.deleted(request, victim)
    else:
        world.restored(request, victim)
    world.told_once(request)
    world.log_is_whole()
    used = world.book("SELECT count(*) FROM permits WHERE request_id = ? AND state = 'consumed'", request)
    assert used[0][0] == 1
    assert world.fulfilled("worker")
    assert world.fulfilled("bot")
    world.busy = False


@pytest.mark.parametrize(("pair", "fate"), cases(DELETION, 5))
def test_a_deletion_survives_a_kill(world: World, fate: Fate) -> None:
    request, victim = world.asked()
    world.ballot(request)
    world.seal("worker", fate)
    world.approve(request, "U0BOB", "U0CAROL")
    world.dies("worker")
    world.start("worker")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(("pair", "fate"), cases(RESTORE, 5))
def test_a_restore_survives_a_kill(world: World, fate: Fate) -> None:
    deletion, victim = world.restorable()
    request = world.ask_back(deletion)
    world.ballot(request)
    world.seal("worker", fate)
    world.approve(request, "U0DAN")
    world.dies("worker")
    world.start("worker")
    all_is_well(world, request, victim, deletion=False)


@pytest.mark.parametrize(("pair", "fates"), cases(TWICE, 4))
def test_a_deletion_survives_a_second_kill(world: World, fates: tuple[Fate, Fate]) -> None:
    request, victim = world.asked()
    world.ballot(request)
    world.seal("worker", *fates)
    world.approve(request, "U0BOB", "U0CAROL")
    world.dies("worker")
    world.start("worker")
    world.dies("worker")
    world.start("worker")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(("pair", "fates"), cases(TWICE_RESTORE, 3))
def test_a_restore_survives_a_second_kill(world: World, fates: tuple[Fate, Fate]) -> None:
    deletion, victim = world.restorable()
    request = world.ask_back(deletion)
    world.ballot(request)
    world.seal("worker", *fates)
    world.approve(request, "U0DAN")
    world.dies("worker")
    world.start("worker")
    world.dies("worker")
    world.start("worker")
    all_is_well(world, request, victim, deletion=False)


@pytest.mark.parametrize(("pair", "fate"), cases(TOGETHER, 2))
def test_a_deletion_survives_the_death_of_both(world: World, fate: Fate) -> None:
    request, victim = world.asked()
    world.ballot(request)
    world.seal("worker", fate)
    world.approve(request, "U0BOB", "U0CAROL")
    world.dies("worker")
    world.kill("bot")
    world.start("worker")
    world.start("bot")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(("pair", "seed"), cases({f"try {n}": n for n in range(8)}, 4))
def test_a_deletion_survives_a_kill_at_any_time(world: World, seed: int) -> None:
    dice = random.Random(seed)
    request, victim = world.asked()
    world.approve(request, "U0BOB", "U0CAROL")
    for _ in range(3):
        time.sleep(dice.random() * 0.8)
        world.kill("worker")
        world.start("worker")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(
    ("pair", "fate"),
    cases(
        {
            name.format(kind): Fate(one.at, one.where, one.nth, one.about.format(kind))
            for kind in ASKING
            for name, one in MESSAGE.items()
        }
        | {"between ✅ and ❌": Fate("call", r"Slack\.call", nth=2, about="reactions.add")},
        4,
    ),
)
def test_asking_survives_the_death_of_the_bot(world: World, fate: Fate) -> None:
    world.quiet()
    world.kill("bot")
    world.start("bot", fate)
    victim = world.victim()
    request = world.file("U0ALICE", "/delete-records", deletion_of(victim))
    world.dies("bot")
    world.start("bot")
    world.approve(request, "U0BOB", "U0CAROL")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(
    ("pair", "fate"),
    cases(
        {
            name.format("receipt"): Fate(one.at, one.where, one.nth, one.about.format("receipt"))
            for name, one in MESSAGE.items()
        },
        4,
    ),
)
def test_the_receipt_survives_the_death_of_the_bot(world: World, fate: Fate) -> None:
    request, victim = world.asked()
    world.quiet()
    world.ballot(request)
    world.kill("bot")
    world.start("bot", fate)
    world.approve(request, "U0BOB", "U0CAROL")
    world.dies("bot")
    world.start("bot")
    all_is_well(world, request, victim)


@pytest.mark.parametrize(("pair", "fate"), cases(DELIVERY, 2))
def test_a_command_survives_the_death_of_the_bot(world: World, fate: Fate) -> None:
    """What was not written down is not acknowledged: the person is told, and types it again."""
    world.quiet()
    before = world.newest()
    world.kill("bot")
    world.start("bot", fate)
    victim = world.victim()
    alice = world.slack.as_user("U0ALICE")
    answer = alice.command("/delete-records", deletion_of(victim), channel=DELETIONS)
    world.dies("bot")
    world.start("bot")
    if fate == DELIVERY["before it is written down"]:
        assert not answer.acked
        world.file("U0ALICE", "/delete-records", deletion_of(victim))
    world.wait(lambda: world.newest() > before, "the command opens a request")
    world.approve(world.newest(), "U0BOB", "U0CAROL")
    all_is_well(world, world.newest(), victim)
    # Not by their ids: a sequence of PostgreSQL counts what was taken back, too.
    opened = world.book("SELECT id, number, state, requester FROM requests WHERE id > ?", before)
    assert len(opened) == 1, opened


@pytest.mark.parametrize(("pair", "fate"), cases(DELIVERY, 2))
def test_a_vote_survives_the_death_of_the_bot(world: World, fate: Fate) -> None:
    request, victim = world.asked()
    world.quiet()
    world.ballot(request)
    world.kill("bot")
    world.start("bot", fate)
    world.approve(request, "U0BOB")
    world.dies("bot")
    world.start("bot")
    world.approve(request, "U0CAROL")
    all_is_well(world, request, victim)
