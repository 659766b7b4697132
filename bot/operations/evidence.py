"""What rows say about columns that look like references: a few values, looked for where they may lead.

Reads only, and little: a sample of each column. Nothing of what it reads goes further than counts, the words
that name a kind of row (``customer``, ``RT::Ticket``) and the names inside JSON.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.operations.lookalikes import Lookalike, family, identifier
from bot.operations.names import TableNames, stems, words
from bot.targets.base import Catalogue, Edge, Session, Table, TableColumn

_LOOKED_AT = 8
_VALUES = 200
#: All of a sample: a kind of which there are few must not be missed behind one of which there are many.
_PAIRS = 50_000
_TEXTS = 40
_DEPTH = 3
#: How a value says that it means nothing.
_NOBODY = frozenset({"", "0", "-1"})
_KIND = re.compile(r"[A-Za-z_][\w.:\\/ -]{0,99}", re.ASCII)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINK = re.compile(rf"([^\d\s][^\s]{{0,98}}[,:/#|@])([0-9]{{1,18}}|{_UUID})", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


@dataclass(frozen=True)
class Seen:
    """A link that the rows show: ``found`` of ``looked`` values are there."""

    edge: Edge
    found: int
    looked: int

    @property
    def likely(self) -> bool:
        """Half of what was looked for is there; a column without a value has only its name."""
        return 2 * self.found >= self.looked


def of_plain(session: Session, one: Lookalike) -> Seen:
    """A column whose name says which table it means."""
    edge = Edge(one.child, (one.column,), one.parent, (one.parent_column,), "soft")
    return _seen(session, edge, (row[0] for row in session.sample(one.child, [one.column], _VALUES)))


def of_pair(
    session: Session, catalogue: Catalogue, names: TableNames, one: Lookalike, quote: str
) -> Iterator[Seen]:
    """A column whose table stands in another column: one link for each kind that names a table."""
    kinds: dict[str, list[str]] = {}
    like = catalogue.tables[one.child].column(one.column)
    said = _said_elsewhere(session, catalogue, one)
    for kind, value in session.sample(one.child, [one.type_column, one.column], _PAIRS):
        if isinstance(kind, str) and isinstance(value, str) and (kind in said or _KIND.fullmatch(kind)):
            kinds.setdefault(kind, []).append(value)
    for kind, values in sorted(kinds.items()):
        spoken = said.get(kind, words(kind))
        parent = names.meant(spoken, "") if spoken else None
        there = catalogue.tables[parent] if parent else None
        # A table may have a key of letters beside the number that others know its rows by.
        column = identifier(there, like) or identifier(there) if there else None
        if parent and column:
            name = quote + one.type_column.replace(quote, quote * 2) + quote
            meant = kind if kind in said else f"'{kind}'"
            where = f"{name} = {meant}" if "\\" not in kind else ""
            edge = Edge(one.child, (one.column,), parent, (column.name,), "soft", where=where)
            if where:
                yield _seen(session, edge, values)


def _said_elsewhere(session: Session, catalogue: Catalogue, one: Lookalike) -> dict[str, tuple[str, ...]]:
    """Numbers that stand for kinds, by the table that says what they mean: ``django_content_type``."""
    for edge in catalogue.edges:
        if edge.child == one.child and edge.child_columns == (one.type_column,):
            there = {column.name.lower(): column.name for column in catalogue.tables[edge.parent].stored}
            wanted = [there[name] for name in ("app_label", "model") if name in there]
            wanted = wanted or [there[name] for name in ("class", "name", "code") if name in there][:1]
            rows = session.sample(edge.parent, [edge.parent_columns[0], *wanted], _VALUES) if wanted else ()
            texts = [
                [str(cell) for cell in row] for row in rows if all(isinstance(cell, str) for cell in row)
            ]
            return {row[0]: words(" ".join(row[1:])) for row in texts if row[0].isdecimal()}
    return {}


def of_texts(
    session: Session, catalogue: Catalogue, names: TableNames, settled: frozenset[str]
) -> Iterator[Seen]:
    """Columns with texts such as ``party.party,12``."""
    for table, column in _columns(catalogue, settled):
        if family(column) == "text":
            groups: dict[str, list[str]] = {}
            for (value,) in session.sample(table.name, [column.name], _TEXTS):
                link = _LINK.fullmatch(value) if isinstance(value, str) else None
                if link:
                    groups.setdefault(link[1], []).append(link[2])
            for prefix, values in sorted(groups.items()):
                edge = _edge(catalogue, names, table, column, words(prefix))
                if edge:
                    yield _seen(session, _with(edge, prefix=prefix), values)


def of_json(
    session: Session, catalogue: Catalogue, names: TableNames, settled: frozenset[str], *, in_texts: bool
) -> Iterator[Seen]:
    """Places in JSON called like a reference: ``{"customer": {"id": 12}}``, ``{"customer_id": 12}``.

    ``in_texts``: the database keeps JSON in ordinary texts, and reads it there.
    """
    for table, column in _columns(catalogue, settled):
        if column.type.lower() in ("json", "jsonb") or (in_texts and family(column) == "text"):
            paths: dict[tuple[str, ...], list[str]] = {}
            for (text,) in session.sample(table.name, [column.name], _TEXTS):
                for path, value in _leaves(_parsed(text), ()):
                    paths.setdefault(path, []).append(value)
            for path, values in sorted(paths.items()):
                edge = _edge(catalogue, names, table, column, _said(path))
                if edge:
                    yield _seen(session, _with(edge, path=path), values)


def tells_apart(session: Session, table: str, column: str) -> bool:
    """Whether each value that was looked at means one row, and there is one at all."""
    texts = _texts(session, table, column)
    return bool(texts) and all(len(session.find(table, column, text, 2)) == 1 for text in texts)


def reads_as_number(session: Session, table: str, column: str) -> bool:
    """Whether what a person types could as well be the key of another row."""
    return any(text.isdecimal() for text in _texts(session, table, column))


def _texts(session: Session, table: str, column: str) -> list[str]:
    values = [row[0] for row in session.sample(table, [column], _TEXTS)]
    return [value for value in values if isinstance(value, str) and value]


def _seen(session: Session, edge: Edge, values: Iterable[object]) -> Seen:
    texts = [value for value in dict.fromkeys(values) if isinstance(value, str) and value not in _NOBODY]
    (column,), chosen = edge.parent_columns, texts[:_LOOKED_AT]
    found = sum(bool(session.find(edge.parent, column, text, 1)) for text in chosen)
    return Seen(edge, found, len(chosen))


def _columns(catalogue: Catalogue, settled: frozenset[str]) -> Iterator[tuple[Table, TableColumn]]:
    for table in catalogue.tables.values():
        for column in table.stored:
            if f"{table.name}.{column.name}" not in settled and (column.name,) != table.key:
                yield table, column


def _edge(
    catalogue: Catalogue, names: TableNames, table: Table, column: TableColumn, said: tuple[str, ...]
) -> Edge | None:
    parent = names.meant(said, "") if said else None
    there = identifier(catalogue.tables[parent]) if parent else None
    if parent is None or there is None:
        return None
    return Edge(table.name, (column.name,), parent, (there.name,), "soft")


def _with(edge: Edge, prefix: str = "", path: tuple[str, ...] = ()) -> Edge:
    return Edge(
        edge.child, edge.child_columns, edge.parent, edge.parent_columns, "soft", prefix=prefix, path=path
    )


def _parsed(text: object) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict) and len(path) < _DEPTH:
        for name, below in value.items():
            if _NAME.fullmatch(name):
                yield from _leaves(below, (*path, name))
    elif path and isinstance(value, str | int) and not isinstance(value, bool):
        yield path, str(value)


def _said(path: tuple[str, ...]) -> tuple[str, ...]:
    """The words by which a path names a table; none if it does not end as an identifier."""
    if path[-1].lower() in ("id", "uuid"):
        return words(path[-2]) if len(path) > 1 else ()
    return next((parts for parts, sure in stems(path[-1]) if sure), ())
