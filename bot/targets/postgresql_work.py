"""The work tables of a session on PostgreSQL, and how its statements are run.

All work tables are temporary tables. ``k``: key sets (columns c0…, and the round). ``n``: link sets (the key,
then the child's columns). ``s``: stages. Values travel as the texts that the server prints and reads, so that
nothing is lost on the way; what the texts look like is pinned by ``PINNED``.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any, cast

import psycopg

from bot.model.backups import Cell, Value
from bot.model.csv_lines import Block, TextRows, cells_of
from bot.targets import postgresql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.postgresql_catalogue import Schema, read_schema
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_lines import copied
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

    def _texts(self, query: str, table: str) -> TextRows:
        """The rows of a query, a batch at a time or as lines."""
        each = cast("Callable[[], Iterator[tuple[Cell, ...]]]", partial(self._read, query, table))
        return TextRows(each, partial(self._copied, query, table))

    def _copied(self, query: str, table: str) -> Iterator[Block]:
        """The rows of a query as lines of CSV; no other statement may run before its end."""
        self._in_time()
        with translated(self._target, table):
            yield from copied(self._connection, query)

    def _fill(self, stage: WorkTable, rows: Iterable[Row]) -> int:
        """Write rows into an empty stage; how many."""
        if not isinstance(rows, TextRows):
            return self._fill_with(stage, rows)
        # A line with nothing but a backslash and a dot is the end of all, to the server, inside quotes too.
        count = 0
        for odd, blocks in groupby(rows.blocks(), lambda lines: b"\n\\." in b"".join(lines)):
            if odd:
                count += self._fill_with(stage, cells_of(blocks, len(stage.columns)))
            else:
                count += self._fill_with_lines(stage, blocks)
        return count

    def _fill_with(self, stage: WorkTable, rows: Iterable[Row]) -> int:
        count = 0
        with self._filling(stage, "text") as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
        return count

    def _fill_with_lines(self, stage: WorkTable, blocks: Iterable[Block]) -> int:
        count = 0
        with self._filling(stage, "csv") as copy:
            for lines in blocks:
                copy.write(b"".join(lines))
                count += len(lines)
        return count

    @contextmanager
    def _filling(self, stage: WorkTable, how: str) -> Iterator[psycopg.Copy]:
        """Reading the rows may raise errors of its own; only the server's are translated."""
        self._in_time()
        with (
            self._connection.cursor() as cursor,
            translated(self._target, stage.table),
            cursor.copy(f"COPY {stage.path} ({stage.cells}) FROM STDIN (FORMAT {how})") as copy,
        ):
            yield copy

    def _number(self, query: str, table: str, values: Sequence[Value] | None = None) -> int:
        with translated(self._target, table):
            return int(self._execute(query, values).fetchone()[0])  # type: ignore[index]  # an aggregate has a row
