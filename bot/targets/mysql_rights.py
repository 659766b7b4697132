"""What our user may not do, as the statements that would allow it."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.targets.base import Need
from bot.targets.mysql_sql import Relation, quote


Ask = Callable[[str], Iterable[Sequence[str | None]]]

_USER = "information_schema.USER_PRIVILEGES"
_SCHEMA = "information_schema.SCHEMA_PRIVILEGES"
_TABLE = "information_schema.TABLE_PRIVILEGES"


@dataclass(frozen=True)
class _Granted:
    """What was granted: everywhere, by pattern of a database, by table."""

    everywhere: frozenset[str]
    databases: tuple[tuple[str, str], ...]
    tables: frozenset[tuple[str, str, str]]

    def may(self, right: str, schema: str, table: str = "") -> bool:
        """Whether the right holds for a whole table; a right on some of its columns is none."""
        return (
            right in self.everywhere
            or any(one == right and _like(pattern, schema) for pattern, one in self.databases)
            or (schema, table, right) in self.tables
        )


def missing_rights(ask: Ask, database: str, needs: Iterable[tuple[Need, Relation]]) -> tuple[str, ...]:
    """Each statement once, in the order in which they must be run."""
    (user,) = next(iter(ask("SELECT CURRENT_USER()")))
    name, _, host = (user or "").rpartition("@")
    whom = f"{_text(name)}@{_text(host)}"
    granted = _granted(ask, whom)
    found: list[str] = []
    if not granted.may("PROCESS", ""):
        # Without it, keys of other databases that point into ours are invisible, and would cascade in silence.
        found.append(f"GRANT PROCESS ON *.* TO {whom}")
    if not granted.may("CREATE TEMPORARY TABLES", database):
        found.append(f"GRANT CREATE TEMPORARY TABLES ON {quote(database)}.* TO {whom}")
    for need, relation in needs:
        missing = [
            right
            for right in dict.fromkeys(_wanted(need))
            if not granted.may(right, relation.schema, relation.name)
        ]
        if missing:
            found.append(f"GRANT {', '.join(missing)} ON {relation.path} TO {whom}")
    return tuple(dict.fromkeys(found))


def _granted(ask: Ask, whom: str) -> _Granted:
    """What holds for the user and for the role that is set."""
    (role,) = next(iter(ask("SELECT CURRENT_ROLE()")))
    grantees = {whom, *([f"{_text(role)}@''", _text(role)] if role else [])}
    everywhere = frozenset(
        str(right)
        for grantee, right in ask(f"SELECT GRANTEE, PRIVILEGE_TYPE FROM {_USER}")
        if grantee in grantees
    )
    databases = tuple(
        (str(schema), str(right))
        for grantee, schema, right in ask(f"SELECT GRANTEE, TABLE_SCHEMA, PRIVILEGE_TYPE FROM {_SCHEMA}")
        if grantee in grantees
    )
    tables = frozenset(
        (str(schema), str(table), str(right))
        for grantee, schema, table, right in ask(
            f"SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE FROM {_TABLE}"
        )
        if grantee in grantees
    )
    return _Granted(everywhere, databases, tables)


def _wanted(need: Need) -> Iterator[str]:
    yield "SELECT"
    if need.deletes:
        yield "DELETE"
    if need.inserts:
        yield "INSERT"
    # Rows of a circle of keys are emptied before they go and after they came back.
    if need.columns or need.deletes or need.holds:
        yield "UPDATE"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _like(pattern: str, name: str) -> bool:
    """A database named by a pattern, as GRANT reads it."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(
        re.escape(part[1:]) if part.startswith("\\") and len(part) == 2 else wild.get(part) or re.escape(part)
        for part in parts
    )
    return re.fullmatch(expression, name, re.DOTALL) is not None
