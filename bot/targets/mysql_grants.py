"""What a MariaDB server has granted, read off SHOW GRANTS. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = re.compile(r"`(?:[^`]|``)*`")
#: Once every name is a number between two backticks.
_GRANT = re.compile(r"GRANT (.*?) ON (?:TABLE )?(\*|`\d+`)\.(\*|`\d+`) TO ")
_COLUMNS = re.compile(r" ?\([^()]*\)")
_ALL = frozenset({"ALL", "ALL PRIVILEGES"})


@dataclass(frozen=True)
class Granted:
    """What was granted: everywhere, by pattern of a database, by table."""

    everywhere: frozenset[str]
    databases: tuple[tuple[str, frozenset[str]], ...]
    tables: tuple[tuple[str, str, frozenset[str]], ...]

    @property
    def everything(self) -> bool:
        """Nothing can be hidden from somebody who may see every table and its keys."""
        return bool(_ALL & self.everywhere) or {"SELECT", "DELETE"} <= self.everywhere

    def may(self, right: str, schema: str, table: str = "") -> bool:
        """Whether the right holds for a whole table; a right on some of its columns is none."""
        wanted = {right, *_ALL}
        return (
            bool(wanted & self.everywhere)
            or any(wanted & rights and like(pattern, schema) for pattern, rights in self.databases)
            or any(wanted & rights and (schema, table) == (one, two) for one, two, rights in self.tables)
        )


def read(lines: Iterable[str]) -> Granted:
    """The lines of SHOW GRANTS; those that give no right on tables are left out."""
    everywhere: set[str] = set()
    databases: list[tuple[str, frozenset[str]]] = []
    tables: list[tuple[str, str, frozenset[str]]] = []
    for line in lines:
        names: list[str] = []

        def number(found: re.Match[str], names: list[str] = names) -> str:
            names.append(found[0][1:-1].replace("``", "`"))
            return f"`{len(names) - 1}`"

        grant = _GRANT.match(_NAME.sub(number, line))
        if grant is None:
            continue
        rights = frozenset(_whole(grant[1]))
        schema, table = (None if part == "*" else names[int(part[1:-1])] for part in grant.group(2, 3))
        if schema is None:
            everywhere |= rights
        elif table is None:
            databases.append((schema, rights))
        else:
            tables.append((schema, table, rights))
    return Granted(frozenset(everywhere), tuple(databases), tuple(tables))


def _whole(rights: str) -> Iterable[str]:
    """The rights that hold for all columns."""
    marked = _COLUMNS.sub("()", rights)
    return (one for one in marked.split(", ") if not one.endswith("()"))


def like(pattern: str, name: str) -> bool:
    """A database named by a pattern, as GRANT reads it."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(
        re.escape(part[1:]) if part.startswith("\\") and len(part) == 2 else wild.get(part) or re.escape(part)
        for part in parts
    )
    return re.fullmatch(expression, name, re.DOTALL) is not None
