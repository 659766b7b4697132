"""Which rows of a backup hang together in a PostgreSQL database, and which of them stay out."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Iterator
from itertools import islice

from bot.targets import postgresql_sql as sql
from bot.targets.base import Edge, Row
from bot.targets.postgresql_session import PostgresqlSession
from bot.targets.postgresql_sql import quote
from bot.targets.work_tables import WorkTable

_BATCH = 500


class PostgresqlNarrowing(PostgresqlSession):
    """See ``bot.targets.base.Session``."""

    def joins(self, edge: Edge, label: str) -> Iterator[tuple[Row, Row]]:
        """See ``Session``."""
        self._look()
        stage, parent = self._stages[label], self._stages.get(edge.parent)
        if parent is None or not set(edge.parent_columns) <= set(parent.columns):
            return
        link = sql.linked(
            self._linked(edge),
            [f"q.{parent.cell(name)}" for name in edge.parent_columns],
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
        self._look()
        stage, links = self._stages[label], self._linked(edge)
        parent = self._stages.get(edge.parent)
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        live = sql.linked(links, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT {_cells('s', stage)} FROM {stage.path} s"
            f" WHERE {sql.filled(links, cells)}{sql.narrowed(edge, stage)}"
            f" AND NOT EXISTS (SELECT FROM {self._relation(edge.parent).rows} p WHERE {live})"
        )
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = sql.linked(links, [f"q.{parent.cell(name)}" for name in edge.parent_columns], cells)
            query += f" AND NOT EXISTS (SELECT FROM {parent.path} q WHERE {staged})"
        return self._read(query, stage.table)

    def clashing(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        itself = sql.matched("u", relation, stage, "s")
        tests = [
            f"EXISTS (SELECT FROM {relation.rows} u WHERE "
            + " AND ".join(
                f"u.{quote(name)} {equal} s.{stage.cell(name)}"
                for name, equal in zip(one.columns, one.equal, strict=True)
            )
            + f" AND NOT ({itself}))"
            for one in relation.unique
            if set(one.columns) <= set(stage.columns)
        ]
        if not tests:
            return iter(())
        query = f"SELECT {_cells('s', stage)} FROM {stage.path} s WHERE {' OR '.join(tests)}"
        return self._read(query, stage.table)

    def unstage(self, label: str, keys: Iterable[Row] | None = None) -> int:
        """See ``Session``."""
        stage = self._stages[label]
        if keys is None:
            return self._write(f"DELETE FROM {stage.path}", stage.table)
        relation = self._relation(stage.table)
        same = " AND ".join(
            f"s.{stage.cell(name)} {relation.equal[name]} v.k{place}" for place, name in enumerate(stage.key)
        )
        names = ", ".join(f"k{place}" for place in range(len(stage.key)))
        source, gone = iter(keys), 0
        while batch := list(islice(source, _BATCH)):
            width = len(stage.key)
            rows = ", ".join(
                "("
                + ", ".join(
                    f"CAST(${row * width + place} AS {relation.casts[name]})"
                    for place, name in enumerate(stage.key, start=1)
                )
                + ")"
                for row in range(len(batch))
            )
            gone += self._write(
                f"DELETE FROM {stage.path} s USING (VALUES {rows}) v({names}) WHERE {same}",
                stage.table,
                [value for key in batch for value in key],
            )
        return gone


def _cells(alias: str, stage: WorkTable) -> str:
    return ", ".join(f"{alias}.{stage.cell(name)}" for name in stage.key)
