"""What would happen, computed beforehand: the plan people approve, and whom it is about.

Pure. A plan holds counts, names of tables and keyed hashes, never a value out of a row; the subject is
personal and lives in erasable places only.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.model.choices import Chosen
from bot.model.leftovers import CopyPart, ResiduePart, copies_in, residue_data, residue_in
from bot.model.requests import Operation
from bot.model.returned import Returned, returned_data, returned_in
from bot.model.row_keys import Key, pack, unpack

FORMAT = 1


def counted(plan: Mapping[str, Any]) -> int | None:
    """The count on the card: rows, or the parts of a whole system; None when there is none."""
    system = plan.get("system") or {}
    if "holdings" in system:
        return len(system["holdings"])
    tables = (*(plan.get("tables") or ()), *(plan.get("overwritten") or ()))
    return sum(int(part[1]) for part in tables) if tables else None


@dataclass(frozen=True)
class Told:
    """One thing a person should know: a catalogue key and what fills it."""

    key: str
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """Rows of one table, or references of one link: how many, and the keyed hash of their keys."""

    name: str
    rows: int
    keys: str


@dataclass(frozen=True)
class FilesPart:
    """Files that rows name, under one root: how many, their bytes, and the keyed hash of their names."""

    root: str
    files: int
    size: int
    names: str


@dataclass(frozen=True)
class SegmentPart:
    """One transaction of a large operation: its rows, and the digest of its own plan without warnings."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Origin:
    """The system that rows were deleted from, when they come back into another one, and its identity."""

    target: str
    identity: str


def _origin_data(origin: Origin | None) -> dict[str, Any]:
    return {} if origin is None else {"origin": [origin.target, origin.identity]}


@dataclass(frozen=True)
class Plan:
    """A resolved operation, in the order people read it.

    ``tables``: parents first. ``nullified``: links that will be emptied (on a restore: put back), by
    ``child.column -> parent.column``. ``reassigned``: links that will point at another row, the heir, whose
    keyed hash is ``heir``. ``roots``: the keyed hash of the rows that were asked for.
    ``backup`` and ``sha256`` name the archive a restore reads. ``system`` is what a teardown shows besides:
    host, services, holdings, checks and steps with their undo; plain JSON. ``people``: the Slack ids of those
    whose own records were asked for, sorted; None where the records are nobody's in Slack. ``files``: those
    that go, or come back, with the rows that name them. ``overwritten``: rows that are there and different,
    and get their old values. ``choice``: how a restore differs from all or nothing. ``copies``: what people
    see to by hand afterwards. ``residue``: rows that stay and name the same people, when it was made.
    ``segments``: the transactions it takes, in their order, when it is too large for one.
    ``origin``: where the rows of a restore are from, when they go elsewhere. ``returned``: which records of
    which backup come back, where it is not all of them.
    """

    operation: Operation
    target: str
    record: str | None
    tables: tuple[Part, ...]
    nullified: tuple[Part, ...]
    roots: str
    fingerprint: str
    warnings: tuple[Told, ...]
    steps: tuple[str, ...]
    way_back: str
    backup: str | None = None
    sha256: str | None = None
    system: Mapping[str, Any] | None = None
    people: tuple[str, ...] | None = None
    reassigned: tuple[Part, ...] = ()
    heir: str | None = None
    files: tuple[FilesPart, ...] = ()
    overwritten: tuple[Part, ...] = ()
    choice: Chosen | None = None
    copies: tuple[CopyPart, ...] = ()
    residue: tuple[ResiduePart, ...] = ()
    segments: tuple[SegmentPart, ...] = ()
    origin: Origin | None = None
    returned: tuple[Returned, ...] = ()

    @classmethod
    def bare(
        cls, operation: Operation, target: str, steps: tuple[str, ...] = (), way_back: str = ""
    ) -> "Plan":
        """A plan that touches no rows."""
        return cls(operation, target, None, (), (), "", "", (), steps, way_back)

    @property
    def rows(self) -> int:
        """All rows of all tables, without the nullified links; of a whole system, those that come back."""
        counted = sum(part.rows for part in (*self.tables, *self.overwritten))
        return counted + int((self.system or {}).get("rows", 0))

    def to_data(self) -> dict[str, Any]:
        """The plan as JSON data; ``from_data`` reads it back."""
        # A plan about no system and nobody keeps the form, and the digest, it had before there were any.
        system = {} if self.system is None else {"system": dict(self.system)}
        people = {} if self.people is None else {"people": list(self.people)}
        heir: dict[str, Any] = {} if self.heir is None else {"heir": self.heir}
        if self.reassigned:
            heir["reassigned"] = [[part.name, part.rows, part.keys] for part in self.reassigned]
        if self.files:
            heir["files"] = [[one.root, one.files, one.size, one.names] for one in self.files]
        if self.overwritten:
            heir["overwritten"] = [[part.name, part.rows, part.keys] for part in self.overwritten]
        if self.choice is not None:
            heir["choice"] = self.choice.to_data()
        if self.copies:
            heir["copies"] = [one.to_data() for one in self.copies]
        if self.residue:
            heir["residue"] = residue_data(self.residue)
        if self.segments:
            heir["segments"] = [[one.rows, one.digest] for one in self.segments]
        return (
            system
            | people
            | heir
            | _origin_data(self.origin)
            | returned_data(self.returned)
            | {
                "format": FORMAT,
                "operation": str(self.operation),
                "target": self.target,
                "record": self.record,
                "rows": self.rows,
                "tables": [[part.name, part.rows, part.keys] for part in self.tables],
                "nullified": [[part.name, part.rows, part.keys] for part in self.nullified],
                "roots": self.roots,
                "fingerprint": self.fingerprint,
                "warnings": [[told.key, dict(told.params)] for told in self.warnings],
                "steps": list(self.steps),
                "way_back": self.way_back,
                "backup": self.backup,
                "sha256": self.sha256,
            }
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Plan":
        """The plan that ``to_data`` wrote.

        Raises:
            ValueError: written by another version.
        """
        if data.get("format") != FORMAT:
            raise ValueError
        return cls(
            operation=Operation(data["operation"]),
            target=data["target"],
            record=data["record"],
            tables=tuple(Part(*part) for part in data["tables"]),
            nullified=tuple(Part(*part) for part in data["nullified"]),
            roots=data["roots"],
            fingerprint=data["fingerprint"],
            warnings=tuple(Told(key, params) for key, params in data["warnings"]),
            steps=tuple(data["steps"]),
            way_back=data["way_back"],
            backup=data["backup"],
            sha256=data["sha256"],
            system=data.get("system"),
            people=None if data.get("people") is None else tuple(data["people"]),
            reassigned=tuple(Part(*part) for part in data.get("reassigned", ())),
            heir=data.get("heir"),
            files=tuple(FilesPart(*one) for one in data.get("files", ())),
            overwritten=tuple(Part(*part) for part in data.get("overwritten", ())),
            choice=Chosen.from_data(data["choice"]) if "choice" in data else None,
            copies=copies_in(data),
            residue=residue_in(data.get("residue")),
            segments=tuple(SegmentPart(*one) for one in data.get("segments", ())),
            origin=Origin(*data["origin"]) if "origin" in data else None,
            returned=returned_in(data),
        )

    def canonical(self) -> bytes:
        """The plan as canonical JSON: sorted keys, no blanks, no floats, NFC, UTF-8."""
        text = json.dumps(self.to_data(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return unicodedata.normalize("NFC", text).encode()

    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits: what votes are bound to."""
        return hashlib.sha256(self.canonical()).hexdigest()


@dataclass(frozen=True)
class Heir:
    """The row at which others will point instead: what was typed, how people know it, its key. Personal."""

    value: str
    label: str
    key: Key

    def to_data(self) -> dict[str, Any]:
        """As JSON data; ``from_data`` reads it back exactly."""
        return {"value": self.value, "label": self.label, "key": [pack(cell) for cell in self.key]}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Heir":
        """What ``to_data`` wrote."""
        return cls(data["value"], data["label"], tuple(unpack(cell) for cell in data["key"]))


@dataclass(frozen=True)
class Subject:
    """Whom a deletion is about. Personal: keep it where it can be erased.

    ``roots`` are the keys of the rows that were asked for. ``marks`` are the keyed hashes of all keys by
    table or link, kept so that a rule which allows a few more rows can be judged exactly; None when there are
    too many, and then nothing may change. ``heir``: to whom goes what is not deleted. ``column``: where alone
    the values were looked for. ``segments``: for each segment of the plan its label, and the
    values that name its roots.
    """

    record: str
    values: tuple[str, ...]
    label: str
    table: str
    roots: tuple[Key, ...]
    marks: Mapping[str, tuple[str, ...]] | None = None
    heir: Heir | None = None
    column: str | None = None
    identifiers: tuple[str, ...] = ()
    segments: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def to_json(self) -> str:
        """The subject as JSON; ``from_json`` reads it back exactly."""
        return json.dumps(
            {
                "format": FORMAT,
                "record": self.record,
                "values": list(self.values),
                "label": self.label,
                "table": self.table,
                "roots": [[pack(cell) for cell in key] for key in self.roots],
                "marks": None
                if self.marks is None
                else {name: list(part) for name, part in self.marks.items()},
                **({} if self.heir is None else {"heir": self.heir.to_data()}),
                **({} if self.column is None else {"column": self.column}),
                **({"identifiers": list(self.identifiers)} if self.identifiers else {}),
                **({"segments": [[label, list(of)] for label, of in self.segments]} if self.segments else {}),
            },
            ensure_ascii=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "Subject":
        """The subject that ``to_json`` wrote.

        Raises:
            ValueError: written by another version.
        """
        data = json.loads(text)
        if data.get("format") != FORMAT:
            raise ValueError
        marks = data["marks"]
        return cls(
            record=data["record"],
            values=tuple(data["values"]),
            label=data["label"],
            table=data["table"],
            roots=tuple(tuple(unpack(cell) for cell in key) for key in data["roots"]),
            marks=None if marks is None else {name: tuple(part) for name, part in marks.items()},
            heir=Heir.from_data(data["heir"]) if "heir" in data else None,
            column=data.get("column"),
            identifiers=tuple(data.get("identifiers", ())),
            segments=tuple((label, tuple(of)) for label, of in data.get("segments", ())),
        )
