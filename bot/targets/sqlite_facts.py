"""What a whole SQLite file adds up to: damage, rows and sums per table, independent of the order of rows."""

import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from bot.errors import CannotProve, NotOurs
from bot.targets.reporting import SILENT, Report
from bot.targets.sqlite_errors import translated

_MODULO = 1 << 256
#: Rows between two that are told.
_TOLD = 10_000


@dataclass(frozen=True)
class DatabaseFacts:
    """``tables``: rows and sum by name. ``schema``: SHA-256 of all definitions and header numbers."""

    tables: Mapping[str, tuple[int, str]]
    schema: str
    size: int
    sha256: str
    inode: int
    device: int
    mode: int
    uid: int
    gid: int

    @property
    def rows(self) -> int:
        """Over all tables."""
        return sum(rows for rows, _ in self.tables.values())

    def same_rows(self, other: Self) -> bool:
        """Whether both hold the same schema and the same rows."""
        return (self.tables, self.schema) == (other.tables, other.schema)

    def dump(self) -> bytes:
        """JSON of it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote; NotOurs when it is something else."""
        try:
            body = json.loads(raw)
            tables = {name: (rows, total) for name, (rows, total) in body.pop("tables").items()}
            return cls(tables=tables, **body)
        except (KeyError, TypeError, ValueError):
            raise NotOurs("backups.damaged") from None


@contextmanager
def connected(
    path: Path, target: str, mode: str = "rw", only: tuple[int, int] | None = None
) -> Iterator[sqlite3.Connection]:
    """A connection that says nothing of its own accord; ``mode``: ro, rw, or rwc.

    SQLite goes by the path and follows links: ``only`` is the device and inode that it must have opened.

    Raises:
        CannotProve: it opened something else.
    """
    address = f"file:{quote(str(path))}?mode={mode}"
    with translated(target):
        connection = sqlite3.connect(address, uri=True, timeout=5.0, isolation_level=None)
    with closing(connection):
        if only is not None and only not in _open_here():
            raise CannotProve("files.another-folder", path=str(path))
        connection.text_factory = bytes
        with translated(target):
            connection.execute("PRAGMA temp_store = MEMORY")
        yield connection


def _open_here() -> Iterator[tuple[int, int]]:
    """Device and inode of everything this process has open."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            about = descriptor.stat()
            yield about.st_dev, about.st_ino


def facts(path: Path, target: str, *, check: bool = True, report: Report = SILENT) -> DatabaseFacts:
    """Everything about a file that nobody else writes to.

    Raises:
        CannotProve: it is damaged.
        TargetDown: it cannot be read.
    """
    with connected(path, target) as connection, translated(target):
        if check and connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != b"ok":
            raise CannotProve("database.damaged", target=target)
        tables = {name: _sum(connection, name, report) for name in tables_of(connection)}
        schema = _schema(connection)
    about = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return DatabaseFacts(
        tables=tables,
        schema=schema,
        size=about.st_size,
        sha256=digest,
        inode=about.st_ino,
        device=about.st_dev,
        mode=stat.S_IMODE(about.st_mode),
        uid=about.st_uid,
        gid=about.st_gid,
    )


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Ordinary tables, those that hold the rows of virtual ones included."""
    query = (
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    return [row[0].decode("utf-8", "surrogateescape") for row in connection.execute(query)]


def _sum(connection: sqlite3.Connection, table: str, report: Report) -> tuple[int, str]:
    rows = total = 0
    quoted = table.replace('"', '""')
    for row in connection.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - a quoted name out of the schema
        digest = hashlib.sha256()
        for value in row:
            raw = value if isinstance(value, bytes) else repr(value).encode()
            digest.update(f"{type(value).__name__}{len(raw)}:".encode() + raw)
        total = (total + int.from_bytes(digest.digest(), "big")) % _MODULO
        rows += 1
        if rows % _TOLD == 0:
            report.add("rows", _TOLD)
    report.add("rows", rows % _TOLD)
    report.add("tables")
    return rows, f"{total:064x}"


def _schema(connection: sqlite3.Connection) -> str:
    digest = hashlib.sha256()
    for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2"):
        digest.update(repr(row).encode())
    for number in ("user_version", "application_id", "encoding"):
        digest.update(repr(connection.execute(f"PRAGMA {number}").fetchone()).encode())
    return digest.hexdigest()


def own(place: Path, known: DatabaseFacts) -> None:
    """Owner and mode as they were, durable, before the file appears."""
    with place.open("rb") as file:
        if (known.uid, known.gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), known.uid, known.gid)
        os.fchmod(file.fileno(), known.mode)
        os.fsync(file.fileno())
