"""The schema of a SQLite database as a ``Catalogue``.

SQLite compares names of tables and columns without regard to ASCII case; here every name is the one of its
declaration. A foreign key to a table that does not exist is no link.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from bot.targets.base import Action, Catalogue, Edge, Table, TableColumn
from bot.targets.sqlite_sql import quote

CODEC = "sqlite-1"


@dataclass(frozen=True)
class Index:
    """One index: its columns in order (an expression is ``None``), and whether it is unique and complete."""

    columns: tuple[str | None, ...]
    unique: bool
    partial: bool


def read_catalogue(connection: sqlite3.Connection) -> Catalogue:
    """All ordinary tables of ``main`` and the foreign keys between them."""
    names = [
        row[1]
        for row in connection.execute("PRAGMA main.table_list")
        if row[0] == "main" and row[2] == "table" and not row[1].startswith("sqlite_")
    ]
    tables = {name: _table(connection, name) for name in sorted(names)}
    edges: dict[str, Edge] = {}
    for table in tables.values():
        for edge in _edges(connection, table, tables):
            # Two keys on the same columns: the one that is followed decides.
            known = edges.get(edge.label)
            if known is None or known.action in ("set null", "set default"):
                edges[edge.label] = edge
    return Catalogue(tables, tuple(edges[label] for label in sorted(edges)))


def indexes(connection: sqlite3.Connection, table: str) -> list[Index]:
    """The indexes of a table, those behind its constraints included."""
    found = []
    for _, name, unique, _, partial in connection.execute(
        f"PRAGMA main.index_list({quote(table)})"
    ).fetchall():
        columns = tuple(
            row[2] for row in connection.execute(f"PRAGMA main.index_xinfo({quote(name)})") if row[5]
        )
        found.append(Index(columns, bool(unique), bool(partial)))
    return found


def collations(connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> dict[str, str]:
    """The columns of a table that are not compared byte by byte, and how: NOCASE or RTRIM.

    Python's module does not tell; a text of ours, compared as a value of the column would be, does.
    """
    asked = ", ".join(f"c{n} = 'A', c{n} = 'a '" for n in range(len(columns)))
    named = ", ".join(f"{quote(name)} AS c{n}" for n, name in enumerate(columns))
    texts = ", ".join("'a'" for _ in columns)
    none = f"SELECT {named} FROM main.{quote(table)} WHERE 0"  # noqa: S608 - every name goes through quote()
    query = f"SELECT {asked} FROM ({none} UNION ALL SELECT {texts})"  # noqa: S608 - as above
    row = connection.execute(query).fetchone()
    said = {name: row[2 * n : 2 * n + 2] for n, name in enumerate(columns)}
    known = {(1, 0): "NOCASE", (0, 1): "RTRIM"}
    return {name: known[how] for name, how in said.items() if how in known}


def primary_key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """The columns of the declared primary key, in its order."""
    rows = [row for row in connection.execute(f"PRAGMA main.table_xinfo({quote(table)})") if row[5]]
    return tuple(row[1] for row in sorted(rows, key=lambda row: row[5]))


def searchable(connection: sqlite3.Connection, child: Table, parent: Table, edge: Edge) -> bool:
    """Whether an index of the child begins with the columns of the link, and compares as the link does."""
    pairs = zip(edge.child_columns, edge.parent_columns, strict=False)
    if not all(_comparable(child.column(one), parent.column(other)) for one, other in pairs):
        return False
    wanted, size = set(edge.child_columns), len(edge.child_columns)
    if set(primary_key(connection, child.name)[:size]) == wanted:
        return True
    known = indexes(connection, child.name)
    return any(not one.partial and set(one.columns[:size]) == wanted for one in known)


def _comparable(child: TableColumn | None, parent: TableColumn | None) -> bool:
    """A number compared with a text is compared as a number, and no index on the text helps."""
    mine, other = _affinity(child), _affinity(parent)
    if "number" in (mine, other):
        return mine == "number"
    return mine in (other, "text")


def _affinity(column: TableColumn | None) -> str:
    """How SQLite treats values of a column, by its declared type."""
    kind = column.type.upper() if column else ""
    if "INT" in kind:
        return "number"
    if any(word in kind for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return "number" if kind and "BLOB" not in kind else "none"


def _table(connection: sqlite3.Connection, name: str) -> Table:
    schema = connection.execute(
        "SELECT type, name, sql FROM main.sqlite_schema"
        " WHERE tbl_name = ? COLLATE NOCASE AND sql IS NOT NULL",
        (name,),
    ).fetchall()
    own_numbers = any(row[0] == "table" and "AUTOINCREMENT" in row[2].upper() for row in schema)
    columns = tuple(
        TableColumn(
            name=row[1],
            type=row[2],
            codec=CODEC,
            not_null=bool(row[3]),
            has_default=row[4] is not None,
            generated=row[6] in (2, 3),
            numbered=bool(row[5]) and own_numbers,
        )
        for row in connection.execute(f"PRAGMA main.table_xinfo({quote(name)})")
    )
    return Table(
        name=name,
        columns=columns,
        key=primary_key(connection, name) or _unique_key(connection, name, columns),
        definition="\n".join(sorted(row[2] for row in schema)),
        triggers=tuple(sorted(row[1] for row in schema if row[0] == "trigger")),
        unique=tuple(
            tuple(column for column in one.columns if column)
            for one in indexes(connection, name)
            if one.unique and not one.partial and None not in one.columns
        ),
    )


def _unique_key(
    connection: sqlite3.Connection, name: str, columns: tuple[TableColumn, ...]
) -> tuple[str, ...]:
    """The shortest unique key, rather one without NULL, or nothing.

    Where a unique key holds NULL it identifies nothing: such rows are refused when they are met.
    """
    solid = {column.name for column in columns if column.not_null}
    stored = {column.name for column in columns if not column.generated}
    keys = [
        tuple(column for column in one.columns if column is not None)
        for one in indexes(connection, name)
        if one.unique and not one.partial and stored.issuperset(one.columns)
    ]
    return min(keys, key=lambda key: (not solid.issuperset(key), len(key), key), default=())


def _edges(connection: sqlite3.Connection, table: Table, tables: dict[str, Table]) -> Iterator[Edge]:
    by_lower = {name.lower(): name for name in tables}
    keys: dict[int, list[tuple[str, str, str | None, str]]] = {}
    for row in connection.execute(f"PRAGMA main.foreign_key_list({quote(table.name)})"):
        keys.setdefault(row[0], []).append((row[2], row[3], row[4], row[6]))
    for parts in keys.values():
        parent = by_lower.get(parts[0][0].lower())
        if parent is None:
            continue
        child_columns = tuple(_exact(table, part[1]) for part in parts)
        named = tuple(_exact(tables[parent], part[2]) for part in parts if part[2] is not None)
        parent_columns = named or primary_key(connection, parent)
        edge = Edge(
            child=table.name,
            child_columns=child_columns,
            parent=parent,
            parent_columns=parent_columns,
            action=cast("Action", parts[0][3].lower()),
        )
        indexed = searchable(connection, table, tables[parent], edge)
        yield replace(edge, indexed=indexed, sound=_sound(connection, edge))


def _exact(table: Table, name: str) -> str:
    return next((one.name for one in table.columns if one.name.lower() == name.lower()), name)


def _sound(connection: sqlite3.Connection, edge: Edge) -> bool:
    wanted = set(edge.parent_columns)
    if len(edge.parent_columns) != len(edge.child_columns) or not wanted:
        return False
    if set(primary_key(connection, edge.parent)) == wanted:
        return True
    return any(
        one.unique and not one.partial and set(one.columns) == wanted
        for one in indexes(connection, edge.parent)
    )
