"""What PostgreSQL says, in our words: a key and the name of a table, never a value or the server's text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bot.errors import CannotProve, CountersignError, TargetDown

_DOWN: dict[str, str] = {
    "55P03": "target.locked",
    "55006": "target.locked",
    "40P01": "target.deadlock",
    "40001": "target.collided",
    "57014": "target.too-slow",
    "25P03": "target.idle-too-long",
    "25P04": "target.idle-too-long",
    "57P05": "target.idle-too-long",
    "25006": "target.only-reads",
    "57P01": "target.lost",
    "57P02": "target.lost",
    "57P03": "target.lost",
    "3D000": "target.no-database",
    "28000": "target.no-login",
    "28P01": "target.no-login",
}
_DOWN_CLASSES: dict[str, str] = {
    "08": "target.lost",
    "53": "target.full",
    "58": "target.disk",
    "XX": "target.damaged",
}
#: Class XX without damage: somebody dropped or changed what the catalogue had just named. The server never
#: translates these.
_CATALOGUE_MOVED = ("cache lookup failed", "could not open relation with OID", "tuple concurrently")
#: As the context of an error has it; what stands behind the name may quote a statement.
_FUNCTION = re.compile(r'^(?:PL/pgSQL|SQL) function ("[^"\n]+"|[^\s(]+)', re.MULTILINE)


#: The statement does not fit the table or a value of it.
_UNFIT: dict[str, str] = {
    "22003": "target.out-of-range",
    "22007": "target.out-of-range",
    "22P02": "target.out-of-range",
    "22008": "target.out-of-range",
    "22001": "target.cut-value",
    "54000": "target.row-size",
    "42703": "target.no-column",
    "42P01": "target.no-column",
    "428C9": "target.generated",
}


@contextmanager
def translated(target: str, table: str = "") -> Iterator[None]:
    """Driver errors inside become ours.

    Raises:
        TargetDown: the server, the way to it or other users are the matter.
        CannotProve: the statement was refused, for example by a constraint, a trigger or a missing right.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error, target, table) from None
    except (UnicodeError, OverflowError, MemoryError):
        raise CannotProve("target.value", target=target, table=table) from None


def _ours(error: psycopg.Error, target: str, table: str) -> CountersignError:
    code = error.sqlstate or ""
    key = _down(code, error.diag.message_primary or "")
    if key is not None:
        return TargetDown(key, target=target)
    if not code and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return TargetDown("target.lost", target=target)
    if not code and isinstance(error, psycopg.DataError):
        return CannotProve("target.value", target=target, table=table)
    if code == "42501":
        return CannotProve("target.no-right", target=target, table=table)
    if code.startswith("23"):
        return CannotProve("target.constraint", target=target, table=error.diag.table_name or table)
    return _refused(error, target, table, code or "-")


def _refused(error: psycopg.Error, target: str, table: str, code: str) -> CannotProve:
    about = {"target": target, "code": code, **({"table": table} if table else {})}
    scope = "" if table else "-all"
    function = _FUNCTION.search(error.diag.context or "")
    if function is not None:
        return CannotProve(f"target.function{scope}", function=function[1].strip('"'), **about)
    key = _UNFIT.get(code) if table else None
    return CannotProve(key or f"target.refused{scope}", **about)


def _down(code: str, text: str) -> str | None:
    if code == "XX000" and text.startswith(_CATALOGUE_MOVED):
        return "target.collided"
    if code == "57014" and "user request" in text:
        # In other languages than English a person's doing is told as a timeout.
        return "target.cancelled"
    return _DOWN.get(code) or _DOWN_CLASSES.get(code[:2])
