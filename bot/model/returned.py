"""Which records of a backup came back, told without naming them. Pure.

A plan binds them by one keyed hash, and who they were is erased when the restore is over. Their places among
all records of the backup, in the order of the keyed hashes, tell them again to whoever has the backup and the
key, and nothing to anybody else or once the backup is destroyed. The hash proves that they are the right
ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Returned:
    """Of one backup, which rows of the table of its records; without one, it was all of them."""

    backup: str
    places: tuple[int, ...] = ()


def noted(backup: str, marks: Sequence[str], came: Collection[str]) -> Returned:
    """Those of a backup whose marks are among ``came``."""
    chosen = set(came)
    return Returned(backup, tuple(place for place, one in enumerate(sorted(marks)) if one in chosen))


def read(note: Returned | None, marks: Sequence[str]) -> list[int]:
    """The positions, in ``marks``, of those that came back; all of them where nothing is noted."""
    if note is None:
        return list(range(len(marks)))
    order = sorted(range(len(marks)), key=lambda position: marks[position])
    return sorted(order[place] for place in note.places if 0 <= place < len(order))


def returned_data(notes: Sequence[Returned]) -> dict[str, Any]:
    """As JSON data for a plan: nothing when nothing is noted."""
    return {"returned": [[one.backup, list(one.places)] for one in notes]} if notes else {}


def returned_in(data: Mapping[str, Any]) -> tuple[Returned, ...]:
    """What ``returned_data`` wrote."""
    return tuple(Returned(backup, tuple(places)) for backup, places in data.get("returned", ()))
