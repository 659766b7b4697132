"""Rows of a MariaDB database whose columns name something."""
# ruff: noqa: S608 - every name goes through quote(), every value is bound

from collections.abc import Sequence

from bot.targets import mysql_sql as sql
from bot.targets import naming
from bot.targets.base import Named
from bot.targets.mysql_catalogue import searchable
from bot.targets.mysql_errors import translated
from bot.targets.mysql_meeting import MysqlMeeting
from bot.targets.mysql_sql import PLACE, Bound, Relation, quote

_COLLATION = (
    "SELECT COLLATION_NAME FROM information_schema.COLUMNS"
    f" WHERE TABLE_SCHEMA = {PLACE} AND TABLE_NAME = {PLACE} AND COLUMN_NAME = {PLACE}"
)


class MysqlNaming(MysqlMeeting):
    """See ``bot.targets.base.Session``."""

    def naming(
        self, table: str, column: str, texts: Sequence[str], limit: int, seconds: float, *, only: bool = False
    ) -> Named:
        """See ``Session``."""
        self._look()
        relation, about = self._relation(table), self._table(table)
        found = about.column(column)
        long = not only and naming.is_long(found.type if found else "")
        folds = self._folds(relation, column)
        tests: list[str] = []
        values: list[Bound] = []
        for text in texts:
            inside = long and len(text) >= naming.SHORTEST
            for one in naming.spellings(text, inside=inside):
                if only:
                    test = sql.typed(relation.kinds[column], f"t.{quote(column)}", one)
                else:
                    test = _test(relation, column, one, inside=inside, folds=folds)
                if test is not None:
                    tests.append(f"({test[0]})")
                    values += test[1]
        if not tests:
            return Named(())
        key = sql.read("t", relation, about.key) or "''"
        query = f"SELECT {key} FROM {relation.path} t WHERE ({' OR '.join(tests)})"
        own = self._keys.get(table)
        if own is not None:
            same = sql.matched("t", own, "x")
            query += f" AND NOT EXISTS (SELECT 1 FROM {own.path} x WHERE {same})"
        bounded = self._flavour.bounded(
            f"{query} LIMIT {int(limit)}{self._locked() if only else ''}", seconds
        )
        with translated(self._target, table):
            keys = self._execute(bounded, values).fetchall()
        return Named(tuple(map(tuple, keys)), _missing(relation, column, texts, long=long, folds=folds))

    def _folds(self, relation: Relation, column: str) -> bool:
        """Whether the column itself, and so its index, does not tell small letters and capitals apart."""
        with translated(self._target):
            row = self._execute(_COLLATION, [relation.schema, relation.name, column]).fetchone()
        return row is not None and str(row[0] or "").endswith("_ci")


def _missing(relation: Relation, column: str, texts: Sequence[str], *, long: bool, folds: bool) -> str:
    """The statement of the index that would help, if there is none."""
    exact = all(folds or not naming.ignores_case(text) for text in texts)
    if long or not exact or searchable(relation, (column,)):
        return ""
    return f"ALTER TABLE {relation.path} ADD INDEX ({quote(column)})"


def _test(
    relation: Relation, column: str, text: str, *, inside: bool, folds: bool
) -> tuple[str, list[Bound]] | None:
    kind, name = relation.kinds[column], f"t.{quote(column)}"
    if kind == "bytes":
        raw: list[Bound] = [text.encode().hex()]
        return (f"LOCATE(UNHEX({PLACE}), {name}) > 0" if inside else f"{name} = UNHEX({PLACE})"), raw
    if kind not in ("text", "json") or not (inside or naming.ignores_case(text)):
        return sql.typed(kind, name, text)
    here, there = f"CONVERT({name} USING utf8mb4)", PLACE
    if naming.ignores_case(text):
        here, there = f"LOWER({here})", f"LOWER({there})"
    if inside:
        return f"LOCATE(BINARY {there}, BINARY {here}) > 0", [text]
    if folds:
        return f"{name} = {PLACE} AND BINARY {here} = BINARY {there}", [text, text]
    return f"BINARY {here} = BINARY {there}", [text]
