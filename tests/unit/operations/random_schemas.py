"""Random schemas with rows, and a closure over them by brute force in plain Python."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bot.targets.base import Edge

#: Reserved words, our own names for work tables, quotes, spaces, dots, other scripts.
TABLES = ["order", "k0", 'a "quoted" one', "客户", "Sales.Customer", "s0", "select"]
VALUES: list[Any] = [
    None,
    "",
    "1",
    1,
    1.0,
    -0.0,
    0.0,
    9007199254740993,
    -(2**63),
    1e308 * 10,
    5e-324,
    b"",
    b"\x00\xff",
    "nul\0inside",
    'it\'s "quoted"\nand — 中文',
    0.1 + 0.2,
]
FOLLOWED = ["CASCADE", "RESTRICT", "NO ACTION"]
EMPTIED = ["SET NULL", "SET DEFAULT"]


@dataclass(frozen=True)
class Link:
    child: str
    parent: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    action: str
    types: tuple[str, ...]

    @property
    def label(self) -> str:
        return Edge(self.child, self.columns, self.parent, self.parent_columns, "soft").label

    def policy(self, policies: Mapping[str, str]) -> str:
        return policies.get(self.label, "nullify" if self.action in EMPTIED else "follow")


@dataclass
class Schema:
    keys: dict[str, tuple[str, ...]]
    statements: list[str]
    links: list[Link]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def build(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            for statement in self.statements:
                connection.execute(statement)
            for table, rows in self.rows.items():
                for row in rows:
                    names = ", ".join(quoted(name) for name in row)
                    marks = ", ".join("?" * len(row))
                    connection.execute(
                        f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})", [*row.values()]
                    )
            connection.commit()

    def closure(self, table: str, row: int) -> tuple[set[tuple[str, int]], dict[Link, set[int]]]:
        """The rows that hang off one, as (table, position), and the rows whose link would be emptied."""
        gone, staying = self.fates(table, row, {})
        return gone, staying["nullify"]

    def fates(
        self, table: str, row: int, policies: Mapping[str, str]
    ) -> tuple[set[tuple[str, int]], dict[str, dict[Link, set[int]]]]:
        """The rows that go with one, and by policy and link those that stay although they point there."""
        gone, fresh = {(table, row)}, [(table, row)]
        while fresh:
            parent, position = fresh.pop()
            for link in self.links:
                if link.parent == parent and link.policy(policies) == "follow":
                    for found in self._children(link, self.rows[parent][position]):
                        if (link.child, found) not in gone:
                            gone.add((link.child, found))
                            fresh.append((link.child, found))
        staying: dict[str, dict[Link, set[int]]] = {"nullify": {}, "block": {}, "reassign": {}}
        for link in self.links:
            if link.policy(policies) != "follow":
                pointing = {
                    found
                    for parent, position in gone
                    if parent == link.parent
                    for found in self._children(link, self.rows[parent][position])
                    if (link.child, found) not in gone
                }
                if pointing:
                    staying[link.policy(policies)][link] = pointing
        return gone, staying

    def _children(self, link: Link, parent: dict[str, Any]) -> list[int]:
        wanted = [parent[name] for name in link.parent_columns]
        return [
            position
            for position, row in enumerate(self.rows[link.child])
            if [row[name] for name in link.columns] == wanted
        ]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@st.composite
def schemas(draw: Callable[..., Any]) -> Schema:
    names = draw(st.lists(st.sampled_from(TABLES), min_size=2, max_size=5, unique=True))
    keys: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, str] = {}
    for name in names:
        kinds[name] = draw(st.sampled_from(["integer", "text", "composite", "unique"]))
        keys[name] = ("id", "group") if kinds[name] == "composite" else ("id",)
    links = _links(draw, names, keys, kinds)
    statements = [
        _table(name, kinds[name], keys[name], [one for one in links if one.child == name]) for name in names
    ]
    for position, link in enumerate(links):
        if draw(st.booleans()):
            columns = ", ".join(map(quoted, link.columns))
            statements.append(f"CREATE INDEX {quoted(f'i{position}')} ON {quoted(link.child)} ({columns})")
    schema = Schema(keys, statements, links)
    _fill(draw, schema, kinds)
    return schema


def _links(
    draw: Callable[..., Any], names: list[str], keys: dict[str, tuple[str, ...]], kinds: dict[str, str]
) -> list[Link]:
    links = []
    for number in range(draw(st.integers(1, 6))):
        child, parent = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        by_unique = draw(st.booleans())
        parent_columns = ("u",) if by_unique else keys[parent]
        columns = tuple(f"f{number} {place}" for place in range(len(parent_columns)))
        numeric = not by_unique and kinds[parent] in ("integer", "composite")
        types = ("BIGINT" if numeric else "VARCHAR", "TEXT") if draw(st.booleans()) else ("", "")
        action = draw(st.sampled_from(FOLLOWED + EMPTIED))
        links.append(Link(child, parent, columns, parent_columns, action, types))
    return links


def _table(name: str, kind: str, key: tuple[str, ...], links: list[Link]) -> str:
    types = {
        "integer": '"id" INTEGER PRIMARY KEY',
        "text": '"id" TEXT PRIMARY KEY',
        "unique": '"id" TEXT NOT NULL UNIQUE',
    }
    parts = [types.get(kind, '"id" INTEGER, "group" TEXT')]
    parts += ['"u" TEXT UNIQUE', '"v"', '"r" REAL', '"twice" AS (length("u")) VIRTUAL']
    for link in links:
        parts += [f"{quoted(column)} {kind}" for column, kind in zip(link.columns, link.types, strict=False)]
    if kind == "composite":
        parts.append('PRIMARY KEY ("id", "group")')
    for link in links:
        here, there = (", ".join(map(quoted, columns)) for columns in (link.columns, link.parent_columns))
        parts.append(
            f"FOREIGN KEY ({here}) REFERENCES {quoted(link.parent)} ({there}) ON DELETE {link.action}"
        )
    return (
        f"CREATE TABLE {quoted(name)} ({', '.join(parts)}){' WITHOUT ROWID' if kind == 'composite' else ''}"
    )


def _fill(draw: Callable[..., Any], schema: Schema, kinds: dict[str, str]) -> None:
    for name, kind in kinds.items():
        rows = []
        for number in range(draw(st.integers(1, 6))):
            row: dict[str, Any] = {"id": number if kind in ("integer", "composite") else f"{name}'{number}"}
            if kind == "composite":
                row["group"] = f"g{number % 2}"
            row |= {
                "u": f"u{number}",
                "v": draw(st.sampled_from(VALUES)),
                "r": draw(st.sampled_from([None, 1.5, 2.0])),
            }
            rows.append(row)
        schema.rows[name] = rows
    for link in schema.links:
        for row in schema.rows[link.child]:
            parent = draw(st.one_of(st.none(), st.sampled_from(schema.rows[link.parent])))
            for column, there in zip(link.columns, link.parent_columns, strict=True):
                row[column] = parent[there] if parent else None
