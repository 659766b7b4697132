"""Whatever a person can send that is wrong: one clear sentence to that person, nothing changed."""

import re
from collections.abc import Iterator

import pytest

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS
from tests.stories.rig import NO, PATIENCE, YES, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad-input")]

FORGED = "cs1." + "A" * 160
#: What is typed, by whom, and what the one sentence says.
COMMANDS = {
    "an unknown system": ("U0ALICE", "/delete-records", "erp customer 1 -- why", "erp"),
    "an unknown kind of record": ("U0ALICE", "/delete-records", "crm invoice 1 -- why", "invoice"),
    "an identifier nobody has": (
        "U0ALICE",
        "/delete-records",
        "crm customer no@example.com -- why",
        "matches no row",
    ),
    "a number with letters": ("U0ALICE", "/delete-records", "crm customer 12abc -- why", "matches no row"),
    "wildcards are characters": (
        "U0ALICE",
        "/delete-records",
        "crm customer %@example.com -- why",
        "matches no row",
    ),
    "a statement is a value": (
        "U0ALICE",
        "/delete-records",
        'crm customer "1\'; DROP TABLE notes;" -- why',
        "matches no row",
    ),
    "a value with NUL": ("U0ALICE", "/delete-records", "crm customer a\0b -- why", ""),
    "a megabyte": ("U0ALICE", "/delete-records", f"crm customer {'x' * 1_000_000} -- why", ""),
    "another script": ("U0ALICE", "/delete-records", "crm customer 李雷 -- why", "matches no row"),
    "no role": ("U0FRANK", "/delete-records", "crm customer 1 -- why", "support"),
    "a guest": ("U0GUS", "/delete-records", "crm customer 1 -- why", "uest"),
    "somebody of another workspace": ("U0OLGA", "/delete-records", "crm customer 1 -- why", "workspace"),
    "a restore without the role": ("U0ALICE", "/restore", f"{FORGED} -- why", "responder"),
    "an altered reference": ("U0ERIN", "/restore", f"{FORGED} -- why", "reference"),
    "a cut reference": ("U0ERIN", "/restore", "cs1.AAAA -- why", "reference"),
    "no reference at all": ("U0ERIN", "/restore", "hello -- why", ""),
    "the number of no request": ("U0ERIN", "/restore", "#99 -- why", "99"),
    "showing no request": ("U0ALICE", "/countersign", "show 99", "99"),
    "stopping no request": ("U0ALICE", "/countersign", "stop 99", "99"),
    "freezing nothing": ("U0ALICE", "/countersign", "freeze erp", "erp"),
    "unfreezing what is not frozen": ("U0ERIN", "/countersign", "unfreeze crm -- why", "not frozen"),
    "an unknown word": ("U0ALICE", "/countersign", "abracadabra", ""),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.mark.parametrize("case", COMMANDS)
def test_a_wrong_command_gets_one_sentence_and_changes_nothing(rig: Rig, case: str) -> None:
    who, name, text, expected = COMMANDS[case]
    before, messages = rig.contents(), len(rig.room())
    since = rig.command(who, name, text)
    said = rig.told(who, since)
    if expected and expected not in said:
        said = rig.told(who, since, expected)
    assert expected in said
    assert re.search(r"[.!?…`)。]\s*$", said.strip())
    assert rig.contents() == before
    assert len(rig.room()) == messages
    assert not rig.slack.violations


def test_a_command_without_a_reason_opens_a_form_with_what_was_typed(rig: Rig) -> None:
    rig.command("U0ALICE", "/delete-records", f"crm customer {crm.ADA_EMAIL}")
    view = rig.slack.as_user("U0ALICE").wait_for_view(timeout=PATIENCE)
    assert crm.ADA_EMAIL in str(view.body)
    rig.slack.as_user("U0ALICE").close(view.id)


def test_votes_that_do_not_count_change_nothing_and_are_told_once(rig: Rig) -> None:
    ballot = rig.ask_to_delete("grace@example.com")
    number = rig.row("SELECT max(number) FROM requests")[0]
    for who, emoji in (("U0ALICE", YES), ("U0FRANK", YES), ("U0GUS", YES), ("U0OLGA", NO), ("U0BOB", "tada")):
        since = rig.react(who, ballot, emoji)
        assert rig.told(who, since)
    card = rig.card(ballot)
    since = rig.react("U0BOB", card)
    assert "ballot" in rig.told("U0BOB", since)
    assert rig.state(number) == "pending"
    votes = "SELECT count(*) FROM votes WHERE request_id = (SELECT id FROM requests WHERE number = ?)"
    assert rig.row(votes, number)[0] == 0
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")
    since = rig.react("U0BOB", ballot)
    assert rig.told("U0BOB", since)
    rig.slack.as_user("U0CAROL")
    assert rig.state(number) == "cancelled"


def test_a_denial_with_a_reason_reaches_the_requester_and_can_be_taken_back(rig: Rig) -> None:
    ballot = rig.ask_to_delete("grace@example.com")
    number = rig.row("SELECT max(number) FROM requests")[0]
    rig.react("U0CAROL", ballot, NO)
    rig.wait_state(number, "denied")
    rig.slack.as_user("U0CAROL").unreact(DELETIONS, ballot.ts, NO)
    rig.wait_state(number, "pending")
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def test_a_customer_named_like_a_shout_pings_nobody(rig: Rig) -> None:
    shout = next(row for row in rig.contents()["customers"] if row[2] == "<!channel>")
    since = rig.command("U0ALICE", "/delete-records", f"crm customer {shout[0]} -- <!channel> everybody")
    ballot = rig.ballot(since)
    number = rig.row("SELECT max(number) FROM requests")[0]
    for message in (rig.card(ballot), *rig.thread(ballot.thread_ts)):
        assert "<!channel>" not in str(message.blocks) + message.text
    rig.command("U0ALICE", "/countersign", f"cancel {number}")
    rig.wait_state(number, "cancelled")


def test_freeze_keeps_an_approved_request_from_starting_until_it_is_lifted(rig: Rig) -> None:
    # The tests run in any order, and this one takes somebody away.
    ballot = rig.ask_to_delete(rig.somebody("grace@example.com", crm.ADA_EMAIL))
    number = rig.row("SELECT max(number) FROM requests")[0]
    since = rig.command("U0ALICE", "/countersign", "freeze crm -- audit")
    assert "frozen" in rig.told("U0ALICE", since)
    rig.approve(ballot)
    rig.wait_state(number, "approved")
    since = rig.command("U0ERIN", "/countersign", "unfreeze crm -- audit is over")
    unfreeze = rig.ballot(since)
    assert rig.state(number) == "approved"
    rig.react("U0CAROL", unfreeze)
    rig.wait_state(number, "succeeded")
    reference = rig.row(
        "SELECT reference FROM backups WHERE request_id = (SELECT id FROM requests WHERE number = ?)", number
    )[0]
    rig.slack.wait_for(lambda: any(f"`{reference}`" in str(one.blocks) for one in rig.receipts()), PATIENCE)
