"""What a whole database of MariaDB or MySQL adds up to.

A table is its own definition as the server writes it (columns, keys, checks, partitions, where it counts on),
the number of its rows and a sum over them. The rest is in ``mysql_definitions``.
"""
# ruff: noqa: S608 - every name goes through quote()

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from bot.errors import NotOurs
from bot.targets.mysql_accounts import Grant, grants
from bot.targets.mysql_admin import Server
from bot.targets.mysql_catalogue import decoded
from bot.targets.mysql_definitions import Definition, Only, definitions, triggers_of
from bot.targets.mysql_rows import Sums
from bot.targets.mysql_sql import quote
from bot.targets.reporting import SILENT, Report

#: The table of ours in which we write down what belongs to a database that is set aside.
BOOK = "countersign_book"
_SIZE = """
SELECT TABLE_NAME, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0) FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = %s
"""


@dataclass(frozen=True)
class Frame:
    """What is around the tables, and what a rename of them leaves behind.

    ``made``: character set, collation and comment of the database itself.
    """

    made: tuple[str, str, str]
    definitions: tuple[Definition, ...]
    grants: tuple[Grant, ...]

    @classmethod
    def read(cls, server: Server, database: str, only: Only = None) -> Self:
        """That of a database, or of some tables of it."""
        made, given = made_as(server, database), grants(server, database)
        if only is None:
            return cls(made, definitions(server, database), given)
        theirs = tuple(one for one in given if one[2] == "TABLE" and one[3] in only)
        return cls(made, tuple(triggers_of(server, database, only)), theirs)

    def plain(self) -> dict[str, Any]:
        """JSON of it."""
        return asdict(self)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` wrote."""
        character_set, collation, comment = plain["made"]
        found = tuple(Definition.of(one) for one in plain["definitions"])
        return cls((character_set, collation, comment), found, tuple(tuple(one) for one in plain["grants"]))

    @property
    def accounts(self) -> set[str]:
        """Whom it needs: whoever has rights, and in whose name things run."""
        return {who for who, *_ in self.grants} | {one.definer for one in self.definitions if one.definer}

    @property
    def still(self) -> Self:
        """What can be made again where nothing must happen by itself."""
        kept = tuple(one for one in self.definitions if one.kind != "event")
        return replace(self, definitions=kept, grants=(), made=(*self.made[:2], ""))


@dataclass(frozen=True)
class DatabaseFacts:
    """A whole database at one moment.

    ``tables``: rows, sum and definition. ``sequences``: definition, and where each stands. ``seed``: of the
    sums. ``sha256``: of the rows in the backup.
    """

    seed: str
    tables: Mapping[str, tuple[int, str, str]]
    sequences: Mapping[str, tuple[str, ...]]
    frame: Frame
    size: int
    sha256: str = ""

    @property
    def rows(self) -> int:
        """Over all tables."""
        return sum(rows for rows, *_ in self.tables.values())

    def is_same_content(self, other: Self) -> bool:
        """Whether both hold the same rows in the same shapes; rights may have changed since."""
        mine, theirs = replace(self.frame, grants=()), replace(other.frame, grants=())
        return (self.tables, self.sequences, mine) == (other.tables, other.sequences, theirs)

    def dump(self) -> bytes:
        """JSON of it."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """What ``dump`` wrote; NotOurs when it is something else."""
        try:
            body = json.loads(raw)
            body["tables"] = {name: tuple(one) for name, one in body["tables"].items()}
            body["sequences"] = {name: tuple(one) for name, one in body["sequences"].items()}
            body["frame"] = Frame.of(body["frame"])
            return cls(**body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotOurs("backups.damaged") from None


def facts(
    server: Server, database: str, sums: Sums, frame: Frame, report: Report = SILENT, only: Only = None
) -> DatabaseFacts:
    """Everything but our own book, or ``only`` these; the connection decides what moment its rows are of."""
    server.use(database)
    kinds = {name: kind for name, kind in server.tables(database).items() if is_in(name, only)}
    tables = {}
    for name in sorted(name for name, kind in kinds.items() if kind == "BASE TABLE"):
        rows, summed = sums.of(server, database, name)
        tables[name] = (rows, summed, _definition(server, name))
        report.add("tables")
        report.add("rows", rows)
    sequences = {
        name: (_definition(server, name, "SEQUENCE"), *server.ask(f"SELECT * FROM {quote(name)}")[0])
        for name, kind in sorted(kinds.items())
        if kind == "SEQUENCE"
    }
    return DatabaseFacts(sums.seed, tables, sequences, frame, size(server, database, only))


def numbers(server: Server, database: str, only: Only = None) -> Mapping[str, str]:
    """The engine's own numbers of the tables that are there; one made since has another."""
    found: dict[str, list[str]] = {}
    for path, number in server.ask(server.kind.numbers):
        schema, _, name = path.partition("/")
        table = decoded(re.sub("#p#.*", "", name, flags=re.IGNORECASE))
        if server.same(decoded(schema), database) and is_in(table, only):
            found.setdefault(table, []).append(number)
    return {table: " ".join(sorted(held)) for table, held in found.items()}


def is_in(name: str, only: Only) -> bool:
    """Whether a table is one of these; our own book is none."""
    return name != BOOK and (only is None or name in only)


def size(server: Server, database: str, only: Only = None) -> int:
    """Bytes on the server's disk, about."""
    return sum(int(held) for name, held in server.ask(_SIZE, (database,)) if only is None or name in only)


def count(server: Server, database: str, only: Only = None) -> int:
    """Rows of all tables, or of ``only`` these."""
    kinds = server.tables(database)
    names = [name for name, kind in kinds.items() if kind == "BASE TABLE" and (only is None or name in only)]
    asked = (server.ask(f"SELECT COUNT(*) FROM {quote(database)}.{quote(name)}") for name in names)
    return sum(int(rows[0][0]) for rows in asked)


def furnishing(wanted: DatabaseFacts) -> list[str]:
    """The statements that make the tables and sequences in an empty database, without rows. Pure."""
    found: list[str] = []
    for name, (create, *stands) in wanted.sequences.items():
        values = ", ".join(str(int(one)) for one in stands)
        found += [create, f"INSERT INTO {quote(name)} VALUES ({values})"]
    return found + [create for *_, create in wanted.tables.values()]


def _definition(server: Server, name: str, kind: str = "TABLE") -> str:
    return str(server.ask(f"SHOW CREATE {kind} {quote(name)}")[0][1])


def made_as(server: Server, database: str) -> tuple[str, str, str]:
    """Character set, collation and comment of a database."""
    made = server.made(database)
    return (made[0], made[1], made[2]) if made else ("utf8mb4", "utf8mb4_general_ci", "")
