"""The work tables of a session on MariaDB or MySQL, and how its statements are run.

All work tables are temporary tables of our own names. ``k``: key sets (columns c0…, and the round). ``n``:
link sets (the key, then the child's columns). ``s``: stages.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import pickle
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pymysql
from pymysql.converters import escape_string
from pymysql.cursors import Cursor, SSCursor

from bot.errors import CannotProve
from bot.model.backups import Value
from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.mysql_catalogue import Schema, read_schema
from bot.targets.mysql_errors import translated
from bot.targets.mysql_flavours import Flavour
from bot.targets.mysql_rights import to_see
from bot.targets.mysql_sql import Relation, quote
from bot.targets.mysql_twins import Twins
from bot.targets.server_work import ServerWork
from bot.targets.work_tables import WorkTable

Connection = Any


@dataclass(frozen=True)
class Line:
    """The way to a database. ``watched``: what each statement runs under, until ``unwatch`` is called."""

    connection: Connection
    flavour: Flavour
    target: str
    database: str
    watched: Callable[[], AbstractContextManager[None]] = nullcontext
    unwatch: Callable[[], object] = tuple


_BATCH = 1000
#: Characters of one INSERT; the server takes sixteen million bytes by default.
_LONGEST = 1_000_000


class MysqlWork(ServerWork[Schema, Relation]):
    """A connection in a transaction; see ``ServerWork``."""

    def __init__(self, line: Line, max_lock: float, begin: Callable[[], None] | None) -> None:
        super().__init__(line.target, max_lock, begin)
        self._line = line
        self._flavour = line.flavour
        self._database = line.database
        self._twins = Twins(lambda statement: self._write(statement, ""))
        #: How many statements of ours have written rows.
        self._sent = 0
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
        index = f"{'UNIQUE ' if more else ''}KEY ({key})" if key else ""
        about = ", ".join(part for part in (self._flavour.rowid, index) if part)
        self._run(
            f"CREATE TEMPORARY TABLE {work.path} {f'({about})' if about else ''} ENGINE=InnoDB"
            f" SELECT {origin} FROM {self._relation(table).path} t LIMIT 0",
            table,
        )
        if not self._flavour.reopens:
            self._twins.make(work.path, name, self._uses(letter, table) - 1)
        return work

    def _uses(self, letter: str, table: str) -> int:
        """How often a statement may name a work table: a set of links once more for each unique key."""
        return {"k": 2, "n": 1 + len(self._relation(table).unique), "s": 3}.get(letter, 1)

    def _read_schema(self) -> Schema:
        def ask(query: str) -> Any:
            return self._execute(query).fetchall()

        with translated(self._target):
            schema = read_schema(ask, self._database, self._flavour)
            # What our user has no right on, the server does not show.
            seen_with = to_see(ask, self._flavour, self._database)
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
        return self._started(statement, values, Cursor)

    def _started(self, statement: str, values: Sequence[Any] | None, kind: type[Cursor]) -> Any:
        statement = self._twins.apart(statement)
        if self._open is not None:
            self._open.keep()
        self._sent += statement.startswith(("INSERT ", "UPDATE ", "DELETE "))
        cursor = self._line.connection.cursor(kind)
        with self._line.watched():
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
            cursor = self._started(query, values, SSCursor)
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
