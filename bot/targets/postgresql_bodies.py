"""Functions that a restore has to run, and whose text only works with a search path that a restore has not.

``pg_restore`` sets an empty search path. A function that an index, a check, a generated column or a
materialized view needs then finds no table and no function that its text names without a schema. It is read,
and never run: whoever wrote it might have written anything.
"""

# ruff: noqa: E501 - a query is easier to read in few lines

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from bot.errors import CannotProve
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_part_scope import Tables
from bot.targets.postgresql_sql import quote

_NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME = r'("(?:[^"]|"")+"|[A-Za-z_\u0080-\uffff][\w$]*)'
_START = r'(?<![\w$."])'
_CALLED = re.compile(rf"{_START}{_NAME}\s*\(")
_READ = re.compile(
    rf"\b(?:FROM|JOIN|UPDATE|INSERT\s+INTO)\s+(?:ONLY\s+)?{_NAME}(?![\w$\"]|\s*[.(])", re.IGNORECASE
)
_NAMED_HERE = re.compile(rf"{_START}{_NAME}\s+AS\s+(?:(?:NOT\s+)?MATERIALIZED\s+)?\(", re.IGNORECASE)
#: One of these in its text may set the path itself.
_SETS_ITS_PATH = re.compile("search_path", re.IGNORECASE)


class Body(NamedTuple):
    """A function that something needs: ``what`` and ``name`` of that; ``table`` and ``home``: where it belongs."""

    what: str
    name: str
    table: int
    home: int
    function: str
    schema: str
    text: str


def require(connection: Connection, database: str, known: Mapping[str, int] | None = None) -> None:
    """Return when no restore fails for want of a search path. ``known``: only with these schemas or tables.

    Raises:
        CannotProve: one would; the sentence has the statement that helps.
    """
    bodies = [Body(*row) for row in connection.execute(_BODIES.encode()).fetchall()]
    ours = [one for one in bodies if known is None or _belongs(one, known)]
    if not ours:
        return
    homes = {(kind, name): list(schemas) for kind, name, schemas in connection.execute(_HOMES.encode())}
    for one in ours:
        found = {name: homes[kind, name] for kind, name in named(one.text) if (kind, name) in homes}
        if found:
            path = dict.fromkeys([one.schema, *(schema for schemas in found.values() for schema in schemas)])
            statement = f"ALTER FUNCTION {one.function} SET search_path = {', '.join(map(quote, path))}"
            raise CannotProve(
                f"whole.path-{one.what}",
                database=database,
                name=one.name,
                function=one.function,
                names=", ".join(found),
                statement=statement,
            )


def _belongs(one: Body, known: Mapping[str, int]) -> bool:
    return (one.table if isinstance(known, Tables) else one.home) in known.values()


def named(text: str) -> Iterator[tuple[str, str]]:
    """Kind (``f``: function, ``r``: relation) and name of what a text names without a schema. Pure."""
    if _SETS_ITS_PATH.search(text):
        return
    code = _NOT_CODE.sub(" ", text)
    local = set(_plain(_NAMED_HERE.findall(code)))
    yield from (("f", name) for name in _plain(_CALLED.findall(code)))
    yield from (("r", name) for name in _plain(_READ.findall(code)) if name not in local)


def _plain(names: Iterable[str]) -> Iterator[str]:
    """As the catalogue has them."""
    for name in dict.fromkeys(names):
        yield name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


# What a restore builds by running something, and from there to every function in it: through views and
# operators. A function with a parsed body, or with a path of its own, needs none.
_BODIES = """
WITH RECURSIVE built(what, name, rel, nsp, cat, obj) AS (
  SELECT 'index', i.indexrelid::regclass::text, i.indrelid, c.relnamespace, 'pg_catalog.pg_class'::regclass::oid, c.oid
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
   WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
  UNION ALL SELECT 'check', k.conname::text, k.conrelid, k.connamespace, 'pg_catalog.pg_constraint'::regclass::oid, k.oid
    FROM pg_catalog.pg_constraint k WHERE k.contype = 'c'
  UNION ALL SELECT 'column', a.attname::text, d.adrelid, c.relnamespace, 'pg_catalog.pg_attrdef'::regclass::oid, d.oid
    FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    JOIN pg_catalog.pg_class c ON c.oid = d.adrelid WHERE a.attgenerated <> ''
  UNION ALL SELECT 'view', c.oid::regclass::text, c.oid, c.relnamespace, 'pg_catalog.pg_rewrite'::regclass::oid, r.oid
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class WHERE c.relkind = 'm' AND c.relispopulated
  UNION ALL SELECT 'table', c.oid::regclass::text, c.oid, c.relnamespace, 'pg_catalog.pg_class'::regclass::oid, c.oid
    FROM pg_catalog.pg_class c WHERE c.relkind = 'p'
), needed(what, name, rel, nsp, cat, obj) AS (
  SELECT * FROM built
  UNION SELECT n.what, n.name, n.rel, n.nsp, x.cat, x.obj FROM needed n CROSS JOIN LATERAL (
    SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
     WHERE d.classid = n.cat AND d.objid = n.obj
       AND (d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
            OR n.cat = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass)
    UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, r.oid
      FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
     WHERE n.cat = 'pg_catalog.pg_class'::regclass AND v.oid = n.obj AND v.relkind = 'v') x(cat, obj)
)
SELECT DISTINCT n.what, n.name, n.rel::bigint, n.nsp::bigint, p.oid::regprocedure::text, s.nspname::text, p.prosrc
  FROM needed n JOIN pg_catalog.pg_proc p ON n.cat = 'pg_catalog.pg_proc'::regclass AND p.oid = n.obj
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
  JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace AND s.nspname NOT IN ('pg_catalog', 'information_schema')
 WHERE pg_catalog.to_jsonb(p) ->> 'prosqlbody' IS NULL
   AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1, 2, 5
"""
#: Where what has such a name lies, if the server itself has nothing of that name.
_HOMES = """
SELECT kind, name, pg_catalog.array_agg(DISTINCT nspname::text) FROM (
  SELECT 'r' AS kind, c.relname::text AS name, c.relnamespace AS nsp FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
  UNION ALL SELECT 'f', p.proname::text, p.pronamespace FROM pg_catalog.pg_proc p
) x JOIN pg_catalog.pg_namespace n ON n.oid = x.nsp
 WHERE n.nspname !~ '^pg_(toast|temp)' GROUP BY kind, name HAVING NOT pg_catalog.bool_or(n.nspname IN ('pg_catalog', 'information_schema'))
"""
