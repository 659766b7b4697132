"""What a MariaDB or MySQL server has granted, read off SHOW GRANTS. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NAME = re.compile(r"`(?:[^`]|``)*`")
#: Once every name is a number between two backticks.
_GRANT = re.compile(r"(GRANT|REVOKE) (.*?) ON (?:TABLE )?(\*|`\d+`)\.(\*|`\d+`) (?:TO|FROM) ")
_COLUMNS = re.compile(r" ?\([^()]*\)")
_ALL = frozenset({"ALL", "ALL PRIVILEGES"})
#: What MySQL writes out, on all of the server, of somebody who has each of them.
_EACH = frozenset(
    {
        *(
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "CREATE",
            "DROP",
            "REFERENCES",
            "INDEX",
            "ALTER",
            "EXECUTE",
        ),
        *("CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE VIEW", "SHOW VIEW"),
        *("CREATE ROUTINE", "ALTER ROUTINE", "EVENT", "TRIGGER"),
    }
)


@dataclass(frozen=True)
class Granted:
    """What was granted: everywhere, by pattern of a database, by table.

    ``revoked``: in which databases some of everywhere does not hold. ``literal``: a database's name is no
    pattern, as on a server where rights may be revoked like that.
    """

    everywhere: frozenset[str]
    databases: tuple[tuple[str, frozenset[str]], ...]
    tables: tuple[tuple[str, str, frozenset[str]], ...]
    revoked: tuple[tuple[str, frozenset[str]], ...] = ()
    literal: bool = False

    @property
    def everything(self) -> bool:
        """Nothing can be hidden from somebody who may see every table and its keys."""
        return not self.revoked and (bool(_ALL & self.everywhere) or {"SELECT", "DELETE"} <= self.everywhere)

    def may(self, right: str, schema: str, table: str = "") -> bool:
        """Whether the right holds for a whole table; a right on some of its columns is none."""
        wanted, each = {right, *_ALL}, _EACH if right in _ALL else frozenset({right})
        taken = any(schema in ("", one) and each & gone for one, gone in self.revoked)
        return (
            (not taken and bool(wanted & self.everywhere or each <= self.everywhere))
            or any(wanted & rights and self._means(pattern, schema) for pattern, rights in self.databases)
            or any(wanted & rights and (schema, table) == (one, two) for one, two, rights in self.tables)
        )

    def _means(self, pattern: str, schema: str) -> bool:
        return pattern == schema if self.literal else like(pattern, schema)


def read(lines: Iterable[str], *, literal: bool = False) -> Granted:
    """The lines of SHOW GRANTS; those that give no right on tables are left out."""
    everywhere: set[str] = set()
    databases: list[tuple[str, frozenset[str]]] = []
    tables: list[tuple[str, str, frozenset[str]]] = []
    revoked: list[tuple[str, frozenset[str]]] = []
    for line in lines:
        names: list[str] = []

        def number(found: re.Match[str], names: list[str] = names) -> str:
            names.append(found[0][1:-1].replace("``", "`"))
            return f"`{len(names) - 1}`"

        grant = _GRANT.match(_NAME.sub(number, line))
        if grant is None:
            continue
        rights = frozenset(_whole(grant[2]))
        schema, table = (None if part == "*" else names[int(part[1:-1])] for part in grant.group(3, 4))
        if grant[1] == "REVOKE":
            revoked.append((schema or "", rights))
        elif schema is None:
            everywhere |= rights
        elif table is None:
            databases.append((schema, rights))
        else:
            tables.append((schema, table, rights))
    return Granted(frozenset(everywhere), tuple(databases), tuple(tables), tuple(revoked), literal)


def _whole(rights: str) -> Iterable[str]:
    """The rights that hold for all columns."""
    marked = _COLUMNS.sub("()", rights)
    return (one for one in re.split(", ?", marked) if not one.endswith("()"))


def like(pattern: str, name: str) -> bool:
    """A database named by a pattern, as GRANT reads it."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(
        re.escape(part[1:]) if part.startswith("\\") and len(part) == 2 else wild.get(part) or re.escape(part)
        for part in parts
    )
    return re.fullmatch(expression, name, re.DOTALL) is not None
