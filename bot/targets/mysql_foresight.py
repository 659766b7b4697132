"""What a MariaDB server can tell beforehand: who else holds locks, how large rows are, what a link needs."""

# ruff: noqa: S608 - nothing but our own constants goes into these queries

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymysql

from bot.targets.base import Edge, Holder
from bot.targets.mysql_grants import read
from bot.targets.mysql_ledger import UNREADABLE
from bot.targets.mysql_sql import PLACE, Relation, quote

Ask = Callable[[str, Sequence[Any] | None], Iterable[Sequence[Any]]]

# The server tells of a transaction that it holds locks, not on which table.
_HOLDERS = f"""
SELECT CAST(p.ID AS CHAR), p.COMMAND,
       CAST(GREATEST(0, TIMESTAMPDIFF(SECOND, t.trx_started, NOW())) AS CHAR)
  FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
 WHERE t.trx_mysql_thread_id <> CONNECTION_ID() AND p.DB = {PLACE}
   AND (t.trx_rows_modified > 0 OR t.trx_rows_locked > 0)
"""

WEIGHT = f"""
SELECT COALESCE(MAX(AVG_ROW_LENGTH), 0) FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = {PLACE} AND TABLE_NAME = {PLACE}
"""


def holders(ask: Ask, database: str) -> tuple[Holder, ...]:
    """Other transactions that hold locks in this database; none when our user may not see them now."""
    if not read(str(line) for (line,) in ask("SHOW GRANTS", None)).may("PROCESS", ""):
        return ()
    try:
        rows = list(ask(_HOLDERS, [database]))
    except pymysql.Error as error:
        if error.args[0] != UNREADABLE:
            raise
        return ()
    found = [
        Holder("", f"connection {number} ({command})", int(seconds)) for number, command, seconds in rows
    ]
    return tuple(sorted(found, key=lambda one: (-one.seconds, one.who)))


def index_for(relation: Relation, edge: Edge) -> str:
    """The server builds it while others write."""
    return f"ALTER TABLE {relation.path} ADD INDEX ({', '.join(map(quote, edge.child_columns))})"
