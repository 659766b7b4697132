"""Whether a database says yes: one statement that must give one row with one value that is true.

It is asked in a transaction that cannot write, as a part of a SELECT of ours: so it can be nothing but a
question, and never more than two of its rows travel. All of it is bounded by one time.
"""

import math
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote as quote_url

import psycopg
import pymysql

from bot.errors import BadInput, CountersignError, TargetDown
from bot.targets import mysql_errors, postgresql_errors
from bot.targets.checks import TimedCheck
from bot.targets.mysql import parts_of as mysql_parts
from bot.targets.mysql_flavours import MARIADB, MYSQL
from bot.targets.postgresql import parts_of as postgresql_parts
from bot.targets.sqlite import SqliteTarget
from bot.targets.sqlite_errors import past
from bot.targets.unreachable import opening

Rows = Sequence[Sequence[Any]]

_STEPS_BETWEEN_CHECKS = 20_000


class SqlCheck(TimedCheck):
    """A statement whose answer must be true.

    Args:
        name: what people call it.
        url: the database.
        sql: the statement; a semicolon at its end is no part of it.
        seconds: for all of it.

    Raises:
        BadInput: the address cannot be understood.
    """

    def __init__(self, name: str, url: str, sql: str, seconds: float = 5.0) -> None:
        self._name = name
        scheme = url.partition("://")[0].lower()
        if scheme not in _ASKING:
            raise BadInput("checks.database", name=name)
        self._ask = _ASKING[scheme](name, url)
        # On lines of their own: a comment at the end must not swallow ours.
        self._sql = f"SELECT * FROM (\n{sql.strip().rstrip(';')}\n) AS asked LIMIT 2"  # noqa: S608 - the operator's own
        self._seconds = seconds

    def _once(self) -> tuple[bool, str, int]:
        until = time.monotonic() + self._seconds
        try:
            rows = self._ask(self._sql, self._seconds)
        except CountersignError as error:
            return False, "checks.too-slow" if error.key == "target.too-slow" else "checks.no-answer", 0
        # The driver's own words may hold an address or a value of a row.
        except (psycopg.Error, pymysql.Error, sqlite3.Error, UnicodeError, OverflowError):
            late = time.monotonic() >= until
            return False, "checks.too-slow" if late else "checks.refused", 0
        if time.monotonic() >= until:
            # MySQL makes a yes of a sleep that it has ended.
            return False, "checks.too-slow", 0
        return verdict(rows)


def verdict(rows: Rows) -> tuple[bool, str, int]:
    """Exactly one row with one value, and that is true: anything else is not well."""
    if len(rows) != 1 or len(rows[0]) != 1:
        return False, "checks.not-one", len(rows)
    value = rows[0][0]
    # A text, another number, NULL: none of them is a yes.
    if isinstance(value, int) and value == 1:
        return True, "checks.yes", 0
    return False, "checks.no", 0


Ask = Callable[[str, float], Rows]


def _postgresql(name: str, url: str) -> Ask:
    parts = postgresql_parts(name, url)

    def ask(sql: str, seconds: float) -> Rows:
        wanted: Mapping[str, Any] = {**parts, "connect_timeout": _whole(seconds)}
        with opening(name, postgresql_errors.translated):
            connection = psycopg.connect(**wanted, application_name="countersign", prepare_threshold=None)
        with closing(connection), _bounded(os.dup(connection.fileno()), seconds):
            connection.read_only = True
            connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}".encode())
            # In binary: this way of asking takes one statement and no more.
            return connection.execute(sql.encode(), binary=True).fetchall()

    return ask


def _mysql(name: str, url: str) -> Ask:
    parts = mysql_parts(name, url)

    def ask(sql: str, seconds: float) -> Rows:
        limits = {"connect_timeout": _whole(seconds), "read_timeout": _whole(seconds)}
        wanted: Mapping[str, Any] = {**parts, **limits, "write_timeout": _whole(seconds)}
        with opening(name, mysql_errors.translated):
            connection = pymysql.connect(**wanted, charset="utf8mb4", program_name="countersign")
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            flavour = MARIADB if "mariadb" in str(cursor.fetchone()[0]).lower() else MYSQL
            cursor.execute(f"SET SESSION lock_wait_timeout = {_whole(seconds)}")
            cursor.execute("START TRANSACTION READ ONLY")
            cursor.execute(flavour.bounded(sql, seconds))
            return list(cursor.fetchall())

    return ask


def _sqlite(name: str, url: str) -> Ask:
    SqliteTarget(name, url, timedelta(seconds=1))
    path = Path(url.partition(":///")[2])

    def ask(sql: str, seconds: float) -> Rows:
        if not path.is_file():
            raise TargetDown("target.missing", target=name)
        until = time.monotonic() + seconds
        address = f"file:{quote_url(os.path.realpath(path))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.set_progress_handler(past(lambda: until, time.monotonic), _STEPS_BETWEEN_CHECKS)
            return connection.execute(sql).fetchall()

    return ask


_ASKING: Mapping[str, Callable[[str, str], Ask]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
}


@contextmanager
def _bounded(number: int, seconds: float) -> Iterator[None]:
    """A server that stands still answers nothing, not even its own time limit: then we hang up."""
    with socket.socket(fileno=number) as line:
        watch = threading.Timer(seconds * 1.2, _hang_up, [line])
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))
