"""What a plan says of what stays elsewhere: copies that people see to, columns that name the same person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CopyPart:
    """Something else that holds copies, and the role that ticks it off; empty: whoever holds any role.

    ``kind``: empty, or ``task``: something that only people can do, like a DNS entry.
    """

    name: str
    role: str
    kind: str = ""

    def to_data(self) -> list[str]:
        """As JSON data; copies keep the form, and the digest, they had before there were tasks."""
        return [self.name, self.role, *([self.kind] if self.kind else [])]


def copies_in(plan: Mapping[str, Any]) -> tuple[CopyPart, ...]:
    """What else holds copies, by a plan's own data."""
    return tuple(CopyPart(*one) for one in plan.get("copies", ()))


@dataclass(frozen=True)
class ResiduePart:
    """How many rows name somebody in one column; ``place`` is table and column.

    ``state``: ``counted``; ``more`` than ``rows``; ``slow``: not in time; ``unreadable``; ``absent``: no such
    column; ``empty``: there was nothing to look for; ``many``: too much to look for. Only the first two say
    anything about rows. ``index``: the statement of an index that would help.
    """

    place: str
    rows: int
    state: str
    index: str = ""


@dataclass(frozen=True)
class Offer:
    """Rows that a follow-up may ask for: of column ``number`` of those looked at, by the keys of a record."""

    number: int
    record: str
    values: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class FollowUp:
    """A follow-up that can still be asked for; its keys lie where they can be erased."""

    number: int
    record: str
    count: int


def residue_in(data: Sequence[Sequence[Any]] | None) -> tuple[ResiduePart, ...]:
    """What ``residue_data`` wrote, into a plan or the facts of a job."""
    return tuple(ResiduePart(*one) for one in data or ())


def residue_data(parts: Sequence[ResiduePart]) -> list[list[Any]]:
    """As JSON data."""
    return [[one.place, one.rows, one.state, one.index] for one in parts]
