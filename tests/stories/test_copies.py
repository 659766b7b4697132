"""What else holds copies is ticked off on the receipt, through the real Slack door."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

COPIES = """\
    copies:
      - {name: Search index, who: dba}
      - {name: Newsletter}
    soft_references:
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path, lambda text: text.replace("    soft_references:\n", COPIES)) as rig:
        yield rig


def receipt(rig: Rig) -> Message:
    (found,) = rig.slack.wait_for(rig.receipts, PATIENCE)
    return found


def press(rig: Rig, who: str, action: str, place: int) -> str:
    """Press the button of one of the copies; since when."""
    since = rig.slack.core.stamp()
    button = next(
        block["accessory"]
        for block in receipt(rig).blocks
        if block.get("accessory", {}).get("action_id") == action
        and block["accessory"]["value"].endswith(f".{place}")
    )
    rig.slack.as_user(who).click(DELETIONS, receipt(rig).ts, action, value=button["value"])
    return since


def ticks(rig: Rig) -> list[str | None]:
    return [row[0] for row in rig.rows("SELECT done_by FROM copies ORDER BY place")]


def logged(rig: Rig) -> list[str]:
    entries = [json.loads(row[0]) for row in rig.rows("SELECT entry FROM audit_log ORDER BY seq")]
    return [f"{one['kind']} {one['body'].get('copy', '')}".strip() for one in entries if "cop" in one["kind"]]


def test_the_plan_announces_them_and_people_tick_them_off(rig: Rig) -> None:
    ballot = rig.ask_to_delete()
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "2 other things hold copies" in plan
    assert "Search index – dba" in plan
    rig.approve(ballot)
    rig.wait_state(1, "succeeded")
    assert "0 of 2 ticked off" in shown_text(receipt(rig))
    rig.wait(lambda: "still open: Search index, Newsletter" in shown_text(rig.card(ballot)), "the card")

    since = press(rig, "U0ALICE", "copy-done", 0)
    assert "people with the role dba" in rig.told("U0ALICE", since)
    assert ticks(rig) == [None, None]

    since = press(rig, "U0BOB", "copy-done", 0)
    assert "Ticked off and recorded: Search index" in rig.told("U0BOB", since)
    rig.wait(lambda: "1 of 2 ticked off" in shown_text(receipt(rig)), "the receipt should be redrawn")
    assert "Search index – <@U0BOB>" in shown_text(receipt(rig))

    press(rig, "U0BOB", "copy-reopen", 0)
    rig.wait(lambda: ticks(rig) == [None, None], "undo")
    rig.wait(lambda: "0 of 2 ticked off" in shown_text(receipt(rig)), "the receipt should be redrawn")
    press(rig, "U0BOB", "copy-done", 0)
    press(rig, "U0ALICE", "copy-done", 1)
    rig.wait(lambda: ticks(rig) == ["U0BOB", "U0ALICE"], "both")
    rig.wait(lambda: "All 2 copies elsewhere are ticked off" in shown_text(rig.card(ballot)), "the card")
    assert logged(rig) == [
        "copy-done Search index",
        "copy-reopened Search index",
        "copy-done Search index",
        "copy-done Newsletter",
        "copies-done",
    ]


def test_a_teardown_asks_for_them_once_everything_is_gone(tmp_path: Path) -> None:
    def change(text: str) -> str:
        return text.replace("    soft_references:\n", COPIES, 1)

    with town(tmp_path, grace="6s", change=change) as (rig, _):
        ballot = ask(rig)
        assert "2 other things hold copies" in thread(rig, ballot)
        rig.approve(ballot)
        rig.wait_state(1, "set-aside")
        assert "ticked off" not in shown_text(receipt(rig))
        assert rig.wait_state(1, "succeeded", "held", "failed", patience=60) == "succeeded"
        rig.slack.wait_for(lambda: "0 of 2 ticked off" in shown_text(receipt(rig)), PATIENCE)
        press(rig, "U0BOB", "copy-done", 1)
        rig.wait(lambda: ticks(rig) == [None, "U0BOB"], "the tick")


def test_a_late_second_click_hears_who_was_first(rig: Rig) -> None:
    rig.approve(rig.ask_to_delete())
    rig.wait_state(1, "succeeded")
    rig.slack.wait_for(lambda: "0 of 2" in shown_text(receipt(rig)), PATIENCE)
    old = deepcopy(receipt(rig))
    press(rig, "U0BOB", "copy-done", 0)
    rig.wait(lambda: ticks(rig)[0] == "U0BOB", "the tick")
    since = rig.slack.core.stamp()
    # A phone in a pocket still shows the receipt as it was.
    rig.slack.as_user("U0DAN")._click(old, "copy-done", value="1.0")
    assert "ticked off already, by <@U0BOB>" in rig.told("U0DAN", since)
    since = rig.command("U0ALICE", "/countersign", "show 1")
    assert "1 of 2 ticked off; still open: Newsletter" in rig.told("U0ALICE", since)
