"""Connections to our own database: one way to write, one way to read."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from bot.errors import BadInput, BooksDown

BUSY_MS = 30_000
#: What a server or its driver says -> what to tell; everything else is told by the name of its class.
_SIGNS = (
    ("password authentication failed", "store.password"),
    ("no password supplied", "store.password"),
    ("no pg_hba.conf entry", "store.password"),
    ("read-only transaction", "store.read-only"),
    ("readonly database", "store.read-only"),
    ('" does not exist', "store.missing"),
    ("connection failed", "store.unreachable"),
    ("connection timeout", "store.unreachable"),
    ("Connection refused", "store.unreachable"),
    ("server closed the connection", "store.unreachable"),
    ("terminating connection", "store.unreachable"),
    ("the connection is lost", "store.unreachable"),
    ("the connection is closed", "store.unreachable"),
)
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


class Database:
    """Our own database by URL: ``sqlite:///file`` or ``postgresql://…``.

    On SQLite a write transaction begins with BEGIN IMMEDIATE, so that read, decide and save are one step, and
    writers of this process queue on a lock; readers see a snapshot and never wait.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.drivername not in _DRIVERS:
            raise BadInput("store.scheme", scheme=parsed.drivername)
        self.is_sqlite = parsed.drivername == "sqlite"
        self.url = parsed.set(drivername=_DRIVERS[parsed.drivername])
        self._lock = threading.RLock()
        self._onlooking = threading.Lock()
        self._onlooker: sqlite3.Connection | None = None
        if self.is_sqlite:
            assert self.url.database is not None
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.writer = self._engine("BEGIN IMMEDIATE", "READ COMMITTED")
        self.reader = self._engine("BEGIN", "REPEATABLE READ")

    def _engine(self, begin: str, level: Literal["READ COMMITTED", "REPEATABLE READ"]) -> Engine:
        if not self.is_sqlite:
            return create_engine(
                self.url,
                hide_parameters=True,
                # Enough for every listener, but few are kept: a server has a hundred for everybody.
                pool_size=8,
                max_overflow=32,
                pool_pre_ping=True,
                isolation_level=level,
            )
        engine = create_engine(self.url, hide_parameters=True, pool_size=40, max_overflow=20)

        @event.listens_for(engine, "connect")
        def _prepare(connection: sqlite3.Connection, _: Any) -> None:
            # pysqlite's own transaction handling would begin only at the first write: votes would be lost.
            connection.isolation_level = None
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                f"busy_timeout={BUSY_MS}",
                "foreign_keys=ON",
                "secure_delete=ON",
            ):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    @contextmanager
    def transact(self) -> Iterator[Connection]:
        """One write transaction; commits when the block ends well, rolls back when it raises.

        Raises:
            BooksDown: the database cannot be used; a commit may or may not have happened.
        """
        turn = self._lock if self.is_sqlite else nullcontext()
        with _said_plainly(), turn, self.writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look; never waits for writers.

        Raises:
            BooksDown: the database cannot be used.
        """
        with _said_plainly(), self.reader.connect() as connection:
            yield connection

    def mark(self) -> int | None:
        """A number that every commit of anybody changes; None where asking for it costs as much as a look."""
        if not self.is_sqlite:
            return None
        try:
            with self._onlooking:
                if self._onlooker is None:
                    self._onlooker = sqlite3.connect(str(self.url.database), check_same_thread=False)
                # What this connection writes would not count; it never writes.
                return int(self._onlooker.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    def alive(self) -> bool:
        """Whether a trivial query gets an answer."""
        try:
            with self.read() as connection:
                connection.execute(text("SELECT 1"))
        except BooksDown:
            return False
        return True

    def forget(self) -> None:
        """Empty the write-ahead log, so that what was erased is gone from the disk too."""
        if self.is_sqlite:
            with self._lock, self.writer.connect() as connection:
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        if self._onlooker is not None:
            self._onlooker.close()
        self.writer.dispose()
        self.reader.dispose()


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless its key is there already; False when somebody else was first."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # Not the count of rows: for an INSERT the driver of PostgreSQL does not say it.
    return connection.execute(query.returning(*table.primary_key)).first() is not None


def put_row(connection: Connection, table: Table, **values: Any) -> None:
    """Set the row with this primary key, whether there is one already or not.

    One statement: of two who delete and insert at once, the later one would meet the earlier one's row.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    keys = [column.name for column in table.primary_key]
    query = dialect.insert(table).values(**values)
    rest = {name: query.excluded[name] for name in values if name not in keys}
    connection.execute(query.on_conflict_do_update(index_elements=keys, set_=rest))


def reachable(database: Database) -> None:
    """Say in one sentence that our own database cannot be used.

    Raises:
        BooksDown: it cannot be opened, read or written.
    """
    with database.transact() as connection:
        if database.is_sqlite:
            connection.execute(text("SELECT 1"))
        elif connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
            raise BooksDown("store.read-only")


@contextmanager
def _said_plainly() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, NoConnectionFree) as error:
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if lost or isinstance(error, OperationalError | InterfaceError | NoConnectionFree):
            raise what_is_wrong(error) from None
        raise


def what_is_wrong(error: SQLAlchemyError) -> BooksDown:
    """One sentence for an error of the driver, without a word of its text: that may hold values."""
    text_of_it = str(getattr(error, "orig", None) or "")
    for words, key in _SIGNS:
        if words in text_of_it:
            return BooksDown(key)
    return BooksDown("store.unusable", code=type(getattr(error, "orig", None) or error).__name__)


def file_behind(url: str) -> Path | None:
    """The file of a SQLite URL; None for a server.

    Raises:
        BadInput: not a URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadInput("cli.database-url") from None
    return Path(parsed.database or "") if parsed.drivername == "sqlite" else None
