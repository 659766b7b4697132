"""What a SQLite file can tell beforehand: whether somebody writes, how large rows are, what a link needs."""
# ruff: noqa: S608 - every name goes through quote()

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote as quote_url

from bot.targets.base import Edge, Holder
from bot.targets.sqlite_sql import quote

_LOOKED_AT = 200


def holders(connection: sqlite3.Connection) -> tuple[Holder, ...]:
    """Whether somebody else is writing: the lock is asked for, not waited for, and given back at once."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    address = f"file:{quote_url(path)}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return (Holder("", "", 0),)
        other.execute("ROLLBACK")
    return ()


def weight(rows: str, columns: Sequence[str]) -> str:
    """The query for the bytes of some rows, on average; ``rows``: the FROM of a table ``t``."""
    # In text a byte of a BLOB takes two characters.
    sizes = " + ".join(
        f"coalesce(length(CAST(t.{name} AS BLOB)) * (1 + (typeof(t.{name}) = 'blob')), 0) + 3"
        for name in map(quote, columns)
    )
    return (
        f"SELECT CAST(coalesce(avg(size), 0) AS INTEGER) FROM"
        f" (SELECT {sizes} AS size FROM {rows} LIMIT {_LOOKED_AT})"
    )


def index_for(edge: Edge) -> str:
    """An index needs a name here; one that says what it is for."""
    name = "_".join([edge.child, *edge.child_columns])
    columns = ", ".join(map(quote, edge.child_columns))
    return f"CREATE INDEX {quote(name)} ON {quote(edge.child)} ({columns})"
