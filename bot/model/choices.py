"""What of a backup comes back, and what happens to what stands in its way. Pure."""

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
    hangs off them; empty for all. ``table``: the rows of this table alone. ``undo``: the number of the
    restore that is to be taken back; then nothing else is chosen.
    """

    only: tuple[str, ...] = ()
    table: str = ""
    mode: Mode = Mode.FAIL
    undo: int = 0

    @property
    def plain(self) -> bool:
        """Whether it is what happens when nothing is chosen: everything, or nothing at all."""
        return self == EVERYTHING

    @property
    def problem(self) -> str | None:
        """Why it makes no sense, as a catalogue key; None when it does."""
        if self.only and self.table:
            return "restore.choice-both"
        if self.undo and (self.only or self.table or self.mode is not Mode.FAIL):
            return "restore.choice-undo"
        return None

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        return {
            "only": list(self.only),
            "table": self.table,
            "mode": str(self.mode),
            "undo": self.undo,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> "RestoreChoice":
        """What ``to_data`` wrote; nothing chosen when there is nothing."""
        if data is None:
            return cls()
        return cls(tuple(data["only"]), data["table"], Mode(data["mode"]), data["undo"])


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


@dataclass(frozen=True)
class RestorePreview:
    """What a restore would meet, in the order of the backup."""

    tables: tuple[RowClasses, ...]
    links: tuple[LinkClasses, ...]

    @property
    def pending(self) -> int:
        """Rows and links that would come back."""
        return sum(one.missing for one in self.tables) + sum(one.empty for one in self.links)


@dataclass(frozen=True)
class Chosen:
    """A choice as a plan holds it: counts and names of the schema, no values.

    ``only``: how many of the rows that were asked for. ``left``: what does not come back, as table or link,
    why (a catalogue key) and how many.
    """

    mode: Mode = Mode.FAIL
    only: int = 0
    table: str = ""
    undo: int = 0
    left: tuple[tuple[str, str, int], ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        return {
            "mode": str(self.mode),
            "only": self.only,
            "table": self.table,
            "undo": self.undo,
            "left": [list(one) for one in self.left],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Chosen":
        """What ``to_data`` wrote."""
        left: Sequence[Sequence[Any]] = data["left"]
        return cls(
            Mode(data["mode"]),
            data["only"],
            data["table"],
            data["undo"],
            tuple((str(name), str(why), int(n)) for name, why, n in left),
        )
