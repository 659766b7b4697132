"""The transaction that deletes from, or restores into, a PostgreSQL database."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Mapping, Sequence

from bot.targets import postgresql_sequences as sequences
from bot.targets import postgresql_sql as sql
from bot.targets.base import Edge, Fate, Row
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_narrowing import PostgresqlNarrowing
from bot.targets.postgresql_sql import quote
from bot.targets.postgresql_work import Connection
from bot.targets.work_tables import WorkTable, may_go_back

# Rows of all real tables that this transaction has inserted, updated or deleted: its own statistics.
_CHANGES = """
SELECT pg_catalog.sum(s.n_tup_ins OPERATOR(pg_catalog.+) s.n_tup_upd OPERATOR(pg_catalog.+) s.n_tup_del)
  FROM pg_catalog.pg_stat_xact_all_tables s
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.relid
 WHERE c.relpersistence OPERATOR(pg_catalog.<>) 't'
   AND s.schemaname OPERATOR(pg_catalog.!~) '^pg_|^information_schema$'
"""

# Which tables, partitions under the name of the whole, and how many rows were deleted.
_TABLES_WRITTEN = """
SELECT coalesce(pg_catalog.pg_partition_root(s.relid), s.relid)::oid::text, s.n_tup_del::text
  FROM pg_catalog.pg_stat_xact_all_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
 WHERE c.relpersistence <> 't' AND s.schemaname !~ '^pg_|^information_schema$'
   AND s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0
"""

# TRUNCATE leaves no count behind, but a new file.
_FILES = """
SELECT c.oid::text, c.relfilenode::text FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_|^information_schema$'
"""


class PostgresqlWriting(PostgresqlNarrowing):
    """See ``bot.targets.base.Writing``.

    ``path``: the role's own search path. Triggers are written for it, so it holds while they may fire; our
    own statements name every schema and do not care.
    """

    locking = True
    late = True

    def __init__(self, connection: Connection, target: str, max_lock: float, path: str) -> None:
        super().__init__(connection, target, max_lock, None)
        self._path = path
        self._changed = False
        self._held: set[str] = set()
        self._files: dict[str, str] | None = None

    def delete(self, component: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        statements = {}
        for table in component:
            relation, keys = self._relation(table), self._read_keys(table)
            match = sql.matched("t", relation, keys, "k")
            statements[table] = f"DELETE FROM {relation.rows} t USING {keys.path} k WHERE {match}"
        return self._together(statements, component[0])

    def unlink(self, edge: Edge) -> int:
        """See ``Writing``."""
        relation, links = self._relation(edge.child), self._links[edge]
        empty = ", ".join(f"{quote(name)} = NULL" for name in edge.child_columns)
        match = sql.matched("t", relation, links, "n")
        return self._change(
            f"UPDATE {relation.rows} t SET {empty} FROM {links.path} n WHERE {match}", edge.child
        )

    def repoint(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Writing``."""
        child, parent, links = self._relation(edge.child), self._relation(edge.parent), self._links[edge]
        new = sql.moved(edge, self._linked(edge), child, columns)
        return self._change(
            f"UPDATE {child.rows} t SET {', '.join(f'{quote(name)} = {value}' for name, value in new)}"
            f" FROM {links.path} n, {parent.rows} p WHERE {sql.matched('t', child, links, 'n')}"
            f" AND {sql.bound('p', parent, self._table(edge.parent).key)}",
            edge.child,
            heir,
        )

    def outrun(self, labels: Iterable[str]) -> tuple[str, ...]:
        """See ``Writing``."""
        behind = []
        for label in labels:
            stage = self._stages[label]
            with translated(self._target, stage.table):
                behind += [
                    f"{stage.table}.{one.column}"
                    for one in sequences.of(self._execute, self._relation(stage.table))
                    if one.plain
                    and one.column in stage.columns
                    and sequences.pass_by(
                        self._execute, one, self._missing(stage), f"s.{stage.cell(one.column)}"
                    )
                ]
        return tuple(behind)

    def insert(self, labels: Sequence[str]) -> Mapping[str, int]:
        """See ``Writing``."""
        statements = {}
        for label in labels:
            stage = self._stages[label]
            names = ", ".join(quote(name) for name in stage.columns)
            cells = ", ".join(f"s.{stage.cell(name)}" for name in stage.columns)
            statements[label] = (
                f"INSERT INTO {self._relation(stage.table).path} ({names}) OVERRIDING SYSTEM VALUE"
                f" SELECT {cells} FROM {self._missing(stage)}"
            )
        return self._together(statements, self._stages[labels[0]].table)

    def relink(self, label: str, columns: Sequence[str], heir: Row | None = None) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        relation = self._relation(stage.table)
        values = ", ".join(f"{quote(name)} = s.{stage.cell(name)}" for name in columns)
        where = may_go_back(
            [f"t.{quote(name)} IS NULL" for name in columns],
            [f"t.{quote(name)}::text {sql.EQUAL} s.{stage.cell(name)}::text" for name in columns],
            [
                f"t.{quote(name)}::text {sql.EQUAL} CAST(CAST(${place} AS {relation.casts[name]}) AS text)"
                for place, name in enumerate(columns if heir is not None else (), start=1)
            ],
        )
        return self._change(
            f"UPDATE {relation.rows} t SET {values} FROM {stage.path} s"
            f" WHERE {sql.matched('t', relation, stage, 's')} AND {where}",
            stage.table,
            heir,
        )

    def overwrite(self, label: str) -> int:
        """See ``Writing``."""
        stage = self._stages[label]
        relation = self._relation(stage.table)
        names = [name for name in stage.columns if name not in stage.key]
        if not names:
            return 0
        values = ", ".join(f"{quote(name)} = s.{stage.cell(name)}" for name in names)
        return self._change(
            f"UPDATE {relation.rows} t SET {values} FROM {stage.path} s"
            f" WHERE {sql.matched('t', relation, stage, 's')}",
            stage.table,
        )

    def changes(self) -> int:
        """See ``Writing``."""
        self._finish()
        return self._number(_CHANGES, "") + self._rewritten()

    def strangers(self, labels: Iterable[str]) -> bool:
        """See ``Writing``. A row that we, or a trigger of ours, wrote bears our number."""
        self._finish()
        stages = [self._stages[label] for label in labels]
        tables = {stage.table for stage in stages}
        ours = {str(self._relation(table).oid) for table in tables}
        with translated(self._target):
            written = self._execute(_TABLES_WRITTEN).fetchall()
        if self._rewritten() or any(row[0] not in ours or row[1] != "0" for row in written):
            return True
        return any(self._strange(table, [one for one in stages if one.table == table]) for table in tables)

    def _rewritten(self) -> int:
        """How many tables have another file than when we first looked."""
        with translated(self._target):
            files = {str(row[0]): str(row[1]) for row in self._execute(_FILES).fetchall()}
        if self._files is None:
            self._files = files
        return sum(files.get(table) != file for table, file in self._files.items())

    def _strange(self, table: str, stages: Sequence[WorkTable]) -> int:
        relation = self._relation(table)
        known = " AND ".join(
            f"NOT EXISTS (SELECT FROM {one.path} s WHERE {sql.matched('t', relation, one, 's')})"
            for one in stages
        )
        return self._number(
            f"SELECT count(*) FROM {relation.rows} t WHERE pg_catalog.age(t.xmin)"
            f" <= pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid) AND {known}",
            table,
        )

    def dangling(self, tables: Iterable[str]) -> Mapping[str, int]:
        """See ``Writing``. The database vouches for the keys that it checks; the others are counted."""
        self._finish()
        wanted, found = set(tables), {}
        for edge in self.catalogue().edges:
            if edge.child in wanted and not self._linked(edge).checked:
                child, parent = self._relation(edge.child), self._relation(edge.parent)
                filled = " AND ".join(f"c.{quote(name)} IS NOT NULL" for name in edge.child_columns)
                count = self._number(
                    f"SELECT count(*) FROM {child.rows} c WHERE {filled} AND NOT EXISTS"
                    f" (SELECT FROM {parent.rows} p WHERE {sql.joined(edge, self._linked(edge), 'p', 'c')})",
                    edge.child,
                )
                if count:
                    found[edge.label] = count
        return found

    def left(self, edge: Edge, label: str) -> int:
        """See ``Writing``. The database vouches for the keys that it checks."""
        stage, links = self._stages[label], self._linked(edge)
        self._finish()
        if links.checked or not set(edge.parent_columns) <= set(stage.columns):
            return 0
        child = self._relation(edge.child)
        match = sql.linked(
            links,
            [f"s.{stage.cell(name)}" for name in edge.parent_columns],
            [f"c.{quote(name)}" for name in edge.child_columns],
        )
        return self._number(
            f"SELECT count(*) FROM {stage.path} s JOIN {sql.children(edge, child, ())} c ON {match}",
            edge.child,
        )

    def transaction(self) -> str:
        """See ``Writing``; the server's own number."""
        with translated(self._target):
            row = self._execute("SELECT pg_catalog.pg_current_xact_id()").fetchone()
        assert row is not None
        return f"postgresql-{row[0]}"

    def fate(self, transaction: str) -> Fate:
        """See ``Writing``."""
        number = transaction.removeprefix("postgresql-")
        if not number.isdecimal():
            return "unknown"
        with translated(self._target):
            row = self._execute(
                "SELECT CASE WHEN $1::pg_catalog.xid8 < pg_catalog.pg_current_xact_id()"
                " THEN pg_catalog.pg_xact_status($1::pg_catalog.xid8) END",
                [number],
            ).fetchone()
        known: dict[object, Fate] = {"committed": "committed", "aborted": "aborted"}
        return known.get(row[0] if row else None, "unknown")

    def ready(self) -> None:
        """See ``Writing``."""
        self._finish()
        # An interrupted COMMIT would leave it open whether it happened.
        self._run("SET LOCAL statement_timeout = 0", "")

    def commit(self) -> None:
        """See ``Writing``."""
        with translated(self._target):
            self._connection.execute("COMMIT")

    def _together(self, statements: Mapping[str, str], table: str) -> Mapping[str, int]:
        """Tables that point at each other change in one statement: the database checks at its end."""
        if len(statements) == 1:
            return {name: self._change(statement, table) for name, statement in statements.items()}
        parts = [
            f"d{place} AS ({statement} RETURNING 1)" for place, statement in enumerate(statements.values())
        ]
        counts = [f"(SELECT pg_catalog.count(*) FROM d{place})" for place in range(len(statements))]
        self._change_path()
        with translated(self._target, table):
            row = self._execute(f"WITH {', '.join(parts)} SELECT {', '.join(counts)}").fetchone()
        self._changed = True
        assert row is not None
        return {name: int(count) for name, count in zip(statements, row, strict=True)}

    def _change(self, statement: str, table: str, values: Row | None = None) -> int:
        self._change_path()
        count = self._write(statement, table, values)
        self._changed = True
        return count

    def _change_path(self) -> None:
        with translated(self._target):
            self._execute("SELECT pg_catalog.set_config('search_path', $1, true)", [self._path])

    def _finish(self) -> None:
        """Let everything that the database has put off until the end happen now, where it is seen."""
        if self._changed:
            self._changed = False
            self._change_path()
            self._run("SET CONSTRAINTS ALL IMMEDIATE", "")
            self._run("SET LOCAL search_path = pg_catalog, pg_temp", "")

    def _hold(self, edge: Edge) -> None:
        if not self._linked(edge).checked and edge.child not in self._held:
            self._held.add(edge.child)
            path = self._relation(edge.child).path
            self._run(f"LOCK TABLE {path} IN SHARE ROW EXCLUSIVE MODE", edge.child)
