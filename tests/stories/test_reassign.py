"""A seller leaves: who takes over is named, shown, approved, and taken back by a restore, also after kill -9."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow

LEAVES, STAYS = "seller3@acme.example", "seller4@acme.example"
WISH = f"crm user {LEAVES} reassign {STAYS} -- left the company"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def owned(rig: Rig, seller: int) -> tuple[int, int]:
    """How many accounts and deals belong to a seller."""
    found = rig.contents()
    return sum(row[3] == seller for row in found["accounts"]), sum(row[2] == seller for row in found["deals"])


def after(before: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """What the deletion must leave, worked out by hand."""

    def handed(row: tuple[Any, ...], place: int, new: int | None) -> tuple[Any, ...]:
        return (*row[:place], new if row[place] == 3 else row[place], *row[place + 1 :])

    return {
        **before,
        "users": [row for row in before["users"] if row[0] != 3],
        "accounts": [handed(row, 3, 4) for row in before["accounts"]],
        "deals": [handed(row, 2, 4) for row in before["deals"]],
        "notes": [handed(row, 3, None) for row in before["notes"]],
    }


def fill_in(rig: Rig) -> Message:
    """The form, first with two people who take over."""
    since = rig.command("U0ALICE", "/delete-records", "")
    alice = rig.slack.as_user("U0ALICE")
    form = alice.wait_for_view("Delete")
    filled = {"target": "crm", "record": "user", "values": LEAVES, "reason": "left the company"}
    assert list(alice.submit(form.id, {**filled, "heir": f"{STAYS}\n{LEAVES}"}).errors) == ["heir"]
    assert not alice.submit(form.id, {**filled, "heir": STAYS}).errors
    return rig.ballot(since)


def test_nobody_is_forgotten_everybody_is_told_and_all_of_it_comes_back(rig: Rig) -> None:
    before, (accounts, deals) = rig.contents(), owned(rig, 3)
    since = rig.command("U0ALICE", "/delete-records", f"crm user {LEAVES} -- left the company")
    told = rig.told("U0ALICE", since, "reassign")
    assert f"{accounts + deals} rows in crm stay" in told
    assert f"accounts.owner_id -&gt; users.id: {accounts}" in told

    ballot = fill_in(rig)
    card = shown_text(rig.card(ballot))
    assert f"{accounts + deals} rows go to `Seller 4`" in card
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert f"`deals.owner_id -> users.id`  {deals}" in plan.replace("&gt;", ">")
    assert "`Seller 4`" in plan

    rig.approve(ballot)
    rig.wait_state(1, "succeeded")
    (receipt,) = rig.slack.wait_for(rig.receipts, PATIENCE)
    assert f"{accounts + deals} rows stayed and point at somebody else now" in shown_text(receipt)
    assert rig.contents() == after(before)
    rig.wait(lambda: "Seller 4" not in shown_text(rig.card(ballot)), "the card should forget who takes over")
    assert "Seller 4" not in "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    for table in ("erasable", "revisions", "audit_log"):
        assert STAYS not in str(rig.rows(f"SELECT * FROM {table}"))
        assert "Seller 4" not in str(rig.rows(f"SELECT * FROM {table}"))

    since = rig.command("U0ERIN", "/restore", "#1 -- came back")
    rig.approve(rig.ballot(since), "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "refused") == "succeeded"
    assert rig.contents() == before


def test_the_plan_alone_says_the_same_and_files_nothing(rig: Rig) -> None:
    since = rig.command("U0ALICE", "/countersign", f"plan crm user {LEAVES} reassign {STAYS}")
    assert "`Seller 4`" in rig.told("U0ALICE", since, "Seller 4")
    since = rig.command("U0ALICE", "/countersign", f"plan crm user {LEAVES} reassign {LEAVES}")
    assert "itself be deleted" in rig.told("U0ALICE", since, "deleted")


@pytest.mark.parametrize(
    ("moment", "step"), [("after", "step.delete"), ("after", "step.commit"), ("before-note", "")]
)
def test_kill_9_around_the_handing_over_loses_and_repeats_nothing(rig: Rig, moment: str, step: str) -> None:
    before = rig.contents()
    rig.dies(moment, step)
    since = rig.command("U0ALICE", "/delete-records", WISH)
    rig.approve(rig.ballot(since))
    rig.comes_back()
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    assert rig.contents() == after(before)
    (receipt,) = rig.slack.wait_for(rig.receipts, PATIENCE)
    assert "point at somebody else now" in shown_text(receipt)
    since = rig.command("U0ERIN", "/restore", "#1 -- came back")
    rig.approve(rig.ballot(since), "U0DAN")
    assert rig.wait_state(2, "succeeded", "failed", "refused") == "succeeded"
    assert rig.contents() == before
