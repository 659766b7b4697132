"""The transaction that deletes from, or restores into, a SQLite file."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.targets import sqlite_sql as sql
from bot.targets.base import Edge, Fate, Row
from bot.targets.sqlite_narrowing import SqliteNarrowing
from bot.targets.sqlite_session import raw
from bot.targets.sqlite_sql import quote
from bot.targets.work_tables import may_go_back


class SqliteWriting(SqliteNarrowing):
    """See ``bot.targets.base.Writing``.

    ``OR ABORT`` overrules what a constraint may declare for conflicts, such as REPLACE.
    """

    def __init__(self, connection: sqlite3.Connection, target: str, max_lock: float) -> None:
        super().__init__(connection, target, max_lock)
        self._name = f"sqlite-{secrets.token_hex(8)}"

    def delete(self, component: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        gone: dict[str, int] = {}
        for table in component:
            key = self._table(table).key
            chosen = f"SELECT {sql.numbered('k', len(key))} FROM temp.{self._keys[table]}"
            gone[table] = self._write(
                f"DELETE FROM main.{quote(table)} WHERE {sql.within(key, chosen)}", table
            )
        return gone

    def unlink(self, edge: Edge) -> int:
        """See ``Writing``."""
        key = self._table(edge.child).key
        chosen = f"SELECT {sql.numbered('k', len(key))} FROM temp.{self._links[edge]}"
        empty = ", ".join(f"{quote(name)} = NULL" for name in edge.child_columns)
        return self._write(
            f"UPDATE OR ABORT main.{quote(edge.child)} SET {empty} WHERE {sql.within(key, chosen)}",
            edge.child,
        )

    def repoint(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Writing``."""
        values = ", ".join(f"{quote(name)} = {value}" for name, value in sql.moved(edge, columns))
        match = sql.matched("t", self._table(edge.child).key, "n", "k")
        return self._write(
            f"UPDATE OR ABORT main.{quote(edge.child)} AS t SET {values}"
            f" FROM temp.{self._links[edge]} n, main.{quote(edge.parent)} p"
            f" WHERE {match} AND {self._is('p', edge.parent, heir)}",
            edge.child,
            [raw(value) for value in heir for _ in (0, 1)],
        )

    def outrun(self, labels: Iterable[str]) -> tuple[str, ...]:  # noqa: ARG002 - AUTOINCREMENT needs no help
        """See ``Writing``. A row with a number of its own raises what SQLite counts from."""
        return ()

    def insert(self, labels: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        new: dict[str, int] = {}
        for label in labels:
            stage = self._stages[label]
            names = ", ".join(quote(name) for name in stage.columns)
            cells = ", ".join(f"s.{stage.cell(name)}" for name in stage.columns)
            new[label] = self._write(
                f"INSERT OR ABORT INTO main.{quote(stage.table)} ({names})"
                f" SELECT {cells} FROM {stage.missing}",
                stage.table,
            )
        return new

    def relink(self, label: str, columns: Sequence[str], heir: Row | None = None) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        values = ", ".join(f"{quote(name)} = s.{stage.cell(name)}" for name in columns)
        where = may_go_back(
            [f"t.{quote(name)} IS NULL" for name in columns],
            [f"t.{quote(name)} IS s.{stage.cell(name)}" for name in columns],
            [
                f"t.{quote(name)} IS {mark} COLLATE BINARY"
                for name, mark in zip(columns if heir is not None else (), sql.marks(heir or ()), strict=True)
            ],
        )
        return self._write(
            f"UPDATE OR ABORT main.{quote(stage.table)} AS t SET {values} FROM {stage.path} s"
            f" WHERE {stage.live} AND {where}",
            stage.table,
            [raw(value) for value in heir or ()],
        )

    def overwrite(self, label: str) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        names = [name for name in stage.columns if name not in stage.key]
        if not names:
            return 0
        values = ", ".join(f"{quote(name)} = s.{stage.cell(name)}" for name in names)
        return self._write(
            f"UPDATE OR ABORT main.{quote(stage.table)} AS t SET {values} FROM {stage.path} s"
            f" WHERE {stage.live}",
            stage.table,
        )

    def changes(self) -> int:
        """See ``Writing``."""
        return self._connection.total_changes

    def strangers(self, labels: Iterable[str]) -> bool:  # noqa: ARG002 - SQLite does not say which rows
        """See ``Writing``."""
        return True

    def dangling(self, tables: Iterable[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        found: Counter[str] = Counter()
        for table in sorted(set(tables)):
            labels = self._foreign_keys(table)
            for _, _, parent, number in self._read(f"PRAGMA main.foreign_key_check({quote(table)})", table):
                found[labels.get(number, f"{table} -> {parent!r}")] += 1
        return found

    def left(self, edge: Edge, label: str) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        if not set(edge.parent_columns) <= set(stage.columns):
            return 0
        link = sql.linked(
            edge,
            stage.parents("s", edge.parent_columns),
            [f"c.{quote(name)}" for name in edge.child_columns],
        )
        tables = [f"{stage.path} s", f"{sql.children(edge, ())} c"]
        first, second = tables if edge.indexed else reversed(tables)
        return self._number(f"SELECT count(*) FROM {first} CROSS JOIN {second} ON {link}", edge.child)

    def transaction(self) -> str:
        """See ``Writing``; SQLite has no name of its own."""
        return self._name

    def fate(self, transaction: str) -> Fate:  # noqa: ARG002 - SQLite keeps no account of transactions
        """See ``Writing``."""
        return "unknown"

    def ready(self) -> None:
        """See ``Writing``."""
        # An interrupted COMMIT would leave it open whether it happened.
        self._connection.set_progress_handler(None, 0)

    def commit(self) -> None:
        """See ``Writing``."""
        self._run("COMMIT", "")

    def _foreign_keys(self, table: str) -> dict[object, str]:
        """Labels by the engine's own numbers."""
        columns: dict[object, set[str]] = {}
        for row in self._read(f"PRAGMA main.foreign_key_list({quote(table)})", table):
            columns.setdefault(row[0], set()).add(str(row[3]).lower())
        labels: dict[object, str] = {}
        for number, names in columns.items():
            for edge in self.catalogue().edges:
                if edge.child == table and {name.lower() for name in edge.child_columns} == names:
                    labels[number] = edge.label
        return labels
