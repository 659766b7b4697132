"""The decision: do these votes fill these slots?

Pure: no clock, no database, no Slack. One person fills one slot; who sits where is in ``bot.model.seating``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.model.people import PersonFacts
from bot.model.quorums import Filled, Need, Quorum, SlotSpec, Stage, Verdict, slots_in
from bot.model.seating import everything, left, seat


@dataclass(frozen=True)
class Voter:
    """One person who approves, and the roles that person holds."""

    user: str
    roles: frozenset[str]


def decide(quorums: Sequence[Quorum], voters: Sequence[Voter]) -> Verdict:
    """What the approvals amount to: who fills which slot, and what is missing.

    Never reached without at least one slot: an empty rule is no rule.

    Args:
        quorums: each must be reached; each is judged by itself.
        voters: in the order in which they voted.
    """
    people = _each_person(voters)
    verdicts = [_one(quorum, people) for quorum in quorums]
    return Verdict(
        reached=bool(verdicts) and all(one.reached for one in verdicts),
        filled=_each_once(filled for one in verdicts for filled in one.filled),
        missing=tuple(dict.fromkeys(stage for one in verdicts for stage in one.missing)),
        later=tuple(dict.fromkeys(stage for one in verdicts for stage in one.later)),
    )


def open_slots(quorums: Sequence[Quorum], voters: Sequence[Voter]) -> tuple[SlotSpec, ...]:
    """The slots of the stages that are open or complete, each quorum for itself; see ``decide``."""
    people = _each_person(voters)
    found: list[SlotSpec] = []
    for one in quorums:
        later = _one(one, people).later
        opened = (stage for stage in one.stages if stage not in later)
        found += [slot for stage in opened for need in stage.needs for slot in slots_in(need)]
    return tuple(found)


def may_fill(slots: Iterable[SlotSpec], roles: Collection[str]) -> bool:
    """Whether somebody with these roles could fill one of these slots."""
    held = set(roles)
    return any(slot.role in held and held.isdisjoint(slot.but) for slot in slots)


def may_deny(quorums: Iterable[Quorum], roles: Collection[str]) -> bool:
    """Whether somebody with these roles may say no: who could fill a slot, or holds a veto role."""
    held = set(roles)
    return any(may_fill(one.slots, held) or not held.isdisjoint(one.veto) for one in quorums)


def unreachable(
    quorums: Iterable[Quorum], holders: Mapping[str, Collection[str]], requester: str
) -> tuple[Need, ...]:
    """What could not be filled even if everybody who may vote said yes.

    Args:
        quorums: what the rules ask for.
        holders: for each person who may vote, the roles held.
        requester: never counts.
    """
    people = {user: frozenset(roles) for user, roles in holders.items() if user != requester}
    missing = [open_need for one in quorums if (open_need := _open(one.stages, people)) is not None]
    return tuple(missing)


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


def _each_person(voters: Iterable[Voter]) -> dict[str, frozenset[str]]:
    """Roles by person, in the order of the votes; one who is named twice holds what both say."""
    people: dict[str, frozenset[str]] = {}
    for voter in voters:
        people[voter.user] = people.get(voter.user, voter.roles) & voter.roles
    return people


def _one(quorum: Quorum, people: Mapping[str, frozenset[str]]) -> Verdict:
    if not any(slot.count > 0 for slot in quorum.slots):
        return Verdict(reached=False, filled=(), missing=quorum.stages)
    return _in_turn(quorum.stages, people) if quorum.in_turn else _side_by_side(quorum.stages, people)


def _side_by_side(stages: Sequence[Stage], people: Mapping[str, frozenset[str]]) -> Verdict:
    """All stages at once: nobody counts in two of them."""
    need = everything(everything(stage.needs) for stage in stages)
    best = seat(need, people)[0]
    missing = [
        Stage(stage.name, _parts(open_need))
        for place, stage in enumerate(stages)
        if (open_need := left(everything(stage.needs), best, people, (place,))) is not None
    ]
    return Verdict(not missing, best.filled, tuple(missing))


def _in_turn(stages: Sequence[Stage], people: Mapping[str, frozenset[str]]) -> Verdict:
    """One stage after the other: what was said before a stage was open does not count for it."""
    rest = list(people.items())
    filled: tuple[Filled, ...] = ()
    for place, stage in enumerate(stages):
        ends = next(
            (end for end in range(len(rest) + 1) if _side_by_side((stage,), dict(rest[:end])).reached), None
        )
        verdict = _side_by_side((stage,), dict(rest[:ends]))
        filled += verdict.filled
        if ends is None:
            return Verdict(
                reached=False, filled=filled, missing=verdict.missing, later=tuple(stages[place + 1 :])
            )
        rest = rest[ends:]
    return Verdict(reached=True, filled=filled, missing=())


def _open(stages: Sequence[Stage], people: Mapping[str, frozenset[str]]) -> Need | None:
    need = everything(need for stage in stages for need in stage.needs)
    return left(need, seat(need, people)[0], people)


def _parts(need: Need) -> tuple[Need, ...]:
    return getattr(need, "parts", (need,))


def _each_once(filled: Iterable[Filled]) -> tuple[Filled, ...]:
    """One line for each person, the first one."""
    found: dict[str, Filled] = {}
    for one in filled:
        found.setdefault(one.user, one)
    return tuple(found.values())
