"""Pieces of SQL for MariaDB and MySQL. Pure: names in, text out; every name is quoted, no value ever appears.

Values travel as texts. What a text looks like depends on the kind of the column: ``shown`` reads it,
``taken`` writes it, and the one undoes the other to the last bit.
"""
# ruff: noqa: S608 - every name goes through quote()

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.targets.base import Edge
from bot.targets.work_tables import WorkTable

#: So many rows are enough to see what a column holds.
SAMPLED = 50_000
#: What a server calls a type -> how we treat it; anything else is refused.
KINDS: dict[str, str] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "whole"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "bytes"),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint"), "bytes"),
    **dict.fromkeys(("multilinestring", "multipolygon", "geometrycollection", "geomcollection"), "bytes"),
    **dict.fromkeys(("date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6"), "plain"),
    "decimal": "decimal",
    "float": "float",
    "double": "double",
    "bit": "bits",
    # MySQL alone has these: in MariaDB, JSON is a text.
    "json": "json",
    "vector": "bytes",
}
#: How the types begin whose values may be larger than a packet.
WIDE = (
    "text",
    "mediumtext",
    "longtext",
    "blob",
    "mediumblob",
    "longblob",
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multi",
    "json",
    "vector",
)
#: Where a value goes. A name or a condition may hold any other sign, also what the driver would take for one.
PLACE = "\0"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,19}", re.ASCII)
_NUMBER = re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]{0,64})(?:\.[0-9]{0,37}[1-9])?", re.ASCII)

#: A value that a statement carries: the driver writes it out.
Bound = str | int | float | Decimal


def quote(name: str) -> str:
    """An identifier."""
    return "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Relation:
    """What SQL needs to know about a table beyond ``base.Table``.

    ``kinds`` by column. ``unique``: the columns of each unique key; ``leading``: of each index. ``cascades``:
    labels of links by which the engine itself would change rows of a child.
    """

    schema: str
    name: str
    kinds: dict[str, str]
    unique: tuple[tuple[str, ...], ...]
    leading: tuple[tuple[str, ...], ...]
    engine: str
    partitioned: bool

    @property
    def path(self) -> str:
        """``database.table``."""
        return f"{quote(self.schema)}.{quote(self.name)}"


def shown(kind: str, value: str) -> str:
    """An expression as the text we keep."""
    if kind == "float":
        # A float prints six digits only.
        return f"CAST({value} AS DOUBLE)"
    if kind == "bits":
        return f"CAST({value} AS UNSIGNED)"
    return f"LOWER(HEX({value}))" if kind == "bytes" else value


def taken(kind: str) -> str:
    """The place of a kept text in an INSERT."""
    return {"bytes": "UNHEX(%s)", "bits": "CAST(%s AS UNSIGNED)"}.get(kind, "%s")


def same(kind: str, one: str, other: str) -> str:
    """Two values of one column are the same, to the last bit."""
    if kind in ("text", "bytes"):
        return f"BINARY {one} <=> BINARY {other}"
    if kind in ("float", "double"):
        # Only their texts tell 0 from -0.
        return f"({one} <=> {other} AND BINARY CAST({one} AS CHAR) <=> BINARY CAST({other} AS CHAR))"
    if kind == "json":
        # The server takes 1 for 1.0. A date prints like a text, and takes another number of bytes.
        sizes = " <=> ".join(f"JSON_STORAGE_SIZE(JSON_ARRAY({value}))" for value in (one, other))
        return f"(BINARY CAST({one} AS CHAR) <=> BINARY CAST({other} AS CHAR) AND {sizes})"
    return f"{one} <=> {other}"


def compared(kind: str, text: str) -> tuple[str, Bound]:
    """A kept text as the other side of a comparison with its column: its place, and what fills it."""
    if kind in ("whole", "bits"):
        return PLACE, int(text)
    if kind == "decimal":
        return PLACE, Decimal(text)
    if kind in ("float", "double"):
        return PLACE, float(text)
    return (f"UNHEX({PLACE})" if kind == "bytes" else PLACE), text


def typed(kind: str, column: str, text: str) -> tuple[str, list[Bound]] | None:
    """The condition under which a column is what was typed; None: it cannot be."""
    if kind == "whole":
        return (f"{column} = {PLACE}", [int(text)]) if _INTEGER.fullmatch(text) else None
    if kind == "decimal":
        return (f"{column} = {PLACE}", [Decimal(text)]) if _NUMBER.fullmatch(text) else None
    if kind == "text":
        # Once for the index, which may not tell cases apart, and once to be exact.
        exact = f"BINARY CONVERT({column} USING utf8mb4) = BINARY {PLACE}"
        return f"{column} = {PLACE} AND {exact}", [text, text]
    return f"BINARY CAST({shown(kind, column)} AS CHAR CHARACTER SET utf8mb4) = BINARY {PLACE}", [text]


def listed(alias: str, columns: Sequence[str]) -> str:
    """``t.`a`, t.`b```."""
    return ", ".join(f"{alias}.{quote(name)}" for name in columns)


def read(alias: str, relation: Relation, columns: Sequence[str]) -> str:
    """Columns of a table, each as the text we keep."""
    return ", ".join(shown(relation.kinds[name], f"{alias}.{quote(name)}") for name in columns)


def read_cells(alias: str, relation: Relation, work: WorkTable) -> str:
    """Columns of a work table, each as the text we keep."""
    return ", ".join(shown(relation.kinds[name], f"{alias}.{work.cell(name)}") for name in work.columns)


def renamed(alias: str, columns: Sequence[str]) -> str:
    """``t.`a` AS c0``, and so on."""
    return ", ".join(f"{alias}.{quote(name)} AS c{position}" for position, name in enumerate(columns))


def matched(alias: str, work: WorkTable, other: str) -> str:
    """A row of a table and a row of a work table have the same key."""
    return " AND ".join(f"{alias}.{quote(name)} = {other}.{work.cell(name)}" for name in work.key)


def literal(text: str) -> str:
    """A text constant."""
    return f"CONVERT(0x{text.encode().hex()} USING utf8mb4)" if text else "''"


def alike(edge: Edge, child: Relation, parent: Relation) -> bool:
    """The two sides of a link are compared as they are. Unlike ones, left to the server, become numbers."""
    kinds = [
        (child.kinds[here], parent.kinds[there])
        for here, there in zip(edge.child_columns, edge.parent_columns, strict=True)
    ]
    return not edge.prefix and not edge.path and all(one == other for one, other in kinds)


def linked(
    edge: Edge, child: Relation, parent: Relation, parents: Sequence[str], children: Sequence[str]
) -> str:
    """``parents`` and ``children`` are the two sides of a link, column by column."""
    if edge.path:
        there = _text(parent, edge.parent_columns[0], parents[0])
        return f"BINARY {there} = BINARY {_below(edge, children[0])}"
    if edge.prefix:
        there = f"CONCAT({literal(edge.prefix)}, {_text(parent, edge.parent_columns[0], parents[0])})"
        return f"BINARY {there} = BINARY CONVERT({children[0]} USING utf8mb4)"
    if edge.action != "soft" or alike(edge, child, parent):
        return " AND ".join(f"{one} = {other}" for one, other in zip(parents, children, strict=True))
    return " AND ".join(
        f"BINARY {_text(parent, there, one)} = BINARY {_text(child, here, other)}"
        for there, here, one, other in zip(
            edge.parent_columns, edge.child_columns, parents, children, strict=True
        )
    )


def moved(edge: Edge, parent: Relation, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each of ``columns`` with what it holds once the child points at the parent ``p``."""
    for name, there in zip(edge.child_columns, edge.parent_columns, strict=True):
        value = f"p.{quote(there)}"
        if edge.prefix:
            value = f"CONCAT({literal(edge.prefix)}, {_text(parent, there, value)})"
        if name in columns:
            yield name, value


def filled(edge: Edge, children: Sequence[str]) -> str:
    """The child's side of a link names some parent."""
    sides = [_below(edge, children[0])] if edge.path else children
    return " AND ".join(f"{side} IS NOT NULL" for side in sides)


def narrowed(edge: Edge, stage: WorkTable) -> str:
    """The condition of a soft link, for the row ``s`` of a stage: to be added to a WHERE."""
    if not edge.where:
        return ""
    # No table in FROM sees the row outside: the stage is looked at once more, under its own names.
    cells = ", ".join(f"{stage.cell(name)} AS {quote(name)}" for name in stage.columns)
    same = " AND ".join(f"narrowed.{quote(name)} <=> s.{stage.cell(name)}" for name in stage.columns)
    return (
        f" AND EXISTS (SELECT 1 FROM (SELECT {cells} FROM {stage.path} WHERE TRUE) narrowed"
        f" WHERE {same} AND (\n{edge.where}\n))"
    )


def _text(relation: Relation, column: str, value: str) -> str:
    return f"CAST({shown(relation.kinds[column], value)} AS CHAR CHARACTER SET utf8mb4)"


def _below(edge: Edge, child: str) -> str:
    """What stands in the JSON of a column; NULL where it is none, or holds something else than one value."""
    path = literal("$" + "".join(f'."{name}"' for name in edge.path))
    return (
        f"CASE WHEN JSON_VALID({child}) THEN CASE WHEN JSON_TYPE(JSON_EXTRACT({child}, {path}))"
        f" IN ('STRING', 'INTEGER', 'UNSIGNED INTEGER')"
        f" THEN CONVERT(JSON_UNQUOTE(JSON_EXTRACT({child}, {path})) USING utf8mb4) END END"
    )


def children(edge: Edge, relation: Relation, key: Sequence[str]) -> str:
    """The child table of an edge, narrowed by the condition of a soft link.

    The condition sees nothing but the child, and a comment in it ends with its line.
    """
    if not edge.where:
        return relation.path
    columns = ", ".join(quote(name) for name in dict.fromkeys([*key, *edge.child_columns]))
    return f"(SELECT {columns} FROM {relation.path} WHERE (\n{edge.where}\n))"
