"""Everything dies at once, dies again while it recovers, or one half falls asleep and wakes up too late."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.stories.rig import PATIENCE, Rig
from tests.stories.test_restart import check_the_books

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def finishes(rig: Rig) -> None:
    """The deletion ends well, once; nothing is left of the attempts that broke off."""
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    rig.slack.wait_for(rig.receipts, PATIENCE)
    assert not rig.ada_is_there()
    check_the_books(rig, 1)


def is_dead(rig: Rig) -> None:
    worker = rig.processes["worker"]
    rig.wait(lambda: worker.poll() is not None, "the worker should have killed itself")


@pytest.mark.parametrize("first", ["bot", "worker"])
def test_the_machine_loses_power_in_the_middle(rig: Rig, first: str) -> None:
    rig.dies("inside", "step.delete")
    rig.approve(rig.ask_to_delete())
    is_dead(rig)
    rig.kill("bot")
    assert rig.ada_is_there()
    if first == "worker":
        rig.start_worker()
        rig.wait(lambda: rig.state(1) == "succeeded", "the worker needs no bot to finish what it began")
    rig.start_bot()
    if first == "bot":
        rig.start_worker()
    finishes(rig)


AGAIN = {
    "before the commit, and once more while it begins anew": (
        ("inside", "step.delete"),
        ("after", "step.seal"),
    ),
    "while copying, again and again": (
        ("inside", "step.copy"),
        ("inside", "step.copy"),
        ("inside", "step.copy"),
    ),
    "after the commit, and once more while it finds out": (("before-note",), ("before-note",)),
    "before the commit, then after it": (("inside", "step.commit"), ("before-note",)),
}


@pytest.mark.parametrize("case", AGAIN)
def test_killed_again_while_it_recovers(rig: Rig, case: str) -> None:
    first, *others = AGAIN[case]
    rig.dies(*first)
    rig.approve(rig.ask_to_delete())
    for moment in others:
        is_dead(rig)
        rig.start_worker(*moment)
    rig.comes_back()
    finishes(rig)


def asleep(rig: Rig) -> None:
    """Put the worker to sleep in the step it lingers in, but not while it keeps everybody out of our database."""
    marker, worker = rig.folder / "data" / "lingering", rig.processes["worker"]
    rig.wait(marker.exists, "the worker should linger")

    def sleeps_without_a_lock() -> bool:
        os.kill(worker.pid, signal.SIGSTOP)
        rig.wait(lambda: state_of(worker.pid) == "T", "the worker should sleep")
        if writable(rig):
            return True
        os.kill(worker.pid, signal.SIGCONT)
        return False

    rig.wait(sleeps_without_a_lock, "the worker should sleep between two transactions")


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def writable(rig: Rig) -> bool:
    path = rig.folder / "data" / "countersign.db"
    with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def wakes(rig: Rig) -> None:
    (rig.folder / "data" / "lingering").unlink()
    os.kill(rig.processes["worker"].pid, signal.SIGCONT)


BRAKES = {"stop 1": "stopped", "freeze crm -- something is wrong": "stopped"}


@pytest.mark.parametrize("step", ["step.copy", "step.delete"])
@pytest.mark.parametrize("brake", BRAKES)
def test_what_was_stopped_while_the_worker_slept_is_not_done_when_it_wakes(
    rig: Rig, brake: str, step: str
) -> None:
    before = rig.contents()
    rig.dies("linger", step)
    rig.approve(rig.ask_to_delete())
    asleep(rig)
    rig.command("U0ALICE", "/countersign", brake)
    assert rig.wait_state(1, BRAKES[brake]) == BRAKES[brake]
    wakes(rig)
    rig.wait(lambda: not archives(rig), "the attempt's backup should go")
    rig.stop("worker")
    rig.start_worker()
    assert rig.contents() == before
    assert rig.state(1) == BRAKES[brake]


def archives(rig: Rig) -> list[str]:
    names = [path.name for path in (rig.folder / "backups").iterdir()]
    return [name for name in names if name.endswith((".age", ".part"))]


def test_a_worker_that_slept_longer_than_the_lock_may_last_deletes_nothing(tmp_path: Path) -> None:
    with Rig(tmp_path, lambda text: text.replace("max_lock: 30s", "max_lock: 1s")) as rig:
        assert "max_lock: 1s" in (tmp_path / "countersign.yml").read_text()
        before = rig.contents()
        rig.dies("linger", "step.test-restore")
        rig.approve(rig.ask_to_delete())
        asleep(rig)
        since = time.monotonic()
        rig.wait(lambda: time.monotonic() - since > 1.5, "the lock's time should be over")
        wakes(rig)
        assert rig.wait_state(1, "succeeded", "failed", "held") == "failed"
        assert rig.contents() == before
        rig.wait(lambda: not archives(rig), "the attempt's backup should go")
