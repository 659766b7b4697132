"""What SQLite says, in our words: a key and the name of a table, never a value or the driver's text."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bot.errors import CannotProve, CountersignError, TargetDown

_DOWN: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "target.locked",
    sqlite3.SQLITE_LOCKED: "target.locked",
    sqlite3.SQLITE_READONLY: "target.read-only",
    sqlite3.SQLITE_PERM: "target.read-only",
    sqlite3.SQLITE_CANTOPEN: "target.cannot-open",
    sqlite3.SQLITE_NOTADB: "target.not-a-database",
    sqlite3.SQLITE_CORRUPT: "target.damaged",
    sqlite3.SQLITE_FULL: "target.full",
    sqlite3.SQLITE_IOERR: "target.disk",
    sqlite3.SQLITE_INTERRUPT: "target.too-slow",
    sqlite3.SQLITE_SCHEMA: "target.locked",
    sqlite3.SQLITE_NOMEM: "target.full",
}
#: A value does not fit its column.
_UNFIT = {
    sqlite3.SQLITE_TOOBIG: "target.cut-value",
    sqlite3.SQLITE_MISMATCH: "target.out-of-range",
}


@contextmanager
def translated(target: str, table: str = "") -> Iterator[None]:
    """Driver errors inside become ours.

    Raises:
        TargetDown: the file or the machine is the matter.
        CannotProve: the statement was refused, for example by a constraint or a trigger.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(error, target, table) from None
    except (UnicodeError, OverflowError, MemoryError):
        raise CannotProve("target.value", target=target, table=table) from None


def _ours(error: sqlite3.Error, target: str, table: str) -> CountersignError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _DOWN:
        return TargetDown(_DOWN[code], target=target)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return CannotProve("target.constraint", target=target, table=table)
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    return CannotProve(_UNFIT.get(code, "target.refused"), target=target, table=table, code=name)


def past(deadline: Callable[[], float], clock: Callable[[], float]) -> Callable[[], int]:
    """A progress handler that interrupts a statement once the deadline is over."""
    return lambda: int(clock() > deadline())
