"""How rows out of a backup meet those of a MariaDB database."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Iterator, Sequence

from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Row, Tally
from bot.targets.mysql_errors import translated
from bot.targets.mysql_sql import quote
from bot.targets.mysql_work import MysqlWork
from bot.targets.work_tables import WorkTable


class MysqlMeeting(MysqlWork):
    """The stages of a session; see ``bot.targets.base.Session``."""

    locking = False

    def stage(self, label: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """See ``Session``."""
        stage = self._make("s", table, columns)
        count = self._load(stage, rows)
        self._stages[label] = stage
        return count

    def staged(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        stage = self._stages[label]
        cells = sql.read_cells("s", self._relation(stage.table), stage)
        return self._read(f"SELECT {cells} FROM {stage.path} s", stage.table)

    def pairs(self, label: str) -> Iterator[tuple[Row, Row | None]]:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation, width = self._relation(stage.table), len(stage.columns)
        query = (
            f"SELECT {sql.read_cells('s', relation, stage)}, t.{quote(stage.key[0])} IS NOT NULL,"
            f" {sql.read('t', relation, stage.columns)} FROM {stage.path} s"
            f" LEFT JOIN {relation.path} t ON {sql.matched('t', stage, 's')}{self._shared()}"
        )
        for row in self._read(query, stage.table):
            yield row[:width], row[width + 1 :] if row[width] == "1" else None

    def tally(self, label: str) -> Tally:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        same = " AND ".join(
            sql.same(relation.kinds[name], f"s.{stage.cell(name)}", f"t.{quote(name)}")
            for name in stage.columns
        )
        live = f"t.{quote(stage.key[0])} IS NOT NULL"
        query = (
            f"SELECT COUNT(*), COALESCE(SUM(NOT ({live})), 0), COALESCE(SUM({live} AND {same}), 0)"
            f" FROM {stage.path} s LEFT JOIN {relation.path} t ON {sql.matched('t', stage, 's')}"
            f"{self._shared()}"
        )
        with translated(self._target, stage.table):
            return Tally(*map(int, self._execute(query).fetchone()))

    def clashes(self, label: str) -> int:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        tests = [
            f"EXISTS (SELECT 1 FROM {relation.path} u WHERE "
            + " AND ".join(f"u.{quote(name)} = s.{stage.cell(name)}" for name in unique)
            + f"{self._shared()})"
            for unique in relation.unique
            if set(unique) <= set(stage.columns)
        ]
        if not tests:
            return 0
        query = f"SELECT COUNT(*) FROM {self._missing(stage)} AND ({' OR '.join(tests)}){self._shared()}"
        return self._number(query, stage.table)

    def orphans(self, edge: Edge, label: str) -> int:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        filled = sql.filled(edge, cells) + sql.narrowed(edge, stage)
        live = self._linked(edge, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT COUNT(*) FROM {self._missing(stage)} AND {filled} AND NOT EXISTS"
            f" (SELECT 1 FROM {self._relation(edge.parent).path} p WHERE {live}{self._shared()})"
        )
        parent = self._stages.get(edge.parent)
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = self._linked(edge, [f"q.{parent.cell(name)}" for name in edge.parent_columns], cells)
            query += f" AND NOT EXISTS (SELECT 1 FROM {parent.path} q WHERE {staged})"
        return self._number(f"{query}{self._shared()}", stage.table)

    def _missing(self, stage: WorkTable) -> str:
        """FROM and WHERE of the staged rows that are not live."""
        relation = self._relation(stage.table)
        live = sql.matched("t", stage, "s")
        return (
            f"{stage.path} s WHERE NOT EXISTS (SELECT 1 FROM {relation.path} t WHERE {live}{self._shared()})"
        )

    def _locked(self) -> str:
        return " FOR UPDATE" if self.locking else ""

    def _shared(self) -> str:
        return self._flavour.shared if self.locking else ""
