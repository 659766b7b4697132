"""kill -9 of a worker as ``serve`` starts it, then start again: the job finishes, once. test_kill_matrix has all moments."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox.people import APP_USER
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow

DELETION = [("inside", "step.seal"), ("before-note", ""), ("engine-after", "execute")]
RESTORE = [("inside", "step.insert"), ("before-note", "")]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def check_the_books(rig: Rig, number: int) -> None:
    """Nothing twice, nothing orphaned: one receipt, one card, one booked backup that opens, one commit."""
    receipts = [one for one in rig.receipts() if one.thread_ts]
    assert len(receipts) == number
    cards = [one for one in rig.room() if not one.is_reply and one.user == APP_USER]
    assert len(cards) == number
    commits = rig.row("SELECT count(*) FROM audit_log WHERE entry LIKE '%\"committed\"%'")[0]
    assert commits == number
    kept = rig.row("SELECT count(*), min(id) FROM backups WHERE state = 'kept'")
    assert kept[0] == 1
    archives = sorted(path.name for path in (rig.folder / "backups").glob("*.age"))
    assert archives == [f"{kept[1]}.age", f"{kept[1]}.key.age"]


@pytest.mark.parametrize(("moment", "step"), DELETION)
def test_a_deletion_survives_kill_9(rig: Rig, moment: str, step: str) -> None:
    before = rig.contents()
    rig.dies(moment, step)
    ballot = rig.ask_to_delete()
    rig.approve(ballot)
    rig.comes_back()
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    rig.slack.wait_for(rig.receipts, PATIENCE)
    assert not rig.ada_is_there()
    check_the_books(rig, 1)

    reference = rig.row("SELECT reference FROM backups WHERE state = 'kept'")[0]
    since = rig.command("U0ERIN", "/restore", f"{reference} -- kill test")
    rig.react("U0DAN", rig.ballot(since))
    rig.wait_state(2, "succeeded")
    assert rig.contents() == before


@pytest.mark.parametrize("step", ["step.seal", "step.commit"])
def test_a_job_that_somebody_cancelled_in_the_engine_goes_on_as_our_own_books_say(
    rig: Rig, step: str
) -> None:
    rig.dies("inside", step)
    rig.approve(rig.ask_to_delete())
    worker = rig.processes["worker"]
    rig.wait(lambda: worker.poll() is not None, "the worker should have killed itself")
    with closing(sqlite3.connect(rig.folder / "data" / "countersign.db")) as engine:
        assert engine.execute("UPDATE workflow_status SET status = 'CANCELLED'").rowcount == 1
        engine.commit()
    rig.comes_back()
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    rig.slack.wait_for(rig.receipts, PATIENCE)
    assert not rig.ada_is_there()
    check_the_books(rig, 1)


@pytest.mark.parametrize(("moment", "step"), RESTORE)
def test_a_restore_survives_kill_9(rig: Rig, moment: str, step: str) -> None:
    before = rig.contents()
    rig.approve(rig.ask_to_delete())
    rig.wait_state(1, "succeeded")
    reference = rig.row("SELECT reference FROM backups WHERE state = 'kept'")[0]
    rig.dies(moment, step)
    since = rig.command("U0ERIN", "/restore", f"{reference} -- kill test")
    rig.react("U0DAN", rig.ballot(since))
    rig.comes_back()
    assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded"
    assert rig.contents() == before
    rig.slack.wait_for(lambda: len(rig.receipts()) == 2, PATIENCE)
    check_the_books(rig, 2)
