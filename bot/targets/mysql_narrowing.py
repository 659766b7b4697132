"""Which rows of a backup hang together in a MariaDB database, and which of them stay out."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Iterator

from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.mysql_meeting import MysqlMeeting
from bot.targets.mysql_sql import quote
from bot.targets.work_tables import WorkTable


class MysqlNarrowing(MysqlMeeting):
    """See ``bot.targets.base.Session``."""

    def joins(self, edge: Edge, label: str) -> Iterator[tuple[Row, Row]]:
        """See ``Session``."""
        self._look()
        stage, parent = self._stages[label], self._stages.get(edge.parent)
        if parent is None or not set(edge.parent_columns) <= set(parent.columns):
            return
        link = self._linked(
            edge,
            [f"q.{parent.cell(name)}" for name in edge.parent_columns],
            [f"s.{stage.cell(name)}" for name in edge.child_columns],
        )
        query = (
            f"SELECT {self._key('s', stage)}, {self._key('q', parent)} FROM {stage.path} s"
            f" JOIN {parent.path} q ON {link}{sql.narrowed(edge, stage)}"
        )
        for row in self._read(query, stage.table):
            yield row[: len(stage.key)], row[len(stage.key) :]

    def orphaned(self, edge: Edge, label: str) -> Iterator[Row]:
        """See ``Session``."""
        self._look()
        stage, parent = self._stages[label], self._stages.get(edge.parent)
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        live = self._linked(edge, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT {self._key('s', stage)} FROM {stage.path} s"
            f" WHERE {sql.filled(edge, cells)}{sql.narrowed(edge, stage)} AND NOT EXISTS"
            f" (SELECT 1 FROM {self._relation(edge.parent).path} p WHERE {live}{self._shared()})"
        )
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = self._linked(edge, [f"q.{parent.cell(name)}" for name in edge.parent_columns], cells)
            query += f" AND NOT EXISTS (SELECT 1 FROM {parent.path} q WHERE {staged})"
        return self._read(f"{query}{self._shared()}", stage.table)

    def clashing(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        itself = sql.matched("u", stage, "s")
        tests = [
            f"EXISTS (SELECT 1 FROM {relation.path} u WHERE "
            + " AND ".join(f"u.{quote(name)} = s.{stage.cell(name)}" for name in unique)
            + f" AND NOT ({itself}){self._shared()})"
            for unique in relation.unique
            if set(unique) <= set(stage.columns)
        ]
        if not tests:
            return iter(())
        query = f"SELECT {self._key('s', stage)} FROM {stage.path} s WHERE {' OR '.join(tests)}"
        return self._read(f"{query}{self._shared()}", stage.table)

    def unstage(self, label: str, keys: Iterable[Row] | None = None) -> int:
        """See ``Session``."""
        stage = self._stages[label]
        if keys is None:
            return self._write(f"DELETE FROM {stage.path}", stage.table)
        relation, gone = self._relation(stage.table), 0
        for key in keys:
            sides = [
                sql.compared(relation.kinds[name], str(value))
                for name, value in zip(stage.key, key, strict=True)
            ]
            where = " AND ".join(
                f"{stage.cell(name)} = {place}" for name, (place, _) in zip(stage.key, sides, strict=True)
            )
            gone += self._write(
                f"DELETE FROM {stage.path} WHERE {where}", stage.table, [bound for _, bound in sides]
            )
        return gone

    def _key(self, alias: str, stage: WorkTable) -> str:
        kinds = self._relation(stage.table).kinds
        return ", ".join(sql.shown(kinds[name], f"{alias}.{stage.cell(name)}") for name in stage.key)
