"""What a backup is made of; ``docs/backup-format.md`` has the bytes. No I/O."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

#: Of the archives that are written now.
FORMAT_VERSION = 3

#: ``rows``: rows that were deleted, by table. ``nullified``: keys and old references of rows that stayed.
Kind = Literal["rows", "nullified"]


@dataclass(frozen=True)
class InvalidText:
    """A SQLite TEXT value whose bytes are not valid UTF-8. Valid text is a ``str``, never this.

    Raises:
        ValueError: the bytes are valid UTF-8; one value must not have two forms.
    """

    raw: bytes

    def __post_init__(self) -> None:
        try:
            self.raw.decode()
        except UnicodeDecodeError:
            return
        raise ValueError


#: A database value as the targets hand it over and take it back.
Value = int | float | str | bytes | InvalidText | None
#: A value as it stands in the archive; ``None`` is NULL.
Cell = str | None


@dataclass(frozen=True)
class Column:
    """A column of an archived table and the cell codec of its values."""

    name: str
    codec: str


@dataclass(frozen=True)
class TableSummary:
    """One table of an archive: its true name, where it lies, and what it must add up to.

    ``sum`` is 64 hex digits, independent of the order of the rows; ``over`` says what is hashed of each row.
    """

    kind: Kind
    name: str
    folder: str
    columns: tuple[Column, ...]
    rows: int
    sum: str
    parts: int
    over: Literal["lines", "cells"] = "cells"


@dataclass(frozen=True)
class Member:
    """One file of the tar: its size in bytes and SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class StreamSummary:
    """One stream of an archive: bytes as they came, in parts; ``size`` is of those bytes.

    ``sha256`` is too, of a backup of before; since then its members' hashes and the checksums in them stand
    for it.
    """

    name: str
    folder: str
    size: int
    parts: int
    sha256: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The table of contents of one archive. ``extra`` is the operation's own, JSON only.

    ``version`` is that of the format.
    """

    backup_id: str
    tables: tuple[TableSummary, ...]
    members: tuple[Member, ...]
    extra: Mapping[str, Any] = field(repr=False)
    streams: tuple[StreamSummary, ...] = ()
    version: int = FORMAT_VERSION

    def table(self, kind: Kind, name: str) -> TableSummary | None:
        """The summary of one table, or None when the archive has no such table."""
        return next((table for table in self.tables if (table.kind, table.name) == (kind, name)), None)

    def stream(self, name: str) -> StreamSummary | None:
        """The summary of one stream, or None when the archive has no such stream."""
        return next((stream for stream in self.streams if stream.name == name), None)

    @property
    def rows(self) -> int:
        """How many rows were backed up, over all tables, without the nullified references."""
        return sum(table.rows for table in self.tables if table.kind == "rows")


@dataclass(frozen=True)
class Table:
    """One table on its way out of an archive. ``rows`` is read once, before the next table is asked for."""

    summary: TableSummary
    rows: Iterable[tuple[Value, ...]]


@dataclass(frozen=True)
class EncodedTable:
    """One table on its way out of an archive, its cells not decoded, not yet checked against the manifest."""

    folder: str
    header: Sequence[str]
    rows: Iterable[tuple[Cell, ...]]


@dataclass(frozen=True)
class EncodedStream:
    """One stream on its way out of an archive, not yet checked against the manifest."""

    folder: str
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class SealedBackup:
    """A backup that lies in the store and was read back. ``sha256`` and ``size`` are of ``<id>.age``."""

    backup_id: str
    sha256: str
    size: int
    key_id: str
    manifest: Manifest


@dataclass(frozen=True)
class ReferencePayload:
    """What a reference names. ``sha256`` is of ``<id>.age``, 64 hex digits."""

    backup_id: str
    sha256: str
    workspace: str


@dataclass(frozen=True)
class Kept:
    """A backup as retention sees it. ``keep`` None: for ever. ``in_use``: a request still needs it."""

    backup_id: str
    sealed_at: datetime
    keep: timedelta | None
    in_use: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether a backup goes now, and the catalogue key that says why. ``until`` None: for ever."""

    backup_id: str
    shred: bool
    until: datetime | None
    reason: str
