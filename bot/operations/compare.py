"""Whether two sets of rows are the same, cell by cell. Pure."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.model.backups import Value
from bot.targets.base import Row


def same_cell(one: Value, other: Value) -> bool:
    """Same kind and same value, bit for bit: 1 is not 1.0, and 0.0 is not -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack(">d", one) == struct.pack(">d", other)
    return one == other


def same_row(one: Sequence[Value], other: Sequence[Value]) -> bool:
    """Same number of cells, and all the same."""
    return len(one) == len(other) and all(map(same_cell, one, other))


@dataclass(frozen=True)
class Rows:
    """Rows out of a backup beside the live ones: gone, there and identical, there but different."""

    missing: int = 0
    identical: int = 0
    different: int = 0


def classify_rows(pairs: Iterable[tuple[Row, Row | None]]) -> Rows:
    """Count the pairs of ``Session.pairs``."""
    missing = identical = different = 0
    for backed_up, live in pairs:
        if live is None:
            missing += 1
        elif same_row(backed_up, live):
            identical += 1
        else:
            different += 1
    return Rows(missing, identical, different)


@dataclass(frozen=True)
class Links:
    """Links out of a backup beside the live ones.

    ``empty``: still as the deletion left it (NULL, or pointing at the heir), can be put back. ``gone``: the
    row itself has been deleted since.
    """

    empty: int = 0
    identical: int = 0
    different: int = 0
    gone: int = 0


def link_state(width: int, backed_up: Row, live: Row | None, heir: Row | None = None) -> str:
    """What has become of one link, as the name of its count; ``width`` is how many cells are key.

    ``heir``: what the deletion wrote there; None when it emptied the link.
    """
    if live is None:
        return "gone"
    old, new = backed_up[width:], live[width:]
    if same_row(old, new):
        return "identical"
    if heir is not None and same_row(new, heir):
        return "empty"
    if all(there is None or same_cell(was, there) for was, there in zip(old, new, strict=True)):
        return "empty"
    return "different"


def classify_links(width: int, pairs: Iterable[tuple[Row, Row | None]], heir: Row | None = None) -> Links:
    """Count the pairs of ``Session.pairs`` of a link's stage."""
    counts = {"empty": 0, "identical": 0, "different": 0, "gone": 0}
    for backed_up, live in pairs:
        counts[link_state(width, backed_up, live, heir)] += 1
    return Links(**counts)
