"""A look at a SQLite file, and the work tables of a session. All of them live in ``temp``, which is memory.

``k``: key sets (columns k0…, and the round). ``n``: link sets (k0…, v0…). ``s``: stages (c0…).
Keys are compared with the table's own collation, for its index, and once more in binary, to be exact.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from bot.errors import BadInput, CannotProve
from bot.model.backups import InvalidText, Value
from bot.targets import sqlite_foresight as foresight
from bot.targets import sqlite_sql as sql
from bot.targets.base import Catalogue, Edge, Holder, Named, Need, Row, Table, Tally
from bot.targets.deadline import Deadline
from bot.targets.sqlite_catalogue import collations, indexes, read_catalogue, searchable
from bot.targets.sqlite_errors import translated
from bot.targets.sqlite_naming import named
from bot.targets.sqlite_sql import Stage, quote

_BATCH = 500


class SqliteSession(Deadline):
    """See ``bot.targets.base.Session``. ``deadline`` is on the monotonic clock; statements stop there."""

    def __init__(self, connection: sqlite3.Connection, target: str, max_lock: float) -> None:
        super().__init__(target, max_lock)
        self._connection = connection
        self._known: Catalogue | None = None
        self._keys: dict[str, str] = {}
        self._links: dict[Edge, str] = {}
        self._stages: dict[str, Stage] = {}
        self._noted = 0

    def catalogue(self) -> Catalogue:
        """See ``Session``."""
        if self._known is None:
            with translated(self._target):
                self._known = read_catalogue(self._connection)
        return self._known

    def check(self, edge: Edge) -> Edge:
        """See ``Session``."""
        try:
            with translated(self._target, edge.child):
                self._connection.execute(f"SELECT 1 FROM {sql.children(edge, ())} c LIMIT 0").fetchall()
                self._connection.execute(f"SELECT {self._sides(edge)} LIMIT 0").fetchall()
                return replace(edge, indexed=self._indexed(edge))
        except CannotProve:
            raise BadInput("operations.bad-condition", target=self._target, link=edge.label) from None

    def _sides(self, edge: Edge) -> str:
        """The two sides of a link, compared with nothing: whether this SQLite knows JSON shows here."""
        nothing = ["NULL"] * len(edge.child_columns)
        return sql.linked(edge, nothing, nothing)

    def _indexed(self, edge: Edge) -> bool:
        child, parent = self._table(edge.child), self._table(edge.parent)
        if edge.prefix:
            # A text is looked for in the child, whatever the parent's values are.
            like_itself = replace(edge, parent=edge.child, parent_columns=edge.child_columns)
            return searchable(self._connection, child, child, like_itself)
        return not edge.path and searchable(self._connection, child, parent, edge)

    def rights(self, needs: Iterable[Need]) -> tuple[str, ...]:  # noqa: ARG002 - a file has no users
        """See ``Session``; that the file can be written was looked at when it was opened."""
        return ()

    def holders(self, tables: Iterable[str]) -> tuple[Holder, ...]:  # noqa: ARG002 - one lock for the file
        """See ``Session``."""
        with translated(self._target):
            return foresight.holders(self._connection)

    def weight(self, table: str) -> int:
        """See ``Session``."""
        about, keys = self._table(table), self._key_set(table)
        match = sql.matched("t", about.key, "k", "k")
        rows = f"temp.{keys} k CROSS JOIN main.{quote(table)} t ON {match}"
        return self._number(foresight.weight(rows, [column.name for column in about.stored]), table)

    def formulas(self, tables: Iterable[str]) -> tuple[str, ...]:  # noqa: ARG002 - SQLite has no sequences
        """See ``Session``."""
        return ()

    def index_for(self, edge: Edge) -> str:
        """See ``Session``."""
        return foresight.index_for(edge)

    def prepare(self, tables: Iterable[str], edges: Iterable[Edge]) -> None:
        """See ``Session``; here work tables can be made at any time."""

    def size(self, table: str) -> int:
        """See ``Session``."""
        return self._number(f"SELECT count(*) FROM main.{quote(table)}", table)

    def find(self, table: str, column: str, text: str, limit: int) -> list[Row]:
        """See ``Session``."""
        key = ", ".join(f"t.{quote(name)}" for name in self._table(table).key)
        found: list[Row] = []
        for condition, values in sql.typed(f"t.{quote(column)}", text):
            query = f"SELECT {key} FROM main.{quote(table)} t WHERE {condition} LIMIT {int(limit)}"
            found += self._read(query, table, values)
        return found[:limit]

    def sample(self, table: str, columns: Sequence[str], limit: int) -> list[Row]:
        """See ``Session``; bytes that are no text count as none."""
        texts = ", ".join(f"CAST(t.{quote(name)} AS TEXT)" for name in columns)
        plain = " AND ".join(f"typeof(t.{quote(name)}) NOT IN ('null', 'blob')" for name in columns)
        query = (
            f"SELECT DISTINCT * FROM (SELECT {texts} FROM main.{quote(table)} t WHERE {plain}"
            f" LIMIT {sql.SAMPLED}) LIMIT {int(limit)}"
        )
        return list(self._read(query, table))

    def naming(
        self, table: str, column: str, texts: Sequence[str], limit: int, seconds: float, *, only: bool = False
    ) -> Named:
        """See ``Session``."""
        with self._within(seconds), translated(self._target, table):
            own = self._keys.get(table)
            return named(self._connection, self._table(table), own, column, texts, limit, only=only)

    def seed(self, table: str, keys: Iterable[Row]) -> int:
        """See ``Session``."""
        name, columns = self._key_set(table), self._table(table).key
        found = 0
        for key in keys:
            statement = (
                f"INSERT OR IGNORE INTO temp.{name} SELECT {sql.listed('t', columns)}, 0"
                f" FROM main.{quote(table)} t WHERE {self._is('t', table, key)}"
            )
            values = [raw(value) for value in key for _ in (0, 1)]
            found += self._write(statement, table, values)
        return found

    def grow(self, edge: Edge, found: int) -> int:
        """See ``Session``."""
        child, parent = self._key_set(edge.child), self._key_set(edge.parent)
        key = self._table(edge.child).key
        new = self._write(
            f"INSERT OR IGNORE INTO temp.{child} SELECT {sql.listed('c', key)}, {found + 1} FROM "
            f"{sql.pointing(edge, parent, self._table(edge.parent).key, key)} WHERE k.r = {int(found)}",
            edge.child,
        )
        if new:
            self._solid(edge.child, child, len(key))
        return new

    def forget(self) -> None:
        """See ``Session``."""
        for name in (*self._keys.values(), *self._links.values()):
            self._run(f"DELETE FROM temp.{name}", "")
        self._in_time()
        self.extend()

    def pointing(self, edge: Edge) -> int:
        """See ``Session``."""
        return self._number(f"SELECT count(*) FROM {self._outside(edge)}", edge.child)

    def note(self, edge: Edge) -> int:
        """See ``Session``."""
        name = f"n{self._noted}"
        self._noted += 1
        key = self._table(edge.child).key
        columns = [*sql.renamed("c", key, "k"), *sql.renamed("c", edge.child_columns, "v")]
        self._run(
            f"CREATE TEMP TABLE {name} AS SELECT {', '.join(columns)} FROM {self._outside(edge)}",
            edge.child,
        )
        self._links[edge] = name
        self._solid(edge.child, name, len(key))
        return self._number(f"SELECT count(*) FROM temp.{name}", edge.child)

    def one(self, table: str, key: Row) -> Row | None:
        """See ``Session``."""
        columns = sql.listed("t", [column.name for column in self._table(table).stored])
        values = [raw(value) for value in key for _ in (0, 1)]
        query = f"SELECT {columns} FROM main.{quote(table)} t WHERE {self._is('t', table, key)}"
        return next(self._read(query, table, values), None)

    def taken(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Session``."""
        with translated(self._target, edge.child):
            known = indexes(self._connection, edge.child)
        unique = [
            [name for name in index.columns if name is not None]
            for index in known
            if index.unique and not index.partial and None not in index.columns
        ]
        tests = [self._shared(edge, columns, names) for names in unique if set(columns) & set(names)]
        if not tests:
            return 0
        match = sql.matched("t", self._table(edge.child).key, "n", "k")
        query = (
            f"SELECT count(*) FROM temp.{self._links[edge]} n"
            f" CROSS JOIN main.{quote(edge.child)} t ON {match}"
            f" CROSS JOIN main.{quote(edge.parent)} p ON {self._is('p', edge.parent, heir)}"
            f" WHERE {' OR '.join(tests)}"
        )
        with translated(self._target, edge.child):
            values = [raw(value) for value in heir for _ in (0, 1)]
            return int(self._connection.execute(query, values).fetchone()[0])

    def _shared(self, edge: Edge, columns: Sequence[str], unique: Sequence[str]) -> str:
        """Another row ``u`` will share the values of a unique key with ``t``, once both have moved."""
        key, links = self._table(edge.child).key, f"temp.{self._links[edge]}"
        moved = dict(sql.moved(edge, columns))
        new = " AND ".join(f"u.{quote(name)} = {moved[name]}" for name in unique if name in moved)
        moving = f"EXISTS (SELECT 1 FROM {links} m WHERE {sql.matched('u', key, 'm', 'k')})"
        parts = [
            f"NOT ({sql.matched('u', key, 'n', 'k')})",
            f"({moving} OR ({new}))",
            *(f"u.{quote(name)} = t.{quote(name)}" for name in unique if name not in columns),
        ]
        return f"EXISTS (SELECT 1 FROM main.{quote(edge.child)} u WHERE {' AND '.join(parts)})"

    def _is(self, alias: str, table: str, key: Row) -> str:
        """A row has this key; each value is bound twice."""
        return " AND ".join(
            sql.same(f"{alias}.{quote(name)}", mark)
            for name, mark in zip(self._table(table).key, sql.marks(key), strict=True)
        )

    def loose(self, edge: Edge) -> int:
        """See ``Session``."""
        if edge.child not in self._keys:
            return 0
        below = [f"c.{quote(name)}" for name in edge.child_columns]
        live = sql.linked(edge, [f"p.{quote(name)}" for name in edge.parent_columns], below)
        filled, key = sql.filled(edge, below), self._table(edge.child).key
        match = sql.matched("c", key, "k", "k")
        keys = self._keys[edge.child]
        return self._number(
            f"SELECT count(*) FROM temp.{keys} k CROSS JOIN {sql.children(edge, key)} c ON {match}"
            f" WHERE {filled} AND NOT EXISTS (SELECT 1 FROM main.{quote(edge.parent)} p WHERE {live})",
            edge.child,
        )

    def keys(self, table: str) -> Iterator[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return iter(())
        columns = sql.numbered("k", len(self._table(table).key))
        return self._read(f"SELECT {columns} FROM temp.{self._keys[table]}", table)

    def rows(self, table: str) -> Iterator[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return iter(())
        about = self._table(table)
        columns = sql.listed("t", [column.name for column in about.stored])
        match = sql.matched("t", about.key, "k", "k")
        return self._read(
            f"SELECT {columns} FROM temp.{self._keys[table]} k CROSS JOIN main.{quote(table)} t ON {match}",
            table,
        )

    def links(self, edge: Edge) -> Iterator[Row]:
        """See ``Session``."""
        return self._read(f"SELECT * FROM temp.{self._links[edge]}", edge.child)

    def stage(self, label: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """See ``Session``."""
        with translated(self._target, table):
            collated = collations(self._connection, table, columns)
        stage = Stage(f"temp.s{len(self._stages)}", table, tuple(columns), self._table(table).key, collated)
        origin = ", ".join(sql.renamed("t", columns, "c"))
        # Made from the table itself, so that the columns treat values as the table does.
        self._run(f"CREATE TABLE {stage.path} AS SELECT {origin} FROM main.{quote(table)} t LIMIT 0", table)
        count = self._load(stage, rows)
        self._run(f"CREATE INDEX {stage.path}_k ON {stage.name} ({', '.join(stage.key_cells)})", table)
        self._stages[label] = stage
        return count

    def staged(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        stage = self._stages[label]
        return self._read(f"SELECT * FROM {stage.path}", stage.table)

    def pairs(self, label: str) -> Iterator[tuple[Row, Row | None]]:
        """See ``Session``."""
        stage = self._stages[label]
        width = len(stage.columns)
        query = (
            f"SELECT s.*, t.{quote(stage.key[0])} IS NOT NULL, {sql.listed('t', stage.columns)}"
            f" FROM {stage.path} s LEFT JOIN main.{quote(stage.table)} t ON {stage.live}"
        )
        for row in self._read(query, stage.table):
            yield row[:width], row[width + 1 :] if row[width] else None

    def tally(self, label: str) -> Tally:
        """See ``Session``; SQL of SQLite cannot tell 0.0 from -0.0, so that it calls no row identical."""
        stage = self._stages[label]
        query = (
            f"SELECT count(*), count(*) FILTER (WHERE t.{quote(stage.key[0])} IS NULL)"
            f" FROM {stage.path} s LEFT JOIN main.{quote(stage.table)} t ON {stage.live}"
        )
        with translated(self._target, stage.table):
            rows, missing = self._connection.execute(query).fetchone()
        return Tally(rows, missing, 0)

    def clashes(self, label: str) -> int:
        """See ``Session``."""
        stage = self._stages[label]
        tests = []
        with translated(self._target, stage.table):
            known = indexes(self._connection, stage.table)
        for index in known:
            columns = [name for name in index.columns if name in stage.columns]
            if index.unique and not index.partial and len(columns) == len(index.columns):
                same = " AND ".join(f"u.{quote(name)} = s.{stage.cell(name)}" for name in columns if name)
                tests.append(f"EXISTS (SELECT 1 FROM main.{quote(stage.table)} u WHERE {same})")
        if not tests:
            return 0
        return self._number(f"SELECT count(*) FROM {stage.missing} AND ({' OR '.join(tests)})", stage.table)

    def orphans(self, edge: Edge, label: str) -> int:
        """See ``Session``."""
        stage = self._stages[label]
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        filled = sql.filled(edge, cells) + sql.narrowed(edge, stage)
        live = sql.linked(edge, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT count(*) FROM {stage.missing} AND {filled}"
            f" AND NOT EXISTS (SELECT 1 FROM main.{quote(edge.parent)} p WHERE {live})"
        )
        parent = self._stages.get(edge.parent)
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = sql.linked(edge, parent.parents("q", edge.parent_columns), cells)
            query += f" AND NOT EXISTS (SELECT 1 FROM {parent.path} q WHERE {staged})"
        return self._number(query, stage.table)

    def _outside(self, edge: Edge) -> str:
        """FROM and WHERE of the children of a key set that are in none themselves."""
        key = self._table(edge.child).key
        source = sql.pointing(edge, self._key_set(edge.parent), self._table(edge.parent).key, key)
        own = self._keys.get(edge.child)
        if own is None or not key:
            return source
        match = sql.matched("c", key, "x", "k")
        return f"{source} WHERE NOT EXISTS (SELECT 1 FROM temp.{own} x WHERE {match})"

    def _key_set(self, table: str) -> str:
        if table not in self._keys:
            name, key = f"k{len(self._keys)}", self._table(table).key
            columns = ", ".join(sql.renamed("t", key, "k"))
            self._run(
                f"CREATE TEMP TABLE {name} AS SELECT {columns}, 0 AS r FROM main.{quote(table)} t LIMIT 0",
                table,
            )
            self._run(f"CREATE UNIQUE INDEX temp.{name}_k ON {name} ({sql.numbered('k', len(key))})", table)
            self._keys[table] = name
        return self._keys[table]

    def _solid(self, table: str, name: str, width: int) -> None:
        empty = " OR ".join(f"k{position} IS NULL" for position in range(width))
        if self._number(f"SELECT count(*) FROM temp.{name} WHERE {empty}", table):
            raise CannotProve("operations.null-key", target=self._target, table=table)

    def _load(self, stage: Stage, rows: Iterable[Row]) -> int:
        count, plain = 0, f"INSERT INTO {stage.path} VALUES ({', '.join('?' * len(stage.columns))})"
        source = iter(rows)
        while batch := list(islice(source, _BATCH)):
            count += len(batch)
            easy = [row for row in batch if not any(isinstance(value, InvalidText) for value in row)]
            with translated(self._target, stage.table):
                self._connection.executemany(plain, easy)
            for row in batch:
                if any(isinstance(value, InvalidText) for value in row):
                    statement = f"INSERT INTO {stage.path} VALUES ({', '.join(sql.marks(row))})"
                    self._run(statement, stage.table, [raw(value) for value in row])
        return count

    def _table(self, name: str) -> Table:
        return self.catalogue().tables[name]

    def _run(self, statement: str, table: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        with translated(self._target, table):
            return self._connection.execute(statement, values)

    def _write(self, statement: str, table: str, values: Sequence[Value] = ()) -> int:
        return self._run(statement, table, values).rowcount

    def _read(self, query: str, table: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        cursor = self._run(query, table, values)
        with translated(self._target, table):
            yield from cursor

    def _number(self, query: str, table: str) -> int:
        with translated(self._target, table):
            return int(self._connection.execute(query).fetchone()[0])


def raw(value: Value) -> Value:
    """The value as the driver binds it; for invalid text the statement says CAST(? AS TEXT)."""
    return value.raw if isinstance(value, InvalidText) else value
