"""Records in a MariaDB or MySQL database.

Reading: work tables first, then one REPEATABLE READ snapshot, read only. Writing: REPEATABLE READ too, but
every look takes locks and so sees what is committed, under a lock of our own (a named one, so that of two
workers only one is inside). The server ends a transaction that idles too long: a worker that was frozen finds
it gone.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql import converters

from bot.errors import BadInput, CannotProve, TargetDown
from bot.targets.base import Replicas, Session, Writing
from bot.targets.mysql_errors import translated
from bot.targets.mysql_flavours import MARIADB, MYSQL, Flavour, flavour_of, too_old
from bot.targets.mysql_session import MysqlSession
from bot.targets.mysql_watchdog import Watchdog
from bot.targets.mysql_work import Connection, Line
from bot.targets.mysql_writing import MysqlWriting
from bot.targets.unreachable import opening

_LONGEST_WAIT = 5.0
_OPENING = 10.0
_UNKNOWN_VARIABLE = 1193
#: What a URL may say beyond user, password, host, port and database.
_OPTIONS = frozenset({"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "connect_timeout", "charset"})
#: What people are told of the servers that we work with.
_OLDEST = {"mysql": MYSQL.oldest_text, "mariadb": MARIADB.oldest_text}
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
        self._flavour: Flavour | None = None

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
            line = self._line(connection, self._max_lock)
            yield MysqlSession(line, self._max_lock, self._snapshot(connection))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """See ``RecordTarget``."""
        with self._connection() as connection:
            self._lock(connection)
            line = self._line(connection, self._max_lock)
            with self._watched(line) as watched:
                # Not READ WRITE: whoever made reading the default is not overruled.
                self._run(connection, "START TRANSACTION")
                yield MysqlWriting(watched, self._max_lock)

    @property
    def _wait(self) -> float:
        # Shorter than a statement may take, so that a lock is called a lock.
        return min(self._max_lock * 0.9, _LONGEST_WAIT)

    def _snapshot(self, connection: Connection) -> Callable[[], None]:
        return lambda: self._run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def _line(self, connection: Connection, longest: float) -> Line:
        """What a session needs to know of a connection, which is set up for it."""
        assert self._flavour is not None
        self._set(connection, self._flavour.settings(longest, self._wait))
        return Line(connection, self._flavour, self._name, self._database)

    @contextmanager
    def _watched(self, line: Line) -> Iterator[Line]:
        """Where the server ends no statement that writes, we do."""
        if line.flavour.ends_writes:
            yield line
            return
        number = int(line.connection.thread_id())
        with opening(self._name, translated):
            reserve = self._connected()
        try:
            self._line(reserve, self._max_lock)
            watchdog = Watchdog(
                lambda: reserve.query(f"KILL QUERY {number}"), lambda: reserve.ping(False), self._max_lock
            )
            try:
                yield replace(line, watched=watchdog.watched, unwatch=watchdog.leave)
            finally:
                watchdog.leave()
        finally:
            with suppress(pymysql.Error, OSError):
                reserve.close()

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
            connection = self._connected()
        try:
            self._recognise(connection)
            self._line(connection, _OPENING)
            self._run(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection
        finally:
            # Closing rolls back as well; saying so frees the locks at once.
            with suppress(pymysql.Error, OSError):
                if connection.open:
                    connection.rollback()
            with suppress(pymysql.Error, OSError):
                connection.close()

    def _connected(self) -> Connection:
        return pymysql.connect(
            **self._parts,
            charset="utf8mb4",
            autocommit=True,
            local_infile=False,
            read_timeout=max(30, math.ceil(self._max_lock * 2)),
            write_timeout=max(30, math.ceil(self._max_lock * 2)),
            # Every value as the text that the server prints.
            conv={kind: write for kind, write in converters.conversions.items() if not isinstance(kind, int)},
            program_name="countersign",
        )

    def _recognise(self, connection: Connection) -> None:
        """Which database this is, and whether we can work with it."""
        with translated(self._name), connection.cursor() as cursor:
            cursor.execute(_ABOUT)
            version, database, read_only, frozen, host, port = map(str, cursor.fetchone())
            flavour = flavour_of(version, self._asked(cursor, "@@innodb_version"))
            if flavour is None:
                raise CannotProve("target.not-mysql", target=self._name, **_OLDEST)
            uid = self._asked(cursor, flavour.number)
        self._flavour = flavour
        # The server's own spelling: with lower_case_table_names = 1 another one means the same database.
        self._database = database
        self._identity = {"kind": flavour.kind, "server": uid or f"{host}:{port}", "database": database}
        old = too_old(flavour, version)
        if old:
            about = {"server": flavour.title, "version": old, "oldest": flavour.oldest_text}
            raise CannotProve("target.server-old", target=self._name, **about)
        if read_only not in ("0", "OFF") or frozen not in ("0", "OFF"):
            raise TargetDown("target.only-reads", target=self._name)

    def _asked(self, cursor: Any, variable: str) -> str:
        """The value of a variable; nothing where the server has none, as MariaDB no number before 2024."""
        try:
            cursor.execute(f"SELECT {variable}")
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
