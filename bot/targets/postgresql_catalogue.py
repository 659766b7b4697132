"""The schema of a PostgreSQL database as a ``Catalogue``.

A table of the schema ``public`` goes by its own name, any other by ``schema.table``, both exact. Partitions
are not tables of their own here: their rows belong to the table that is partitioned. Views, foreign tables
and system tables are left out.
"""
# ruff: noqa: S608 - nothing but our own constants goes into these queries

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bot.targets.base import Action, Catalogue, Edge, Table, TableColumn
from bot.targets.postgresql_sql import EQUAL, Links, Relation, Unique, literal

CODEC = "text-1"

_ACTIONS: dict[str, Action] = {
    "a": "no action",
    "r": "restrict",
    "c": "cascade",
    "n": "set null",
    "d": "set default",
}
_WHOLE = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})

_OURS = """
  c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
"""

_TABLES = f"""
SELECT c.oid::text, n.nspname, c.relname, c.relkind = 'p', c.relispartition,
       (SELECT r.oid::text FROM pg_catalog.pg_class r
         WHERE c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid))
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE {_OURS}
"""

# Of a domain, what counts is the type below it.
_COLUMNS = f"""
WITH RECURSIVE base(oid, type, solid) AS (
  SELECT t.oid, t.oid, false FROM pg_catalog.pg_type t
  UNION ALL
  SELECT b.oid, t.typbasetype, b.solid OR t.typnotnull FROM base b
    JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd'
), bare AS (
  SELECT DISTINCT ON (b.oid) b.oid, t.typname, t.oid AS type,
         bool_or(b.solid) OVER (PARTITION BY b.oid) AS solid
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type
   ORDER BY b.oid, t.typtype = 'd'
)
SELECT a.attrelid::text, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       pg_catalog.format_type(a.atttypid, -1), b.typname,
       a.attnotnull OR b.solid, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '',
       (SELECT pg_catalog.format('OPERATOR(%I.%s)', on_.nspname, o.oprname)
          FROM pg_catalog.pg_opclass oc
          JOIN pg_catalog.pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree'
          JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
           AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
          JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
          JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.oprnamespace
         WHERE oc.opcdefault AND oc.opcintype = b.type),
       a.attidentity <> '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN bare b ON b.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE {_OURS} AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""

_INDEXES = f"""
SELECT i.indrelid::text, i.indisprimary, i.indisunique AND i.indimmediate, i.indpred IS NULL,
       am.amname IN ('btree', 'hash'),
       pg_catalog.array_to_json(ARRAY(
         SELECT a.attname::text FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k
              LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
               AND a.attnum <> 0 ORDER BY k)),
       pg_catalog.array_to_json(ARRAY(
         -- Only a B-tree calls its third strategy equality; other kinds of index may have none.
         SELECT CASE WHEN o.oid IS NOT NULL
                     THEN pg_catalog.format('OPERATOR(%I.%s)', on_.nspname, o.oprname) END
               FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) k
               JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[k]
               LEFT JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
                AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
               LEFT JOIN pg_catalog.pg_operator o ON o.oid = ao.amopopr
               LEFT JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.oprnamespace ORDER BY k))
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = x.relam
 WHERE {_OURS} AND i.indisvalid AND NOT c.relispartition
"""

_FOREIGN_KEYS = """
SELECT k.conrelid::text, k.confrelid::text, k.confdeltype, k.convalidated,
       pg_catalog.array_to_json(ARRAY(
         SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
              ORDER BY u.place)),
       pg_catalog.array_to_json(ARRAY(
         SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY u(num, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
              ORDER BY u.place)),
       pg_catalog.array_to_json(ARRAY(
         SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
               FROM pg_catalog.unnest(k.conpfeqop) WITH ORDINALITY u(op, place)
               JOIN pg_catalog.pg_operator o ON o.oid = u.op
               JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace ORDER BY u.place)),
       NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled = 'D')
  FROM pg_catalog.pg_constraint k
 WHERE k.contype = 'f' AND k.conparentid = 0
"""

_TRIGGERS = """
SELECT t.tgrelid::text, t.tgname FROM pg_catalog.pg_trigger t
 WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
"""

# Everything whose change must be noticed. Partitions come and go by the calendar and are no change. Of other
# tables nothing is written out: doing so opens them, and somebody may just be dropping them, as the server
# does with the temporary tables of a worker that was killed.
_DEFINITIONS = f"""
WITH ours AS MATERIALIZED (
  SELECT c.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE {_OURS} AND NOT c.relispartition
)
SELECT a.attrelid::text, pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname,
       pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
       a.attcollation::regcollation, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
  FROM pg_catalog.pg_attribute a JOIN ours o ON o.oid = a.attrelid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT k.conrelid::text, pg_catalog.concat_ws(' ', 'constraint', k.conname, k.convalidated,
       pg_catalog.pg_get_constraintdef(k.oid))
  FROM pg_catalog.pg_constraint k JOIN ours o ON o.oid = k.conrelid WHERE k.conparentid = 0
UNION ALL
SELECT i.indrelid::text, pg_catalog.concat_ws(' ', 'index', pg_catalog.pg_get_indexdef(i.indexrelid),
       i.indisvalid)
  FROM pg_catalog.pg_index i JOIN ours o ON o.oid = i.indrelid
UNION ALL
SELECT t.tgrelid::text, pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled,
       pg_catalog.md5(p.prosrc))
  FROM pg_catalog.pg_trigger t JOIN ours o ON o.oid = t.tgrelid
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal
UNION ALL
SELECT r.ev_class::text, pg_catalog.concat_ws(' ', 'rule', pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled)
  FROM pg_catalog.pg_rewrite r JOIN ours o ON o.oid = r.ev_class
UNION ALL
SELECT p.polrelid::text, pg_catalog.concat_ws(' ', 'policy', p.polname, p.polcmd, p.polroles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_catalog.pg_policy p JOIN ours o ON o.oid = p.polrelid
UNION ALL
SELECT c.oid::text, pg_catalog.concat_ws(' ', 'table', c.relkind, c.relrowsecurity, c.relforcerowsecurity,
       c.relhassubclass AND c.relkind = 'r', pg_catalog.pg_get_partkeydef(c.oid))
  FROM ours c
"""


@dataclass(frozen=True)
class Schema:
    """The catalogue, and what SQL needs beyond it. ``links`` are by label of the edge."""

    catalogue: Catalogue
    relations: Mapping[str, Relation]
    links: Mapping[str, Links]


@dataclass
class _Found:
    """The rows of the system tables, by table."""

    names: dict[str, str] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    columns: dict[str, list[Sequence[Any]]] = field(default_factory=lambda: defaultdict(list))
    indexes: dict[str, list[Sequence[Any]]] = field(default_factory=lambda: defaultdict(list))
    triggers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    definitions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def read_schema(connection: "psycopg.Connection[Any]") -> Schema:
    """All tables and the foreign keys between them."""
    found = _Found()
    for oid, schema, name, partitioned, partition, root in connection.execute(_TABLES).fetchall():
        found.roots[oid] = root or oid
        if partition != "t":
            found.places[oid] = (schema, name, partitioned == "t")
    found.names = _names(found.places)
    for oid, *rest in connection.execute(_COLUMNS):
        found.columns[oid].append(rest)
    for oid, *flags, names, equal in connection.execute(_INDEXES):
        found.indexes[oid].append((*flags, json.loads(names), json.loads(equal)))
    for texts, query in ((found.triggers, _TRIGGERS), (found.definitions, _DEFINITIONS)):
        for oid, text in connection.execute(query):
            texts[found.roots.get(oid, oid) if query is _TRIGGERS else oid].append(text)
    keys = [
        (*row[:4], *map(json.loads, row[4:7]), row[7]) for row in connection.execute(_FOREIGN_KEYS).fetchall()
    ]
    return _schema(found, keys)


def searchable(relation: Relation, columns: Iterable[str]) -> bool:
    """Whether an index begins with these columns."""
    wanted = set(columns)
    return any(set(one[: len(wanted)]) == wanted for one in relation.leading)


def soft_links(child: Relation, parent: Relation, edge: Edge) -> Links:
    """How the columns of a soft link are compared: as they are when their types allow it, else as texts."""
    if edge.prefix:
        before = f"{literal(edge.prefix)} OPERATOR(pg_catalog.||) "
        (column,) = edge.child_columns
        cast = "" if child.kinds[column] in _TEXTS else "::pg_catalog.text"
        return Links((EQUAL,), ("::pg_catalog.text",), (cast,), checked=False, before=before)
    if edge.path:
        # The operator refuses a column of another type than JSON.
        below = f" OPERATOR(pg_catalog.#>>) ARRAY[{', '.join(map(literal, edge.path))}]"
        return Links((EQUAL,), ("::pg_catalog.text",), (below,), checked=False)
    equal, parents, children = [], [], []
    for mine, other in zip(edge.child_columns, edge.parent_columns, strict=True):
        kinds = {child.kinds[mine], parent.kinds[other]}
        as_is = len(kinds) == 1 or kinds <= _WHOLE or kinds <= _TEXTS
        equal.append(parent.equal[other] if len(kinds) == 1 else EQUAL)
        parents.append("" if as_is or parent.kinds[other] in _TEXTS else "::text")
        children.append("" if as_is or child.kinds[mine] in _TEXTS else "::text")
    return Links(tuple(equal), tuple(parents), tuple(children), checked=False)


def _names(places: Mapping[str, tuple[str, str, bool]]) -> dict[str, str]:
    names = {
        oid: name if schema == "public" and "." not in name else f"{schema}.{name}"
        for oid, (schema, name, _) in places.items()
    }
    seen = list(names.values())
    # "a.b" in schema "c" and "c" in schema "a.b" read alike: then neither has a name.
    return {oid: name for oid, name in names.items() if seen.count(name) == 1}


def _schema(found: _Found, foreign_keys: Iterable[Sequence[Any]]) -> Schema:
    tables: dict[str, Table] = {}
    relations: dict[str, Relation] = {}
    for oid, name in sorted(found.names.items(), key=lambda pair: pair[1]):
        tables[name] = _table(found, oid, name)
        relations[name] = _relation(found, oid)
    edges: dict[str, Edge] = {}
    links: dict[str, Links] = {}
    for row in foreign_keys:
        edge = _edge(found, relations, row)
        known = edges.get(edge.label) if edge else None
        # Two keys on the same columns: the one that is followed decides.
        if edge and (known is None or known.action in ("set null", "set default")):
            edges[edge.label] = edge
            plain = ("",) * len(row[6])
            links[edge.label] = Links(tuple(row[6]), plain, plain, checked=row[7] == "t")
    ordered = tuple(edges[label] for label in sorted(edges))
    return Schema(Catalogue(tables, ordered), relations, links)


def _table(found: _Found, oid: str, name: str) -> Table:
    columns = tuple(
        TableColumn(
            name=column,
            type=kind,
            codec=CODEC,
            not_null=solid == "t",
            has_default=default == "t",
            generated=generated == "t",
            numbered=numbered == "t",
        )
        for column, kind, _, _, solid, default, generated, _, numbered in found.columns[oid]
    )
    return Table(
        name=name,
        columns=columns,
        key=_key(found, oid, columns),
        definition="\n".join(sorted(found.definitions[oid])),
        triggers=tuple(sorted(set(found.triggers[oid]))),
        unique=tuple(
            tuple(one[4]) for one in found.indexes[oid] if one[1] == one[2] == "t" and None not in one[4]
        ),
    )


def _key(found: _Found, oid: str, columns: tuple[TableColumn, ...]) -> tuple[str, ...]:
    """The primary key, else the shortest unique key, rather one without NULL, or nothing.

    Where a unique key holds NULL it identifies nothing: such rows are refused when they are met.
    """
    solid = {column.name for column in columns if column.not_null}
    stored = {column.name for column in columns if not column.generated}
    keys: list[tuple[str, ...]] = []
    for primary, unique, whole, _, names, _ in found.indexes[oid]:
        if primary == "t" and None not in names:
            return tuple(names)
        if unique == "t" and whole == "t" and stored.issuperset(names):
            keys.append(tuple(names))
    return min(keys, key=lambda key: (not solid.issuperset(key), len(key), key), default=())


def _relation(found: _Found, oid: str) -> Relation:
    schema, name, partitioned = found.places[oid]
    columns = found.columns[oid]
    whole = [one for one in found.indexes[oid] if one[2] == "t"]
    return Relation(
        oid=int(oid),
        schema=schema,
        name=name,
        partitioned=partitioned,
        casts={column[0]: column[2] for column in columns},
        kinds={column[0]: column[3] for column in columns},
        equal={column[0]: column[7] or EQUAL for column in columns},
        unique=tuple(
            Unique(tuple(one[4]), tuple(one[5]))
            for one in whole
            if one[1] == "t" and None not in one[4] and None not in one[5]
        ),
        leading=tuple(tuple(one[4]) for one in whole if one[3] == "t"),
    )


def _edge(found: _Found, relations: Mapping[str, Relation], row: Sequence[Any]) -> Edge | None:
    child_oid, parent_oid, action, _, child_columns, parent_columns, _, _ = row
    child = found.names.get(found.roots.get(child_oid, ""))
    parent = found.names.get(found.roots.get(parent_oid, ""))
    if child is None or parent is None:
        return None
    # A key of a single partition says nothing about the rows of the others.
    of_partition = found.roots[child_oid] != child_oid or found.roots[parent_oid] != parent_oid
    return Edge(
        child=child,
        child_columns=tuple(child_columns),
        parent=parent,
        parent_columns=tuple(parent_columns),
        action=_ACTIONS[action],
        indexed=searchable(relations[child], child_columns),
        sound=not of_partition,
    )
