"""/restore of a whole system after its removal: whole again, or beside, or not at all; stopped, killed, in the way."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bot.operations import bring_back
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import Rig
from tests.stories.town import ask, thread, torn_down, town

pytestmark = pytest.mark.slow
Page = Callable[[], str | None]


def looks(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every name below a folder, with its mode and content, links as links."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(root.rglob("*")):
        content = str(path.readlink()).encode() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, content)
    return found


TINY = """rules:
  - name: tiny restore
    when: {operation: restore, rows: {at_most: 10}}
    request: [responder]
    approve: [1 of support]
"""


@contextmanager
def removed(
    tmp_path: Path, change: Callable[[str], str] = lambda text: text
) -> Iterator[tuple[Rig, Page, str | None, dict[str, tuple[int, bytes]]]]:
    """A town whose CRM is gone for good; what its page said, and what its uploads were."""
    with town(tmp_path, grace="1s", change=change) as (rig, page):
        uploads = rig.crm.parent / "uploads"
        (uploads / "secret").write_bytes(bytes(range(256)))
        (uploads / "secret").chmod(0o640)
        before, files = page(), looks(uploads)
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        yield rig, page, before, files


def wanted(rig: Rig, words: str = "#1") -> Message:
    since = rig.command("U0ERIN", "/restore", f"{words} -- we need it after all")
    return rig.ballot(since)


def left(rig: Rig) -> list[Path]:
    return [one for one in rig.crm.parent.rglob("*") if one.is_file()]


def test_everything_comes_back_to_where_it_was_and_the_page_answers(tmp_path: Path) -> None:
    with removed(tmp_path, lambda text: text.replace("rules:\n", TINY, 1)) as (rig, page, before, files):
        ballot = wanted(rig)
        plan = thread(rig, ballot)
        assert "tiny" not in plan, "a rule for a few rows decides about a whole database"
        for told in ("Comes back", "uploads", "database", "Started", "web", "Must answer again", "page"):
            assert told in plan
        assert page() is None
        rig.approve(ballot, "U0BOB")
        assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert looks(rig.crm.parent / "uploads") == files
        receipt = rig.slack.wait_for(
            lambda: "and verified: a whole system, 2 parts" in thread(rig, ballot), 30
        )
        assert receipt
        assert not list(rig.crm.parent.glob(".countersign-quarantine/*"))


def test_it_comes_back_into_a_new_folder_without_a_service_and_by_its_reference(tmp_path: Path) -> None:
    with removed(tmp_path) as (rig, page, _, files):
        reference = rig.row("SELECT reference FROM backups")[0]
        again = rig.crm.parent / "again"
        ballot = wanted(rig, f"{reference} into {again}")
        assert "nothing is started" in thread(rig, ballot)
        rig.approve(ballot, "U0BOB")
        assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert looks(again / "uploads") == files
        rig.crm = again / "crm.db"
        assert rig.contents()["customers"]
        assert page() is None
        assert not (again.parent / "uploads").exists()


REFUSED = {
    "something stands in its place": ("#1", "mkdir", "Something stands at"),
    "the folder is not under an allowed root": ("#1 into /var/lib/elsewhere", "", "not inside any folder"),
    "the folder is no plain path": ("#1 into /srv/../etc", "", "absolute path"),
}


def test_what_cannot_come_back_is_refused_in_private_and_touches_nothing(tmp_path: Path) -> None:
    with removed(tmp_path) as (rig, _, _, _):
        for case, (words, trouble, told) in REFUSED.items():
            if trouble:
                (rig.crm.parent / "uploads").mkdir()
            since = rig.command("U0ERIN", "/restore", f"{words} -- why")
            assert told in rig.told("U0ERIN", since, told), case
            assert left(rig) == [], case
        assert rig.row("SELECT count(*) FROM requests WHERE number IS NOT NULL")[0] == 1


def test_a_plan_that_was_altered_after_the_vote_is_not_carried_out(tmp_path: Path) -> None:
    with removed(tmp_path) as (rig, page, _, _):
        ballot = wanted(rig)
        with closing(sqlite3.connect(rig.folder / "data" / "countersign.db", timeout=30)) as books:
            ((number, text),) = books.execute("SELECT rowid, plan FROM revisions WHERE request_id = 2")
            plan = json.loads(text)
            plan["system"]["into"] = str(rig.crm.parent / "elsewhere")
            books.execute("UPDATE revisions SET plan = ? WHERE rowid = ?", (json.dumps(plan), number))
            books.commit()
        rig.approve(ballot, "U0BOB")
        rig.wait(lambda: rig.state(2) not in ("pending", "approved", "running"), "an end")
        outcome = rig.row("SELECT state, outcome FROM requests WHERE number = 2")
        assert outcome == ("cancelled", "outcome.not-what-was-approved")
        assert left(rig) == []
        assert page() is None


def test_while_it_is_only_set_aside_putting_back_is_the_way(tmp_path: Path) -> None:
    with town(tmp_path) as (rig, _):
        torn_down(rig)
        since = rig.command("U0ERIN", "/restore", "#1 -- why")
        assert "put-back 1" in rig.told("U0ERIN", since, "put-back")


def test_a_stop_while_it_is_unpacked_leaves_nothing(tmp_path: Path) -> None:
    with removed(tmp_path) as (rig, page, _, _):
        rig.dies("linger", "step.prepare")
        ballot = wanted(rig)
        rig.approve(ballot, "U0BOB")
        lingering = rig.folder / "data" / "lingering"
        rig.wait(lingering.exists, "the worker should linger")
        rig.command("U0ERIN", "/countersign", "stop 2")
        rig.wait_state(2, "stopped")
        lingering.unlink()
        rig.wait(
            lambda: rig.row("SELECT state FROM jobs ORDER BY id DESC LIMIT 1")[0] == "stopped", "the job"
        )
        rig.wait(lambda: left(rig) == [], "nothing is left")
        assert page() is None


MOMENTS = [
    *(("inside", one[0]) for one in bring_back.STEPS),
    ("after", "step.prepare"),
    ("after", "step.appear"),
][:: 1 if os.environ.get("KILL_MATRIX") == "all" else 2]


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
def test_bringing_back_survives_kill_9(tmp_path: Path, moment: str, step: str) -> None:
    with removed(tmp_path) as (rig, page, before, files):
        rig.dies(moment, step)
        ballot = wanted(rig)
        rig.approve(ballot, "U0BOB")
        rig.comes_back()
        assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert looks(rig.crm.parent / "uploads") == files
