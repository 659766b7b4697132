"""The work tables of a session on PostgreSQL, and how its statements are run.

All work tables are temporary tables. ``k``: key sets (columns c0…, and the round). ``n``: link sets (the key,
then the child's columns). ``s``: stages. Values travel as the texts that the server prints and reads, so that
nothing is lost on the way; what the texts look like is pinned by ``PINNED``.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from bot.errors import TargetDown
from bot.model.backups import Value
from bot.targets import postgresql_sql as sql
from bot.targets.base import Catalogue, Edge, Row, Table
from bot.targets.postgresql_catalogue import Schema, read_schema
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_sql import Links, Relation, WorkTable

Connection = psycopg.Connection[tuple[str | None, ...]]

#: How values look as text. A backup must not depend on how a role or a database is set up.
PINNED: Mapping[str, str] = {
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "xmloption": "content",
    "search_path": "pg_catalog, pg_temp",
    "row_security": "off",
    "cursor_tuple_fraction": "1",
    # For our own work tables only: how many rows they hold is what matters.
    "default_statistics_target": "10",
}

_BATCH = 2000


class PostgresqlWork:
    """A connection in a transaction. ``deadline`` is on the monotonic clock; no statement starts after it.

    ``begin`` is run once, before the first look at rows; from then on no work table can be made. None: the
    transaction is one that can still make them.
    """

    def __init__(
        self, connection: Connection, target: str, max_lock: float, begin: Callable[[], None] | None
    ) -> None:
        self._connection = connection
        self._target = target
        self._max_lock = max_lock
        self._begin = begin
        self.deadline = time.monotonic() + max_lock
        self._known: Schema | None = None
        self._soft: dict[Edge, Links] = {}
        self._keys: dict[str, WorkTable] = {}
        self._links: dict[Edge, WorkTable] = {}
        self._stages: dict[str, WorkTable] = {}
        self._grown: set[str] = set()
        self._made = 0

    def catalogue(self) -> Catalogue:
        """See ``Session``."""
        return self._schema().catalogue

    def _look(self) -> None:
        """Before the first look at rows: from here on, one snapshot."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()

    def _read_keys(self, table: str) -> WorkTable:
        """A key set about to be read: the planner should know how large it has become."""
        keys = self._key_set(table)
        self._look()
        if table in self._grown:
            self._grown.discard(table)
            self._run(f"ANALYZE {keys.path}", table)
        return keys

    def _key_set(self, table: str) -> WorkTable:
        if table not in self._keys:
            work = self._make("k", table, self._table(table).key, "0 AS r")
            self._run(f"CREATE UNIQUE INDEX ON {work.path} ({work.cells})", table)
            self._keys[table] = work
        return self._keys[table]

    def _link_set(self, edge: Edge) -> WorkTable:
        if edge not in self._links:
            key = self._table(edge.child).key
            self._links[edge] = self._make("n", edge.child, (*key, *edge.child_columns))
        return self._links[edge]

    def _make(self, letter: str, table: str, columns: Sequence[str], more: str = "") -> WorkTable:
        """An empty work table, made from the table itself, so that its columns have the very same types."""
        name = f"countersign_{letter}{self._made}"
        self._made += 1
        work = WorkTable(name, table, tuple(columns), self._table(table).key)
        origin = ", ".join(part for part in (sql.renamed("t", columns), more) if part)
        self._run(
            f"CREATE TEMP TABLE {name} AS SELECT {origin} FROM {self._relation(table).rows} t LIMIT 0", table
        )
        return work

    def _linked(self, edge: Edge) -> Links:
        return self._soft[edge] if edge.action == "soft" else self._schema().links[edge.label]

    def _schema(self) -> Schema:
        if self._known is None:
            self._in_time()
            with translated(self._target):
                self._known = read_schema(self._connection)
        return self._known

    def _relation(self, name: str) -> Relation:
        return self._schema().relations[name]

    def _table(self, name: str) -> Table:
        return self.catalogue().tables[name]

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise TargetDown("target.too-slow", target=self._target)

    def _execute(self, statement: str, values: Sequence[Value] | None = None) -> "psycopg.Cursor[Any]":
        self._in_time()
        return self._connection.execute(statement, values)

    def _run(self, statement: str, table: str, values: Sequence[Value] | None = None) -> None:
        with translated(self._target, table):
            self._execute(statement, values)

    def _write(self, statement: str, table: str, values: Sequence[Value] | None = None) -> int:
        with translated(self._target, table):
            return self._execute(statement, values).rowcount

    def _read(self, query: str, table: str) -> Iterator[Row]:
        """The rows of a query, a batch at a time; statements may run between two of them."""
        name = f"countersign_c{self._made}"
        self._made += 1
        self._run(f"DECLARE {name} NO SCROLL CURSOR FOR {query}", table)
        while True:
            with translated(self._target, table):
                batch = self._execute(f"FETCH {_BATCH} FROM {name}").fetchall()
            if not batch:
                break
            yield from batch
        self._run(f"CLOSE {name}", table)

    def _number(self, query: str, table: str, values: Sequence[Value] | None = None) -> int:
        with translated(self._target, table):
            return int(self._execute(query, values).fetchone()[0])  # type: ignore[index]  # an aggregate has a row
