"""The schema of a MariaDB or MySQL server as a ``Catalogue``.

A table of the database in the URL goes by its own name, any other by ``database.table``, both exact. Views
and the server's own databases are left out; keys of other databases that point into ours are part of it.
"""
# ruff: noqa: S608 - nothing but our own constants goes into these queries

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pymysql

from bot.targets.base import Action, Catalogue, Edge, Table, TableColumn
from bot.targets.mysql_flavours import Flavour
from bot.targets.mysql_sql import KINDS, Relation

CODEC = "text-1"

#: Runs a query; the answers come as texts.
Ask = Callable[[str], Iterable[Sequence[str | None]]]

_ACTIONS: dict[str, Action] = {
    "NO ACTION": "no action",
    "RESTRICT": "restrict",
    "CASCADE": "cascade",
    "SET NULL": "set null",
    "SET DEFAULT": "set default",
}
_SYSTEM = "('information_schema', 'mysql', 'performance_schema', 'sys')"

_TABLES = f"""
SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_TYPE,
       CONCAT_WS(' ', 'table', TABLE_TYPE, ENGINE, TABLE_COLLATION, ROW_FORMAT, CREATE_OPTIONS)
  FROM information_schema.TABLES
 WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN {_SYSTEM}
"""
#: ``generated``, ``hint`` and ``searched`` are the flavour's.
_COLUMNS = f"""
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE,
       COLUMN_DEFAULT IS NOT NULL OR IS_NULLABLE = 'YES' OR EXTRA LIKE '%auto_increment%',
       {{generated}}, EXTRA LIKE '%auto_increment%',
       CONCAT_WS(' ', 'column', ORDINAL_POSITION, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME,
                 COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION)
  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN {_SYSTEM}
 ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""
_INDEXES = f"""
SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE, {{searched}},
       CONCAT_WS(' ', 'index', INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, INDEX_TYPE,
                 {{hint}})
  FROM information_schema.STATISTICS WHERE TABLE_SCHEMA NOT IN {_SYSTEM}
 ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
"""
_FOREIGN_KEYS = f"""
SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME,
       k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE
  FROM information_schema.KEY_COLUMN_USAGE k
  LEFT JOIN information_schema.REFERENTIAL_CONSTRAINTS r
    ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
   AND r.TABLE_NAME = k.TABLE_NAME
 WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND k.TABLE_SCHEMA NOT IN {_SYSTEM}
 ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
# The action of a key, also where the server does not show it to our user: bits of a number.
_OF_ENGINE = "SELECT ID, TYPE FROM information_schema.{engine_keys}"
_TRIGGERS = f"""
SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME,
       CONCAT_WS(' ', 'trigger', TRIGGER_NAME, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER,
                 ACTION_STATEMENT)
  FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA NOT IN {_SYSTEM}
"""
_PARTITIONED = f"""
SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME,
       CONCAT_WS(' ', 'partition', PARTITION_METHOD, PARTITION_EXPRESSION, SUBPARTITION_METHOD,
                 SUBPARTITION_EXPRESSION)
  FROM information_schema.PARTITIONS WHERE PARTITION_NAME IS NOT NULL AND TABLE_SCHEMA NOT IN {_SYSTEM}
"""

_Place = tuple[str, str]


@dataclass(frozen=True)
class Schema:
    """The catalogue, and what SQL needs beyond it. ``unknown``: a type we cannot copy, by table."""

    catalogue: Catalogue
    relations: Mapping[str, Relation]
    unknown: Mapping[str, str]


@dataclass
class _Index:
    unique: bool
    columns: list[str | None] = field(default_factory=list)
    sorted: bool = True
    searched: bool = True


@dataclass
class _Found:
    """The rows of the system tables, by table."""

    engines: dict[_Place, str] = field(default_factory=dict)
    columns: dict[_Place, list[Sequence[str]]] = field(default_factory=lambda: defaultdict(list))
    indexes: dict[_Place, dict[str, _Index]] = field(default_factory=lambda: defaultdict(dict))
    triggers: dict[_Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    partitioned: set[_Place] = field(default_factory=set)
    texts: dict[_Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    keys: dict[tuple[str, str, str], list[Sequence[str]]] = field(default_factory=lambda: defaultdict(list))


def read_schema(ask: Ask, database: str, flavour: Flavour) -> Schema:
    """All tables that our user sees, and the foreign keys between them."""
    found = _read(ask, flavour)
    names = _names(found.engines, database)
    tables = {name: _table(found, place, name) for place, name in names.items()}
    relations = {name: _relation(found, place) for place, name in names.items()}
    edges: dict[str, Edge] = {}
    for parts in found.keys.values():
        edge = _edge(names, relations, parts)
        known = edges.get(edge.label) if edge else None
        # Two keys on the same columns: the one that is followed decides.
        if edge and (known is None or known.action in ("set null", "set default")):
            edges[edge.label] = edge
    unknown = {
        names[place]: column[1]
        for place, columns in found.columns.items()
        if place in names
        for column in columns
        if column[1] not in KINDS
    }
    ordered = tuple(edges[label] for label in sorted(edges))
    return Schema(Catalogue(dict(sorted(tables.items())), ordered), relations, unknown)


def searchable(relation: Relation, columns: Iterable[str]) -> bool:
    """Whether an index begins with these columns."""
    wanted = set(columns)
    return any(set(one[: len(wanted)]) == wanted for one in relation.leading)


def _read(ask: Ask, flavour: Flavour) -> _Found:
    found = _Found()
    for schema, name, engine, _, text in _rows(ask, _TABLES):
        found.engines[schema, name] = engine or "-"
        found.texts[schema, name].append(text)
    for schema, name, *rest, text in _rows(ask, _COLUMNS.format(generated=flavour.generated)):
        found.columns[schema, name].append(rest)
        found.texts[schema, name].append(text)
    indexes = _INDEXES.format(hint=flavour.hint, searched=flavour.searched)
    for schema, name, index, duplicates, column, part, kind, searched, text in _rows(ask, indexes):
        one = found.indexes[schema, name].setdefault(index, _Index(duplicates == "0"))
        # A key over the beginning of a value does not tell values apart; one over a formula has no column.
        one.columns.append(None if part else column or None)
        one.sorted &= kind in ("BTREE", "HASH")
        one.searched &= searched == "1"
        found.texts[schema, name].append(text)
    actions = _actions(ask, flavour)
    for schema, name, *rest, rule in _rows(ask, _FOREIGN_KEYS):
        rest.append(rule or actions.get((schema, rest[0]), "NO ACTION"))
        found.keys[schema, name, rest[0]].append((schema, name, *rest))
        found.texts[schema, name].append(" ".join(["key", *rest]))
    for schema, name, trigger, text in _rows(ask, _TRIGGERS):
        found.triggers[schema, name].append(trigger)
        found.texts[schema, name].append(text)
    for schema, name, text in _rows(ask, f"{flavour.checks} WHERE c.CONSTRAINT_SCHEMA NOT IN {_SYSTEM}"):
        found.texts[schema, name].append(text)
    for schema, name, text in _rows(ask, _PARTITIONED):
        found.partitioned.add((schema, name))
        found.texts[schema, name].append(text)
    return found


def _actions(ask: Ask, flavour: Flavour) -> dict[_Place, str]:
    """By database and name of the key; without the right to look, nothing: then ``rights`` asks for it."""
    try:
        rows = list(_rows(ask, _OF_ENGINE.format(engine_keys=flavour.engine_keys)))
    except pymysql.Error as error:
        if error.args[0] != 1227:
            raise
        return {}
    found = {}
    for name, kind in rows:
        schema, _, key = name.partition("/")
        rule = "CASCADE" if int(kind) & 1 else "SET NULL" if int(kind) & 2 else "NO ACTION"
        found[decoded(schema) if flavour.encoded else schema, key] = rule
    return found


def decoded(name: str) -> str:
    """A name as the engine writes it: what is no letter or digit as @ and four digits."""
    return re.sub("@([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), name)


def _rows(ask: Ask, query: str) -> Iterable[list[str]]:
    for row in ask(query):
        yield ["" if cell is None else cell for cell in row]


def _names(places: Iterable[_Place], database: str) -> dict[_Place, str]:
    names = {
        (schema, name): name if schema == database and "." not in name else f"{schema}.{name}"
        for schema, name in sorted(places)
    }
    seen = list(names.values())
    # "a.b" in "c" and "c" in "a.b" read alike: then neither has a name.
    return {place: name for place, name in names.items() if seen.count(name) == 1}


def _table(found: _Found, place: _Place, name: str) -> Table:
    columns = tuple(
        TableColumn(
            name=column,
            type=full,
            codec=CODEC,
            not_null=nullable == "NO",
            has_default=default == "1",
            generated=generated == "1",
            numbered=numbered == "1",
        )
        for column, _, full, nullable, default, generated, numbered in found.columns[place]
    )
    return Table(
        name=name,
        columns=columns,
        key=_key(found, place, columns),
        definition="\n".join(sorted(found.texts[place])),
        triggers=tuple(sorted(set(found.triggers[place]))),
        unique=tuple(
            tuple(column for column in one.columns if column)
            for one in found.indexes[place].values()
            if one.unique and None not in one.columns
        ),
    )


def _key(found: _Found, place: _Place, columns: tuple[TableColumn, ...]) -> tuple[str, ...]:
    """The primary key, else the shortest unique key, rather one without NULL, or nothing."""
    solid = {column.name for column in columns if column.not_null}
    stored = {column.name for column in columns if not column.generated}
    keys = []
    for name, index in sorted(found.indexes[place].items()):
        whole = tuple(column for column in index.columns if column is not None)
        if not index.unique or len(whole) != len(index.columns) or not stored.issuperset(whole):
            continue
        if name == "PRIMARY":
            return whole
        keys.append(whole)
    return min(keys, key=lambda key: (not solid.issuperset(key), len(key), key), default=())


def _relation(found: _Found, place: _Place) -> Relation:
    schema, name = place
    indexes = [one for one in found.indexes[place].values() if one.sorted]
    return Relation(
        schema=schema,
        name=name,
        kinds={column[0]: KINDS.get(column[1], "plain") for column in found.columns[place]},
        unique=tuple(
            tuple(column for column in one.columns if column)
            for one in indexes
            if one.unique and None not in one.columns
        ),
        leading=tuple(tuple(column or "" for column in one.columns) for one in indexes if one.searched),
        engine=found.engines[place],
        partitioned=place in found.partitioned,
    )


def _edge(
    names: Mapping[_Place, str], relations: Mapping[str, Relation], parts: list[Sequence[str]]
) -> Edge | None:
    first = parts[0]
    child, parent = names.get((first[0], first[1])), names.get((first[4], first[5]))
    if child is None or parent is None:
        return None
    columns, there = tuple(part[3] for part in parts), tuple(part[6] for part in parts)
    sound = any(set(one) <= set(there) for one in relations[parent].unique)
    return Edge(
        child=child,
        child_columns=columns,
        parent=parent,
        parent_columns=there,
        action=_ACTIONS[first[7]],
        indexed=searchable(relations[child], columns),
        sound=sound,
    )
