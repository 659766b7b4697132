"""Who sits where: people are assigned to the slots of needs by maximum matching.

Pure. One person fills one slot, whatever roles that person holds; several roles neither count twice nor stand
in each other's way. Where one of several parts is enough, every combination is tried, and the one that
leaves the least open is taken.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from bot.model.quorums import AllOf, AnyOf, Filled, Need, SlotSpec

#: Where a slot stands in a tree of needs.
Path = tuple[int, ...]
Value = TypeVar("Value")
#: More combinations or seats than these are refused with the configuration: nobody could read such a rule.
MOST_WAYS = 64
MOST_SEATS = 30


@dataclass(frozen=True)
class Seating:
    """People on the seats of one way to meet a need.

    ``ways``: which part was taken at each ``AnyOf``. ``taken``: who sits on the seats of each slot.
    """

    ways: Mapping[Path, int]
    seats: int
    taken: Mapping[Path, tuple[str, ...]]
    filled: tuple[Filled, ...]

    @property
    def open(self) -> int:
        """How many seats are empty."""
        return self.seats - len(self.filled)


def seat(need: Need, people: Mapping[str, frozenset[str]]) -> tuple[Seating, ...]:
    """Every way to meet a need with the most people seated, the one that leaves the least open first.

    ``people``: the roles that each person holds, in the order in which they are seated first.
    """
    found = [_seated(ways, slots, people) for ways, slots in _ways(need)]
    return tuple(sorted(found, key=lambda one: (one.open, -len(one.filled))))


def left(need: Need, seating: Seating, people: Mapping[str, frozenset[str]], path: Path = ()) -> Need | None:
    """What is still needed beside what a seating has: None exactly when it leaves nothing open there.

    The parts of an ``AnyOf`` that the seating does not take are judged with everybody who sits elsewhere
    staying there.
    """
    if isinstance(need, SlotSpec):
        gone = len(seating.taken.get(path, ()))
        if gone >= need.count:
            return None
        return SlotSpec(need.count - gone, need.role, need.but, need.count if gone else None)
    if isinstance(need, AllOf):
        parts = [left(part, seating, people, (*path, place)) for place, part in enumerate(need.parts)]
        rest = tuple(part for part in parts if part is not None)
        return AllOf(rest) if rest else None
    chosen = seating.ways[path]
    lacks = left(need.parts[chosen], seating, people, (*path, chosen))
    if lacks is None:
        return None
    free = _without(people, seating, path)
    others = (
        lacks if place == chosen else left(part, seat(part, free)[0], free)
        for place, part in enumerate(need.parts)
    )
    return AnyOf(tuple(dict.fromkeys(part for part in others if part is not None)))


def ways_of(need: Need) -> int:
    """In how many ways a need can be met."""
    if isinstance(need, SlotSpec):
        return 1
    counts = [ways_of(part) for part in need.parts]
    if isinstance(need, AnyOf):
        return sum(counts)
    total = 1
    for count in counts:
        total *= count
    return total


def _without(people: Mapping[str, frozenset[str]], seating: Seating, path: Path) -> dict[str, frozenset[str]]:
    """Everybody but those who sit outside a part of the tree."""
    outside = {user for place, users in seating.taken.items() if place[: len(path)] != path for user in users}
    return {user: roles for user, roles in people.items() if user not in outside}


def _ways(need: Need, path: Path = ()) -> Iterator[tuple[dict[Path, int], dict[Path, SlotSpec]]]:
    """Every choice of parts, with the slots that must then be filled."""
    if isinstance(need, SlotSpec):
        yield {}, {path: need}
    elif isinstance(need, AnyOf):
        for place, part in enumerate(need.parts):
            for ways, slots in _ways(part, (*path, place)):
                yield {path: place, **ways}, slots
    else:
        each = [list(_ways(part, (*path, place))) for place, part in enumerate(need.parts)]
        for chosen in product(*each):
            yield _merged(ways for ways, _ in chosen), _merged(slots for _, slots in chosen)


def _merged(parts: Iterable[Mapping[Path, Value]]) -> dict[Path, Value]:
    return {path: value for part in parts for path, value in part.items()}


def _seated(
    ways: Mapping[Path, int], slots: Mapping[Path, SlotSpec], people: Mapping[str, frozenset[str]]
) -> Seating:
    seats = [path for path, slot in slots.items() for _ in range(slot.count)]
    fits = {
        user: [
            place
            for place, path in enumerate(seats)
            if slots[path].role in roles and roles.isdisjoint(slots[path].but)
        ]
        for user, roles in people.items()
    }
    sitting = _matching(fits)
    taken: dict[Path, tuple[str, ...]] = {}
    for place, user in sorted(sitting.items()):
        taken[seats[place]] = (*taken.get(seats[place], ()), user)
    filled = tuple(Filled(slots[seats[place]].role, user) for place, user in sorted(sitting.items()))
    return Seating(ways, len(seats), taken, filled)


def _matching(fits: Mapping[str, Sequence[int]]) -> dict[int, str]:
    """Seat -> person, as many as possible (augmenting paths)."""
    taken: dict[int, str] = {}

    def seat_for(user: str, tried: set[int]) -> bool:
        for place in fits[user]:
            if place in tried:
                continue
            tried.add(place)
            if place not in taken or seat_for(taken[place], tried):
                taken[place] = user
                return True
        return False

    for user in fits:
        seat_for(user, set())
    return taken


def everything(needs: Iterable[Need]) -> AllOf:
    """All of these."""
    return AllOf(tuple(needs))
