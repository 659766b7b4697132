"""The sequences that number the rows of a PostgreSQL table, owned by a column or named by its default.

Numbers are drawn, not set, as long as that is quick: others draw at the same time, and what is drawn only
goes up. Setting a number is for gaps so wide that nobody else crosses them meanwhile.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.targets.counters import Counter
from bot.targets.postgresql_sql import Relation, quote

#: Runs a query; the database's answers come as texts.
Execute = Callable[[str, Sequence[str | int]], Any]

#: Some thirty milliseconds of drawing.
_DRAWN = 100_000
_PLAIN = re.compile(r"nextval\('(?:[^']|'')*'::regclass\)(?:::[a-z ]+)?", re.ASCII)

# Of a partitioned table, also what its partitions have of their own. A default that names its sequence by
# a text leaves no trace in the catalogue.
_SEQUENCES = """
WITH named(tab, col, seq, expression) AS (
  SELECT d.refobjid, d.refobjsubid, d.objid, NULL
    FROM pg_catalog.pg_depend d
   WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
     AND d.deptype = 'i' AND d.refobjsubid > 0
  UNION ALL
  SELECT a.adrelid, a.adnum, d.refobjid, pg_catalog.pg_get_expr(a.adbin, a.adrelid)
    FROM pg_catalog.pg_attrdef a LEFT JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = a.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass
     AND EXISTS (SELECT FROM pg_catalog.pg_class s WHERE s.oid = d.refobjid AND s.relkind = 'S')
  UNION ALL
  SELECT a.attrelid, a.attnum, d.refobjid, pg_catalog.pg_get_expr(t.typdefaultbin, 0)
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass
    JOIN pg_catalog.pg_attribute a ON a.atttypid = t.oid AND NOT a.atthasdef
)
SELECT DISTINCT a.attname, n.nspname, s.relname, s.oid::text, d.expression
  FROM named d
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.tab AND a.attnum = d.col AND a.attgenerated = ''
  LEFT JOIN pg_catalog.pg_class s ON s.oid = d.seq AND s.relkind = 'S'
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
 WHERE coalesce(pg_catalog.pg_partition_root(d.tab), d.tab)::oid = $1::pg_catalog.oid
   AND (s.oid IS NOT NULL OR d.expression LIKE '%nextval(%')
 ORDER BY 1, 2, 3, 5
"""


@dataclass(frozen=True)
class Named:
    """A sequence behind a column. ``plain``: the column gets its numbers as they are, without a formula."""

    column: str
    schema: str
    name: str
    oid: str
    plain: bool

    @property
    def path(self) -> str:
        """``"schema"."sequence"``."""
        return f"{quote(self.schema)}.{quote(self.name)}"


def of(execute: Execute, relation: Relation) -> list[Named]:
    """The sequences that number rows of a table."""
    return [
        Named(
            str(column),
            str(schema or ""),
            str(name or ""),
            str(oid or ""),
            oid is not None and (expression is None or bool(_PLAIN.fullmatch(str(expression)))),
        )
        for column, schema, name, oid, expression in execute(_SEQUENCES, [relation.oid]).fetchall()
    ]


def pass_by(execute: Execute, named: Named, rows: str, cell: str) -> bool:
    """Let a sequence go on past the highest number that it could give in ``cell`` of ``rows``.

    ``rows``: FROM and WHERE. False: it is past already.
    """
    counter = _counter(execute, named)
    # Whatever the column's type: only whole numbers are in the way.
    number = rf"CASE WHEN {cell}::text ~ '^-?[0-9]{{1,19}}(\.0+)?$' THEN {cell}::text::numeric END"
    farthest = "max" if counter.step > 0 else "min"
    (taken,) = execute(
        f"SELECT {farthest}(n.v)::bigint FROM (SELECT {number} AS v FROM {rows}) n"
        " WHERE n.v BETWEEN $1::numeric AND $2::numeric",
        [str(counter.low), str(counter.high)],
    ).fetchone()
    last = counter.last_to_draw(None if taken is None else int(taken))
    draws = 0 if last is None else counter.draws(last)
    if last is None or draws <= 0:
        return False
    if draws <= _DRAWN:
        execute(
            "SELECT max(nextval($1::oid::regclass)) FROM generate_series(1, $2::int)",
            [named.oid, str(draws)],
        )
    else:
        short = f"last_value {'<' if counter.step > 0 else '>'} $2::bigint"
        execute(
            f"SELECT setval($1::oid::regclass, $2::bigint) FROM {named.path} WHERE {short}",
            [named.oid, str(last)],
        )
    return True


def _counter(execute: Execute, named: Named) -> Counter:
    row = execute(
        "SELECT s.last_value, s.is_called, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle"
        f" FROM {named.path} s, pg_catalog.pg_sequence q WHERE q.seqrelid = $1::oid",
        [named.oid],
    ).fetchone()
    last, called, step, low, high, cycles = map(str, row)
    upcoming = int(last) + (int(step) if called == "t" else 0)
    return Counter(upcoming, int(step), int(low), int(high), cycles == "t")
