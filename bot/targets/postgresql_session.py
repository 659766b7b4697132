"""A look at a PostgreSQL database: which rows there are, and how they meet those of a backup."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bot.errors import BadInput, CannotProve
from bot.targets import postgresql_foresight as foresight
from bot.targets import postgresql_sequences as sequences
from bot.targets import postgresql_sql as sql
from bot.targets.base import Edge, Holder, Need, Row, Tally
from bot.targets.postgresql_catalogue import searchable, soft_links
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_naming import PostgresqlNaming
from bot.targets.postgresql_rights import missing_rights
from bot.targets.postgresql_sql import Unique, quote
from bot.targets.work_tables import WorkTable


class PostgresqlSession(PostgresqlNaming):
    """See ``bot.targets.base.Session``."""

    locking = False

    def check(self, edge: Edge) -> Edge:
        """See ``Session``."""
        child, parent = self._relation(edge.child), self._relation(edge.parent)
        links = soft_links(child, parent, edge)
        self._run("SAVEPOINT condition", edge.child)
        try:
            self._run(
                f"SELECT 1 FROM {parent.rows} p JOIN {sql.children(edge, child, ())} c"
                f" ON {sql.joined(edge, links, 'p', 'c')} LIMIT 0",
                edge.child,
            )
        except CannotProve as error:
            self._run("ROLLBACK TO condition", edge.child)
            # A missing right is for ``rights`` to say, together with all the others.
            if error.key != "target.no-right":
                raise BadInput("operations.bad-condition", target=self._target, link=edge.label) from None
        plain = not any(links.child_cast)
        checked = replace(edge, indexed=plain and searchable(child, edge.child_columns))
        self._soft[checked] = links
        return checked

    def rights(self, needs: Iterable[Need]) -> tuple[str, ...]:
        """See ``Session``."""
        with translated(self._target):
            return missing_rights(self._execute, [(need, self._relation(need.table)) for need in needs])

    def holders(self, tables: Iterable[str]) -> tuple[Holder, ...]:
        """See ``Session``."""
        with translated(self._target):
            return foresight.holders(self._execute, {name: self._relation(name) for name in tables})

    def weight(self, table: str) -> int:
        """See ``Session``."""
        keys = self._read_keys(table)
        return self._number(foresight.weight(self._relation(table), keys), table)

    def formulas(self, tables: Iterable[str]) -> tuple[str, ...]:
        """See ``Session``."""
        with translated(self._target):
            return tuple(
                f"{name}.{one.column}"
                for name in sorted(set(tables))
                for one in sequences.of(self._execute, self._relation(name))
                if not one.plain
            )

    def index_for(self, edge: Edge) -> str:
        """See ``Session``."""
        return foresight.index_for(self._relation(edge.child), edge)

    def size(self, table: str) -> int:
        """See ``Session``."""
        self._look()
        return self._number(f"SELECT count(*) FROM {self._relation(table).rows}", table)

    def find(self, table: str, column: str, text: str, limit: int) -> list[Row]:
        """See ``Session``."""
        self._look()
        relation = self._relation(table)
        condition = sql.typed(relation, column, text)
        if condition is None or "\0" in text:
            return []
        key = sql.listed("t", self._table(table).key)
        query = f"SELECT {key} FROM {relation.rows} t WHERE {condition} LIMIT {int(limit)}"
        with translated(self._target, table):
            return list(self._execute(query, [text]).fetchall())

    def sample(self, table: str, columns: Sequence[str], limit: int) -> list[Row]:
        """See ``Session``."""
        self._look()
        texts = ", ".join(f"t.{quote(name)}::pg_catalog.text" for name in columns)
        filled = " AND ".join(f"t.{quote(name)} IS NOT NULL" for name in columns)
        query = (
            f"SELECT DISTINCT * FROM (SELECT {texts} FROM {self._relation(table).rows} t"
            f" WHERE {filled} LIMIT {sql.SAMPLED}) s({', '.join(f'c{n}' for n in range(len(columns)))})"
            f" LIMIT {int(limit)}"
        )
        with translated(self._target, table):
            return list(self._execute(query).fetchall())

    def seed(self, table: str, keys: Iterable[Row]) -> int:
        """See ``Session``."""
        name, relation = self._key_set(table), self._relation(table)
        self._look()
        columns = self._table(table).key
        statement = (
            f"INSERT INTO {name.path} SELECT {sql.listed('t', columns)}, 0 FROM {relation.rows} t"
            f" WHERE {sql.bound('t', relation, columns)}{self._lock('t')} ON CONFLICT DO NOTHING"
        )
        self._index(name)
        self._grown.add(table)
        return sum(self._write(statement, table, key) for key in keys)

    def grow(self, edge: Edge, found: int) -> int:
        """See ``Session``."""
        key = self._table(edge.child).key
        child = self._key_set(edge.child)
        source = self._pointing(edge)
        self._hold(edge)
        # The first rows of a set, each of which points at one parent only: an index that is made afterwards
        # takes half the time, and finds out if that was not so.
        first = edge.child in self._unindexed and self._single(edge)
        if not first:
            self._index(child)
        # What is in the set is locked already; a row that points at two parents still comes twice.
        match = sql.matched("c", self._relation(edge.child), child, "x")
        more = "" if first else f" AND NOT EXISTS (SELECT FROM {child.path} x WHERE {match})"
        new = self._write(
            f"INSERT INTO {child.path} SELECT {sql.listed('c', key)}, {found + 1} FROM {source}"
            f" WHERE k.r = {int(found)}{more}{self._lock('c')}{'' if first else ' ON CONFLICT DO NOTHING'}",
            edge.child,
        )
        if new:
            self._index(child)
            self._grown.add(edge.child)
            self._solid(child)
        return new

    def _single(self, edge: Edge) -> bool:
        """No row of the child points at two rows of the parent."""
        unique = self._relation(edge.parent).unique
        return edge.action != "soft" and any(set(one.columns) <= set(edge.parent_columns) for one in unique)

    def forget(self) -> None:
        """See ``Session``."""
        for work in (*self._keys.values(), *self._links.values()):
            self._run(f"DELETE FROM {work.path}", work.table)
        self._in_time()
        self.extend()

    def pointing(self, edge: Edge) -> int:
        """See ``Session``."""
        outside = self._outside(edge)
        self._hold(edge)
        return self._number(f"SELECT count(*) FROM {outside}", edge.child)

    def note(self, edge: Edge) -> int:
        """See ``Session``."""
        links = self._link_set(edge)
        self._hold(edge)
        count = self._write(
            f"INSERT INTO {links.path} SELECT {sql.listed('c', links.columns)} FROM {self._outside(edge)}"
            f"{self._lock('c')}",
            edge.child,
        )
        self._solid(links)
        return count

    def one(self, table: str, key: Row) -> Row | None:
        """See ``Session``."""
        self._look()
        relation, about = self._relation(table), self._table(table)
        columns = sql.listed("t", [column.name for column in about.stored])
        query = (
            f"SELECT {columns} FROM {relation.rows} t WHERE {sql.bound('t', relation, about.key)}"
            # Others may still add rows that point at it.
            f"{' FOR NO KEY UPDATE OF t' if self.locking else ''}"
        )
        with translated(self._target, table):
            return self._execute(query, key).fetchone()

    def taken(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Session``."""
        child, parent, links = self._relation(edge.child), self._relation(edge.parent), self._links[edge]
        unique = (one for one in child.unique if set(columns) & set(one.columns))
        tests = [self._shared(edge, columns, one) for one in unique]
        if not tests:
            return 0
        query = (
            f"SELECT count(*) FROM {links.path} n"
            f" JOIN {child.rows} t ON {sql.matched('t', child, links, 'n')}"
            f" JOIN {parent.rows} p ON {sql.bound('p', parent, self._table(edge.parent).key)}"
            f" WHERE {' OR '.join(tests)}"
        )
        return self._number(query, edge.child, heir)

    def _shared(self, edge: Edge, columns: Sequence[str], unique: Unique) -> str:
        """Another row ``u`` will share the values of a unique key with ``t``, once both have moved."""
        child, links = self._relation(edge.child), self._links[edge]
        new = dict(sql.moved(edge, self._linked(edge), child, columns))
        equal = dict(zip(unique.columns, unique.equal, strict=True))
        same = " AND ".join(f"u.{quote(name)} {equal[name]} {new[name]}" for name in equal if name in new)
        moving = f"EXISTS (SELECT FROM {links.path} m WHERE {sql.matched('u', child, links, 'm')})"
        parts = [
            f"NOT ({sql.matched('u', child, links, 'n')})",
            f"({moving} OR ({same}))",
            *(f"u.{quote(name)} {equal[name]} t.{quote(name)}" for name in equal if name not in new),
        ]
        return f"EXISTS (SELECT FROM {child.rows} u WHERE {' AND '.join(parts)})"

    def loose(self, edge: Edge) -> int:
        """See ``Session``."""
        # The database vouches for the keys that it checks, here as in ``Writing.dangling``.
        if edge.child not in self._keys or self._linked(edge).checked:
            return 0
        child, parent = self._relation(edge.child), self._relation(edge.parent)
        keys = self._read_keys(edge.child)
        filled = sql.filled(self._linked(edge), [f"c.{quote(name)}" for name in edge.child_columns])
        below = sql.children(edge, child, self._table(edge.child).key)
        return self._number(
            f"SELECT count(*) FROM {keys.path} k JOIN {below} c ON {sql.matched('c', child, keys, 'k')}"
            f" WHERE {filled} AND NOT EXISTS (SELECT FROM {parent.rows} p"
            f" WHERE {sql.joined(edge, self._linked(edge), 'p', 'c')})",
            edge.child,
        )

    def keys(self, table: str) -> Iterable[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return ()
        work = self._keys[table]
        return self._texts(f"SELECT {work.cells} FROM {work.path}", table)

    def rows(self, table: str) -> Iterable[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return ()
        relation, keys = self._relation(table), self._read_keys(table)
        columns = sql.listed("t", [column.name for column in self._table(table).stored])
        query = (
            f"SELECT {columns} FROM {keys.path} k"
            f" JOIN {relation.rows} t ON {sql.matched('t', relation, keys, 'k')}"
        )
        return self._texts(query, table)

    def links(self, edge: Edge) -> Iterator[Row]:
        """See ``Session``."""
        work = self._links[edge]
        return self._read(f"SELECT {work.cells} FROM {work.path}", edge.child)

    def stage(self, label: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """See ``Session``."""
        stage = self._make("s", table, columns)
        count = self._fill(stage, rows)
        self._run(f"ANALYZE {stage.path}", table)
        self._stages[label] = stage
        return count

    def staged(self, label: str) -> Iterator[Row]:
        """See ``Session``."""
        stage = self._stages[label]
        return self._read(f"SELECT {stage.cells} FROM {stage.path}", stage.table)

    def pairs(self, label: str) -> Iterator[tuple[Row, Row | None]]:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation, width = self._relation(stage.table), len(stage.columns)
        query = (
            f"SELECT s.*, t.tableoid, {sql.listed('t', stage.columns)} FROM {stage.path} s"
            f" LEFT JOIN {relation.rows} t ON {sql.matched('t', relation, stage, 's')}"
        )
        for row in self._read(query, stage.table):
            yield row[:width], row[width + 1 :] if row[width] is not None else None

    def tally(self, label: str) -> Tally:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        # ``*=`` compares what is stored, byte by byte. Cast, because two ROW(…) side by side are compared
        # column by column.
        same = (
            f"CAST(ROW({', '.join(f's.{stage.cell(name)}' for name in stage.columns)}) AS record)"
            f" OPERATOR(pg_catalog.*=) CAST(ROW({sql.listed('t', stage.columns)}) AS record)"
        )
        query = (
            f"SELECT count(*), count(*) FILTER (WHERE t.tableoid IS NULL),"
            f" count(*) FILTER (WHERE t.tableoid IS NOT NULL AND {same})"
            f" FROM {stage.path} s"
            f" LEFT JOIN {relation.rows} t ON {sql.matched('t', relation, stage, 's')}"
        )
        with translated(self._target, stage.table):
            counts = self._execute(query).fetchone()
        return Tally(*map(int, counts))  # type: ignore[arg-type]  # an aggregate has a row

    def clashes(self, label: str) -> int:
        """See ``Session``."""
        self._look()
        stage = self._stages[label]
        relation = self._relation(stage.table)
        tests = [
            f"EXISTS (SELECT FROM {relation.rows} u WHERE "
            + " AND ".join(
                f"u.{quote(name)} {equal} s.{stage.cell(name)}"
                for name, equal in zip(one.columns, one.equal, strict=True)
            )
            + ")"
            for one in relation.unique
            if set(one.columns) <= set(stage.columns)
        ]
        if not tests:
            return 0
        missing = self._missing(stage)
        return self._number(f"SELECT count(*) FROM {missing} AND ({' OR '.join(tests)})", stage.table)

    def orphans(self, edge: Edge, label: str) -> int:
        """See ``Session``."""
        self._look()
        stage, links = self._stages[label], self._linked(edge)
        cells = [f"s.{stage.cell(name)}" for name in edge.child_columns]
        filled = sql.filled(links, cells) + sql.narrowed(edge, stage)
        live = sql.linked(links, [f"p.{quote(name)}" for name in edge.parent_columns], cells)
        query = (
            f"SELECT count(*) FROM {self._missing(stage)} AND {filled}"
            f" AND NOT EXISTS (SELECT FROM {self._relation(edge.parent).rows} p WHERE {live})"
        )
        parent = self._stages.get(edge.parent)
        if parent and set(edge.parent_columns) <= set(parent.columns):
            staged = sql.linked(links, [f"q.{parent.cell(name)}" for name in edge.parent_columns], cells)
            query += f" AND NOT EXISTS (SELECT FROM {parent.path} q WHERE {staged})"
        return self._number(query, stage.table)

    def _missing(self, stage: WorkTable) -> str:
        """FROM and WHERE of the staged rows that are not live."""
        relation = self._relation(stage.table)
        live = sql.matched("t", relation, stage, "s")
        return f"{stage.path} s WHERE NOT EXISTS (SELECT FROM {relation.rows} t WHERE {live})"

    def _pointing(self, edge: Edge) -> str:
        """FROM: a key set ``k``, its rows, and their children ``c``."""
        parents = self._read_keys(edge.parent)
        parent, child = self._relation(edge.parent), self._relation(edge.child)
        below = sql.children(edge, child, self._table(edge.child).key)
        if set(edge.parent_columns) <= set(parents.key):
            # Whatever the children name stands in the key set: the rows need not be looked up again.
            known = [f"k.{parents.cell(name)}" for name in edge.parent_columns]
            named = [f"c.{quote(name)}" for name in edge.child_columns]
            return f"{parents.path} k JOIN {below} c ON {sql.linked(self._linked(edge), known, named)}"
        return (
            f"{parents.path} k JOIN {parent.rows} p ON {sql.matched('p', parent, parents, 'k')}"
            f" JOIN {below} c ON {sql.joined(edge, self._linked(edge), 'p', 'c')}"
        )

    def _outside(self, edge: Edge) -> str:
        """FROM and WHERE of the children of a key set that are in none themselves."""
        source, own = self._pointing(edge), self._keys.get(edge.child)
        if own is None:
            return source
        match = sql.matched("c", self._relation(edge.child), own, "x")
        return f"{source} WHERE NOT EXISTS (SELECT FROM {own.path} x WHERE {match})"

    def _hold(self, edge: Edge) -> None:
        """Keep others from adding children to a link that the database does not guard; when writing."""

    def _lock(self, alias: str) -> str:
        return f" FOR UPDATE OF {alias}" if self.locking else ""
