"""Rows of a PostgreSQL database whose columns name something."""

import math
from collections.abc import Sequence

from bot.targets import naming
from bot.targets import postgresql_sql as sql
from bot.targets.base import Named
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_sql import EQUAL, Relation, quote
from bot.targets.postgresql_work import PostgresqlWork

#: Of no other type is the text the same for ever, which an index over it needs.
_TEXTS = ("text", "varchar", "bpchar", "citext")
_DOCUMENTS = ("text", "json", "jsonb", "xml", "bytea", "citext", "hstore")


class PostgresqlNaming(PostgresqlWork):
    """See ``bot.targets.base.Session``."""

    def naming(
        self, table: str, column: str, texts: Sequence[str], limit: int, seconds: float, *, only: bool = False
    ) -> Named:
        """See ``Session``; whatever goes wrong, the transaction can go on."""
        self._look()
        relation, about = self._relation(table), self._table(table)
        found = about.column(column)
        tests, values = _tests(relation, column, found.type if found else "", texts, only=only)
        if not tests:
            return Named(())
        rows = f"FROM {relation.rows} t WHERE ({' OR '.join(tests)})"
        own = self._keys.get(table)
        if own is not None:
            rows += f" AND NOT EXISTS (SELECT FROM {own.path} x WHERE {sql.matched('t', relation, own, 'x')})"
        key = sql.listed("t", about.key) or "''::pg_catalog.text"
        self._run("SAVEPOINT naming", table)
        try:
            self._run(f"SET LOCAL statement_timeout = {max(1, math.ceil(seconds * 1000))}", table)
            with translated(self._target, table):
                keys = self._execute(f"SELECT {key} {rows} LIMIT {int(limit)}", values).fetchall()
            return Named(tuple(keys), self._index_missing(relation, column, tests, rows, values))
        finally:
            self._run("ROLLBACK TO naming", table)

    def _index_missing(
        self, relation: Relation, column: str, tests: Sequence[str], rows: str, values: Sequence[str]
    ) -> str:
        """The statement of the index that would help, if the server finds none even when it must."""
        if any("strpos(" in test or "position(" in test for test in tests):
            return ""
        self._run("SET LOCAL enable_seqscan = off", "")
        with translated(self._target):
            lines = self._execute(f"EXPLAIN (COSTS OFF) SELECT 1 {rows}", values).fetchall()
        if not any(f"Seq Scan on {relation.name}" in str(line[0]).replace('"', "") for line in lines):
            return ""
        gently = "" if relation.partitioned else " CONCURRENTLY"
        name = quote(column)
        if any("lower(" in test for test in tests):
            if relation.kinds[column] not in _TEXTS:
                return ""
            name = f'pg_catalog.lower({name}::pg_catalog.text COLLATE "C")'
        return f"CREATE INDEX{gently} ON {relation.path} ({name})"


def _tests(
    relation: Relation, column: str, declared: str, texts: Sequence[str], *, only: bool
) -> tuple[list[str], list[str]]:
    """One condition for each way a text may stand there, and what fills its place."""
    kind = relation.kinds[column]
    tests: list[str] = []
    values: list[str] = []
    document = naming.is_long(declared) or (kind in _DOCUMENTS and "(" not in declared)
    long = document and not only
    for text in texts:
        inside = long and len(text) >= naming.SHORTEST
        for one in naming.spellings(text, inside=inside):
            if "\0" in one:
                continue
            place = len(values) + 1
            if only:
                test = sql.typed(relation, column, one, place)
            else:
                test = _test(relation, column, one, place, inside=inside)
            if test is not None:
                tests.append(test)
                values.append(one)
    return tests, values


def _test(relation: Relation, column: str, text: str, place: int, *, inside: bool) -> str | None:
    name = f"t.{quote(column)}"
    here, there = f'{name}::pg_catalog.text COLLATE "C"', f'${place}::pg_catalog.text COLLATE "C"'
    if relation.kinds[column] == "bytea":
        raw = f"pg_catalog.convert_to(${place}::pg_catalog.text, 'UTF8')"
        return f"position({raw} in {name}) > 0" if inside else f"{name} {EQUAL} {raw}"
    if naming.ignores_case(text):
        here, there = f"pg_catalog.lower({here})", f"pg_catalog.lower({there})"
    elif not inside:
        return sql.typed(relation, column, text, place)
    return f"pg_catalog.strpos({here}, {there}) > 0" if inside else f"{here} {EQUAL} {there}"
