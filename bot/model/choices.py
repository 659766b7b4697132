"""What of a backup comes back, and what happens to what stands in its way. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Mode(StrEnum):
    """What a restore does where live rows are in the way."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class RestoreChoice:
    """What was asked for besides the backup. ``only`` is personal: it lives in the erasable table.

    ``only``: the rows that were asked for when the backup was made, by the values that name them, with what
    hangs off them; empty for all. ``table``: the rows of this table alone.
    """

    only: tuple[str, ...] = ()
    table: str = ""
    mode: Mode = Mode.FAIL

    @property
    def plain(self) -> bool:
        """Whether it is what happens when nothing is chosen: everything, or nothing at all."""
        return self == EVERYTHING

    @property
    def problem(self) -> str | None:
        """Why it makes no sense, as a catalogue key; None when it does."""
        return "restore.choice-both" if self.only and self.table else None

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        return {
            "only": list(self.only),
            "table": self.table,
            "mode": str(self.mode),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> "RestoreChoice":
        """What ``to_data`` wrote; nothing chosen when there is nothing."""
        if data is None:
            return cls()
        return cls(tuple(data["only"]), data["table"], Mode(data["mode"]))


#: Nothing chosen: all of the backup, or nothing when something is in the way.
EVERYTHING = RestoreChoice()


@dataclass(frozen=True)
class RowClasses:
    """Rows of one table of a backup beside the live ones; counts.

    ``parentless``: missing rows whose parent is not there; ``clashing``: missing rows that share a unique
    value with a live row.
    """

    table: str
    missing: int
    identical: int
    different: int
    parentless: int
    clashing: int


@dataclass(frozen=True)
class LinkClasses:
    """Emptied links of a backup beside the live rows; counts.

    ``empty``: still empty, can be put back. ``gone``: the row that held the link has been deleted since.
    """

    link: str
    empty: int
    identical: int
    different: int
    gone: int


#: The classes of rows and of links, in the order in which they are told.
ROWS = ("missing", "identical", "different", "parentless", "clashing")
LINKS = ("empty", "identical", "different", "gone")


@dataclass(frozen=True)
class RestorePreview:
    """What a restore would meet, in the order of the backup."""

    tables: tuple[RowClasses, ...]
    links: tuple[LinkClasses, ...]

    @property
    def pending(self) -> int:
        """Rows and links that would come back."""
        return sum(one.missing for one in self.tables) + sum(one.empty for one in self.links)

    @property
    def choices(self) -> tuple[Mode, ...]:
        """What can be chosen when something is in the way: to leave that out, often to overwrite it."""
        stuck = any(one.parentless or one.clashing for one in self.tables)
        stuck |= any(one.different for one in self.links)
        return (Mode.SKIP,) if stuck else (Mode.OVERWRITE, Mode.SKIP)

    def told(self) -> str:
        """All counts that are not 0, as JSON: names of tables and links, each with its classes."""
        rows = [(one.table, {name: getattr(one, name) for name in ROWS}) for one in self.tables]
        links = [(one.link, {name: getattr(one, name) for name in LINKS}) for one in self.links]
        some = [[name, {why: n for why, n in counts.items() if n}] for name, counts in (*rows, *links)]
        return json.dumps([one for one in some if one[1]])


@dataclass(frozen=True)
class Chosen:
    """A choice as a plan holds it: counts and names of the schema, no values.

    ``only``: how many of the rows that were asked for. ``left``: what does not come back, as table or link,
    why (different, parentless, clashing, below) and how many. ``there``: how many rows were there as they
    were when the plan was made.
    """

    mode: Mode = Mode.FAIL
    only: int = 0
    table: str = ""
    left: tuple[tuple[str, str, int], ...] = ()
    there: int = 0

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        return {
            "mode": str(self.mode),
            "only": self.only,
            "table": self.table,
            "left": [list(one) for one in self.left],
            "there": self.there,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Chosen":
        """What ``to_data`` wrote."""
        left: Sequence[Sequence[Any]] = data["left"]
        return cls(
            Mode(data["mode"]),
            data["only"],
            data["table"],
            tuple((str(name), str(why), int(n)) for name, why, n in left),
            data["there"],
        )
