"""Which rows of a backup hang together in a SQLite file, and which of them stay out."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Iterator

from bot.targets import sqlite_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.sqlite_catalogue import indexes
from bot.targets.sqlite_errors import translated
from bot.targets.sqlite_session import SqliteSession, raw
from bot.targets.sqlite_sql import Stage, quote


class SqliteNarrowing(SqliteSession):
    """See ``bot.targets.base.Session``."""

    def joins(self, edge: Edge, label: str) -> Iterator[tuple[Row, Row]]:
        """See ``Session``."""
        stage, parent = self._stages[label], self._stages.get(edge.parent)
        if parent is None or not set(edge.parent_columns) <= set(parent.columns):
            return
        link = sql.linked(
            edge,
            parent.parents("q", edge.parent_columns),
            [f"s.{stage.cell(name)}" for name in edge.child_columns],
        )
        query = (
            f"SELECT {_cells('s', stage)}, {_cells('q', parent)} FROM {stage.path} s"
            f" JOIN {parent.path} q ON {link}{sql.narrowed(edge, stage)}"
        )
        for row in self._read(query, stage.table):
            yield row[: len(stage.key)], row[len(stage.key) :]

    def orphaned(self, edge: Edge, label: str) -> Iterator[Row]:
        """See ``Session``."""
        stage, parent = self._stages[label], self._stages.get(edge.parent)
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        live = sql.linked(edge, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT {_cells('s', stage)} FROM {stage.path} s"
            f" WHERE {sql.filled(edge, cells)}{sql.narrowed(edge, stage)}"
            f" AND NOT EXISTS (SELECT 1 FROM main.{quote(edge.parent)} p WHERE {live})"
        )
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = sql.linked(edge, parent.parents("q", edge.parent_columns), cells)
            query += f" AND NOT EXISTS (SELECT 1 FROM {parent.path} q WHERE {staged})"
        return self._read(query, stage.table)

    def clashing(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        stage = self._stages[label]
        itself = " AND ".join(sql.same(f"u.{quote(name)}", f"s.{stage.cell(name)}") for name in stage.key)
        tests = []
        with translated(self._target, stage.table):
            known = indexes(self._connection, stage.table)
        for index in known:
            columns = [name for name in index.columns if name in stage.columns]
            if index.unique and not index.partial and len(columns) == len(index.columns):
                same = " AND ".join(f"u.{quote(name)} = s.{stage.cell(name)}" for name in columns if name)
                tests.append(
                    f"EXISTS (SELECT 1 FROM main.{quote(stage.table)} u WHERE {same} AND NOT ({itself}))"
                )
        if not tests:
            return iter(())
        query = f"SELECT {_cells('s', stage)} FROM {stage.path} s WHERE {' OR '.join(tests)}"
        return self._read(query, stage.table)

    def unstage(self, label: str, keys: Iterable[Row] | None = None) -> int:
        """See ``Session``."""
        stage = self._stages[label]
        if keys is None:
            return self._write(f"DELETE FROM {stage.path}", stage.table)
        gone = 0
        for key in keys:
            where = " AND ".join(
                sql.same(cell, mark) for cell, mark in zip(stage.key_cells, sql.marks(key), strict=True)
            )
            values = [raw(value) for value in key for _ in (0, 1)]
            gone += self._write(f"DELETE FROM {stage.path} WHERE {where}", stage.table, values)
        return gone


def _cells(alias: str, stage: Stage) -> str:
    return ", ".join(f"{alias}.{cell}" for cell in stage.key_cells)
