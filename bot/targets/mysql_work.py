"""The work tables of a session on MariaDB, and how its statements are run.

All work tables are temporary tables of our own names. ``k``: key sets (columns c0…, and the round). ``n``:
link sets (the key, then the child's columns). ``s``: stages.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import pickle
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import pymysql
from pymysql.converters import escape_string
from pymysql.cursors import SSCursor

from bot.errors import CannotProve
from bot.model.backups import Value
from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.mysql_catalogue import Schema, read_schema
from bot.targets.mysql_errors import translated
from bot.targets.mysql_rights import to_see
from bot.targets.mysql_sql import Relation, quote
from bot.targets.server_work import ServerWork
from bot.targets.work_tables import WorkTable

Connection = Any

_BATCH = 1000
#: Characters of one INSERT; the server takes sixteen million bytes by default.
_LONGEST = 1_000_000


class MysqlWork(ServerWork[Schema, Relation]):
    """A connection in a transaction; see ``ServerWork``."""

    def __init__(
        self,
        connection: Connection,
        target: str,
        database: str,
        max_lock: float,
        begin: Callable[[], None] | None,
    ) -> None:
        super().__init__(target, max_lock, begin)
        self._connection = connection
        self._database = database
        self._soft: dict[Edge, Edge] = {}
        #: The rows of a query that is not read to its end yet; the connection can do nothing else meanwhile.
        self._open: _Stream | None = None
        self._mark = secrets.token_hex(4)

    def _usable(self, table: str) -> None:
        """What we may not change: no undo, or values that we could not put back.

        Raises:
            CannotProve: which table, and what to do.
        """
        relation = self._relation(table)
        if relation.engine != "InnoDB":
            raise CannotProve(
                "target.engine", target=self._target, table=table, engine=relation.engine, path=relation.path
            )
        kind = self._schema().unknown.get(table)
        if kind is not None:
            raise CannotProve("target.column-kind", target=self._target, table=table, kind=kind)

    def _make(self, letter: str, table: str, columns: Sequence[str], more: str = "") -> WorkTable:
        self._usable(table)
        name = f"countersign_{letter}{self._made}_{self._mark}"
        self._made += 1
        work = WorkTable(f"{quote(self._database)}.{name}", table, tuple(columns), self._table(table).key)
        origin = ", ".join(part for part in (sql.renamed("t", columns), more) if part)
        # The index comes with it: adding one later would commit the transaction.
        key = ", ".join(map(work.cell, work.key))
        index = f"({'UNIQUE ' if more else ''}KEY ({key}))" if key else ""
        self._run(
            f"CREATE TEMPORARY TABLE {work.path} {index} ENGINE=InnoDB"
            f" SELECT {origin} FROM {self._relation(table).path} t LIMIT 0",
            table,
        )
        return work

    def _read_schema(self) -> Schema:
        def ask(query: str) -> Any:
            return self._execute(query).fetchall()

        with translated(self._target):
            schema = read_schema(ask, self._database)
            # What our user has no right on, the server does not show.
            seen_with = to_see(ask, self._database)
        return replace(schema, catalogue=replace(schema.catalogue, seen_with=seen_with))

    def _load(self, work: WorkTable, rows: Iterable[Row], more: str = "", suffix: str = "") -> int:
        """Insert rows into a work table; ``more``: a value for its last column. How many are new."""
        relation = self._relation(work.table)
        places = ", ".join(sql.taken(relation.kinds[name]) for name in work.columns) + more
        head = f"INSERT INTO {work.path} VALUES "
        source, new = iter(rows), 0
        while batch := list(islice(source, _BATCH)):
            written: list[str] = []
            length = 0
            for row in batch:
                with translated(self._target, work.table):
                    one = f"({places % tuple(map(self._literal, row))})"
                if written and length + len(one) > _LONGEST:
                    new += self._write(f"{head}{', '.join(written)}{suffix}", work.table)
                    written, length = [], 0
                written.append(one)
                length += len(one)
            new += self._write(f"{head}{', '.join(written)}{suffix}", work.table)
        return new

    def _literal(self, value: Value) -> str:
        return "NULL" if value is None else f"'{escape_string(str(value))}'"

    def _link(self, edge: Edge, parent: str, child: str) -> str:
        """A row ``parent`` and a row ``child`` of the tables of an edge belong together."""
        return self._linked(
            edge,
            [f"{parent}.{quote(name)}" for name in edge.parent_columns],
            [f"{child}.{quote(name)}" for name in edge.child_columns],
        )

    def _linked(self, edge: Edge, parents: Sequence[str], children: Sequence[str]) -> str:
        """The same of any two sides, column by column."""
        child, parent = self._relation(edge.child), self._relation(edge.parent)
        return sql.linked(edge, child, parent, parents, children)

    def _execute(self, statement: str, values: Sequence[Any] | None = None) -> Any:
        self._in_time()
        if self._open is not None:
            self._open.keep()
        cursor = self._connection.cursor()
        cursor.execute(_filled(cursor, statement, values))
        return cursor

    def _run(self, statement: str, table: str, values: Sequence[Any] | None = None) -> None:
        self._write(statement, table, values)

    def _write(self, statement: str, table: str, values: Sequence[Any] | None = None) -> int:
        with translated(self._target, table):
            return int(self._execute(statement, values).rowcount)

    def _read(self, query: str, table: str, values: Sequence[Any] | None = None) -> Iterator[Row]:
        """The rows of a query as they arrive; statements may run between two of them."""
        with translated(self._target, table):
            self._in_time()
            if self._open is not None:
                self._open.keep()
            cursor = self._connection.cursor(SSCursor)
            cursor.execute(_filled(cursor, query, values))
        stream = self._open = _Stream(cursor)
        try:
            while True:
                with translated(self._target, table):
                    batch = stream.batch()
                if not batch:
                    break
                yield from batch
        finally:
            if self._open is stream:
                self._open = None
            # What is left of it must be read before anything else; a lost connection has nothing left.
            with suppress(pymysql.Error, OSError):
                stream.close()

    def _number(self, query: str, table: str, values: Sequence[Any] | None = None) -> int:
        with translated(self._target, table):
            return int(self._execute(query, values).fetchone()[0])


def _filled(cursor: Any, statement: str, values: Sequence[Any] | None) -> str:
    """The statement with each value, written out by the driver, in its place."""
    before, *after = statement.split(sql.PLACE)
    written = (cursor.mogrify("%s", (value,)) for value in values or ())
    return before + "".join(f"{value}{text}" for value, text in zip(written, after, strict=True))


class _Stream:
    """Rows on their way."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._kept: deque[bytes] | None = None

    def batch(self) -> Sequence[Row]:
        """The next few; none at the end."""
        if self._kept is not None:
            packed = self._kept.popleft() if self._kept else None
            return [] if packed is None else list(pickle.loads(packed))  # noqa: S301 - packed by ``keep``
        return list(self._cursor.fetchmany(_BATCH))

    def keep(self) -> None:
        """Fetch the rest now: something else wants the connection. Packed: it may be a million keys."""
        if self._kept is None:
            self._kept = deque()
            while rows := self._cursor.fetchmany(_BATCH):
                self._kept.append(pickle.dumps(rows, pickle.HIGHEST_PROTOCOL))

    def close(self) -> None:
        """No more of it."""
        self._cursor.close()


def settings(max_lock: float, wait: float) -> Mapping[str, str]:
    """How a session is set up, whatever the server's defaults. Seconds."""
    return {
        # Dates that are none, and a key of 0, must come back as they are.
        "sql_mode": "'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
        "time_zone": "'+00:00'",
        "foreign_key_checks": "1",
        "unique_checks": "1",
        "check_constraint_checks": "1",
        "sql_safe_updates": "0",
        "sql_big_selects": "1",
        "sql_select_limit": "DEFAULT",
        "collation_connection": "utf8mb4_bin",
        "innodb_lock_wait_timeout": str(max(1, int(wait))),
        "lock_wait_timeout": str(max(1, int(wait))),
        # 0 would mean no limit.
        "max_statement_time": f"{max(0.01, max_lock):.3f}",
        "idle_transaction_timeout": str(max(1, int(max_lock) + 1)),
        "wait_timeout": str(max(10, int(max_lock) + 1)),
    }
