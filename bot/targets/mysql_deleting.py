"""How rows of a MariaDB or MySQL database go, and how everything that changes is counted.

InnoDB checks every row at once and never puts a check off. Of tables that point at each other, rows go one
layer after the other: those that nothing points at any more first. Only where rows hold each other in a
circle, links that may be empty are emptied before.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pymysql.cursors import Cursor

from bot.errors import TargetDown
from bot.targets import mysql_sql as sql
from bot.targets.base import Edge
from bot.targets.mysql_errors import translated
from bot.targets.mysql_ledger import ledger_of
from bot.targets.mysql_session import MysqlSession
from bot.targets.mysql_sql import quote
from bot.targets.mysql_work import Line

_CASCADING = ("cascade", "set null", "set default")


class MysqlDeleting(MysqlSession):
    """A session that locks what it reads, deletes, and counts."""

    locking = True

    def __init__(self, line: Line, max_lock: float) -> None:
        super().__init__(line, max_lock, None)
        self._name = f"{line.flavour.kind}-{secrets.token_hex(8)}"
        self._ledger = ledger_of(
            line.flavour, lambda query: self._started(query, None, Cursor).fetchall(), line.target
        )
        with translated(self._target):
            self._ledger.begin()
        #: When the server last answered before COMMIT.
        self._answered = 0.0
        #: Rows that the engine changed by itself: no counter of the session has them.
        self._cascaded = 0
        #: Rows that we wrote and that are none of the operation's: in work tables, or twice to the same row.
        self._ours = 0

    def delete(self, component: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        gone = dict.fromkeys(component, 0)
        inner = self._inner(component)
        if not inner:
            return {table: self._delete(table, "") for table in component}
        layer = 0
        while any(self._remaining(table) for table in component):
            layer += 1
            marked = {table: self._mark_free(table, inner, layer) for table in component}
            if not any(marked.values()):
                self._open_circle(inner, component)
                continue
            for table, count in marked.items():
                if count:
                    gone[table] += self._delete(table, f" WHERE k.r = {-layer}")
        return gone

    def changes(self) -> int:
        """See ``Writing``."""
        self._in_time()
        with translated(self._target):
            if not self._ledger.same():
                # Some statement has committed, or the server has undone it all: nothing may be done any more.
                raise TargetDown("target.lost", target=self._target)
        return self._written() - self._ours + self._cascaded

    def _written(self) -> int:
        with translated(self._target):
            return self._ledger.written(self._sent) - self._twins.rows

    def _inner(self, tables: Iterable[str]) -> list[Edge]:
        """The foreign keys within these tables."""
        known = set(tables)
        return [edge for edge in self.catalogue().edges if edge.child in known and edge.parent in known]

    def _remaining(self, table: str) -> int:
        return self._number(f"SELECT COUNT(*) FROM {self._keys[table].path} WHERE r >= 0", table)

    def _mark_free(self, table: str, inner: Sequence[Edge], layer: int) -> int:
        """Give the rows of a key set that no other row points at the number of a layer; how many."""
        keys, relation = self._keys[table], self._relation(table)
        held = [
            f"NOT EXISTS (SELECT 1 FROM {self._relation(edge.child).path} c"
            f" WHERE {self._link(edge, 't', 'c')}{self._but_itself(edge, 't')})"
            for edge in inner
            if edge.parent == table
        ]
        where = " AND ".join(["k.r >= 0", *held])
        marked = self._write(
            f"UPDATE {keys.path} k JOIN {relation.path} t ON {sql.matched('t', keys, 'k')}"
            f" SET k.r = {-layer} WHERE {where}",
            table,
        )
        self._ours += marked
        return marked

    def _but_itself(self, edge: Edge, parent: str) -> str:
        """A child ``c`` is not the very row that it points at; to be added to a condition."""
        if edge.child != edge.parent:
            return ""
        key = self._table(edge.child).key
        return f" AND NOT ({' AND '.join(f'c.{quote(name)} = {parent}.{quote(name)}' for name in key)})"

    def _open_circle(self, inner: Sequence[Edge], component: Sequence[str]) -> None:
        """Empty what may be empty among rows that hold each other; they were copied before.

        Raises:
            CannotProve: none of the links in the circle may be empty.
        """
        opened = 0
        for edge in inner:
            keys, child = self._keys[edge.child], self._relation(edge.child)
            free = [name for name in edge.child_columns if self._may_be_empty(edge.child, name)]
            if not free:
                continue
            filled = " OR ".join(f"t.{quote(name)} IS NOT NULL" for name in free)
            empty = ", ".join(f"t.{quote(name)} = NULL" for name in free)
            opened += self._change(
                f"UPDATE {child.path} t JOIN {keys.path} k ON {sql.matched('t', keys, 'k')} AND k.r >= 0"
                f" SET {empty} WHERE {filled}",
                edge.child,
            )
        self._ours += opened
        if not opened:
            # The server refuses this with a constraint's error, which names the table.
            for table in component:
                self._delete(table, " WHERE k.r >= 0")

    def _may_be_empty(self, table: str, name: str) -> bool:
        about = self._table(table)
        column = about.column(name)
        return column is not None and not (column.not_null or column.generated or name in about.key)

    def _delete(self, table: str, where: str) -> int:
        keys, relation = self._keys[table], self._relation(table)
        for edge in self.catalogue().edges:
            if edge.parent == edge.child == table:
                self._let_go_of_itself(edge, where)
            if edge.parent == table and edge.action in _CASCADING and not self._flavour.sees_cascades:
                self._cascaded += self._taken_along(edge, where)
        return self._change(
            f"DELETE t FROM {relation.path} t JOIN {keys.path} k ON {sql.matched('t', keys, 'k')}{where}",
            table,
        )

    def _let_go_of_itself(self, edge: Edge, where: str) -> None:
        """A row that points at itself: over two keys, the server takes it for a child of its own."""
        keys, relation = self._keys[edge.child], self._relation(edge.child)
        free = [name for name in edge.child_columns if self._may_be_empty(edge.child, name)]
        if free:
            own = " AND ".join(f"t.{quote(here)} = t.{quote(there)}" for there, here in pairs(edge))
            self._ours += self._change(
                f"UPDATE {relation.path} t JOIN {keys.path} k ON {sql.matched('t', keys, 'k')} AND {own}"
                f" SET {', '.join(f't.{quote(name)} = NULL' for name in free)}{where}",
                edge.child,
            )

    def _taken_along(self, edge: Edge, where: str) -> int:
        """Children that still point at rows about to go: the engine would change them in silence."""
        keys = self._keys[edge.parent]
        return self._number(
            f"SELECT COUNT(*) FROM {keys.path} k"
            f" JOIN {self._relation(edge.parent).path} p ON {sql.matched('p', keys, 'k')}"
            f" JOIN {self._relation(edge.child).path} c ON {self._link(edge, 'p', 'c')}"
            f"{where or ' WHERE TRUE'}{self._but_itself(edge, 'p')} {self._shared()}",
            edge.child,
        )

    def _still(self, table: str) -> str:
        """To be added to SET: moments that the server would renew by itself stay as they are."""
        return "".join(
            f", t.{quote(column.name)} = t.{quote(column.name)}"
            for column in self._table(table).stored
            if column.type.startswith(("timestamp", "datetime"))
        )

    def _followers(self, table: str, columns: Iterable[str], rows: str) -> int:
        """Rows that point at ``columns`` of rows about to be written: ON UPDATE would change them in silence.

        Where it would not, the server refuses by itself. ``rows``: FROM with the alias ``t``, no WHERE.
        """
        written = set() if self._flavour.sees_cascades else set(columns)
        return sum(
            self._number(
                f"SELECT COUNT(*) FROM {rows} JOIN {self._relation(edge.child).path} c"
                f" ON {self._link(edge, 't', 'c')} {self._shared()}",
                edge.child,
            )
            for edge in self.catalogue().edges
            if edge.parent == table and written & set(edge.parent_columns)
        )

    def _change(self, statement: str, table: str, values: Sequence[Any] | None = None) -> int:
        """Write to a real table. MariaDB counts each row of a partitioned one twice: once in its part."""
        if self._flavour.counts_parts_once or not self._relation(table).partitioned:
            return self._write(statement, table, values)
        before = self._written()
        count = self._write(statement, table, values)
        twice = self._written() - before
        if twice == 2 * count:
            self._ours += count
        return count


def pairs(edge: Edge) -> Iterator[tuple[str, str]]:
    """The parent's and the child's columns of an edge."""
    return zip(edge.parent_columns, edge.child_columns, strict=True)
