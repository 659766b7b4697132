"""What a rule may ask for, through the Slack door: either of two roles, stages, vetoes, exceptions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import NO, PATIENCE, YES, Rig

pytestmark = pytest.mark.slow

OWN = "    request: [support]\n    approve: [1 of dba, 1 of data-owner]\n"
LEGAL = (
    "  legal: {users: [U0FRANK], owner: U0CAROL}\n  contractor: {users: [U0DAN], owner: U0CAROL}\ntargets:\n"
)


def asking(approve: str, request: str = "[support]") -> Callable[[str], str]:
    """The sandbox's own file with another rule for deletions."""

    def change(text: str) -> str:
        assert OWN in text
        text = text.replace("targets:\n", LEGAL, 1)
        return text.replace(OWN, f"    request: {request}\n{approve}", 1)

    return change


@contextmanager
def rig_asking(folder: Path, approve: str, request: str = "[support]") -> Iterator[Rig]:
    with Rig(folder, asking(approve, request)) as rig:
        yield rig


def card_says(rig: Rig, ballot: Message, text: str) -> None:
    rig.slack.wait_for(lambda: text in shown_text(rig.card(ballot)), PATIENCE)


def refused(rig: Rig, who: str, ballot: Message, text: str, emoji: str = YES) -> None:
    since = rig.react(who, ballot, emoji)
    assert text in rig.told(who, since, text)


def test_either_of_two_roles_is_enough_and_the_card_says_what_is_missing(tmp_path: Path) -> None:
    with rig_asking(tmp_path, "    approve: [2 of dba, any: [1 of legal, 1 of data-owner]]\n") as rig:
        ballot = rig.ask_to_delete()
        card_says(rig, ballot, "Needs 2 more dba; legal or data-owner")
        rig.react("U0BOB", ballot)
        card_says(rig, ballot, "Needs 1 more dba (has 1 of 2); legal or data-owner")
        rig.react("U0FRANK", ballot)
        card_says(rig, ballot, "Needs 1 more dba (has 1 of 2)\n")
        rig.react("U0DAN", ballot)
        rig.wait_state(1, "succeeded")
        assert not rig.ada_is_there()


STAGES = """\
    stages:
      - {name: technical, approve: [2 of dba]}
      - {name: business, approve: [1 of data-owner]}
"""


def test_a_stage_waits_for_the_one_before_it_and_says_when_it_is_open(tmp_path: Path) -> None:
    with rig_asking(tmp_path, STAGES) as rig:
        ballot = rig.ask_to_delete()
        card_says(rig, ballot, "For “technical”, needs 2 more dba")
        card_says(rig, ballot, "After that: business")
        refused(rig, "U0CAROL", ballot, "technical")
        rig.approve(ballot, "U0BOB", "U0DAN")

        def opened() -> bool:
            notes = rig.thread(ballot.thread_ts or "")
            return any("next stage is open: business" in shown_text(note) for note in notes)

        rig.slack.wait_for(opened, PATIENCE)
        assert rig.state(1) == "pending", "what was said too early does not count later"
        rig.slack.as_user("U0CAROL").unreact(DELETIONS, ballot.ts, YES)
        rig.react("U0CAROL", ballot)
        rig.wait_state(1, "succeeded")
        assert not rig.ada_is_there()


def test_a_veto_stops_it_and_an_excepted_person_fills_nothing(tmp_path: Path) -> None:
    rule = "    approve: [1 of dba]\n    except: [contractor]\n    veto: [responder]\n"
    with rig_asking(tmp_path, rule) as rig:
        ballot = rig.ask_to_delete()
        refused(rig, "U0DAN", ballot, "contractor")
        refused(rig, "U0ERIN", ballot, "fills no slot")
        rig.slack.as_user("U0ERIN").unreact(DELETIONS, ballot.ts, YES)
        rig.react("U0ERIN", ballot, NO)
        rig.wait_state(1, "denied")
        since = rig.react("U0BOB", ballot)
        assert "Erin" in rig.told("U0BOB", since) or "U0ERIN" in rig.told("U0BOB", since)
        assert rig.state(1) == "denied"
        assert rig.ada_is_there()


def test_a_request_whose_approvals_cannot_be_gathered_is_refused_and_the_empty_slot_named(
    tmp_path: Path,
) -> None:
    rule = "    approve: [2 of dba, 1 of data-owner]\n"
    with rig_asking(tmp_path, rule, "[support, dba]") as rig:
        since = rig.command("U0BOB", "/delete-records", "crm customer ada@example.com -- GDPR request 4711")
        said = rig.told("U0BOB", since, "1 × dba")
        assert "never be met" in said
        assert rig.rows("SELECT number FROM requests WHERE number IS NOT NULL") == []
        assert rig.ada_is_there()
        assert rig.ask_to_delete().ts, "for somebody else the same rule can be met"
