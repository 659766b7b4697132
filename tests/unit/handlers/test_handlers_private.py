"""Where a private answer appears: where one pressed, and never nowhere."""

from typing import Any

import pytest

from handlers.views import forms
from tests.fakes.slack import no
from tests.unit.handlers.doorway import Doorway

CARD_TOO = {"thread", "channel"}


def answers(doorway: Doorway, user: str) -> list[str]:
    """Where each private sentence to a person went, in order: thread, channel, direct."""
    doorway.deliver(3)
    card = doorway.slack.of_kind("card")[-1]["ts"]
    found = []
    for method, given in doorway.slack.calls:
        if method == "chat.postEphemeral" and given["user"] == user:
            assert given.get("thread_ts") in (None, card)
            found.append("thread" if "thread_ts" in given else "channel")
        if method == "chat.postMessage" and given["channel"] == f"D{user[1:]}":
            found.append("direct")
    return found


def press(doorway: Doorway, message: dict[str, Any], action: str, user: str, value: str = "1.1") -> None:
    doorway.click(action, value, message["ts"], user)


def test_a_vote_is_answered_in_the_thread_by_click_and_by_reaction(doorway: Doorway) -> None:
    _, _, ballot = doorway.pending()
    press(doorway, ballot, "vote-approve", "U0DAN")
    assert answers(doorway, "U0DAN") == ["thread"]
    doorway.react(ballot["ts"], "U0CAROL")
    assert answers(doorway, "U0CAROL") == ["thread"]


def test_so_is_a_no_and_its_reason(doorway: Doorway) -> None:
    _, _, ballot = doorway.pending()
    press(doorway, ballot, "vote-approve", "U0ALICE")
    assert answers(doorway, "U0ALICE") == ["thread"]
    press(doorway, ballot, "vote-deny", "U0DAN")
    carried = {"channel": "C0DELETIONS", "request": 1}
    doorway.submit(forms.DENY, {"reason": "not this one"}, user="U0DAN", carried=carried)
    assert answers(doorway, "U0DAN") == ["thread", "thread"]


@pytest.mark.parametrize("kind", ["plan", "ballot"])
@pytest.mark.parametrize("emoji", ["eyes", "white_check_mark"])
def test_a_reaction_that_counts_for_nothing_is_answered_in_the_thread(
    doorway: Doorway, kind: str, emoji: str
) -> None:
    doorway.pending()
    doorway.react(doorway.slack.of_kind(kind)[-1]["ts"], "U0ALICE", emoji)
    assert answers(doorway, "U0ALICE") == ["thread"]


def test_the_card_stands_in_the_channel_and_over_its_thread_so_both_are_told(doorway: Doorway) -> None:
    _, card, _ = doorway.pending()
    press(doorway, card, "cancel", "U0BOB", "1")
    assert answers(doorway, "U0BOB") == ["thread", "channel"]
    doorway.react(card["ts"], "U0ERIN")
    assert answers(doorway, "U0ERIN") == ["thread", "channel"]


def test_a_command_is_answered_where_it_was_typed(doorway: Doorway) -> None:
    doorway.pending()
    doorway.command("/countersign", "cancel 1", user="U0BOB")
    assert answers(doorway, "U0BOB") == ["channel"]
    assert doorway.slack.called("chat.postEphemeral")[-1]["channel"] == "C0ASKING"


@pytest.mark.parametrize("code", ["cannot_reply_to_message", "thread_not_found", "restricted_action"])
def test_what_slack_does_not_take_for_the_thread_goes_to_the_channel_and_then_to_the_person(
    doorway: Doorway, code: str
) -> None:
    _, _, ballot = doorway.pending()
    doorway.slack.fail("chat.postEphemeral", no(code))
    press(doorway, ballot, "vote-approve", "U0DAN")
    assert answers(doorway, "U0DAN")[-1] == "channel"
    doorway.slack.fail("chat.postEphemeral", no(code), no("user_not_in_channel"))
    press(doorway, ballot, "vote-approve", "U0CAROL")
    assert answers(doorway, "U0CAROL")[-1] == "direct"


def test_what_was_told_in_the_thread_is_not_told_again_when_the_channel_refuses(doorway: Doorway) -> None:
    _, card, _ = doorway.pending()
    press(doorway, card, "cancel", "U0BOB", "1")
    calls = doorway.slack.trouble.setdefault("chat.postEphemeral", [])
    assert not calls
    assert answers(doorway, "U0BOB") == ["thread", "channel"]
    assert doorway.waiting() == []


@pytest.mark.parametrize("about", ["", "0", "x", "7" * 40, "-1", "99"])
def test_a_form_about_a_request_that_is_not_there_is_answered_in_the_channel(
    doorway: Doorway, about: str
) -> None:
    doorway.pending()
    carried = {"channel": "C0DELETIONS", "request": about}
    doorway.submit(forms.DENY, {"reason": "why"}, user="U0DAN", carried=carried)
    assert answers(doorway, "U0DAN") == ["channel"]


def test_the_private_answer_is_erased_from_our_books_once_told(doorway: Doorway) -> None:
    _, card, _ = doorway.pending()
    press(doorway, card, "cancel", "U0BOB", "1")
    answers(doorway, "U0BOB")
    subjects = [str(row["subject"]) for row in doorway.house.rows("erasable")]
    assert not [one for one in subjects if one.startswith("private:")]
