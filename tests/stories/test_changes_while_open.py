"""The policy and a user group change while a request is open, with real processes and through the real door."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import Rig

pytestmark = pytest.mark.slow

ASKED, MORE = "approve: [1 of dba, 1 of data-owner]", "approve: [2 of dba, 1 of data-owner]"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def said(rig: Rig, ballot: Message) -> str:
    assert ballot.thread_ts
    return "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts))


def test_a_stricter_policy_asks_again_and_the_old_ballot_counts_no_more(rig: Rig) -> None:
    ballot = rig.ask_to_delete()
    rig.react("U0BOB", ballot)
    rig.wait(lambda: rig.row("SELECT count(*) FROM votes")[0] == 1, "Bob's vote")
    rig.stop("worker")
    file = rig.folder / "countersign.yml"
    file.write_text(file.read_text(encoding="utf-8").replace(ASKED, MORE), encoding="utf-8")
    rig.start_worker()
    again = rig.ballot(ballot.ts)
    rig.wait(lambda: "The policy has changed".lower() in said(rig, ballot).lower(), "the thread says so")
    assert "Other approvals are asked for" in said(rig, ballot)
    since = rig.react("U0CAROL", ballot)
    assert "newer" in rig.told("U0CAROL", since) or "ballot" in rig.told("U0CAROL", since)
    rig.approve(again, "U0BOB", "U0CAROL")
    rig.wait(lambda: rig.row("SELECT count(*) FROM votes WHERE revision = 2")[0] == 2, "two votes")
    assert rig.state(1) == "pending"
    assert rig.ada_is_there()
    rig.approve(again, "U0DAN")
    assert rig.wait_state(1, "succeeded", "failed", "held") == "succeeded"
    assert not rig.ada_is_there()


def test_who_leaves_the_group_has_not_approved_any_more(rig: Rig) -> None:
    ballot = rig.ask_to_delete()
    rig.react("U0BOB", ballot)
    rig.wait(lambda: rig.row("SELECT count(*) FROM votes")[0] == 1, "Bob's vote")
    rig.wait(lambda: rig.row("SELECT count(*) FROM role_members")[0] == 4, "the watch has looked once")
    rig.slack.admin.change_group("S0DBA", ["U0DAN", "U0ERIN"])
    rig.wait(lambda: "no longer holds dba" in said(rig, ballot), "the thread says so", patience=90)
    assert "dba has more members now" in said(rig, ballot)
    assert rig.row("SELECT count(*) FROM votes")[0] == 0
    rig.approve(ballot, "U0ERIN", "U0CAROL")
    assert rig.wait_state(1, "succeeded", "failed", "held") == "succeeded"
