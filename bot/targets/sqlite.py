"""Records in a SQLite file.

The lock is ``BEGIN IMMEDIATE``: nobody else can write until we are done, readers go on. Foreign keys are not
enforced on our connection: the engine would cascade by itself and check row by row (quadratic without an
index). Everything that goes is deleted explicitly, and ``dangling`` asks the engine for the verdict.
"""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote as quote_url

from bot.errors import BadInput, CannotProve, TargetDown
from bot.model.backups import InvalidText
from bot.targets.base import Replicas, Session, Writing
from bot.targets.sqlite_errors import past, translated
from bot.targets.sqlite_narrowing import SqliteNarrowing
from bot.targets.sqlite_writing import SqliteWriting

_PREFIX = "sqlite:///"
_LONGEST_WAIT = 5.0
_STEPS_BETWEEN_CHECKS = 20_000


class SqliteTarget:
    """A target behind ``sqlite:///path``; see ``bot.targets.base.RecordTarget``.

    Raises:
        BadInput: the URL names no file, or carries options.
    """

    def __init__(self, name: str, url: str, max_lock: timedelta) -> None:
        path = url[len(_PREFIX) :] if url.lower().startswith(_PREFIX) else ""
        if not path or "?" in path or path == ":memory:" or "\0" in path:
            raise BadInput("target.sqlite-url", target=name)
        self._name = name
        self._path = Path(path)
        self._max_lock = max_lock.total_seconds()

    @property
    def name(self) -> str:
        """See ``RecordTarget``."""
        return self._name

    @property
    def identity(self) -> Mapping[str, str]:
        """The file's resolved path."""
        return {"kind": "sqlite", "server": "", "database": os.path.realpath(self._path)}

    @property
    def warnings(self) -> Sequence[tuple[str, Mapping[str, str | int]]]:
        """The lock keeps every writer out."""
        return (("told.blocks-writers", {"target": self._name, "seconds": int(self._max_lock)}),)

    def replicas(self) -> Replicas | None:
        """See ``RecordTarget``: nobody follows a file."""
        return None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See ``RecordTarget``."""
        self._look()
        self._recover()
        with self._connection("ro") as connection:
            session = SqliteNarrowing(connection, self._name, self._max_lock)
            self._bound(connection, session)
            with translated(self._name):
                connection.execute("BEGIN")
            self._recognise(connection)
            yield session

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """See ``RecordTarget``."""
        self._look()
        with self._connection("rw") as connection:
            with translated(self._name):
                # EXTRA: a power cut must not bring back the journal of what we said was committed.
                for pragma in ("foreign_keys = OFF", "synchronous = EXTRA", "secure_delete = ON"):
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute("BEGIN IMMEDIATE")
            session = SqliteWriting(connection, self._name, self._max_lock)
            self._bound(connection, session)
            self._recognise(connection)
            try:
                yield session
            finally:
                connection.set_progress_handler(None, 0)
                if connection.in_transaction:
                    with translated(self._name):
                        connection.execute("ROLLBACK")

    @contextmanager
    def _connection(self, mode: str) -> Iterator[sqlite3.Connection]:
        wait = min(self._max_lock, _LONGEST_WAIT)
        address = f"file:{quote_url(os.path.realpath(self._path))}?mode={mode}"
        with translated(self._name):
            connection = sqlite3.connect(address, uri=True, timeout=wait, isolation_level=None)
        with closing(connection):
            connection.text_factory = _text
            with translated(self._name):
                # Copies of rows must not reach the disk in the clear.
                connection.execute("PRAGMA temp_store = MEMORY")
            yield connection

    def _recover(self) -> None:
        """What a program that died left half done is undone by the first who may write; readers may not."""
        if Path(f"{os.path.realpath(self._path)}-journal").exists():
            with self._connection("rw") as connection:
                self._recognise(connection)

    def _bound(self, connection: sqlite3.Connection, session: SqliteNarrowing) -> None:
        handler = past(lambda: session.deadline, time.monotonic)
        connection.set_progress_handler(handler, _STEPS_BETWEEN_CHECKS)

    def _recognise(self, connection: sqlite3.Connection) -> None:
        """Read the file for the first time: locks, damage and foreign formats show here."""
        with translated(self._name):
            connection.execute("SELECT count(*) FROM main.sqlite_schema").fetchone()
            encoding = connection.execute("PRAGMA main.encoding").fetchone()[0]
        if encoding != "UTF-8":
            raise CannotProve("target.encoding", target=self._name, encoding=str(encoding))

    def _look(self) -> None:
        """Say what is wrong with the file in better words than the driver would."""
        real = Path(os.path.realpath(self._path))
        try:
            about = real.stat()
        except FileNotFoundError:
            raise TargetDown("target.missing", target=self._name) from None
        except OSError:
            raise TargetDown("target.cannot-open", target=self._name) from None
        if not stat.S_ISREG(about.st_mode):
            raise TargetDown("target.not-a-database", target=self._name)
        if not _may(real, os.R_OK):
            raise TargetDown("target.cannot-open", target=self._name)
        # Its journal lies beside it, so the folder must be writable too.
        if not _may(real, os.W_OK) or not _may(real.parent, os.W_OK):
            raise TargetDown("target.read-only", target=self._name)
        if about.st_size == 0:
            raise TargetDown("target.empty", target=self._name)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _text(raw: bytes) -> str | InvalidText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return InvalidText(raw)
