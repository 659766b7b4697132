"""Reactions as Slack delivers them: late, twice, out of order, in other colours."""

import itertools
from typing import Any

import pytest

from bot.jobs.permit import Gate
from bot.model.requests import Choice, State
from tests.fakes.rooms import CHANNEL, House, planned, snapshot

YES, NO = "white_check_mark", "x"
Event = tuple[str, bool, str]


def play(house: House, events: list[Event], user: str = "U0DAN") -> tuple[int, tuple[str, str]]:
    request_id = house.pending()
    place = house.ballot(request_id)
    for emoji, added, ts in events:
        house.react(place, user, emoji, ts, added)
    return request_id, place


ORDERS: dict[str, tuple[list[Event], Choice | None]] = {
    "a yes": ([(YES, True, "1")], Choice.APPROVE),
    "a yes with a skin tone": ([(YES + "::skin-tone-4", True, "1")], Choice.APPROVE),
    "a no": ([(NO, True, "1")], Choice.DENY),
    "a yes, twice": ([(YES, True, "1"), (YES, True, "1")], Choice.APPROVE),
    "a yes, taken off": ([(YES, True, "1"), (YES, False, "2")], None),
    "taken off, delivered before the yes": ([(YES, False, "2"), (YES, True, "1")], None),
    "on, off, on": ([(YES, True, "1"), (YES, False, "2"), (YES, True, "3")], Choice.APPROVE),
    "on, off, on, the middle one last": (
        [(YES, True, "1"), (YES, True, "3"), (YES, False, "2")],
        Choice.APPROVE,
    ),
    "a yes, then a no": ([(YES, True, "1"), (NO, True, "2")], Choice.DENY),
    "a yes that comes after a later no": ([(NO, True, "2"), (YES, True, "1")], Choice.DENY),
    "a no, then a yes": ([(NO, True, "1"), (YES, True, "2")], Choice.APPROVE),
    "a no that comes after a later yes": ([(YES, True, "2"), (NO, True, "1")], Choice.APPROVE),
    "a no taken off while a yes is there": (
        [(YES, True, "1"), (NO, True, "2"), (NO, False, "3")],
        Choice.APPROVE,
    ),
    "a yes taken off while a no is there": (
        [(NO, True, "1"), (YES, True, "2"), (YES, False, "3")],
        Choice.DENY,
    ),
    "a yes taken off under a no": ([(YES, True, "1"), (NO, True, "2"), (YES, False, "3")], Choice.DENY),
    "a late yes under a no that is taken off": (
        [(NO, True, "2"), (YES, True, "1"), (NO, False, "3")],
        Choice.APPROVE,
    ),
    "microseconds apart": (
        [(YES, True, "1700000000.000002"), (YES, False, "1700000000.000001")],
        Choice.APPROVE,
    ),
    "a removal of what never was": ([(NO, False, "1")], None),
    "a time that is no number, after one": ([(YES, True, "1"), (YES, False, "soon")], Choice.APPROVE),
}


@pytest.mark.parametrize("case", ORDERS)
def test_what_counts_is_what_the_person_did_last(house: House, case: str) -> None:
    events, choice = ORDERS[case]
    request_id, _ = play(house, events)
    assert house.votes(request_id) == ({} if choice is None else {"U0DAN": choice})
    assert house.state(request_id) is (State.DENIED if choice is Choice.DENY else State.PENDING)


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_no_order_of_delivery_changes_the_end(house: House, order: tuple[int, ...]) -> None:
    """On, off and on again, and a no in between that is taken off."""
    events = [(YES, True, "1"), (NO, True, "2"), (NO, False, "3"), (YES, True, "1")]
    request_id, _ = play(house, [events[position] for position in order])
    assert house.votes(request_id) == {"U0DAN": Choice.APPROVE}


@pytest.mark.parametrize("removal", ["before", "after", "never"])
def test_a_yes_that_is_put_back_counts_whenever_its_removal_is_delivered(house: House, removal: str) -> None:
    """The first one counted for nothing any more: two events a moment apart are handled side by side."""
    request_id, place = play(house, [(YES, True, "1")])
    house.withdraw(request_id, "U0DAN")
    if removal == "before":
        house.react(place, "U0DAN", YES, "2", False)
    house.react(place, "U0DAN", YES, "3", True)
    if removal == "after":
        house.react(place, "U0DAN", YES, "2", False)
    assert house.votes(request_id) == {"U0DAN": Choice.APPROVE}


def test_every_event_delivered_twice_changes_nothing_the_second_time(house: House) -> None:
    request_id, place = play(house, [(YES, True, "1"), (NO, True, "2"), (NO, False, "3")])
    before = snapshot(house)
    for emoji, added, ts in [(YES, True, "1"), (NO, True, "2"), (NO, False, "3")]:
        assert house.react(place, "U0DAN", emoji, ts, added) is None
    assert snapshot(house) == before
    assert house.votes(request_id) == {"U0DAN": Choice.APPROVE}


def test_a_reaction_that_comes_hours_late_is_refused_and_said(house: House) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    house.wait(hours=5)
    assert house.react(place, "U0DAN", ts="1") is None
    assert house.private() == [("U0DAN", "vote.expired")]
    assert house.votes(request_id) == {}


@pytest.mark.parametrize(
    ("user", "flags", "key"),
    [
        ("U0ALICE", {}, "vote.own-request"),
        ("U0ZOE", {}, "vote.no-slot"),
        ("U0DAN", {"is_guest": True}, "person.guest"),
        ("U0DAN", {"team": "T0OTHER"}, "person.outsider"),
    ],
)
def test_a_reaction_that_does_not_count_is_told_once_and_logged(
    house: House, user: str, flags: dict[str, Any], key: str
) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    for ts, added in (("1", True), ("2", False), ("3", True)):
        house.react(place, user, ts=ts, added=added, **flags)
    assert house.private() == [(user, key)]
    assert house.kinds().count("vote-refused") == 2
    assert house.votes(request_id) == {}


def test_the_repair_pass_does_not_refuse_the_same_reaction_again(house: House) -> None:
    place = house.ballot(house.pending())
    house.react(place, "U0ALICE", ts="1")
    before = snapshot(house, "reactions")
    for ts in ("2", "3", "4"):
        assert house.react(place, "U0ALICE", ts=ts, looked=True) is None
    assert snapshot(house, "reactions") == before


def test_another_emoji_is_answered_once_in_private(house: House) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    for ts, emoji in enumerate(("thumbsup", "tada", "heavy_check_mark", "white_check_mark_button")):
        assert house.react(place, "U0DAN", emoji, str(ts)) is None
    house.react(place, "U0DAN", "tada", "9", added=False)
    assert house.private() == [("U0DAN", "vote.other-emoji")]
    assert house.votes(request_id) == {}


@pytest.mark.parametrize("kind", ["card", "plan"])
def test_a_reaction_on_another_message_of_ours_is_answered_once(house: House, kind: str) -> None:
    request_id = house.pending()
    places = house.posted(request_id)
    place = places[f"card:{request_id}" if kind == "card" else f"plan:{request_id}:1"]
    house.react(place, "U0DAN", ts="1")
    house.react(place, "U0DAN", ts="2")
    assert house.private() == [("U0DAN", "vote.not-the-ballot")]
    assert house.votes(request_id) == {}


def test_a_reaction_on_a_message_that_is_not_ours_does_nothing_at_all(house: House) -> None:
    house.ballot(house.pending())
    before = snapshot(house)
    assert house.react((CHANNEL, "1.1"), "U0DAN") is None
    assert snapshot(house) == before


def test_the_old_ballot_says_that_there_is_a_newer_one(house: House) -> None:
    request_id = house.pending()
    old = house.ballot(request_id)
    with house.store.transact() as work:
        work.requests.save(request_id, State.PENDING, state=State.PLANNING)
    house.plan(request_id, planned(salt="drifted"))
    house.react(old, "U0DAN", ts="1")
    assert house.private() == [("U0DAN", "vote.old-ballot")]
    house.react(house.ballot(request_id, 2), "U0DAN", ts="2")
    assert house.votes(request_id) == {"U0DAN": Choice.APPROVE}


def test_a_yes_taken_off_after_the_start_is_too_late_and_said(house: House) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    house.react(place, "U0DAN", ts="1")
    house.react(place, "U0CAROL", ts="2")
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) == Gate.GO
    house.react(place, "U0DAN", ts="3", added=False)
    assert ("U0DAN", "vote.running") in house.private()
    assert house.state(request_id) is State.RUNNING


def test_a_yes_taken_off_is_gone_even_if_the_no_beneath_it_no_longer_counts(house: House) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    house.react(place, "U0GINA", NO, "1")
    house.react(place, "U0GINA", YES, "2")
    house.groups = {}
    house.react(place, "U0GINA", YES, "3", added=False)
    assert house.votes(request_id) == {}


def test_an_old_reaction_does_not_undo_a_vote_given_by_button(house: House) -> None:
    request_id = house.pending()
    place = house.ballot(request_id)
    house.react(place, "U0DAN", YES, "1")
    house.deny(request_id, "U0DAN")
    house.react(place, "U0DAN", YES, "1")
    house.react(place, "U0DAN", YES, "2", looked=True)
    assert house.votes(request_id) == {"U0DAN": Choice.DENY}
