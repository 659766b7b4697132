"""Pieces of SQL for SQLite. Pure: names in, text out; every name is quoted, no value appears in it."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bot.model.backups import InvalidText, Value
from bot.targets.base import Edge
from bot.targets.work_tables import WorkTable

#: So many rows are looked at to see what a column holds.
SAMPLED = 50_000
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def quote(name: str) -> str:
    """An identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(alias: str, columns: Sequence[str]) -> str:
    """``t."a", t."b"``."""
    return ", ".join(f"{alias}.{quote(name)}" for name in columns)


def renamed(alias: str, columns: Sequence[str], letter: str) -> list[str]:
    """``t."a" AS c0``, and so on."""
    return [f"{alias}.{quote(name)} AS {letter}{position}" for position, name in enumerate(columns)]


def numbered(letter: str, width: int) -> str:
    """``k0, k1``."""
    return ", ".join(f"{letter}{position}" for position in range(width))


def marks(row: Sequence[Value]) -> list[str]:
    """A place for each value; bytes that are no valid text become text inside the database."""
    return ["CAST(? AS TEXT)" if isinstance(value, InvalidText) else "?" for value in row]


def same(left: str, right: str) -> str:
    """Equal for the index of ``left``, and equal byte by byte."""
    return f"{left} = {right} AND {left} = {right} COLLATE BINARY"


def matched(alias: str, key: Sequence[str], other: str, letter: str) -> str:
    """A row of a table and an entry of a work table have the same key."""
    return " AND ".join(
        same(f"{alias}.{quote(name)}", f"{other}.{letter}{position}") for position, name in enumerate(key)
    )


def within(key: Sequence[str], selection: str) -> str:
    """The row's key is among the selected ones."""
    columns = ", ".join(quote(name) for name in key)
    return f"{columns} IN ({selection})" if len(key) == 1 else f"({columns}) IN ({selection})"


def children(edge: Edge, key: Sequence[str]) -> str:
    """The child table of an edge, narrowed by the condition of a soft link.

    The condition sees nothing but the child, and a comment in it ends with its line.
    """
    if not edge.where:
        return f"main.{quote(edge.child)}"
    columns = ", ".join(quote(name) for name in dict.fromkeys([*key, *edge.child_columns]))
    return f"(SELECT {columns} FROM main.{quote(edge.child)} WHERE (\n{edge.where}\n))"


def literal(text: str) -> str:
    """A text constant."""
    return "'" + text.replace("'", "''") + "'"


def linked(edge: Edge, parents: Sequence[str], children: Sequence[str]) -> str:
    """``parents`` and ``children`` are the two sides of a link, column by column."""
    if edge.path:
        return f"CAST({parents[0]} AS TEXT) = {_below(edge, children[0])}"
    if edge.prefix:
        return f"({literal(edge.prefix)} || {parents[0]}) = {children[0]}"
    return " AND ".join(f"{parent} = {child}" for parent, child in zip(parents, children, strict=True))


def moved(edge: Edge, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each of ``columns`` with what it holds once the child points at the parent ``p``."""
    before = f"{literal(edge.prefix)} || " if edge.prefix else ""
    for name, parent in zip(edge.child_columns, edge.parent_columns, strict=True):
        if name in columns:
            yield name, f"({before}p.{quote(parent)})"


def filled(edge: Edge, children: Sequence[str]) -> str:
    """The child's side of a link names some parent."""
    sides = [_below(edge, children[0])] if edge.path else children
    return " AND ".join(f"{side} IS NOT NULL" for side in sides)


def narrowed(edge: Edge, stage: "Stage") -> str:
    """The condition of a soft link, for the row ``s`` of a stage: to be added to a WHERE."""
    if not edge.where:
        return ""
    cells = ", ".join(f"s.{stage.cell(name)} AS {quote(name)}" for name in stage.columns)
    return f" AND EXISTS (SELECT 1 FROM (SELECT {cells}) narrowed WHERE (\n{edge.where}\n))"


def _below(edge: Edge, child: str) -> str:
    """What stands in the JSON of a column; NULL where it is none, or holds something else than one value."""
    path = literal("$" + "".join(f'."{name}"' for name in edge.path))
    return (
        f"CASE WHEN json_valid({child}) THEN CASE WHEN json_type({child}, {path}) IN ('text', 'integer')"
        f" THEN CAST(json_extract({child}, {path}) AS TEXT) END END"
    )


def pointing(edge: Edge, parents: str, parent_key: Sequence[str], child_key: Sequence[str]) -> str:
    """FROM: key set ``k``, its rows ``p``, and their children ``c``.

    The parent stands on the left, so that its collation decides, as it does for a foreign key. CROSS JOIN
    fixes the order: without an index the children are read once, instead of once for each parent.
    """
    link = linked(
        edge,
        [f"p.{quote(name)}" for name in edge.parent_columns],
        [f"c.{quote(name)}" for name in edge.child_columns],
    )
    chosen, parent = matched("p", parent_key, "k", "k"), f"main.{quote(edge.parent)}"
    below = children(edge, child_key)
    if edge.indexed:
        return f"temp.{parents} k CROSS JOIN {parent} p ON {chosen} CROSS JOIN {below} c ON {link}"
    return f"{below} c CROSS JOIN {parent} p ON {link} CROSS JOIN temp.{parents} k ON {chosen}"


@dataclass(frozen=True)
class Stage(WorkTable):
    """A work table with rows out of a backup. ``collated``: columns that are not compared byte by byte."""

    collated: Mapping[str, str] = field(default_factory=dict)

    def parents(self, alias: str, columns: Sequence[str]) -> list[str]:
        """Cells that links lead to: what is copied holds values as its table does, and compares them anew."""
        return [
            f"{alias}.{self.cell(name)}"
            + (f" COLLATE {self.collated[name]}" if name in self.collated else "")
            for name in columns
        ]

    @property
    def name(self) -> str:
        """Without its schema."""
        return self.path.removeprefix("temp.")

    @property
    def key_cells(self) -> list[str]:
        """Our names for the columns of the key."""
        return [self.cell(name) for name in self.key]

    @property
    def live(self) -> str:
        """The live row ``t`` has the key of the staged row ``s``."""
        return " AND ".join(same(f"t.{quote(name)}", f"s.{self.cell(name)}") for name in self.key)

    @property
    def missing(self) -> str:
        """FROM and WHERE of the staged rows that are not live."""
        return f"{self.path} s WHERE NOT EXISTS (SELECT 1 FROM main.{quote(self.table)} t WHERE {self.live})"


def typed(name: str, text: str) -> list[tuple[str, tuple[Value, ...]]]:
    """Conditions, each with its values, under which a column holds just what was typed.

    It may hold numbers beside texts, so that what was typed is looked for as both.
    """
    tests: list[tuple[str, tuple[Value, ...]]] = [
        (f"typeof({name}) = 'text' AND {name} = ? AND {name} = ? COLLATE BINARY", (text, text))
    ]
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        tests.append((f"typeof({name}) = 'integer' AND {name} = ?", (int(text),)))
    return tests
