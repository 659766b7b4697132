"""Large sets: the roots of a deletion, cut into segments that have nothing to do with one another.

Each segment is deleted in a transaction of its own, with a backup of its own. Roots belong to one segment
when a row hangs off both, or when a row that goes with one points at a row that goes with the other. So no
deletion changes what was approved for another, and they can be brought back in any order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.model.plans import Plan


@dataclass(frozen=True)
class Found:
    """What hangs off some roots: the keyed hashes of its rows, and of the rows it touches."""

    marks: frozenset[str]
    touched: frozenset[str]


#: What hangs off the roots at these positions, found anew: its plan, and its rows one by one.
Look = Callable[[Sequence[int]], Plan]
Rows = Callable[[Sequence[int]], Found]


def cut(whole: Plan, roots: int, look: Look, rows: Rows) -> tuple[tuple[tuple[int, ...], Plan], ...] | None:
    """The segments, each with the positions of its roots and its plan; None when they cannot be told apart.

    ``whole``: the plan of all roots together, to which the segments must add up exactly.
    """
    groups: Sequence[tuple[int, ...]] = [(root,) for root in range(roots)]
    plans = [look(group) for group in groups]
    if not adds_up(whole, plans):
        groups = related([rows(group) for group in groups])
        plans = [look(group) for group in groups]
        if not adds_up(whole, plans):
            return None
    return tuple(zip(groups, plans, strict=True)) if len(groups) > 1 else None


def adds_up(whole: Plan, plans: Iterable[Plan]) -> bool:
    """Whether every row, link and file of the whole is in exactly one of the plans.

    Each plan holds a part of the whole, so that the counts are equal just when nothing is in two of them. A
    link from one part to another is counted by the part alone, where the row that holds it stays.
    """
    total: dict[tuple[str, str], int] = {}
    for plan in plans:
        for name, count in _counts(plan).items():
            total[name] = total.get(name, 0) + count
    return total == _counts(whole)


def related(found: Sequence[Found]) -> list[tuple[int, ...]]:
    """Positions that belong together, in the order of the first of each group."""
    leader = list(range(len(found)))

    def lead(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    owner: dict[str, int] = {}
    for place, one in enumerate(found):
        for mark in one.marks:
            leader[lead(place)] = lead(owner.setdefault(mark, place))
    for place, one in enumerate(found):
        for mark in one.touched & owner.keys():
            leader[lead(place)] = lead(owner[mark])
    groups: dict[int, list[int]] = {}
    for place in range(len(found)):
        groups.setdefault(lead(place), []).append(place)
    return sorted(tuple(group) for group in groups.values())


def _counts(plan: Plan) -> Mapping[tuple[str, str], int]:
    return {
        **{("rows", part.name): part.rows for part in plan.tables},
        **{("emptied", part.name): part.rows for part in plan.nullified},
        **{("reassigned", part.name): part.rows for part in plan.reassigned},
        **{("files", part.root): part.files for part in plan.files},
        **{("bytes", part.root): part.size for part in plan.files},
    }
