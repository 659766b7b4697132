"""What a whole PostgreSQL database adds up to.

Two questions need two answers. *Is this the very database, untouched?* is answered by the rows of its own
catalogue, numbers and all (``catalogue``). *Did everything come back out of the backup?* is answered by names
and shapes (``objects``), because a restored database has other numbers. Rows add up the same in both.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from bot.errors import NotOurs
from bot.targets import postgresql_questions as queries
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_people import Role, known
from bot.targets.postgresql_sql import constant, quote
from bot.targets.postgresql_sums import Seeds, digest, sum_of, sum_rows, told
from bot.targets.reporting import SILENT, Report

#: Beginning of the settings in which we note something at a database.
OURS = "countersign."
_MADE = {
    "owner",
    "encoding",
    "datcollate",
    "datctype",
    "datlocprovider",
    "daticulocale",
    "datlocale",
    "datconnlimit",
}
_RAW_SETTINGS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


@dataclass(frozen=True)
class DatabaseFacts:
    """A whole database at one moment.

    ``tables``: rows and sum by ``schema.table``. ``sequences``: where each stands. ``large``: number and sum
    of large objects. ``made``: how the database itself was made (owner, encoding, locale). ``settings``:
    (role or empty, ``name=value``). ``grants``: (grantee or empty for everybody, privilege, with the option
    to grant), or None where it has the usual ones. ``roles``: whom the restored database needs, ``people``:
    the same with what they may, if that was written down. ``seeds``: of the sums, and their form. ``sha256``:
    of the dump.
    """

    number: int
    seeds: Seeds
    tables: Mapping[str, tuple[int, str]]
    sequences: Mapping[str, str]
    large: tuple[int, str]
    catalogue: str
    objects: str
    made: Mapping[str, Any]
    settings: tuple[tuple[str, str], ...]
    grants: tuple[tuple[str, str, bool], ...] | None
    comment: str | None
    roles: tuple[str, ...]
    size: int
    sha256: str = ""
    people: tuple[Role, ...] = ()

    @property
    def whom(self) -> tuple[Role, ...]:
        """Whom the restored database needs; of an older backup the names are known, and nothing else."""
        return self.people or tuple(Role(name, {}) for name in self.roles)

    @property
    def rows(self) -> int:
        """Over all tables."""
        return sum(rows for rows, _ in self.tables.values())

    def is_same_content(self, other: Self) -> bool:
        """Whether both hold the same rows in the same shapes, as a restore must bring them back."""
        return self._content == other._content

    def is_same_database(self, other: Self) -> bool:
        """Whether this is the very database, and nothing in it was changed."""
        mine, theirs = (self.number, self.catalogue), (other.number, other.catalogue)
        return mine == theirs and self.is_same_content(other)

    @property
    def _content(self) -> Self:
        return replace(self, number=0, catalogue="", size=0, sha256="", roles=(), people=())

    def dump(self) -> bytes:
        """JSON of it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote; NotOurs when it is something else."""
        try:
            body = json.loads(raw)
            body["seeds"] = Seeds.of(body["seeds"])
            body["tables"] = {name: (rows, total) for name, (rows, total) in body["tables"].items()}
            body["large"] = tuple(body["large"])
            body["settings"] = tuple(map(tuple, body["settings"]))
            body["grants"] = None if body["grants"] is None else tuple(map(tuple, body["grants"]))
            body["roles"] = tuple(body["roles"])
            body["people"] = tuple(map(Role.of, body.get("people", ())))
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotOurs("backups.damaged") from None


def facts(connection: Connection, seeds: Seeds, report: Report = SILENT) -> DatabaseFacts:
    """Everything about the database of a connection, which decides what moment it sees."""
    tables = [(name, relation) for name, relation in connection.execute(queries.TABLES).fetchall()]
    sequences = connection.execute(queries.SEQUENCES).fetchall()
    row = connection.execute(queries.DATABASE).fetchone()
    assert row is not None
    number, size, made, grants, comment = row
    roles = tuple(name for (name,) in connection.execute(queries.ROLES))
    return DatabaseFacts(
        number=number,
        seeds=seeds,
        tables={name: told(sum_rows(connection, relation, seeds), report) for name, relation in tables},
        sequences={name: stands(connection, relation) for name, relation in sequences},
        large=sum_of(connection, queries.LARGE, seeds),
        catalogue=digest(connection, queries.CATALOGUE, seeds),
        objects=digest(connection, queries.OBJECTS, seeds),
        made=lasting(made),
        settings=tuple(sorted((role, setting) for role, setting in connection.execute(queries.SETTINGS))),
        grants=None if grants is None else tuple(sorted((who, what, bool(may)) for who, what, may in grants)),
        comment=comment,
        roles=roles,
        people=known(connection, roles),
        size=size,
    )


def lasting(made: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the server's row of a database: how it was made."""
    return {name: value for name, value in made.items() if name in _MADE}


def count(connection: Connection, tables: str = queries.TABLES) -> int:
    """Rows of all tables; ``tables``: the query that gives each with the way it is written."""
    total = 0
    for _, relation in connection.execute(tables.encode()).fetchall():
        row = connection.execute(f"SELECT count(*) FROM ONLY {relation}".encode()).fetchone()  # noqa: S608 - quoted by the server
        total += row[0] if row else 0
    return total


def making(made: Mapping[str, Any], database: str) -> str:
    """The statement that makes an empty database like the one that was (``DatabaseFacts.made``)."""
    parts = [
        f"CREATE DATABASE {quote(database)} OWNER {quote(made['owner'])} TEMPLATE template0",
        f"ENCODING{constant(made['encoding'])} LC_COLLATE{constant(made['datcollate'])}",
        f"LC_CTYPE{constant(made['datctype'])}",
    ]
    locale = made.get("datlocale") or made.get("daticulocale")
    if made.get("datlocprovider") == "i" and locale:
        parts.append(f"LOCALE_PROVIDER icu ICU_LOCALE{constant(locale)}")
    if made.get("datlocprovider") == "b" and locale:
        parts.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE{constant(locale)}")
    return " ".join(parts)


def dressing(wanted: DatabaseFacts, database: str) -> Sequence[str]:
    """The statements that give it what a dump of its content does not hold: settings, grants, a comment."""
    name = quote(database)
    found = [f"ALTER DATABASE {name} CONNECTION LIMIT {int(wanted.made['datconnlimit'])}"]
    for role, setting in wanted.settings:
        where = f"ALTER ROLE {quote(role)} IN DATABASE {name}" if role else f"ALTER DATABASE {name}"
        found.append(f"{where} {assigned(setting)}")
    if wanted.grants is not None:
        found += [
            f"REVOKE ALL ON DATABASE {name} FROM {who}" for who in ("PUBLIC", quote(wanted.made["owner"]))
        ]
        found += [
            f"GRANT {what} ON DATABASE {name} TO {quote(who) if who else 'PUBLIC'}"
            + (" WITH GRANT OPTION" if may else "")
            for who, what, may in wanted.grants
        ]
    if wanted.comment is not None:
        found.append(f"COMMENT ON DATABASE {name} IS{constant(wanted.comment)}")
    return found


def assigned(setting: str) -> str:
    """``name=value``, as the server keeps a setting, as the end of a statement that makes it."""
    variable, _, value = setting.partition("=")
    written = value if variable in _RAW_SETTINGS else constant(value)
    return f"SET {_variable(variable)} TO {written}"


def _variable(name: str) -> str:
    return ".".join(map(quote, name.split(".")))


def stands(connection: Connection, relation: str) -> str:
    """Where a sequence stands."""
    row = connection.execute(f"SELECT last_value, is_called FROM {relation}".encode()).fetchone()  # noqa: S608 - quoted by the server
    assert row is not None
    return f"{row[0]} {row[1]}"
