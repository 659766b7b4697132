"""Records in a PostgreSQL database.

Reading: work tables first, then one REPEATABLE READ, READ ONLY transaction. Writing: READ COMMITTED under a
lock of our own (an advisory one, so that of two workers only one is inside), parents locked before their
children are looked for, so that no late child slips in. The server ends a transaction that idles too long:
a worker that was frozen finds it gone when it thaws.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from bot.errors import BadInput, CannotProve, TargetDown
from bot.targets.base import Replicas, Session, Writing
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_narrowing import PostgresqlNarrowing
from bot.targets.postgresql_replicas import replicas
from bot.targets.postgresql_sql import WHICH_SERVER
from bot.targets.postgresql_work import PINNED, Connection, setting
from bot.targets.postgresql_writing import PostgresqlWriting
from bot.targets.unreachable import opening

_LONGEST_WAIT = 5.0
_OPENING = 10_000
#: Since then a transaction has a name that outlives it.
_OLDEST = 13_00_00
_REMEMBERS = 14_00_00
#: One deletion or restore at a time per database, whatever name a configuration gives it.
_LOCK = int.from_bytes(hashlib.sha256(b"countersign target").digest()[:8], "big", signed=True)
#: What a URL may say beyond user, password, host, port and database.
_OPTIONS = frozenset(
    {"host", "hostaddr", "port", "user", "password", "dbname", "passfile", "connect_timeout", "sslmode"}
    | {"sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "channel_binding", "require_auth"}
    | {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
    | {"gssencmode", "krbsrvname", "target_session_attrs"}
)
_ABOUT = f"""
SELECT {WHICH_SERVER},
       pg_catalog.current_database(), d.oid, pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('default_transaction_read_only'),
       pg_catalog.pg_encoding_to_char(d.encoding), pg_catalog.current_setting('track_counts'),
       pg_catalog.current_setting('search_path')
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""  # noqa: S608 - constants


def _texts() -> AdaptersMap:
    """Every value as the text that the server prints."""
    adapters = AdaptersMap(psycopg.adapters)
    for kind in psycopg.adapters.types:
        for oid in {kind.oid, kind.array_oid} - {0}:
            adapters.register_loader(oid, TextLoader)
    return adapters


_ADAPTERS = _texts()


def parts_of(target: str, url: str) -> dict[str, Any]:
    """What a URL says, as parameters of a connection.

    Raises:
        BadInput: it cannot be understood, names no database, or carries an option we do not know.
    """
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except (psycopg.Error, ValueError):
        raise BadInput("target.postgresql-url", target=target) from None
    ports = str(parts.get("port") or "5432").split(",")
    if (
        "\0" in url
        or not all(map(str.isdecimal, ports))
        or not parts.get("dbname")
        or not parts.keys() <= _OPTIONS
    ):
        raise BadInput("target.postgresql-url", target=target)
    return {"connect_timeout": "5", "tcp_user_timeout": "30000"} | parts


class PostgresqlTarget:
    """A target behind ``postgresql://…``; see ``bot.targets.base.RecordTarget``.

    Raises:
        BadInput: the URL cannot be understood, names no database, or carries an option we do not know.
    """

    def __init__(self, name: str, url: str, max_lock: timedelta) -> None:
        self._name = name
        self._parts = parts_of(name, url)
        self._max_lock = max_lock.total_seconds()
        self._identity: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """See ``RecordTarget``."""
        return self._name

    @property
    def identity(self) -> Mapping[str, str]:
        """The cluster's own number, else its address; the database's name and number."""
        if self._identity is None:
            with self._connection():
                pass
        assert self._identity is not None
        return self._identity

    @property
    def warnings(self) -> Sequence[tuple[str, Mapping[str, str | int]]]:
        """Rows that go, and tables with declared links, cannot be written meanwhile."""
        return (("told.blocks-rows", {"target": self._name, "seconds": int(self._max_lock)}),)

    def replicas(self) -> Replicas | None:
        """See ``RecordTarget``."""
        with self._connection() as (connection, _), translated(self._name):
            return replicas(connection.execute)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See ``RecordTarget``."""
        with self._connection() as (connection, _):
            self._bounded(connection)
            self._set(connection, ["BEGIN"])
            yield PostgresqlNarrowing(connection, self._name, self._max_lock, self._snapshot(connection))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """See ``RecordTarget``."""
        with self._connection() as (connection, path):
            self._set(
                connection,
                ["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", f"SELECT pg_advisory_xact_lock({_LOCK})"],
            )
            self._bounded(connection)
            yield PostgresqlWriting(connection, self._name, self._max_lock, path)

    def _snapshot(self, connection: Connection) -> Callable[[], None]:
        return lambda: self._set(connection, ["COMMIT", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"])

    @contextmanager
    def _connection(self) -> Iterator[tuple[Connection, str]]:
        """A connection with everything pinned, and the search path that the role has without us."""
        with opening(self._name, translated):
            connection: Connection = psycopg.connect(
                **self._parts,
                autocommit=True,
                prepare_threshold=None,
                cursor_factory=psycopg.RawCursor,
                context=_Texts(),
                client_encoding="UTF8",
                application_name="countersign",
            )
        with closing(connection):
            path = self._recognise(connection)
            self._pin(connection)
            try:
                yield connection, path
            finally:
                # Closing rolls back as well; saying so frees the locks at once.
                with suppress(psycopg.Error):
                    if not connection.closed and connection.info.transaction_status:
                        connection.execute("ROLLBACK")

    def _recognise(self, connection: Connection) -> str:
        """Which database this is, and whether we can work with it; its search path."""
        with translated(self._name):
            row = connection.execute(_ABOUT).fetchone()
        assert row is not None
        system, database, number, standby, read_only, encoding, counts, path = map(str, row)
        info = connection.info
        server = system if row[0] is not None else f"{info.host}:{info.port}"
        self._identity = {"kind": "postgresql", "server": server, "database": f"{database}/{number}"}
        if standby == "t" or read_only == "on":
            raise TargetDown("target.only-reads", target=self._name)
        if info.server_version < _OLDEST:
            raise CannotProve("target.too-old", target=self._name, version=info.server_version // 10000)
        if encoding == "SQL_ASCII":
            raise CannotProve("target.encoding", target=self._name, encoding=encoding)
        if counts != "on":
            raise CannotProve("target.no-counts", target=self._name)
        return path

    def _pin(self, connection: Connection) -> None:
        # Shorter than a statement may take, so that a lock is called a lock.
        wait = max(1, math.ceil(min(self._max_lock * 0.9, _LONGEST_WAIT) * 1000))
        settings = {**PINNED, "lock_timeout": str(wait), "statement_timeout": str(_OPENING)}
        if connection.info.server_version >= _REMEMBERS:
            # We join by unique keys: what the server remembers of a join is never asked for again.
            settings["enable_memoize"] = "off"
        self._settings(connection, settings)

    def _bounded(self, connection: Connection) -> None:
        longest = str(max(1, math.ceil(self._max_lock * 1000)))
        names = ("statement_timeout", "idle_in_transaction_session_timeout")
        self._settings(connection, dict.fromkeys(names, longest))

    def _settings(self, connection: Connection, settings: Mapping[str, str]) -> None:
        with translated(self._name):
            connection.execute(*setting(settings))

    def _set(self, connection: Connection, statements: Sequence[str]) -> None:
        with translated(self._name):
            for statement in statements:
                connection.execute(statement)


class _Texts:
    """What psycopg asks for a connection's adapters."""

    adapters = _ADAPTERS
    connection = None
