"""`/restore #1 into crm-copy`: rows of one system into another one, through Slack; who decides, and what is said."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import crm
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow

COPY = """\
  crm-copy:
    environment: staging
    database: {url: "${COPY_DATABASE_URL}"}
  crm-new:
    database: {url: "postgresql://nobody@127.0.0.1:1/crm"}
rules:
  - name: into the copy
    when: {operation: restore, target: crm-copy}
    request: [responder, support]
    approve: [1 of data-owner]
    cooling_off: 0s
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Ada is gone from the CRM, and from a copy that was made after it."""
    made = Rig(tmp_path, lambda text: text.replace("rules:\n", COPY, 1))
    copy = tmp_path / "copy.db"
    made.secrets["COPY_DATABASE_URL"] = f"sqlite:///{copy}"
    shutil.copyfile(made.crm, tmp_path / "before.db")
    crm.create(copy)
    with made:
        made.approve(made.ask_to_delete())
        assert made.wait_state(1, "succeeded", "failed", "held") == "succeeded"
        shutil.copyfile(made.crm, copy)
        yield made


def content(rig: Rig, name: str) -> dict[str, list[tuple[Any, ...]]]:
    return crm.contents(rig.folder / f"{name}.db")


def wanted(rig: Rig, words: str = "#1 into crm-copy", who: str = "U0ERIN") -> Message:
    return rig.ballot(rig.command(who, "/restore", f"{words} -- the new server"))


def reference(rig: Rig) -> str:
    return str(rig.row("SELECT reference FROM backups")[0])


def receipt_in(rig: Rig, ballot: Message) -> Message | None:
    return next((one for one in rig.receipts() if one.thread_ts == ballot.thread_ts), None)


@pytest.mark.parametrize("named", ["#1", "the reference", "a reference that the books have lost"])
def test_rows_go_into_the_other_system_under_the_rules_of_both(rig: Rig, named: str) -> None:
    words = "#1" if named == "#1" else reference(rig)
    if "lost" in named:
        with closing(sqlite3.connect(rig.folder / "data" / "countersign.db")) as connection:
            connection.execute("DELETE FROM backups")
            connection.commit()
    gone = rig.contents()
    ballot = wanted(rig, f"{words} into crm-copy")
    card = shown_text(rig.card(ballot))
    assert "From crm into crm-copy" in card.replace("*", "")
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "were deleted from crm: another database" in plan
    # The rule of the copy asks for a data owner, the one of the CRM for a dba: rows leave the CRM under both.
    rig.approve(ballot, "U0CAROL")
    rig.slack.wait_for(lambda: "dba" in shown_text(rig.card(ballot)), PATIENCE)
    assert rig.state(2) == "pending"
    rig.approve(ballot, "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
    assert content(rig, "copy") == content(rig, "before")
    assert rig.contents() == gone, "the CRM itself has not changed"
    receipt = rig.slack.wait_for(lambda: receipt_in(rig, ballot), PATIENCE)
    assert receipt is not None
    assert "From crm into crm-copy" in shown_text(receipt).replace("*", "")
    entries = [str(row[0]) for row in rig.rows("SELECT entry FROM audit_log")]
    for kind in ("plan", "job-done"):
        assert any(
            f'"{kind}"' in entry and '"origin":"crm"' in entry and '"target":"crm-copy"' in entry
            for entry in entries
        ), kind


REFUSED = {
    "an unknown system": ("U0ERIN", "#1 into nowhere", "called “nowhere”"),
    "a system without a restore for this person": ("U0DAN", "#1 into crm-copy", "role"),
    "a person who may not take the rows out": ("U0ALICE", "#1 into crm-copy", "role"),
    "a folder": ("U0ERIN", "#1 into /srv/again", "leave out"),
    "another kind of database, that is not even there": ("U0ERIN", "#1 into crm-new", "crm-new"),
}


@pytest.mark.parametrize(("who", "words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_says_why_and_changes_nothing(rig: Rig, who: str, words: str, said: str) -> None:
    before = content(rig, "copy")
    since = rig.command(who, "/restore", f"{words} -- the new server")
    rig.told(who, since, said)
    assert rig.state(2) is None
    assert content(rig, "copy") == before


def test_into_its_own_system_is_an_ordinary_restore(rig: Rig) -> None:
    ballot = wanted(rig, "#1 into crm")
    assert "crm-copy" not in shown_text(rig.card(ballot))
    rig.approve(ballot, "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
    assert rig.contents() == content(rig, "before")


def test_a_stopped_system_takes_rows_back_and_the_card_says_that_it_is_stopped(rig: Rig) -> None:
    rig.command("U0ERIN", "/countersign", "freeze crm-copy")
    rig.wait(lambda: rig.row("SELECT frozen_by FROM targets WHERE name = 'crm-copy'"), "the freeze")
    ballot = wanted(rig)
    rig.approve(ballot, "U0CAROL", "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
    assert content(rig, "copy") == content(rig, "before")


def test_a_worker_killed_at_the_commit_finds_out_at_the_destination(rig: Rig) -> None:
    gone = rig.contents()
    ballot = wanted(rig)
    rig.dies("before-note")
    rig.approve(ballot, "U0CAROL", "U0DAN")
    rig.comes_back()
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
    assert content(rig, "copy") == content(rig, "before")
    assert rig.contents() == gone


def test_a_worker_killed_before_the_commit_does_it_again(rig: Rig) -> None:
    ballot = wanted(rig)
    rig.dies("inside", "step.insert")
    rig.approve(ballot, "U0CAROL", "U0DAN")
    rig.comes_back()
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "succeeded"
    assert content(rig, "copy") == content(rig, "before")


def test_a_stranger_who_takes_the_key_meanwhile_keeps_it(rig: Rig) -> None:
    (ada,) = [row for row in content(rig, "before")["customers"] if row[1] == crm.ADA_EMAIL]
    ballot = wanted(rig)
    with closing(sqlite3.connect(rig.folder / "copy.db")) as connection:
        places = ", ".join("?" * len(ada))
        connection.execute(f"INSERT INTO customers VALUES ({places})", (ada[0], "eve@x", *ada[2:]))
        connection.commit()
    before = content(rig, "copy")
    rig.approve(ballot, "U0CAROL", "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held", "refused") == "refused"
    assert content(rig, "copy") == before
