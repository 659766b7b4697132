"""What MariaDB or MySQL says, in our words: a key and a table's name, never a value or the server's text."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from bot.errors import CannotProve, CountersignError, TargetDown

_DOWN: dict[int, str] = {
    1205: "target.locked",
    1213: "target.deadlock",
    1020: "target.collided",
    1412: "target.collided",
    # MySQL: another server of the group was first.
    3101: "target.collided",
    1684: "target.locked",
    1969: "target.too-slow",
    3024: "target.too-slow",
    1317: "target.cancelled",
    1290: "target.only-reads",
    1792: "target.only-reads",
    1836: "target.only-reads",
    1044: "target.no-login",
    1045: "target.no-login",
    1698: "target.no-login",
    1049: "target.no-database",
    1021: "target.full",
    1114: "target.full",
    1026: "target.disk",
    1030: "target.disk",
    1034: "target.damaged",
    1194: "target.damaged",
    1712: "target.damaged",
    1932: "target.damaged",
    1877: "target.damaged",
    1040: "target.unreachable",
    1203: "target.unreachable",
    1226: "target.unreachable",
    # MySQL: the account is locked, its password is out of date, or it may log in later only.
    3118: "target.no-login",
    1820: "target.no-login",
    1862: "target.no-login",
    3955: "target.no-login",
    3032: "target.unreachable",
    3159: "target.unreachable",
    1053: "target.lost",
    3169: "target.lost",
    1077: "target.lost",
    1080: "target.lost",
    1152: "target.lost",
    1158: "target.lost",
    1159: "target.lost",
    1160: "target.lost",
    1161: "target.lost",
    1927: "target.lost",
    2003: "target.unreachable",
    2006: "target.lost",
    2013: "target.lost",
    2014: "target.lost",
    4031: "target.idle-too-long",
}
_NO_RIGHT = frozenset({1142, 1143, 1227, 1370, 1419})
_CONSTRAINT = frozenset(
    {1048, 1062, 1169, 1216, 1217, 1451, 1452, 1557, 1586, 1644, 1761, 1762, 3008, 3819, 4025}
)
#: MySQL: no work table can be made inside a transaction.
_BINARY_LOG = frozenset({1787, 3748})
#: The statement does not fit the table or a value of it; 1265 is also what an ENUM's error value gives.
_UNFIT: dict[int, str] = {
    1264: "target.out-of-range",
    1292: "target.out-of-range",
    1366: "target.out-of-range",
    1265: "target.cut-value",
    1406: "target.cut-value",
    1067: "target.bad-default",
    1101: "target.bad-default",
    1118: "target.row-size",
    1054: "target.no-column",
    1146: "target.no-column",
    1906: "target.generated",
    3105: "target.generated",
}
#: No answer from the other side: the driver has no number for these.
_SILENT = frozenset({0})


@contextmanager
def translated(target: str, table: str = "") -> Iterator[None]:
    """Driver errors inside become ours.

    Raises:
        TargetDown: the server, the way to it or other users are the matter.
        CannotProve: the statement was refused, for example by a constraint, a trigger or a missing right.
    """
    try:
        yield
    except pymysql.Error as error:
        raise _ours(error, target, table) from None
    except OSError:
        raise TargetDown("target.lost", target=target) from None
    except (UnicodeError, OverflowError, MemoryError, ArithmeticError, ValueError):
        raise CannotProve("target.value", target=target, table=table) from None


def _ours(error: pymysql.Error, target: str, table: str) -> CountersignError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    key = _DOWN.get(code)
    if (
        key is None
        and code in _SILENT
        and isinstance(error, pymysql.OperationalError | pymysql.InterfaceError)
    ):
        key = "target.lost"
    if key is not None:
        return TargetDown(key, target=target)
    if code in _NO_RIGHT:
        return CannotProve("target.no-right", target=target, table=table)
    if code in _BINARY_LOG:
        return CannotProve("target.binary-log", target=target)
    if code in _CONSTRAINT:
        return CannotProve("target.constraint", target=target, table=table)
    if code in _UNFIT and table:
        return CannotProve(_UNFIT[code], target=target, table=table, code=str(code))
    return CannotProve("target.refused", target=target, table=table, code=str(code or "-"))
