"""What a system leaves on its machine and its database server: found, absent, or not to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: In the order in which people read them.
KINDS = (
    "unit",
    "timer",
    "cron",
    "supervisor",
    "nginx",
    "apache",
    "logrotate",
    "tmpfiles",
    "default",
    "declared",
    "file",
    "log",
    "socket",
    "user",
    "group",
    "role",
    "mention",
)
#: Those of them that the lists of the machine hold.
MACHINE = ("user", "group")


@dataclass(frozen=True)
class Remain:
    """One thing: a path, a declared pattern, or a name. ``n``: how many files, or lines that mention it.

    ``hand``: why a request cannot clear it away, as the end of a catalogue key; empty: it can.
    """

    kind: str
    place: str
    n: int
    hand: str


@dataclass(frozen=True)
class Unread:
    """Something that could not be looked at, and why, as the end of a catalogue key.

    ``kind``: what might be there; empty: anything.
    """

    kind: str
    place: str
    why: str


@dataclass(frozen=True)
class Remains:
    """One look. What is neither found nor unread was looked for and is absent.

    ``where``: folders and patterns that were looked at; empty when nobody wrote it down.
    """

    found: tuple[Remain, ...] = ()
    unread: tuple[Unread, ...] = ()
    where: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """The kinds of which there is nothing, for sure."""
        unsure = {kind for one in self.unread for kind in _hidden_by(one.kind)}
        there = {one.kind for one in self.found}
        return tuple(kind for kind in KINDS if kind not in there | unsure)

    @property
    def clearable(self) -> tuple[str, ...]:
        """The places that a request can clear away."""
        return tuple(one.place for one in self.found if not one.hand)

    @property
    def paths(self) -> tuple[str, ...]:
        """Those of them that are files, folders and patterns."""
        accounts = ("role", *MACHINE)
        return tuple(one.place for one in self.found if not one.hand and one.kind not in accounts)

    @property
    def roles(self) -> tuple[str, ...]:
        """Those of them that are roles of the database server."""
        return tuple(one.place for one in self.found if not one.hand and one.kind == "role")

    @property
    def people(self) -> tuple[tuple[str, str], ...]:
        """Those of them that are users and groups of the machine, each with its kind."""
        return tuple((one.kind, one.place) for one in self.found if not one.hand and one.kind in MACHINE)

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back."""
        return {
            "found": [[one.kind, one.place, one.n, one.hand] for one in self.found],
            "unread": [[one.kind, one.place, one.why] for one in self.unread],
            **({"where": list(self.where)} if self.where else {}),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Remains":
        """What ``to_data`` wrote."""
        return cls(
            tuple(Remain(*one) for one in data.get("found", ())),
            tuple(Unread(*one) for one in data.get("unread", ())),
            tuple(data.get("where", ())),
        )


def _hidden_by(kind: str) -> tuple[str, ...]:
    """Of which kinds nothing can be said when something of this kind could not be looked at."""
    if not kind:
        return KINDS
    if kind in ("declared", "user", "group", "role", "mention"):
        return (kind,)
    # It is a folder: whatever is found by what it is, or by what it says, may lie in it as well.
    return (kind, "timer", "socket", "mention")


def lines_of(remains: Remains) -> list[tuple[str, str]]:
    """As a certificate says it: (what, found, absent or not checkable), and what places it is about."""
    said = [(f"looked in {place}", "scope") for place in remains.where]
    said += [(f"{one.kind} {one.place}", "found") for one in remains.found]
    said += [(f"{one.kind or 'anything'} {one.place}", f"not checkable: {one.why}") for one in remains.unread]
    return said + [(kind, "absent") for kind in remains.absent]


def by_kind(found: Sequence[Remain]) -> Mapping[str, tuple[Remain, ...]]:
    """In the order of the kinds."""
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in found)]
    return {kind: tuple(one for one in found if one.kind == kind) for kind in kinds}
