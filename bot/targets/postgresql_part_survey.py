"""Some schemas or tables of a PostgreSQL database as a plan shows them, and what forbids that they go."""

import hashlib
from collections.abc import Mapping, Sequence

from bot.errors import CannotProve, TargetDown
from bot.targets import postgresql_bodies as bodies
from bot.targets import postgresql_events as events
from bot.targets import postgresql_part_questions as queries
from bot.targets.ports import Told
from bot.targets.postgresql_admin import Connection
from bot.targets.postgresql_facts import count
from bot.targets.postgresql_part_notes import Link
from bot.targets.postgresql_part_scope import Path, Tables, may_not_make
from bot.targets.postgresql_sql import quote
from bot.targets.system import RightsMissing, Survey


def look(connection: Connection, known: Mapping[str, int], who: tuple[str, str, str, str]) -> Survey:
    """What they are, counted; nothing is in the way. ``who``: name, place, database, server."""
    name, place, database, server = who
    kind = "table" if isinstance(known, Tables) else "schema"
    tables = _asked(connection, queries.relations(known, "rp"))
    return Survey(
        name=name,
        kind="database",
        place=place,
        identity={
            "server": server,
            "database": database,
            **{f"{kind} {one}": str(number) for one, number in known.items()},
            **_shape(connection, known),
            "tables": hashlib.sha256("\n".join(tables).encode()).hexdigest(),
        },
        items=count(connection, queries.relations(known, "r")),
        size=int(_asked(connection, queries.size(known))[0]),
        free=0,
        warnings=tuple(_warnings(connection, known, place)),
    )


def require_free(connection: Connection, known: Mapping[str, int], place: str, database: str) -> None:
    """Return when they may be renamed, closed and removed, and nothing is in the way.

    Raises:
        CannotProve: something is, and is named; a right is missing, and how it is given is said.
        TargetDown: the server is a copy that cannot be written to.
    """
    if _asked(connection, "SELECT pg_catalog.pg_is_in_recovery()::text") == ["true"]:
        raise TargetDown("target.read-only", target=database)
    if _asked(connection, queries.books(known)) == ["True"]:
        raise CannotProve("whole.ours", database=database)
    _require_rights(connection, known, database)
    for key, query in (
        ("part.member", queries.members(known)),
        ("part.hanging", queries.hanging(known)),
        ("part.lacking", queries.lacking(known)),
    ):
        found = _asked(connection, query)
        if found:
            raise CannotProve(key, path=place, name=found[0], n=len(found))
    found = _asked(connection, queries.prepared(known))
    if found:
        raise CannotProve("whole.prepared", database=database, name=found[0], n=len(found))
    bodies.require(connection, database, known)


def _require_rights(connection: Connection, known: Mapping[str, int], database: str) -> None:
    row = connection.execute(_WE).fetchone()
    assert row is not None
    me, may_all, may_make, may_create = row
    if may_all:
        return
    lacks = [f"GRANT {quote(owner)} TO {quote(me)}" for owner in _asked(connection, queries.rights(known))]
    lacks += [] if may_make else [f"ALTER ROLE {quote(me)} CREATEDB"]
    lacks += [] if may_create else [f"GRANT CREATE ON DATABASE {quote(database)} TO {quote(me)}"]
    if isinstance(known, Tables):
        for name, schema in connection.execute(may_not_make(known).encode()).fetchall():
            lacks.append(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {quote(name)}")
    pointed = _asked(connection, queries.references(known))
    lacks += [f"GRANT REFERENCES ON TABLE {one} TO {quote(me)}" for one in pointed]
    if lacks:
        raise RightsMissing(database, lacks)


def _warnings(connection: Connection, known: Mapping[str, int], place: str) -> Sequence[Told]:
    found: list[Told] = [*events.warnings(connection, place)]
    links = [Link(*one) for one in connection.execute(queries.links(known).encode()).fetchall()]
    if links:
        found.append(("told.part-links", {"path": place, "name": links[0].name, "n": len(links)}))
    outside = _asked(connection, queries.needed(known)) if isinstance(known, Tables) else []
    if outside:
        found.append(("told.part-needed", {"path": place, "name": outside[0], "n": len(outside)}))
    if _asked(connection, "SELECT '' FROM pg_catalog.pg_largeobject_metadata LIMIT 1"):
        found.append(("told.part-large", {"path": place}))
    names = [Path.of(one).table for one in known] if isinstance(known, Tables) else known
    mentions = [one for name in names for one in _asked(connection, queries.mentions(known, name))]
    if mentions:
        found.append(("told.part-mentions", {"path": place, "name": mentions[0], "n": len(mentions)}))
    return found


def _shape(connection: Connection, known: Mapping[str, int]) -> Mapping[str, str]:
    """What changes when somebody changes a table after the plan."""
    if not isinstance(known, Tables):
        return {}
    rows = sorted(one for query in queries.shapes(known) for one in _asked(connection, query))
    rows += [repr(one) for one in connection.execute(queries.links(known).encode()).fetchall()]
    return {"shape": hashlib.sha256("\n".join(rows).encode()).hexdigest()}


def _asked(connection: Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query.encode()).fetchall()]


_WE = """
SELECT r.rolname::text, r.rolsuper, r.rolcreatedb,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""
