"""What our user may not do, as the statements that would allow it."""
# ruff: noqa: S608 - nothing but our own constants goes into these queries

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.targets.base import Need
from bot.targets.mysql_catalogue import decoded
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

    @property
    def everything(self) -> bool:
        """Nothing can be hidden from somebody who may see every table and its keys."""
        return {"SELECT", "DELETE"} <= self.everywhere

    def may(self, right: str, schema: str, table: str = "") -> bool:
        """Whether the right holds for a whole table; a right on some of its columns is none."""
        return (
            right in self.everywhere
            or any(one == right and _like(pattern, schema) for pattern, one in self.databases)
            or (schema, table, right) in self.tables
        )


def missing_rights(
    ask: Ask,
    database: str,
    needs: Sequence[tuple[Need, Relation]],
    keys: Iterable[tuple[Relation, Relation]],
    sequences: Callable[[Relation], Iterable[tuple[str, str]]],
) -> tuple[str, ...]:
    """Each statement once, in the order in which they must be run.

    ``keys``: children and parents we know. ``sequences``: database and name of those that number a table.
    """
    (user,) = next(iter(ask("SELECT CURRENT_USER()")))
    name, _, host = (user or "").rpartition("@")
    whom = f"{_text(name)}@{_text(host)}"
    granted = _granted(ask, whom)
    found: list[str] = []
    if not granted.may("PROCESS", ""):
        # Without it, keys of other databases that point into ours are invisible, and cascade in silence.
        found.append(f"GRANT PROCESS ON *.* TO {whom}")
    else:
        going = [relation for need, relation in needs if need.deletes]
        found += [] if granted.everything else _hidden(ask, whom, going, keys)
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
        for place in sequences(relation) if need.inserts else ():
            # What numbers the rows must be able to go on past those that come back.
            missing = [right for right in ("SELECT", "INSERT") if not granted.may(right, *place)]
            if missing:
                path = f"{quote(place[0])}.{quote(place[1])}"
                found.append(f"GRANT {', '.join(missing)} ON {path} TO {whom}")
    return tuple(dict.fromkeys(found))


def _hidden(
    ask: Ask, whom: str, going: Iterable[Relation], keys: Iterable[tuple[Relation, Relation]]
) -> Iterator[str]:
    """Tables with keys into ours that the engine knows and we do not.

    The server shows the keys of a table only to whoever may do more with it than read.
    """
    ours = {(one.schema, one.name) for one in going}
    known = {((child.schema, child.name), (parent.schema, parent.name)) for child, parent in keys}
    for row in ask("SELECT DISTINCT FOR_NAME, REF_NAME FROM information_schema.INNODB_SYS_FOREIGN"):
        child, parent = (_place(str(name)) for name in row)
        if parent in ours and (child, parent) not in known:
            yield f"GRANT SELECT, DELETE, UPDATE ON {quote(child[0])}.{quote(child[1])} TO {whom}"


def _place(name: str) -> tuple[str, str]:
    schema, _, table = name.partition("/")
    return decoded(schema), decoded(table)


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
