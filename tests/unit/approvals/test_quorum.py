"""The decision: checked against brute force, and against every order of the voters."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.approvals.quorum import Voter, cannot_be, decide, unreachable
from bot.model.requests import SlotSpec
from tests.fakes.rooms import TEAM, person

ROLES = ("dba", "data-owner", "security")
slots = st.lists(st.builds(SlotSpec, st.integers(0, 2), st.sampled_from(ROLES)), max_size=3)
people = st.dictionaries(
    st.sampled_from([f"U{n}" for n in range(5)]), st.frozensets(st.sampled_from(ROLES)), max_size=5
)


def voters_of(roles: dict[str, frozenset[str]]) -> list[Voter]:
    return [Voter(user, held) for user, held in roles.items()]


def brute_force(wanted: Sequence[SlotSpec], roles: dict[str, frozenset[str]]) -> int:
    """The largest number of seats that distinct people can fill."""
    seats = [slot.role for slot in wanted for _ in range(slot.count)]
    best = 0
    for order in itertools.permutations([*roles, *(None for _ in seats)], len(seats)):
        pairs = zip(seats, order, strict=True)
        best = max(best, sum(user is not None and seat in roles[user] for seat, user in pairs))
        if best == len(seats):
            break
    return best


@given(st.lists(st.builds(SlotSpec, st.integers(0, 2), st.sampled_from(ROLES)), max_size=2), people)
def test_the_matching_is_as_good_as_trying_everything(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]]
) -> None:
    seats = sum(slot.count for slot in wanted)
    verdict = decide(wanted, voters_of(roles))
    best = brute_force(wanted, roles)
    assert len(verdict.filled) == best
    assert verdict.reached == (seats > 0 and best == seats)
    assert sum(slot.count for slot in verdict.missing) == seats - best


@given(slots, people, st.randoms())
def test_the_order_of_the_votes_never_decides(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]], chance: Any
) -> None:
    first = voters_of(roles)
    second = list(first)
    chance.shuffle(second)
    one, two = decide(wanted, first), decide(wanted, second)
    assert one.reached == two.reached
    assert len(one.filled) == len(two.filled)


@given(slots, people)
def test_nobody_fills_two_slots_or_one_without_its_role(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]]
) -> None:
    filled = decide(wanted, voters_of(roles)).filled
    assert len({one.user for one in filled}) == len(filled)
    assert all(one.role in roles[one.user] for one in filled)


@given(slots, people, st.randoms())
def test_the_same_person_named_twice_is_one_person(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]], chance: Any
) -> None:
    once = voters_of(roles)
    twice = [*once, *once]
    chance.shuffle(twice)
    assert decide(wanted, twice).reached == decide(wanted, once).reached
    split = [Voter(user, frozenset({role})) for user, held in roles.items() for role in held]
    assert not decide(wanted, split).reached or decide(wanted, once).reached


@given(slots, people, st.sampled_from([f"U{n}" for n in range(5)]))
def test_one_more_vote_never_undoes_a_quorum(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]], extra: str
) -> None:
    fewer = {user: held for user, held in roles.items() if user != extra}
    if decide(wanted, voters_of(fewer)).reached:
        assert decide(wanted, voters_of(roles)).reached


@pytest.mark.parametrize("wanted", [[], [SlotSpec(0, "dba")]])
def test_a_rule_that_asks_for_nobody_is_never_met(wanted: list[SlotSpec]) -> None:
    everybody = [Voter("U1", frozenset(ROLES))]
    assert not decide(wanted, everybody).reached


@given(slots, people, st.sampled_from([f"U{n}" for n in range(5)]))
def test_what_is_unreachable_is_what_everybody_but_the_requester_cannot_fill(
    wanted: list[SlotSpec], roles: dict[str, frozenset[str]], requester: str
) -> None:
    others = {user: held for user, held in roles.items() if user != requester}
    missing = unreachable(wanted, roles, requester)
    assert sum(slot.count for slot in missing) == sum(slot.count for slot in wanted) - len(
        decide(wanted, voters_of(others)).filled
    )


def test_a_slot_that_only_the_requester_could_fill_is_unreachable() -> None:
    wanted = [SlotSpec(1, "dba"), SlotSpec(1, "data-owner")]
    holders = {"U1": {"dba"}, "U2": {"data-owner"}}
    assert unreachable(wanted, holders, "U1") == (SlotSpec(1, "dba"),)
    assert unreachable(wanted, {**holders, "U3": {"dba"}}, "U1") == ()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({}, None),
        ({"team": "T0OTHER"}, "person.outsider"),
        ({"team": ""}, "person.outsider"),
        ({"is_bot": True}, "person.bot"),
        ({"is_guest": True}, "person.guest"),
        ({"is_deactivated": True}, "person.deactivated"),
        ({"team": "T0OTHER", "is_bot": True, "is_guest": True}, "person.outsider"),
    ],
)
def test_who_cannot_take_part(flags: dict[str, Any], why: str | None) -> None:
    assert cannot_be(person("U1", **flags), TEAM) == why
