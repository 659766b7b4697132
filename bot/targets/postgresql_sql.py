"""Pieces of SQL for PostgreSQL. Pure: names in, text out; every name is quoted, no value ever appears.

Operators are written with their schema, so that nobody's search path decides what "equal" means.
"""
# ruff: noqa: S608 - every name goes through quote()

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.targets.base import Edge
from bot.targets.work_tables import WorkTable

#: The ordinary equality; types of an extension bring one of their own.
EQUAL = "OPERATOR(pg_catalog.=)"

#: So many rows are looked at to see what a column holds.
SAMPLED = 50_000

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_NUMBER = re.compile(r"(?!-0$)-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{0,99}[1-9])?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SIZES = {"int2": 15, "int4": 31, "int8": 63}


#: The cluster's own number, where our user may know it; else NULL.
WHICH_SERVER = """CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) END"""


def constant(text: str) -> str:
    """A string constant, whatever the server thinks of backslashes, with a space before it."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def literal(text: str) -> str:
    """A text constant."""
    return constant(text).lstrip() + "::pg_catalog.text"


def quote(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Unique:
    """A unique key that holds for every row: its columns, and what makes two values equal."""

    columns: tuple[str, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """What SQL needs to know about a table beyond ``base.Table``.

    ``casts``: by column, the type without its length, which would cut a value. ``kinds``: by column, how a
    typed text is compared with it. ``equal``: by column, the equality of its type.
    """

    oid: int
    schema: str
    name: str
    partitioned: bool
    casts: dict[str, str]
    kinds: dict[str, str]
    equal: dict[str, str]
    unique: tuple[Unique, ...]
    leading: tuple[tuple[str | None, ...], ...]

    @property
    def path(self) -> str:
        """``"schema"."table"``."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def rows(self) -> str:
        """The table's own rows: those of its partitions, never those of a table that inherits from it."""
        return self.path if self.partitioned else f"ONLY {self.path}"


@dataclass(frozen=True)
class Links:
    """What makes a child of an edge point at a parent, column by column: ``parent = child``.

    ``before``: a piece of SQL in front of the parent's side. ``checked``: the database itself makes sure of
    it.
    """

    equal: tuple[str, ...]
    parent_cast: tuple[str, ...]
    child_cast: tuple[str, ...]
    checked: bool
    before: str = ""


def listed(alias: str, columns: Sequence[str]) -> str:
    """``t."a", t."b"``."""
    return ", ".join(f"{alias}.{quote(name)}" for name in columns)


def renamed(alias: str, columns: Sequence[str]) -> str:
    """``t."a" AS c0``, and so on."""
    return ", ".join(f"{alias}.{quote(name)} AS c{position}" for position, name in enumerate(columns))


def matched(alias: str, relation: Relation, work: WorkTable, other: str) -> str:
    """A row of a table and a row of a work table have the same key."""
    return " AND ".join(
        f"{alias}.{quote(name)} {relation.equal[name]} {other}.{work.cell(name)}" for name in work.key
    )


def bound(alias: str, relation: Relation, key: Sequence[str]) -> str:
    """A row of a table has the key that is bound, column by column, from ``$1`` on."""
    return " AND ".join(
        f"{alias}.{quote(name)} {relation.equal[name]} CAST(${place} AS {relation.casts[name]})"
        for place, name in enumerate(key, start=1)
    )


def moved(edge: Edge, links: Links, child: Relation, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each of ``columns`` with what it holds once the child points at the parent ``p``."""
    parents = zip(edge.child_columns, edge.parent_columns, strict=True)
    for (name, parent), kind in zip(parents, links.parent_cast, strict=True):
        if name in columns:
            yield name, f"CAST({links.before}p.{quote(parent)}{kind} AS {child.casts[name]})"


def linked(links: Links, parents: Sequence[str], children: Sequence[str]) -> str:
    """``parents`` and ``children`` are the two sides of a link, column by column."""
    return " AND ".join(
        f"({links.before}{parent}{links.parent_cast[place]}) {links.equal[place]}"
        f" ({child}{links.child_cast[place]})"
        for place, (parent, child) in enumerate(zip(parents, children, strict=True))
    )


def filled(links: Links, children: Sequence[str]) -> str:
    """The child's side of a link names some parent."""
    return " AND ".join(
        f"({child}{kind}) IS NOT NULL" for child, kind in zip(children, links.child_cast, strict=True)
    )


def narrowed(edge: Edge, stage: WorkTable) -> str:
    """The condition of a soft link, for the row ``s`` of a stage: to be added to a WHERE."""
    if not edge.where:
        return ""
    cells = ", ".join(f"s.{stage.cell(name)} AS {quote(name)}" for name in stage.columns)
    return f" AND EXISTS (SELECT FROM (SELECT {cells}) narrowed WHERE (\n{edge.where}\n))"


def joined(edge: Edge, links: Links, parent: str, child: str) -> str:
    """A row ``parent`` and a row ``child`` of the tables of an edge belong together."""
    return linked(
        links,
        [f"{parent}.{quote(name)}" for name in edge.parent_columns],
        [f"{child}.{quote(name)}" for name in edge.child_columns],
    )


def children(edge: Edge, relation: Relation, key: Sequence[str]) -> str:
    """The child table of an edge, narrowed by the condition of a soft link.

    The condition sees nothing but the child, and a comment in it ends with its line.
    """
    if not edge.where:
        return relation.rows
    columns = ", ".join(quote(name) for name in dict.fromkeys([*key, *edge.child_columns]))
    return f"(SELECT {columns} FROM {relation.rows} WHERE (\n{edge.where}\n))"


def typed(relation: Relation, column: str, text: str, place: int = 1) -> str | None:
    """The condition under which a column is what was typed at this ``place``; None: it cannot be."""
    name, kind, equal = f"t.{quote(column)}", relation.kinds[column], relation.equal[column]
    typed = f"${place}"
    exact = f'{name}::pg_catalog.text {EQUAL} {typed} COLLATE "C"'
    if kind in _SIZES:
        fits = _INTEGER.fullmatch(text) and -(2 ** _SIZES[kind]) <= int(text) < 2 ** _SIZES[kind]
        return f"{name} {EQUAL} {typed}::pg_catalog.{kind}" if fits else None
    if kind == "numeric":
        return f"{name} {EQUAL} {typed}::pg_catalog.numeric" if _NUMBER.fullmatch(text) else None
    if kind == "uuid":
        return f"{name} {EQUAL} {typed}::pg_catalog.uuid" if _UUID.fullmatch(text) else None
    if kind in ("text", "varchar", "bpchar", "citext"):
        # Once for the index, which may not tell cases apart, and once to be exact.
        return f"{name} {equal} CAST({typed} AS {relation.casts[column]}) AND {exact}"
    return exact
