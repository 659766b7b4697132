"""Which rows of a backup come back, when not all of them do. Pure: what hangs together in, decisions out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.model.backups import Value
from bot.model.row_keys import Key
from bot.operations.compare import same_row
from bot.targets.base import Row

#: One staged row: its table and its key.
Node = tuple[str, Key]
State = Literal["missing", "identical", "different"]

#: Why rows are in the way, in the order in which that is told; the rest of what stays out hangs off those.
REASONS = ("different", "parentless", "clashing", "below")


@dataclass(frozen=True)
class Web:
    """What hangs off what, inside a backup: every row with those that name it as a parent."""

    below: Mapping[Node, Sequence[Node]] = field(default_factory=dict)

    @classmethod
    def of(cls, joins: Iterable[tuple[Node, Node]]) -> "Web":
        """From pairs of a row and a parent that it names."""
        below: dict[Node, list[Node]] = {}
        for child, parent in joins:
            below.setdefault(parent, []).append(child)
        return cls(below)

    def reached(self, start: Iterable[Node], closed: Collection[Node] = ()) -> set[Node]:
        """These rows and everything that hangs off them, but nothing beyond a row of ``closed``."""
        found = set(start)
        waiting = list(found)
        while waiting:
            for child in self.below.get(waiting.pop(), ()):
                if child not in found and child not in closed:
                    found.add(child)
                    waiting.append(child)
        return found


def state_of(backed_up: Row, live: Row | None) -> State:
    """A row of a backup beside the live one."""
    if live is None:
        return "missing"
    return "identical" if same_row(backed_up, live) else "different"


def left_out(
    states: Mapping[Node, State], orphans: Collection[Node], clashes: Collection[Node], web: Web
) -> dict[Node, str]:
    """What stays out so that the rest can come back, each row with its reason.

    A row that is there as it was keeps its place, and so does what hangs off it.
    """
    out: dict[Node, str] = {}
    for node, state in states.items():
        if state == "different":
            out[node] = "different"
        elif state == "missing" and node in orphans:
            out[node] = "parentless"
        elif state == "missing" and node in clashes:
            out[node] = "clashing"
    there = {node for node, state in states.items() if state == "identical"}
    for node in web.reached(out, there):
        out.setdefault(node, "below")
    return out


def counted(out: Mapping[Node, str]) -> tuple[tuple[str, str, int], ...]:
    """How many rows of which table stay out, and why, in a fixed order."""
    counts: dict[tuple[str, int], int] = {}
    for (table, _), why in out.items():
        place = (table, REASONS.index(why))
        counts[place] = counts.get(place, 0) + 1
    return tuple((table, REASONS[why], n) for (table, why), n in sorted(counts.items()))


def is_named(cell: Value, typed: str) -> bool:
    """Whether a cell is exactly what somebody typed: case counts, a number counts in its plain form."""
    if isinstance(cell, str):
        return cell == typed
    return isinstance(cell, int) and str(cell) == typed
