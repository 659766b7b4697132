"""Many records go one after the other, through the real Slack door: seen, stopped, cut off, and brought back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.stories.rig import PATIENCE, Rig
from tests.stories.town import press, thread

pytestmark = pytest.mark.slow

MANY = "    segments: {above: 5}\n    soft_references:\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path, lambda text: text.replace("    soft_references:\n", MANY)) as rig:
        yield rig


def emails(rig: Rig) -> str:
    found = [row for row in rig.contents()["customers"] if row[1]][:3]
    return ",".join(row[1] for row in found)


def test_they_go_part_by_part_and_one_reference_brings_all_of_them_back(rig: Rig) -> None:
    before = rig.contents()
    since = rig.command("U0ALICE", "/delete-records", f"crm customer {emails(rig)} -- they all asked")
    ballot = rig.ballot(since)
    plan = "\n".join(shown_text(one) for one in rig.thread(ballot.thread_ts or ""))
    assert "goes in 3 parts" in plan
    rig.approve(ballot)
    rig.wait_state(1, "succeeded")
    assert len(before["customers"]) - len(rig.contents()["customers"]) == 3
    (receipt,) = rig.wait(rig.receipts, "a receipt")
    told = shown_text(receipt)
    assert "names the backups of all 3 parts" in told
    assert "3 of 3 parts done" in shown_text(rig.card(ballot))
    (reference,) = rig.row("SELECT reference FROM backups ORDER BY created_at DESC LIMIT 1")
    assert reference in told

    since = rig.command("U0ERIN", "/restore", f"{reference} -- they came back")
    back = rig.ballot(since)
    assert "comes back part by part" in "\n".join(shown_text(one) for one in rig.thread(back.thread_ts or ""))
    rig.approve(back, "U0BOB")
    rig.wait_state(2, "succeeded")
    assert rig.contents() == before
    assert not rig.slack.violations


def test_a_pause_stands_still_between_two_parts_until_somebody_lets_it_go_on(rig: Rig) -> None:
    before = rig.contents()
    since = rig.command("U0ALICE", "/delete-records", f"crm customer {emails(rig)} -- they all asked")
    ballot = rig.ballot(since)
    rig.dies("linger", "step.copy")
    rig.approve(ballot)
    lingering = rig.folder / "data" / "lingering"
    rig.wait(lingering.exists, "the first part is under way")
    press(rig, ballot, "U0DAN", "pause")
    assert "stands still when the part" in rig.told("U0DAN", since)
    rig.slack.wait_for(lambda: "wants a pause" in shown_text(rig.card(ballot)), PATIENCE)
    since = rig.command("U0DAN", "/countersign", "pause 1")
    assert "already" in rig.told("U0DAN", since)
    rig.stop("worker")
    rig.start_worker()
    rig.wait_state(1, "held")
    assert len(before["customers"]) - len(rig.contents()["customers"]) == 1
    rig.slack.wait_for(lambda: "paused it" in thread(rig, ballot), PATIENCE)
    press(rig, ballot, "U0ALICE", "go-on")
    rig.wait_state(1, "succeeded")
    assert len(before["customers"]) - len(rig.contents()["customers"]) == 3
    assert len(rig.receipts()) == 1
    assert not rig.slack.violations
