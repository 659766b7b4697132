"""Deleted, brought back, deleted again and brought back again: by two words and one button, and nobody alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def brought_back(rig: Rig, number: int, becomes: int) -> None:
    rig.approve(rig.ballot(rig.command("U0ERIN", "/restore", f"#{number} -- the wrong account")), "U0DAN")
    rig.wait_state(becomes, "succeeded")


def pressed(rig: Rig) -> Message:
    """*Undo…* on the receipt of the restore, which asks for a reason; the ballot."""
    receipt = rig.slack.wait_for(lambda: rig.receipts()[1:], PATIENCE)[0]
    alice, since = rig.slack.as_user("U0ALICE"), rig.slack.core.stamp()
    assert alice.click(DELETIONS, receipt.ts, "undo").acked
    form = alice.wait_for_view("Undo a restore", timeout=PATIENCE)
    assert list(alice.submit(form.id, {"reason": " "}).errors) == ["reason"]
    assert not alice.submit(form.id, {"reason": "it was the right one"}).errors
    return rig.ballot(since)


def test_a_restore_is_undone_and_done_again_to_the_byte(rig: Rig) -> None:
    before = rig.contents()
    rig.approve(rig.ask_to_delete())
    rig.wait_state(1, "succeeded")
    after = rig.contents()
    brought_back(rig, 1, 2)
    assert rig.contents() == before

    # Whoever may restore may not delete: the private answer names the role.
    since = rig.command("U0ERIN", "/countersign", "undo 2 -- it was the right one")
    assert "support" in rig.told("U0ERIN", since)
    ballot = pressed(rig)
    card = shown_text(rig.card(ballot))
    assert "restore #2" in card
    assert "Deletion #3" in card
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "takes back restore #2" in plan
    rig.approve(ballot)
    rig.wait_state(3, "succeeded")
    assert rig.contents() == after
    assert "taken back already" in rig.told(
        "U0ALICE", rig.command("U0ALICE", "/countersign", "undo 2 -- again")
    )

    brought_back(rig, 3, 4)
    assert rig.contents() == before
    # And typed, of a restore of what was undone.
    rig.approve(rig.ballot(rig.command("U0ALICE", "/countersign", "undo #4 \u2014 once more")))
    rig.wait_state(5, "succeeded")
    assert rig.contents() == after
