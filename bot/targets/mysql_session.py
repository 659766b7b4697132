"""A look at a MariaDB or MySQL database: which rows there are, and how they meet those of a backup.

A writing session reads with locks, and InnoDB then also locks the gaps between the keys it looked at: nobody
adds a child to a row that goes, whether a foreign key would notice or not.
"""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bot.errors import BadInput, CannotProve
from bot.targets import mysql_foresight as foresight
from bot.targets import mysql_sequences as sequences
from bot.targets import mysql_sql as sql
from bot.targets.base import Edge, Holder, Need, Row, TableColumn
from bot.targets.mysql_catalogue import searchable
from bot.targets.mysql_errors import translated
from bot.targets.mysql_naming import MysqlNaming
from bot.targets.mysql_narrowing import MysqlNarrowing
from bot.targets.mysql_rights import missing_rights
from bot.targets.mysql_sql import quote
from bot.targets.work_tables import WorkTable

_MEGABYTE = 1024 * 1024
#: What a statement may hold beside the wide values of one row: the others, and its own words.
_BESIDE = 200_000
#: The bytes of the longest ``text`` or ``blob``.
_SHORT = 65_535


class MysqlSession(MysqlNaming, MysqlNarrowing):
    """See ``bot.targets.base.Session``."""

    def check(self, edge: Edge) -> Edge:
        """See ``Session``."""
        child, parent = self._relation(edge.child), self._relation(edge.parent)
        try:
            self._run(
                f"SELECT 1 FROM {parent.path} p JOIN {sql.children(edge, child, ())} c"
                f" ON {self._link(edge, 'p', 'c')} LIMIT 0",
                edge.child,
            )
        except CannotProve as error:
            # A missing right is for ``rights`` to say, together with all the others.
            if error.key != "target.no-right":
                raise BadInput("operations.bad-condition", target=self._target, link=edge.label) from None
        if edge.path and child.kinds[edge.child_columns[0]] not in ("text", "json"):
            raise BadInput("operations.bad-condition", target=self._target, link=edge.label)
        indexed = sql.alike(edge, child, parent) and searchable(child, edge.child_columns)
        return replace(edge, indexed=indexed)

    def rights(self, needs: Iterable[Need]) -> tuple[str, ...]:
        """See ``Session``."""
        needs = list(needs)
        keys = [(self._relation(one.child), self._relation(one.parent)) for one in self.catalogue().edges]
        with translated(self._target):
            missing = missing_rights(
                lambda query: self._execute(query).fetchall(),
                self._flavour,
                self._database,
                [(need, self._relation(need.table)) for need in needs],
                keys,
                lambda relation: [
                    (one.schema, one.name) for one in sequences.of(self._ask, relation) if one.name
                ],
            )
        for need in needs:
            if need.deletes or need.inserts or need.columns:
                self._usable(need.table)
        return missing

    def holders(self, tables: Iterable[str]) -> tuple[Holder, ...]:  # noqa: ARG002 - the server knows no tables
        """See ``Session``."""
        with translated(self._target):
            return foresight.holders(
                lambda query, values: self._execute(query, values).fetchall(), self._database
            )

    def weight(self, table: str) -> int:
        """See ``Session``; from the server's statistics."""
        self._require_fit(table)
        relation = self._relation(table)
        return self._number(foresight.WEIGHT, table, [relation.schema, relation.name])

    def formulas(self, tables: Iterable[str]) -> tuple[str, ...]:
        """See ``Session``."""
        with translated(self._target):
            return tuple(
                f"{name}.{one.column}"
                for name in sorted(set(tables))
                for one in sequences.of(self._ask, self._relation(name))
                if not one.name
            )

    def _ask(self, query: str, values: Sequence[Any]) -> list[Sequence[Any]]:
        return list(self._execute(query, values).fetchall())

    def index_for(self, edge: Edge) -> str:
        """See ``Session``."""
        return foresight.index_for(self._relation(edge.child), edge)

    def size(self, table: str) -> int:
        """See ``Session``."""
        self._look()
        return self._number(f"SELECT COUNT(*) FROM {self._relation(table).path}", table)

    def find(self, table: str, column: str, text: str, limit: int) -> list[Row]:
        """See ``Session``."""
        self._look()
        relation = self._relation(table)
        condition = sql.typed(relation.kinds[column], f"t.{quote(column)}", text)
        if condition is None:
            return []
        key = sql.read("t", relation, self._table(table).key)
        query = f"SELECT {key} FROM {relation.path} t WHERE {condition[0]} LIMIT {int(limit)}{self._shared()}"
        return list(self._read(query, table, condition[1]))

    def sample(self, table: str, columns: Sequence[str], limit: int) -> list[Row]:
        """See ``Session``."""
        self._look()
        relation = self._relation(table)
        filled = " AND ".join(f"t.{quote(name)} IS NOT NULL" for name in columns)
        texts = ", ".join(
            f"{sql.shown(relation.kinds[name], f't.{quote(name)}')} AS c{place}"
            for place, name in enumerate(columns)
        )
        query = (
            f"SELECT DISTINCT * FROM (SELECT {texts} FROM {relation.path} t WHERE {filled}"
            f" LIMIT {sql.SAMPLED}) s LIMIT {int(limit)}"
        )
        return list(self._read(query, table))

    def seed(self, table: str, keys: Iterable[Row]) -> int:
        """See ``Session``."""
        work, relation = self._key_set(table), self._relation(table)
        self._look()
        new = 0
        for key in keys:
            where, values = self._is("t", table, key)
            if self.locking:
                new += self._write(
                    f"INSERT INTO {work.path} SELECT {sql.listed('t', work.columns)}, 0"
                    f" FROM {relation.path} t WHERE {where} FOR UPDATE{_once(work)}",
                    table,
                    values,
                )
            else:
                query = f"SELECT {sql.read('t', relation, work.columns)} FROM {relation.path} t WHERE {where}"
                new += self._load(work, list(self._read(query, table, values)), ", 0", _once(work))
        return new

    def grow(self, edge: Edge, found: int) -> int:
        """See ``Session``."""
        child, relation = self._key_set(edge.child), self._relation(edge.child)
        source = f"FROM {self._pointing(edge)} WHERE k.r = {int(found)}"
        if self.locking:
            new = self._write(
                f"INSERT INTO {child.path} SELECT {sql.listed('c', child.columns)}, {found + 1}"
                f" {source} FOR UPDATE{_once(child)}",
                edge.child,
            )
        else:
            query = f"SELECT {sql.read('c', relation, child.columns)} {source}"
            new = self._load(child, self._read(query, edge.child), f", {found + 1}", _once(child))
        if new:
            self._solid(child)
        return new

    def forget(self) -> None:
        """See ``Session``."""
        for work in (*self._keys.values(), *self._links.values()):
            self._run(f"DELETE FROM {work.path}", work.table)
        self._in_time()
        self.extend()

    def pointing(self, edge: Edge) -> int:
        """See ``Session``."""
        return self._number(f"SELECT COUNT(*) FROM {self._outside(edge)}{self._locked()}", edge.child)

    def note(self, edge: Edge) -> int:
        """See ``Session``."""
        links, relation = self._link_set(edge), self._relation(edge.child)
        source = f"FROM {self._outside(edge)}"
        if self.locking:
            count = self._write(
                f"INSERT INTO {links.path} SELECT {sql.listed('c', links.columns)} {source} FOR UPDATE",
                edge.child,
            )
        else:
            query = f"SELECT {sql.read('c', relation, links.columns)} {source}"
            count = self._load(links, self._read(query, edge.child))
        self._solid(links)
        return count

    def one(self, table: str, key: Row) -> Row | None:
        """See ``Session``."""
        self._look()
        relation = self._relation(table)
        columns = sql.read("t", relation, [column.name for column in self._table(table).stored])
        where, values = self._is("t", table, key)
        query = f"SELECT {columns} FROM {relation.path} t WHERE {where}{self._locked()}"
        return next(iter(list(self._read(query, table, values))), None)

    def taken(self, edge: Edge, columns: Sequence[str], heir: Row) -> int:
        """See ``Session``."""
        child, parent, links = self._relation(edge.child), self._relation(edge.parent), self._links[edge]
        tests = [
            self._clashing(edge, columns, unique) for unique in child.unique if set(columns) & set(unique)
        ]
        if not tests:
            return 0
        where, values = self._is("p", edge.parent, heir)
        query = (
            f"SELECT COUNT(*) FROM {links.path} n"
            f" JOIN {child.path} t ON {sql.matched('t', links, 'n')}"
            f" JOIN {parent.path} p ON {where} WHERE {' OR '.join(tests)}{self._shared()}"
        )
        return self._number(query, edge.child, values)

    def _clashing(self, edge: Edge, columns: Sequence[str], unique: Sequence[str]) -> str:
        """Another row ``u`` will share the values of a unique key with ``t``, once both have moved."""
        child, links = self._relation(edge.child), self._links[edge]
        moved = dict(sql.moved(edge, self._relation(edge.parent), columns))
        new = " AND ".join(f"u.{quote(name)} = {moved[name]}" for name in unique if name in moved)
        moving = f"EXISTS (SELECT 1 FROM {links.path} m WHERE {sql.matched('u', links, 'm')})"
        parts = [
            f"NOT ({sql.matched('u', links, 'n')})",
            f"({moving} OR ({new}))",
            *(f"u.{quote(name)} = t.{quote(name)}" for name in unique if name not in columns),
        ]
        return f"EXISTS (SELECT 1 FROM {child.path} u WHERE {' AND '.join(parts)}{self._shared()})"

    def loose(self, edge: Edge) -> int:
        """See ``Session``."""
        if edge.child not in self._keys:
            return 0
        child, parent, keys = self._relation(edge.child), self._relation(edge.parent), self._keys[edge.child]
        below = sql.children(edge, child, keys.key)
        return self._number(
            f"SELECT COUNT(*) FROM {keys.path} k JOIN {below} c ON {sql.matched('c', keys, 'k')}"
            f" WHERE {sql.filled(edge, [f'c.{quote(name)}' for name in edge.child_columns])} AND NOT EXISTS"
            f" (SELECT 1 FROM {parent.path} p WHERE {self._link(edge, 'p', 'c')}{self._shared()})"
            f"{self._shared()}",
            edge.child,
        )

    def keys(self, table: str) -> Iterator[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return iter(())
        work = self._keys[table]
        return self._read(
            f"SELECT {sql.read_cells('k', self._relation(table), work)} FROM {work.path} k", table
        )

    def rows(self, table: str) -> Iterator[Row]:
        """See ``Session``."""
        if table not in self._keys:
            return iter(())
        self._require_fit(table)
        self._require_plain(table)
        relation, keys = self._relation(table), self._keys[table]
        columns = sql.read("t", relation, [column.name for column in self._table(table).stored])
        return self._read(
            f"SELECT {columns} FROM {keys.path} k JOIN {relation.path} t ON {sql.matched('t', keys, 'k')}"
            f"{self._shared()}",
            table,
        )

    def links(self, edge: Edge) -> Iterator[Row]:
        """See ``Session``."""
        work = self._links[edge]
        cells = sql.read_cells("n", self._relation(edge.child), work)
        return self._read(f"SELECT {cells} FROM {work.path} n", edge.child)

    def _require_fit(self, table: str) -> None:
        """Every row of the key set goes through the wire whole, both ways, each byte written with two signs.

        What a function would make longer than a packet, the server replaces by NULL and says nothing.

        Raises:
            CannotProve: a row is too large, and what to set.
        """
        stored, keys = self._table(table).stored, self._keys.get(table)
        wide = [column.name for column in stored if column.type.startswith(sql.WIDE)]
        if not wide or keys is None:
            return
        packet = self._number("SELECT @@max_allowed_packet", table)
        if _could_be(stored) <= packet:
            return
        size = " + ".join(f"COALESCE(OCTET_LENGTH(t.{quote(name)}), 0)" for name in wide)
        largest = self._number(
            f"SELECT COALESCE(MAX({size}), 0) FROM {keys.path} k"
            f" JOIN {self._relation(table).path} t ON {sql.matched('t', keys, 'k')}{self._shared()}",
            table,
        )
        needed = 2 * largest + _BESIDE
        if largest and needed > packet:
            raise CannotProve(
                "target.too-large",
                target=self._target,
                table=table,
                size=-(-largest // _MEGABYTE),
                most=packet // _MEGABYTE,
                needed=-(-needed // _MEGABYTE),
            )

    def _require_plain(self, table: str) -> None:
        """Every JSON of the key set is what its text says: a date inside would come back as a text.

        Raises:
            CannotProve: one is not, and what to do.
        """
        keys, relation = self._keys[table], self._relation(table)
        for column in self._table(table).stored:
            if relation.kinds[column.name] != "json":
                continue
            value = f"t.{quote(column.name)}"
            parsed = f"CAST(CAST({value} AS CHAR) AS JSON)"
            odd = self._number(
                f"SELECT COUNT(*) FROM {keys.path} k JOIN {relation.path} t ON {sql.matched('t', keys, 'k')}"
                f" WHERE NOT {sql.same('json', value, parsed)}{self._shared()}",
                table,
            )
            if odd:
                cell = quote(column.name)
                plain = f"UPDATE {relation.path} SET {cell} = CAST(CAST({cell} AS CHAR) AS JSON)"
                raise CannotProve("target.json", target=self._target, table=table, n=odd, statement=plain)

    def _is(self, alias: str, table: str, key: Row) -> tuple[str, list[Any]]:
        """A row has this key: the condition, and what fills it."""
        relation, parts, values = self._relation(table), [], []
        with translated(self._target, table):
            for name, value in zip(self._table(table).key, key, strict=True):
                place, bound = sql.compared(relation.kinds[name], str(value))
                parts.append(f"{alias}.{quote(name)} = {place}")
                values.append(bound)
        return " AND ".join(parts), values

    def _pointing(self, edge: Edge) -> str:
        """FROM: a key set ``k``, its rows ``p``, and their children ``c``."""
        parents = self._key_set(edge.parent)
        self._look()
        parent, child = self._relation(edge.parent), self._relation(edge.child)
        below = sql.children(edge, child, self._table(edge.child).key)
        return (
            f"{parents.path} k JOIN {parent.path} p ON {sql.matched('p', parents, 'k')}"
            f" JOIN {below} c ON {self._link(edge, 'p', 'c')}"
        )

    def _outside(self, edge: Edge) -> str:
        """FROM and WHERE of the children of a key set that are in none themselves."""
        source, own = self._pointing(edge), self._keys.get(edge.child)
        if own is None:
            return source
        return f"{source} WHERE NOT EXISTS (SELECT 1 FROM {own.path} x WHERE {sql.matched('c', own, 'x')})"


def _could_be(columns: Iterable[TableColumn]) -> float:
    """The bytes of the largest statement that one row with these columns can need; no row is looked at."""
    wide = [column.type for column in columns if column.type.startswith(sql.WIDE)]
    return 2 * sum(_SHORT if kind in ("text", "blob") else math.inf for kind in wide) + _BESIDE


def _once(work: WorkTable) -> str:
    """Nothing happens to a key that is in the set already."""
    return f" ON DUPLICATE KEY UPDATE r = {work.path}.r"
