"""Records in a MariaDB database.

Reading: work tables first, then one REPEATABLE READ snapshot, read only. Writing: REPEATABLE READ too, but
every look takes locks and so sees what is committed, under a lock of our own (a named one, so that of two
workers only one is inside). The server ends a transaction that idles too long: a worker that was frozen finds
it gone.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql import converters

from bot.errors import BadInput, CannotProve, TargetDown
from bot.targets.base import Replicas, Session, Writing
from bot.targets.mysql_errors import translated
from bot.targets.mysql_session import MysqlSession
from bot.targets.mysql_work import Connection, settings
from bot.targets.mysql_writing import MysqlWriting
from bot.targets.unreachable import opening

_LONGEST_WAIT = 5.0
_OPENING = 10.0
_UNKNOWN_VARIABLE = 1193
#: Before, an UPDATE or DELETE cannot read what it writes to, and a work table cannot be read twice.
_OLDEST = (10, 5)
#: What a URL may say beyond user, password, host, port and database.
_OPTIONS = frozenset({"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "connect_timeout", "charset"})
_ABOUT = """
SELECT VERSION(), DATABASE(), @@global.read_only, @@innodb_read_only, @@hostname, @@port
"""


class MysqlTarget:
    """A target behind ``mysql://…`` or ``mariadb://…``; see ``bot.targets.base.RecordTarget``.

    Raises:
        BadInput: the URL cannot be understood, names no database, or carries an option we do not know.
    """

    def __init__(self, name: str, url: str, max_lock: timedelta) -> None:
        self._name = name
        self._parts = parts_of(name, url)
        self._database = str(self._parts["database"])
        self._max_lock = max_lock.total_seconds()
        self._identity: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """See ``RecordTarget``."""
        return self._name

    @property
    def identity(self) -> Mapping[str, str]:
        """The server's own number, else its address; the database's name."""
        if self._identity is None:
            with self._connection():
                pass
        assert self._identity is not None
        return self._identity

    @property
    def warnings(self) -> Sequence[tuple[str, Mapping[str, str | int]]]:
        """Rows that go, and the places beside them, cannot be written meanwhile."""
        return (("told.blocks-rows", {"target": self._name, "seconds": int(self._max_lock)}),)

    def replicas(self) -> Replicas | None:
        """See ``RecordTarget``: the server that is followed does not know how far others are."""
        return None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See ``RecordTarget``."""
        with self._connection() as connection:
            self._set(connection, settings(self._max_lock, self._wait))
            yield MysqlSession(
                connection, self._name, self._database, self._max_lock, self._snapshot(connection)
            )

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """See ``RecordTarget``."""
        with self._connection() as connection:
            self._lock(connection)
            self._set(connection, settings(self._max_lock, self._wait))
            # Not READ WRITE: whoever made reading the default is not overruled.
            self._run(connection, "START TRANSACTION")
            yield MysqlWriting(connection, self._name, self._database, self._max_lock)

    @property
    def _wait(self) -> float:
        # Shorter than a statement may take, so that a lock is called a lock.
        return min(self._max_lock * 0.9, _LONGEST_WAIT)

    def _snapshot(self, connection: Connection) -> Callable[[], None]:
        return lambda: self._run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def _lock(self, connection: Connection) -> None:
        """One deletion or restore at a time per database, whatever name a configuration gives it."""
        name = "countersign " + hashlib.sha256(self._database.encode()).hexdigest()[:32]
        with translated(self._name), connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (name, max(0.05, self._wait)))
            if cursor.fetchone()[0] != "1":
                raise TargetDown("target.locked", target=self._name)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection with everything pinned; it is rolled back and closed at the end."""
        with opening(self._name, translated):
            connection = pymysql.connect(
                **self._parts,
                charset="utf8mb4",
                autocommit=True,
                local_infile=False,
                read_timeout=max(30, math.ceil(self._max_lock * 2)),
                write_timeout=max(30, math.ceil(self._max_lock * 2)),
                # Every value as the text that the server prints.
                conv={
                    kind: write for kind, write in converters.conversions.items() if not isinstance(kind, int)
                },
                program_name="countersign",
            )
        try:
            self._set(connection, settings(_OPENING, self._wait))
            self._run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._recognise(connection)
            yield connection
        finally:
            # Closing rolls back as well; saying so frees the locks at once.
            with suppress(pymysql.Error, OSError):
                if connection.open:
                    connection.rollback()
            with suppress(pymysql.Error, OSError):
                connection.close()

    def _recognise(self, connection: Connection) -> None:
        """Which database this is, and whether we can work with it."""
        with translated(self._name), connection.cursor() as cursor:
            cursor.execute(_ABOUT)
            version, database, read_only, frozen, host, port = map(str, cursor.fetchone())
            uid = self._uid(cursor)
        # The server's own spelling: with lower_case_table_names = 1 another one means the same database.
        self._database = database
        self._identity = {"kind": "mariadb", "server": uid or f"{host}:{port}", "database": database}
        found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", version)
        if found is None or "mariadb" not in version.lower():
            raise CannotProve("target.not-mariadb", target=self._name)
        if (int(found[1]), int(found[2])) < _OLDEST:
            raise CannotProve("target.mariadb-old", target=self._name, version=f"{found[1]}.{found[2]}")
        if read_only not in ("0", "OFF") or frozen not in ("0", "OFF"):
            raise TargetDown("target.only-reads", target=self._name)

    def _uid(self, cursor: Any) -> str:
        """The server's own number; releases before 2024 have none."""
        try:
            cursor.execute("SELECT @@global.server_uid")
        except pymysql.Error as error:
            # Anything else would make it another database, and its plan drift.
            if error.args[0] != _UNKNOWN_VARIABLE:
                raise
            return ""
        return str(cursor.fetchone()[0])

    def _set(self, connection: Connection, wanted: Mapping[str, str]) -> None:
        self._run(
            connection, "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in wanted.items())
        )

    def _run(self, connection: Connection, statement: str) -> None:
        with translated(self._name), connection.cursor() as cursor:
            cursor.execute(statement)


def parts_of(name: str, url: str) -> dict[str, Any]:
    """What the driver is told.

    Raises:
        BadInput: it cannot be understood, names no database, or carries an option we do not know.
    """
    try:
        found = urlsplit(url)
        options = dict(parse_qsl(found.query, keep_blank_values=True, strict_parsing=bool(found.query)))
        port = found.port
        timeout = float(options.pop("connect_timeout", "5"))
    except ValueError:
        raise BadInput("target.mysql-url", target=name) from None
    database = unquote(found.path.removeprefix("/"))
    wrong = not database or "\0" in url or "/" in database or found.fragment or not options.keys() <= _OPTIONS
    if wrong or not 0 < timeout <= 3600:
        raise BadInput("target.mysql-url", target=name)
    options.pop("charset", None)
    parts: dict[str, Any] = {"database": database, "connect_timeout": timeout, **options}
    if found.username:
        parts["user"] = unquote(found.username)
    if found.password:
        # The driver would write it down in latin1, and the server keeps it as UTF-8.
        parts["password"] = unquote(found.password).encode()
    if "unix_socket" not in parts:
        parts |= {"host": found.hostname or "localhost", "port": port or 3306}
    if "ssl_ca" in parts:
        parts |= {"ssl_verify_cert": True, "ssl_verify_identity": True}
    return parts
