"""The work tables of a session on PostgreSQL, and how its statements are run.

All work tables are temporary tables. ``k``: key sets (columns c0…, and the round). ``n``: link sets (the key,
then the child's columns). ``s``: stages. Values travel as the texts that the server prints and reads, so that
nothing is lost on the way; what the texts look like is pinned by ``PINNED``.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg

from bot.model.backups import Value
from bot.targets import postgresql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.postgresql_catalogue import Schema, read_schema
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_sql import Links, Relation
from bot.targets.server_work import ServerWork
from bot.targets.work_tables import WorkTable

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


def setting(settings: Mapping[str, str]) -> tuple[str, list[str]]:
    """The statement that sets these for a session, and its values."""
    calls = [
        f"pg_catalog.set_config(${place}, ${place + 1}, false)" for place in range(1, 2 * len(settings), 2)
    ]
    return f"SELECT {', '.join(calls)}", [part for pair in settings.items() for part in pair]


class PostgresqlWork(ServerWork[Schema, Relation]):
    """A connection in a transaction; see ``ServerWork``.

    ``late``: an index can still be made after the first look at rows.
    """

    late = False

    def __init__(
        self, connection: Connection, target: str, max_lock: float, begin: Callable[[], None] | None
    ) -> None:
        super().__init__(target, max_lock, begin)
        self._connection = connection
        self._soft: dict[Edge, Links] = {}
        self._grown: set[str] = set()
        self._unindexed: set[str] = set()

    def _read_keys(self, table: str) -> WorkTable:
        """A key set about to be read: the planner should know how large it has become."""
        keys = self._key_set(table)
        self._look()
        if table in self._grown:
            self._grown.discard(table)
            self._run(f"ANALYZE {keys.path}", table)
        return keys

    def _make(self, letter: str, table: str, columns: Sequence[str], more: str = "") -> WorkTable:
        # In our own schema: never a table of somebody else.
        name = f"pg_temp.countersign_{letter}{self._made}"
        self._made += 1
        work = WorkTable(name, table, tuple(columns), self._table(table).key)
        origin = ", ".join(part for part in (sql.renamed("t", columns), more) if part)
        self._run(
            f"CREATE TABLE {name} AS SELECT {origin} FROM {self._relation(table).rows} t LIMIT 0", table
        )
        if more:
            self._unindexed.add(table)
            if not self.late:
                self._index(work)
        return work

    def _index(self, keys: WorkTable) -> None:
        """From here on a key set holds every key once; an error when it does not now."""
        if keys.table in self._unindexed:
            self._unindexed.discard(keys.table)
            self._run(f"CREATE UNIQUE INDEX ON {keys.path} ({keys.cells})", keys.table)

    def _read_schema(self) -> Schema:
        with translated(self._target):
            return read_schema(self._connection)

    def _linked(self, edge: Edge) -> Links:
        return self._soft[edge] if edge.action == "soft" else self._schema().links[edge.label]

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
