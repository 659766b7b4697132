"""The transaction that deletes from, or restores into, a MariaDB or MySQL database.

Rows that hold each other come back like they went: parents first, layer by layer; in a circle with empty
links, which are filled in afterwards.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import time
from collections.abc import Iterable, Mapping, Sequence

from bot.errors import TargetDown
from bot.targets import mysql_sequences as sequences
from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Fate, Row
from bot.targets.mysql_deleting import MysqlDeleting, pairs
from bot.targets.mysql_errors import translated
from bot.targets.mysql_sql import quote
from bot.targets.work_tables import WorkTable, may_go_back


class MysqlWriting(MysqlDeleting):
    """See ``bot.targets.base.Writing``."""

    def unlink(self, edge: Edge) -> int:
        """See ``Writing``."""
        child, links = self._relation(edge.child), self._links[edge]
        empty = ", ".join(f"t.{quote(name)} = NULL" for name in edge.child_columns)
        rows = f"{child.path} t JOIN {links.path} n ON {sql.matched('t', links, 'n')}"
        self._cascaded += self._followers(edge.child, edge.child_columns, rows)
        return self._change(f"UPDATE {rows} SET {empty}{self._still(edge.child)}", edge.child)

    def repoint(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Writing``."""
        child, parent, links = self._relation(edge.child), self._relation(edge.parent), self._links[edge]
        moved = sql.moved(edge, parent, columns)
        values = ", ".join(f"t.{quote(name)} = {value}" for name, value in moved)
        where, bound = self._is("p", edge.parent, heir)
        rows = f"{child.path} t JOIN {links.path} n ON {sql.matched('t', links, 'n')}"
        self._cascaded += self._followers(edge.child, columns, rows)
        return self._change(
            f"UPDATE {rows} JOIN {parent.path} p ON {where} SET {values}{self._still(edge.child)}",
            edge.child,
            bound,
        )

    def outrun(self, labels: Iterable[str]) -> tuple[str, ...]:
        """See ``Writing``. The server counts what it writes to a sequence among the rows."""
        if not self._flavour.sequences:
            return ()
        before, behind = self._written(), []
        for label in labels:
            stage = self._stages[label]
            with translated(self._target, stage.table):
                behind += [
                    f"{stage.table}.{one.column}"
                    for one in sequences.of(self._ask, self._relation(stage.table))
                    if one.name
                    and one.column in stage.columns
                    and sequences.pass_by(self._ask, one, self._missing(stage), f"s.{stage.cell(one.column)}")
                ]
        self._ours += self._written() - before
        return tuple(behind)

    def insert(self, labels: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        tables = {self._stages[label].table: label for label in labels}
        inner = self._inner(tables)
        new = dict.fromkeys(labels, 0)
        while True:
            came = 0
            for table, label in tables.items():
                held = [edge for edge in inner if edge.child == table]
                came += (count := self._insert(label, self._parents_live(label, held)))
                new[label] += count
            if not inner:
                return new
            if not came:
                break
        for label, count in self._close_circle(tables, inner).items():
            new[label] += count
        return new

    def relink(self, label: str, columns: Sequence[str], heir: Row | None = None) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        relation = self._relation(stage.table)
        values = ", ".join(f"t.{quote(name)} = s.{stage.cell(name)}" for name in columns)
        where = may_go_back(
            [f"t.{quote(name)} IS NULL" for name in columns],
            [sql.same(relation.kinds[name], f"t.{quote(name)}", f"s.{stage.cell(name)}") for name in columns],
            [
                f"BINARY CAST({sql.shown(relation.kinds[name], f't.{quote(name)}')} AS CHAR)"
                f" = BINARY {sql.PLACE}"
                for name in (columns if heir is not None else ())
            ],
        )
        rows = f"{relation.path} t JOIN {stage.path} s ON {sql.matched('t', stage, 's')}"
        self._cascaded += self._carried(stage, columns if heir is not None else ())
        return self._change(
            f"UPDATE {rows} SET {values}{self._still(stage.table)} WHERE {where}", stage.table, heir
        )

    def overwrite(self, label: str) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        names = [name for name in stage.columns if name not in stage.key]
        if not names:
            return 0
        values = ", ".join(f"t.{quote(name)} = s.{stage.cell(name)}" for name in names)
        self._cascaded += self._carried(stage, names)
        return self._change(
            f"UPDATE {self._relation(stage.table).path} t JOIN {stage.path} s"
            f" ON {sql.matched('t', stage, 's')} SET {values}",
            stage.table,
        )

    def _carried(self, stage: WorkTable, columns: Iterable[str]) -> int:
        """Rows that would follow when these columns get what is staged; see ``_followers``."""
        path, match = self._relation(stage.table).path, sql.matched("t", stage, "s")
        count = 0
        for name in columns:
            differs = f"NOT (BINARY t.{quote(name)} <=> BINARY s.{stage.cell(name)})"
            rows = f"{path} t JOIN {stage.path} s ON {match} AND {differs}"
            count += self._followers(stage.table, [name], rows)
        return count

    def strangers(self, labels: Iterable[str]) -> bool:  # noqa: ARG002 - these servers do not say which rows
        """See ``Writing``."""
        return True

    def dangling(self, tables: Iterable[str]) -> Mapping[str, int]:
        """See ``Writing``.

        InnoDB vouches for its keys while this session has it check them; what a trigger did meanwhile,
        ``changes`` counts. Counting would read whole tables.
        """
        wanted: set[str] = set(tables)
        found: dict[str, int] = {}
        if self._number("SELECT @@foreign_key_checks", "") == 1:
            return found
        for edge in self.catalogue().edges:
            if edge.child in wanted:
                gone = f"p.{quote(edge.parent_columns[0])} IS NULL"
                filled = sql.filled(edge, [f"c.{quote(name)}" for name in edge.child_columns])
                count = self._number(
                    f"SELECT COUNT(*) FROM {self._relation(edge.child).path} c"
                    f" LEFT JOIN {self._relation(edge.parent).path} p ON {self._link(edge, 'p', 'c')}"
                    f" WHERE {filled} AND {gone}",
                    edge.child,
                )
                if count:
                    found[edge.label] = count
        return found

    def left(self, edge: Edge, label: str) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        if not set(edge.parent_columns) <= set(stage.columns):
            return 0
        link = self._linked(
            edge,
            [f"s.{stage.cell(name)}" for name in edge.parent_columns],
            [f"c.{quote(name)}" for name in edge.child_columns],
        )
        below = sql.children(edge, self._relation(edge.child), ())
        return self._number(
            f"SELECT COUNT(*) FROM {stage.path} s JOIN {below} c ON {link}{self._shared()}", edge.child
        )

    def transaction(self) -> str:
        """See ``Writing``; no server of this kind has a name that outlives it."""
        return self._name

    def fate(self, transaction: str) -> Fate:  # noqa: ARG002 - no account of transactions is kept
        """See ``Writing``."""
        return "unknown"

    def ready(self) -> None:
        """See ``Writing``."""
        # An interrupted COMMIT would leave it open whether it happened.
        self._run(f"SET SESSION {self._flavour.limit(0)}", "")
        self._line.unwatch()
        self._answered = time.monotonic()

    def commit(self) -> None:
        """See ``Writing``."""
        try:
            with translated(self._target):
                self._execute("COMMIT")
        except TargetDown:
            if time.monotonic() - self._answered > self._max_lock:
                raise TargetDown("target.idle-too-long", target=self._target) from None
            raise

    def _parents_live(self, label: str, held: Sequence[Edge]) -> str:
        """The condition under which all parents of a staged row ``s`` within the circle are there."""
        stage = self._stages[label]
        parts = []
        for edge in held:
            cells = [(there, f"s.{stage.cell(here)}") for there, here in pairs(edge)]
            empty = " OR ".join(f"{cell} IS NULL" for _, cell in cells)
            live = " AND ".join(f"p.{quote(there)} = {cell}" for there, cell in cells)
            itself = ""
            if edge.child == edge.parent and set(edge.parent_columns) <= set(stage.columns):
                own = " AND ".join(f"s.{stage.cell(there)} = {cell}" for there, cell in cells)
                itself = f" OR ({own})"
            parts.append(
                f"({empty}{itself} OR EXISTS"
                f" (SELECT 1 FROM {self._relation(edge.parent).path} p WHERE {live}))"
            )
        return "".join(f" AND {part}" for part in parts)

    def _insert(self, label: str, where: str, emptied: Iterable[str] = ()) -> int:
        stage = self._stages[label]
        relation = self._relation(stage.table)
        left_out = set(emptied)
        names = ", ".join(quote(name) for name in stage.columns)
        cells = ", ".join("NULL" if name in left_out else f"s.{stage.cell(name)}" for name in stage.columns)
        return self._change(
            f"INSERT INTO {relation.path} ({names}) SELECT {cells} FROM {self._missing(stage)}{where}",
            stage.table,
        )

    def _close_circle(self, tables: Mapping[str, str], inner: Sequence[Edge]) -> Mapping[str, int]:
        """Insert rows that hold each other with empty links first, then fill the links in."""
        new: dict[str, int] = {}
        later: list[tuple[str, WorkTable, list[str]]] = []
        for table, label in tables.items():
            stage = self._stages[label]
            free = [
                name
                for edge in inner
                if edge.child == table
                for name in edge.child_columns
                if name in stage.columns and self._may_be_empty(table, name)
            ]
            names = list(dict.fromkeys(free))
            waiting = self._number(f"SELECT COUNT(*) FROM {self._missing(stage)}", table)
            if waiting:
                aside = self._aside(stage)
                later.append((table, aside, names))
        solid = {table: [e for e in inner if e.child == table and not self._opens(e)] for table in tables}
        names_of = {table: names for table, _, names in later}
        while names_of:
            came = 0
            for table, names in names_of.items():
                label = tables[table]
                count = self._insert(label, self._parents_live(label, solid[table]), names)
                new[label] = new.get(label, 0) + count
                came += count
            if not came:
                break
        for table, aside, names in later:
            self._ours += self._fill_in(table, aside, names)
        return new

    def _opens(self, edge: Edge) -> bool:
        return any(self._may_be_empty(edge.child, name) for name in edge.child_columns)

    def _aside(self, stage: WorkTable) -> WorkTable:
        """The staged rows that are not live yet, in a work table of their own."""
        aside = self._make("w", stage.table, stage.columns)
        self._ours += self._write(
            f"INSERT INTO {aside.path} SELECT s.* FROM {self._missing(stage)}", stage.table
        )
        return aside

    def _fill_in(self, table: str, aside: WorkTable, names: Sequence[str]) -> int:
        if not names:
            return 0
        values = ", ".join(f"t.{quote(name)} = w.{aside.cell(name)}" for name in names)
        wanted = " OR ".join(f"w.{aside.cell(name)} IS NOT NULL" for name in names)
        return self._change(
            f"UPDATE {self._relation(table).path} t JOIN {aside.path} w ON {sql.matched('t', aside, 'w')}"
            f" SET {values}{self._still(table)} WHERE {wanted}",
            table,
        )
