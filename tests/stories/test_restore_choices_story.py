"""Somebody came back under the key of a deleted customer: what can be chosen is one press away, and exact."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.sandbox import crm
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def change(rig: Rig, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(rig.crm)) as connection, connection:
        connection.execute(statement, values)


def deleted(rig: Rig) -> tuple[dict[str, list[tuple[object, ...]]], int]:
    """Ada is deleted, and a stranger has her key; what was there before, and the key."""
    before = rig.contents()
    key = next(row[0] for row in before["customers"] if row[1] == crm.ADA_EMAIL)
    rig.approve(rig.ask_to_delete())
    rig.wait_state(1, "succeeded")
    change(rig, "INSERT INTO customers (id, email, name) VALUES (?, 'eve@evil.example', 'Eve')", key)
    return before, key


def refused(rig: Rig) -> tuple[Message, str]:
    since = rig.command("U0ERIN", "/restore", "#1 -- deleted the wrong one")
    message = rig.slack.as_user("U0ERIN").wait_for_private("different", newer_than=since, timeout=PATIENCE)
    return message, since


def test_the_refusal_counts_by_class_and_overwriting_is_one_press_away(rig: Rig) -> None:
    before, key = deleted(rig)
    message, _ = refused(rig)
    told = shown_text(message)
    assert "`customers`" in told
    assert "1 there and different" in told
    assert "to come back" in told
    buttons = [one["action_id"] for block in message.blocks for one in block.get("elements") or ()]
    assert buttons == ["restore-overwrite", "restore-skip"]

    since = rig.slack.core.stamp()
    rig.slack.as_user("U0ERIN").click_private(message, "restore-overwrite")
    ballot = rig.ballot(since)
    assert "*Overwritten:* 1 row" in shown_text(rig.card(ballot))
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "`customers`  1" in plan
    assert "Eve" not in plan
    rig.approve(ballot, "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held") == "succeeded"
    assert rig.contents() == before
    receipt = rig.slack.wait_for(lambda: rig.receipts()[1:], PATIENCE)[0]
    (fresh,) = rig.rows(
        "SELECT b.reference FROM backups b JOIN requests r ON r.id = b.request_id WHERE r.number = 2"
    )
    assert fresh[0] in shown_text(receipt)
    assert "deleted the wrong one" not in str(
        rig.rows("SELECT * FROM erasable WHERE subject LIKE 'request:%'")
    )

    # And back again, by the number of the restore: the stranger is there as before.
    since = rig.command("U0ERIN", "/restore", "#2 overwrite -- Eve was right")
    rig.approve(rig.ballot(since), "U0DAN")
    assert rig.wait_state(3, "succeeded", "failed", "held") == "succeeded"
    assert [row[1] for row in rig.contents()["customers"] if row[0] == key] == ["eve@evil.example"]


def test_leaving_out_leaves_exactly_that_out(rig: Rig) -> None:
    _, key = deleted(rig)
    bystander = rig.slack.as_user("U0ALICE")
    message, _ = refused(rig)
    token = next(
        one["value"] for block in message.blocks for one in block.get("elements") or () if "value" in one
    )
    assert re.fullmatch(r"[0-9a-f]{24}", token)
    assert token not in json.dumps([one.text for one in bystander.private()])
    between = rig.contents()
    since = rig.slack.core.stamp()
    rig.slack.as_user("U0ERIN").click_private(message, "restore-skip")
    # Everything in this backup hangs off the customer: nothing is left that could come back.
    told = rig.told("U0ERIN", since, "left out")
    assert "nothing to restore" in told
    assert rig.contents() == between
    assert any(row[0] == key for row in between["customers"])


def test_one_of_two_comes_back_and_one_table_after_it(rig: Rig) -> None:
    before = rig.contents()
    other = rig.somebody()
    other = other if other != crm.ADA_EMAIL else "nobody"
    since = rig.command("U0ALICE", "/delete-records", f"crm customer {crm.ADA_EMAIL},{other} -- twice")
    rig.approve(rig.ballot(since))
    rig.wait_state(1, "succeeded")
    since = rig.command("U0ERIN", "/restore", f"#1 only <mailto:{other}|{other}> \u2014 the wrong one")
    ballot = rig.ballot(since)
    assert f"`{other}`" in shown_text(rig.card(ballot))
    rig.approve(ballot, "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "held") == "succeeded"
    emails = {row[1] for row in rig.contents()["customers"]}
    assert other in emails
    assert crm.ADA_EMAIL not in emails
    for table in ("erasable", "revisions", "audit_log", "requests", "jobs"):
        assert other not in str(rig.rows(f"SELECT * FROM {table}"))
    since = rig.command("U0ERIN", "/countersign", "restore #1 table customers -- and the other")
    rig.approve(rig.ballot(since), "U0DAN")
    assert rig.wait_state(3, "succeeded", "failed", "held") == "succeeded"
    assert {row[1] for row in rig.contents()["customers"]} == {row[1] for row in before["customers"]}
    since = rig.command("U0ERIN", "/restore", "#1 -- all of it")
    rig.approve(rig.ballot(since), "U0DAN")
    assert rig.wait_state(4, "succeeded", "failed", "held") == "succeeded"
    assert rig.contents() == before


@pytest.mark.parametrize(
    ("moment", "step"),
    [("after", "step.test-restore"), ("after", "step.insert"), ("after", "step.commit"), ("before-note", "")],
)
def test_kill_9_around_an_overwriting_loses_and_repeats_nothing(rig: Rig, moment: str, step: str) -> None:
    before, _ = deleted(rig)
    rig.dies(moment, step)
    since = rig.command("U0ERIN", "/restore", "#1 overwrite -- deleted the wrong one")
    rig.approve(rig.ballot(since), "U0DAN")
    rig.comes_back()
    assert rig.wait_state(2, "succeeded", "failed", "held") == "succeeded"
    assert rig.contents() == before
    # One backup of what was overwritten, in the books and in the store; none of an attempt that died.
    booked = {row[0] for row in rig.rows("SELECT id FROM backups")}
    assert len(booked) == 2
    stored = {one.name.removesuffix(".age") for one in rig.folder.glob("**/*.age") if ".key" not in one.name}
    assert stored == booked
