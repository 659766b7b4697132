"""Something happens to a target at a chosen statement: it is counted from the first one of the target's connections."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
import pytest

#: Gets the connection and the way to run a statement on it; may raise, and may do nothing.
Fault = Callable[[Any, Callable[[str], object]], None]


class Statements:
    """Counts what the target sends; with ``strike``, statement ``at`` meets a fault before, or after, it runs."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._at, self._fault, self._late = 0, None, False  # type: int, Fault | None, bool

    def strike(self, at: int, fault: Fault | None, *, late: bool = False) -> None:
        """Begin to count anew; 0 never strikes."""
        self.seen, self._at, self._fault, self._late = [], at, fault, late

    @contextmanager
    def passing(
        self, text: str, connection: Any, run: Callable[[str], object], *, whole: bool = True
    ) -> Iterator[None]:
        """One statement; what is not read ``whole`` at once never meets a fault after it."""
        self.seen.append(text)
        fault = self._fault if len(self.seen) == self._at else None
        if fault and not (self._late and whole):
            fault(connection, run)
        yield
        if fault and self._late and whole:
            fault(connection, run)


@contextmanager
def counted(kind: str) -> Iterator[Statements]:
    """The statements of every target of this kind in this process."""
    statements = Statements()
    with pytest.MonkeyPatch.context() as patch:
        {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb, "mysql": _mariadb}[kind](
            patch, statements
        )
        yield statements


def _mariadb(patch: pytest.MonkeyPatch, statements: Statements) -> None:
    query = pymysql.connections.Connection.query

    def counting(self: Any, text: Any, unbuffered: bool = False) -> Any:
        if self._connect_attrs.get("program_name") != "countersign":
            return query(self, text, unbuffered)
        with statements.passing(str(text), self, lambda other: query(self, other), whole=not unbuffered):
            return query(self, text, unbuffered)

    patch.setattr(pymysql.connections.Connection, "query", counting)


def _postgresql(patch: pytest.MonkeyPatch, statements: Statements) -> None:
    execute, copy = psycopg.RawCursor.execute, psycopg.RawCursor.copy

    def run(cursor: Any) -> Callable[[str], object]:
        return lambda other: execute(psycopg.RawCursor(cursor.connection), other)

    def counting(self: Any, text: Any, *values: Any, **how: Any) -> Any:
        with statements.passing(str(text), self.connection, run(self)):
            return execute(self, text, *values, **how)

    def copying(self: Any, text: Any, *values: Any, **how: Any) -> Any:
        with statements.passing(str(text), self.connection, run(self)):
            return copy(self, text, *values, **how)

    patch.setattr(psycopg.RawCursor, "execute", counting)
    patch.setattr(psycopg.RawCursor, "copy", copying)


def _sqlite(patch: pytest.MonkeyPatch, statements: Statements) -> None:
    connect = sqlite3.connect

    class Counting(sqlite3.Connection):
        def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
            with statements.passing(text, self, super().execute):
                return super().execute(text, *values)

        def executemany(self, text: str, *values: Any) -> sqlite3.Cursor:
            with statements.passing(text, self, super().execute):
                return super().executemany(text, *values)

    def counting(place: Any, *args: Any, **how: Any) -> sqlite3.Connection:
        if how.get("uri"):
            how["factory"] = Counting
        made: sqlite3.Connection = connect(place, *args, **how)
        return made

    patch.setattr(sqlite3, "connect", counting)
