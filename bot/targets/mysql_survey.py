"""What keeps a whole database from being set aside: looked at beforehand, nothing is changed."""

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import product

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.mysql_accounts import lacking
from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_catalogue import decoded
from bot.targets.mysql_definitions import Only
from bot.targets.mysql_sql import quote
from bot.targets.system import RightsMissing

_SYSTEM = frozenset({"mysql", "sys", "information_schema", "performance_schema"})
#: The tables in which we keep our own books.
_OURS = frozenset({"audit_log", "permits", "outbox", "alembic_version"})
#: What the names of databases hold in which something is set aside.
_ASIDE = "__countersign_"
_MOVING = frozenset({"BASE TABLE", "SEQUENCE", "SYSTEM VERSIONED"})
_SEQUENCE_IN_DEFAULT = re.compile(r"(?:next|last|set)val\(`", re.IGNORECASE)
_ENGINES = """
SELECT TABLE_NAME, TABLE_TYPE, COALESCE(ENGINE, '-') FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = %s AND TABLE_TYPE <> 'VIEW' ORDER BY 1
"""


def require_free_to_move(server: Server, database: str, aside: str, only: Only = None) -> None:
    """Return when the database may be moved and dropped, and nothing is in the way.

    ``only``: it is about these tables. ``aside``: how the names of databases begin that we make beside it.

    Raises:
        CannotProve: it may not; the sentence has the statement that helps, or names what is in the way.
        TargetDown: the server is a copy that cannot be written to.
    """
    if database.lower() in _SYSTEM:
        raise CannotProve("whole.template", database=database)
    only_reads = server.ask("SELECT @@global.read_only <> 0 OR @@innodb_read_only <> 0")[0][0]
    if only_reads != "0":
        raise TargetDown("target.read-only", target=server.target)
    grants = lacking(server, database, aside)
    if grants:
        raise RightsMissing(database, grants)
    prepared = server.ask("XA RECOVER")
    if prepared:
        raise CannotProve("whole.xa", database=database, name=_spoken(prepared[0][3]), n=len(prepared))
    _require_plain(server, database)
    _require_fit(server, database, only)
    if only is None:
        for (schema, table), (other, _) in foreign_keys(server):
            if server.same(other, database) and not server.same(schema, database):
                raise CannotProve(
                    # What is set aside must stay as it is.
                    "whole.foreign-key-aside" if _ASIDE in schema else "whole.foreign-key",
                    database=database,
                    name=f"{schema}.{table}",
                )


def _spoken(name: str | bytes) -> str:
    """The name of a transaction, which may be any bytes."""
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else name


def _require_plain(server: Server, database: str) -> None:
    made = server.made(database)
    if made and made[3]:
        raise CannotProve("whole.options", database=database, options=made[3])


def foreign_keys(server: Server) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Child and parent of each on the server, as database and table."""
    there = {name for (name,) in server.ask("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA")}
    for child, parent in server.ask(server.kind.keys):
        yield from product(_places(server, child, there), _places(server, parent, there))


def _places(server: Server, path: str, there: Collection[str]) -> list[tuple[str, str]]:
    """Database and table; a path in plain signs with several strokes may mean one of several ``there``."""
    if server.kind.flavour.encoded:
        schema, _, table = path.partition("/")
        return [(decoded(schema), decoded(table))]
    parts = path.split("/")
    found = [("/".join(parts[:end]), "/".join(parts[end:])) for end in range(1, len(parts))]
    return [one for one in found if one[0] in there] or found


def _require_fit(server: Server, database: str, only: Only) -> None:
    """Tables that move whole, and come back the same."""
    names = server.ask(_ENGINES, (database,))
    if {name for name, *_ in names} >= _OURS:
        raise CannotProve("whole.ours", database=database)
    for name, kind, engine in names:
        if only is not None and name not in only:
            continue
        if kind not in _MOVING:
            raise CannotProve("whole.unwritable", database=database, name=name)
        if kind == "SYSTEM VERSIONED":
            raise CannotProve("whole.versioned", database=database, name=name)
        if engine != "InnoDB":
            raise CannotProve("whole.engine", database=database, name=name, engine=engine)
        create = str(server.ask(f"SHOW CREATE TABLE {quote(database)}.{quote(name)}")[0][1])
        # The server writes the sequence with its database, which has another name elsewhere.
        if _SEQUENCE_IN_DEFAULT.search(create) or "\n" in name:
            raise CannotProve("whole.unwritable", database=database, name=name)


def require_unshared(admin: Administration, server: Server, others: Mapping[str, str]) -> None:
    """Return when no other system keeps its records in the same database. ``others``: addresses by name.

    Raises:
        CannotProve: one does, or it has a database of the same name and does not say where.
    """
    for name, url in others.items():
        other = Administration(name, url)
        if not server.same(other.database, admin.database):
            continue
        try:
            with other.connected() as theirs:
                same = theirs.uid == server.uid
        except CountersignError:
            raise CannotProve("whole.unknown", database=admin.database, other=name) from None
        if same:
            raise CannotProve("whole.shared", database=admin.database, other=name)
