"""The decision: do these votes fill these slots?

Pure: no clock, no database, no Slack. One person fills one slot, whatever roles that person holds; people are
assigned to slots by maximum matching, so several roles neither count twice nor stand in each other's way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.model.people import PersonFacts
from bot.model.requests import Filled, SlotSpec, Verdict


@dataclass(frozen=True)
class Voter:
    """One person who approves, and the roles that person holds."""

    user: str
    roles: frozenset[str]


def decide(slots: Sequence[SlotSpec], voters: Sequence[Voter]) -> Verdict:
    """What the approvals amount to: who fills which slot, and what is missing.

    Never reached without at least one slot: an empty rule is no rule.
    """
    seats = [slot.role for slot in slots for _ in range(slot.count)]
    people: dict[str, frozenset[str]] = {}
    for voter in voters:
        people[voter.user] = people.get(voter.user, voter.roles) & voter.roles
    taken = _matching(seats, people)
    filled = tuple(Filled(seats[seat], user) for seat, user in sorted(taken.items()))
    missing: dict[str, int] = {}
    for seat, role in enumerate(seats):
        if seat not in taken:
            missing[role] = missing.get(role, 0) + 1
    return Verdict(
        reached=bool(seats) and not missing,
        filled=filled,
        missing=tuple(SlotSpec(count, role) for role, count in missing.items()),
    )


def _matching(seats: Sequence[str], roles: Mapping[str, Collection[str]]) -> dict[int, str]:
    """Seat -> user, as many seats as possible (augmenting paths)."""
    taken: dict[int, str] = {}

    def seat_for(user: str, tried: set[int]) -> bool:
        for seat, role in enumerate(seats):
            if role not in roles[user] or seat in tried:
                continue
            tried.add(seat)
            if seat not in taken or seat_for(taken[seat], tried):
                taken[seat] = user
                return True
        return False

    for user in roles:
        seat_for(user, set())
    return taken


def cannot_be(person: PersonFacts, workspace: str) -> str | None:
    """Why this person may neither ask nor decide anything here: a catalogue key, or None."""
    if person.team != workspace:
        return "person.outsider"
    if person.is_bot:
        return "person.bot"
    if person.is_deactivated:
        return "person.deactivated"
    if person.is_guest:
        return "person.guest"
    return None


def unreachable(
    slots: Sequence[SlotSpec], holders: Mapping[str, Collection[str]], requester: str
) -> tuple[SlotSpec, ...]:
    """The slots that could not be filled even if everybody who may vote said yes.

    Args:
        slots: what the rule asks for.
        holders: for each person who may vote, the roles held.
        requester: never counts.
    """
    everybody = [Voter(user, frozenset(roles)) for user, roles in holders.items() if user != requester]
    return decide(slots, everybody).missing
