"""Triggers, routines, views and events of a database: written down so that they come back exactly.

Each carries what it was made under (mode, character set, collations, time zone), because the server keeps
that with it and runs it so. A statement names the thing without its database: it is made in the one in use.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from pymysql import charset

from bot.errors import CannotProve
from bot.targets.mysql_admin import Server
from bot.targets.mysql_sql import quote

_ENABLED = re.compile(r"^.*? ON COMPLETION (?:NOT )?PRESERVE ENABLE\b", re.DOTALL)
#: In this order they are made: what comes later may use what comes before.
ORDER = ("package", "package body", "function", "procedure", "view", "trigger", "event")
#: Names of tables; None: all of a database.
Only = frozenset[str] | None
_TRIGGER_EXISTS = "1359"
_BEYOND = re.compile("[^\0-\uffff]")
_TRIGGERS = """
SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, DEFINER
  FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s ORDER BY EVENT_OBJECT_TABLE, ACTION_ORDER, 1
"""
_ROUTINES = """
SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES
 WHERE ROUTINE_SCHEMA = %s ORDER BY 1, 2
"""
_VIEWS = "SELECT TABLE_NAME, DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s ORDER BY 1"
_EVENTS = "SELECT EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1"


@dataclass(frozen=True)
class Definition:
    """One of them. ``kind`` is one of ``ORDER``; ``definer``: ``user@host``; what it has not is empty."""

    kind: str
    name: str
    create: str
    definer: str
    mode: str
    charset: str
    collation: str
    database_collation: str = ""
    time_zone: str = ""

    @classmethod
    def of(cls, plain: Any) -> Self:
        """What ``plain`` wrote."""
        return cls(**plain)

    def plain(self) -> dict[str, str]:
        """JSON of it."""
        return asdict(self)


def definitions(server: Server, database: str, *, views: bool = True) -> tuple[Definition, ...]:
    """All of them, in the order in which they can be made; ``views``: those too.

    Raises:
        CannotProve: one could not be made again as it is; the sentence names it.
    """
    server.use(database)
    for query in server.kind.unwritable:
        for (name,) in server.ask(query, (database,)):
            raise _unwritable(database, name)
    found = [
        *_routines(server, database),
        *(_views(server, database) if views else ()),
        *_triggers(server, database),
        *_events(server, database),
    ]
    return tuple(sorted(found, key=lambda one: ORDER.index(one.kind)))


def running(server: Server, database: str) -> list[str]:
    """The events of a database that the server runs by itself."""
    server.use(database)
    return _running(server, tuple(_events(server, database)))


def changed(server: Server, place: str, known: Iterable[Definition]) -> CannotProve:
    """Why a database is not what was backed up, as far as that can be said; ``known``: what was in it."""
    names = _running(server, known)
    if names:
        return CannotProve("whole.events-wrote", path=place, name=names[0], n=len(names))
    return CannotProve("files.changed-since", path=place)


def _running(server: Server, known: Iterable[Definition]) -> list[str]:
    enabled = [one.name for one in known if one.kind == "event" and _ENABLED.search(one.create)]
    return enabled if server.ask("SELECT @@global.event_scheduler")[0][0] == "ON" else []


def triggers_of(server: Server, database: str, only: Only = None) -> list[Definition]:
    """The triggers alone, of ``only`` these tables, as they are now; raises as ``definitions``."""
    server.use(database)
    return list(_triggers(server, database, only))


def make(server: Server, database: str, wanted: Iterable[Definition], collation: str) -> None:
    """Those that are not there yet; ``collation``: the database's own.

    Raises:
        CannotProve: one is refused.
    """
    server.use(database)
    there = present(server, database)
    waiting = [one for one in wanted if (one.kind, one.name) not in there]
    while waiting:
        # A view may need another one that comes later.
        refused: list[Definition] = []
        for one in waiting:
            try:
                _make(server, database, one, collation)
            except CannotProve:
                if one.kind != "view":
                    raise
                refused.append(one)
        if len(refused) == len(waiting):
            _make(server, database, refused[0], collation)
        waiting = refused


def present(server: Server, database: str) -> set[tuple[str, str]]:
    """Kind and name of those that are there."""
    found = {(kind, name) for kind, name, _ in server.ask(_ROUTINES, (database,))}
    found |= {("view", name) for name, _ in server.ask(_VIEWS, (database,))}
    found |= {("trigger", row[0]) for row in server.ask(_TRIGGERS, (database,))}
    return found | {("event", name) for name, _ in server.ask(_EVENTS, (database,))}


def script(wanted: Sequence[Definition]) -> str:
    """All of them for the hands of a person with the server's own program."""
    parts = ["DELIMITER $$\n"]
    for one in wanted:
        parts += [f"{statement}$$\n" for statement in (*_surroundings(one), one.create)]
    return "".join([*parts, "DELIMITER ;\n"])


def _make(server: Server, database: str, one: Definition, collation: str) -> None:
    differs = one.database_collation not in ("", collation)
    if differs:
        server.run(f"ALTER DATABASE {quote(database)} COLLATE {one.database_collation}")
    try:
        server.run(*_surroundings(one))
        try:
            server.run(one.create.encode(_codec(one.charset)))
        except CannotProve as refused:
            there = ("trigger", one.name) in present(server, database)
            if there or refused.params.get("code") != _TRIGGER_EXISTS:
                raise
            # A server that died within DROP TRIGGER has left the file of its name, and no trigger.
            server.run(f"DROP TRIGGER IF EXISTS {quote(database)}.{quote(one.name)}")
            server.run(one.create.encode(_codec(one.charset)))
    finally:
        names = ("sql_mode", "time_zone", "collation_connection")
        server.run("SET NAMES utf8mb4", *(f"SET {name} = {server.kind.pinned[name]}" for name in names))
        if differs:
            server.run(f"ALTER DATABASE {quote(database)} COLLATE {collation}")


def _surroundings(one: Definition) -> Iterator[str]:
    yield f"SET sql_mode = '{one.mode}'"
    yield f"SET character_set_client = {one.charset}, collation_connection = {one.collation}"
    if one.time_zone:
        yield f"SET time_zone = '{one.time_zone}'"


def _codec(name: str) -> str:
    found = charset.charset_by_name(name)
    return (found and found.encoding) or "utf8"


def _routines(server: Server, database: str) -> Iterator[Definition]:
    for kind, name, definer in server.ask(_ROUTINES, (database,)):
        row = server.ask(f"SHOW CREATE {kind.upper()} {quote(name)}")[0]
        _, mode, create, client, collation, own = row
        yield Definition(kind, name, _there(create, database, name), definer, mode, client, collation, own)


def _views(server: Server, database: str) -> Iterator[Definition]:
    # Where a view reads another database too, the server writes every name of it with its database.
    across = re.compile(rf"from \(*{re.escape(quote(database))}\.", re.IGNORECASE)
    for name, definer in server.ask(_VIEWS, (database,)):
        try:
            _, create, client, collation = server.ask(f"SHOW CREATE VIEW {quote(name)}")[0]
            # Of a view that reads what is gone the server still has the text, and would not take it back.
            server.ask(f"SHOW FIELDS FROM {quote(name)}")
        except CannotProve:
            raise _unwritable(database, name) from None
        if across.search(create):
            raise _unwritable(database, name)
        yield Definition("view", name, _there(create, database, name), definer, "", client, collation)


def _triggers(server: Server, database: str, only: Only = None) -> Iterator[Definition]:
    for name, table, timing, event, body, definer in server.ask(_TRIGGERS, (database,)):
        if only is not None and table not in only:
            continue
        _, mode, original, client, collation, own, *_ = server.ask(f"SHOW CREATE TRIGGER {quote(name)}")[0]
        # The list has the body without the head, where people name databases; the original has every sign.
        start = _BEYOND.sub("?", _there(original, database, name)).rfind(_BEYOND.sub("?", body))
        if start < 0:
            raise _unwritable(database, name)
        user, _, host = definer.rpartition("@")
        create = (
            f"CREATE DEFINER={quote(user)}@{quote(host)} TRIGGER {quote(name)} {timing} {event}"
            f" ON {quote(table)} FOR EACH ROW {original[start : start + len(body)]}"
        )
        yield Definition("trigger", name, create, definer, mode, client, collation, own)


def _events(server: Server, database: str) -> Iterator[Definition]:
    for name, definer in server.ask(_EVENTS, (database,)):
        row = server.ask(f"SHOW CREATE EVENT {quote(name)}")[0]
        _, mode, zone, create, client, collation, own = row
        create = _there(create, database, name)
        yield Definition("event", name, create, definer, mode, client, collation, own, zone)


def _there(text: str | None, database: str, name: str) -> str:
    if not text:
        raise _unwritable(database, name)
    return text


def _unwritable(database: str, name: str) -> CannotProve:
    return CannotProve("whole.unwritable", database=database, name=name)
