"""Rows of a SQLite file whose columns name something. Every column may hold every kind of value."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import sqlite3
from collections.abc import Sequence

from bot.model.backups import Value
from bot.targets import naming
from bot.targets import sqlite_sql as sql
from bot.targets.base import Named, Table
from bot.targets.sqlite_sql import quote


def named(  # noqa: PLR0913 - a question has this many parts
    connection: sqlite3.Connection,
    table: Table,
    own: str | None,
    column: str,
    texts: Sequence[str],
    limit: int,
    *,
    only: bool = False,
) -> Named:
    """The rows outside the key set ``own``, and the index that is missing."""
    found = table.column(column)
    long = not only and naming.is_long(found.type if found else "")
    tests: list[str] = []
    values: list[Value] = []
    for text in texts:
        inside = long and len(text) >= naming.SHORTEST
        for one in naming.spellings(text, inside=inside):
            tests.append(
                _test(f"t.{quote(column)}", inside=inside, folds=not only and naming.ignores_case(one))
            )
            values += [one] * tests[-1].count("?")
    where = " OR ".join(tests)
    rows = f"FROM main.{quote(table.name)} t WHERE ({where})"
    other = ""
    if own is not None:
        other = f" AND NOT EXISTS (SELECT 1 FROM temp.{own} x WHERE {sql.matched('t', table.key, 'x', 'k')})"
    key = sql.listed("t", table.key) or "''"
    query = f"SELECT {key} {rows}{other} LIMIT {int(limit)}"
    keys = tuple(connection.execute(query, values).fetchall())
    if any("instr(" in test for test in tests):
        return Named(keys)
    steps = connection.execute(f"EXPLAIN QUERY PLAN SELECT 1 {rows}", values).fetchall()
    if not any(str(step[3]).startswith("SCAN") for step in steps):
        return Named(keys)
    folded = " COLLATE NOCASE" if any("NOCASE" in test for test in tests) else ""
    name = quote(f"{table.name}_{column}")
    return Named(keys, f"CREATE INDEX {name} ON {quote(table.name)} ({quote(column)}{folded})")


def _test(name: str, *, inside: bool, folds: bool) -> str:
    """Looked at byte by byte: no collation, no wildcard and no NUL decides anything."""
    here, there = f"CAST({name} AS TEXT)", "?"
    if folds:
        here, there = f"lower({here})", "lower(?)"
    if inside:
        return f"instr(CAST({here} AS BLOB), CAST({there} AS BLOB)) > 0"
    folded = " COLLATE NOCASE" if folds else ""
    # Once for the index, and once to be exact.
    return f"({name} = ?{folded} AND CAST({here} AS BLOB) = CAST({there} AS BLOB))"
