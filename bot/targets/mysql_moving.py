"""A database moves: all tables into another one, in one statement; what cannot move is made anew.

One side is the *place*, which people know, the other is *ours*, which we make beside it and drop. What is
around the tables (triggers, routines, views, events, rights) is written down in ours before all else.
How far it has come is one word at ours, its comment, so that whoever comes after a crash can finish or undo.
MySQL keeps no comment, and a MariaDB that dies while it alters or drops a database forgets it: the word
stands in the book too.
"""

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

from bot.errors import CannotProve, CountersignError, Stale, TargetDown
from bot.targets import mysql_accounts as accounts
from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_definitions import Only, definitions, make, present, triggers_of
from bot.targets.mysql_facts import BOOK, Frame, is_in, made_as
from bot.targets.mysql_sql import quote

#: ``taking``: on the way out of the place. ``building``: being unpacked. ``ready``: unpacked and compared.
#: ``returning``: on the way into the place. ``removing``: compared for the last time.
State = Literal["", "taking", "aside", "building", "ready", "returning", "removing"]
_STATES: tuple[State, ...] = ("taking", "aside", "building", "ready", "returning", "removing")
_WORD = "countersign: "
#: The lines of the book: what is around the tables, and how far it has come.
_BODY, _AT = 1, 2
#: Seconds until the rename must be seen to wait for our own lock, and then for its turn.
_QUEUED = 5.0
_TICK = 0.01


def state(server: Server, ours: str) -> State | None:
    """How far it has come; empty: litter of a crash, with nothing in it. None: there is no such database.

    Raises:
        CannotProve: it is not ours.
    """
    said = server.comment(ours)
    if said is None:
        return None
    tables = server.tables(ours)
    # Where a database carries no comment, and where one got lost.
    written = said or (_line(server, ours, _AT) if BOOK in tables else None)
    for word in _STATES:
        if written == _WORD + word:
            return word
    if set(tables) - {BOOK}:
        raise CannotProve("files.in-the-way", path=server.place_of(ours))
    return ""


def tell(server: Server, ours: str, word: State) -> None:
    """Write down how far it has come."""
    if BOOK in server.tables(ours):
        _write(server, ours, _AT, _WORD + word)
    if server.kind.comments:
        server.run(f"ALTER DATABASE {quote(ours)} COMMENT '{_WORD}{word}'")


def create(server: Server, database: str, frame: Frame, comment: str) -> None:
    """An empty database like the one that was."""
    server.run(f"CREATE DATABASE {quote(database)} {_kind(server, (*frame.made[:2], comment))}")


def _kind(server: Server, made_so: tuple[str, str, str]) -> str:
    character_set, collation, comment = made_so
    said = f" COMMENT {server.literal(comment)}" if server.kind.comments else ""
    return f"CHARACTER SET {character_set} COLLATE {collation}{said}"


def begin(server: Server, ours: str, frame: Frame, word: State) -> None:
    """Make ours, with its book."""
    create(server, ours, frame, _WORD + word)
    server.run(
        f"CREATE TABLE {quote(ours)}.{BOOK} (id INT PRIMARY KEY, body LONGTEXT) ENGINE=InnoDB CHARSET=utf8mb4"
    )
    note(server, ours, {"frame": frame.plain()})
    _write(server, ours, _AT, _WORD + word)


def note(server: Server, ours: str, body: Mapping[str, Any]) -> None:
    """Write the book anew."""
    _write(server, ours, _BODY, json.dumps(body))


def _write(server: Server, ours: str, line: int, text: str) -> None:
    server.run(f"REPLACE INTO {quote(ours)}.{BOOK} VALUES ({line}, {server.literal(text)})")  # noqa: S608 - quoted


def _line(server: Server, ours: str, line: int) -> str | None:
    found = server.ask(f"SELECT body FROM {quote(ours)}.{BOOK} WHERE id = {line}")  # noqa: S608 - quoted
    return str(found[0][0]) if found else None


def book(server: Server, ours: str) -> dict[str, Any] | None:
    """What was written down; None when it had not come to that, or is past it."""
    if BOOK not in server.tables(ours):
        return None
    found = _line(server, ours, _BODY)
    return None if found is None else dict(json.loads(found))


def drop(server: Server, ours: str) -> None:
    """Ours away, the book last: while there is anything else, it says whose it is."""
    kinds = server.tables(ours)
    for name in sorted(kinds):
        if name != BOOK:
            what = "VIEW" if kinds[name] == "VIEW" else "TABLE"
            server.insist(ours, f"DROP {what} IF EXISTS {quote(ours)}.{quote(name)}")
    server.drop(ours)


def moving(server: Server, database: str, only: Only = None) -> list[str]:
    """The tables and sequences of a database, or ``only`` these, our book left out."""
    kinds = server.tables(database)
    return sorted(name for name, kind in kinds.items() if kind != "VIEW" and is_in(name, only))


def take(admin: Administration, server: Server, place: str, ours: str, only: Only = None) -> None:
    """Everything out of the place into ours, and the place away; to be repeated until it is done.

    ``only``: these tables alone; nobody is thrown out then, and the place stays.

    Raises:
        CannotProve: somebody made something in the place meanwhile, which stays.
        Stale: somebody holds on to the database; everything is as it was.
    """
    now = state(server, ours)
    untouched = now == "taking" and moving(server, place, only) and not moving(server, ours)
    if untouched or now == "returning":
        # What was dropped of it is known; what was made since then is not.
        bring(server, place, ours, whole=only is None)
        now = None
    if now in (None, ""):
        server.drop(ours)
        frame = Frame.read(server, place, only)
        begin(server, ours, frame, "taking")
        try:
            _rename_out(admin, server, (place, ours), frame, only)
        except CountersignError:
            bring(server, place, ours, whole=only is None)
            raise
    if now != "aside":
        if moving(server, place, only):
            raise CannotProve("files.is-both", path=server.place_of(place))
        if only is None:
            _clear(server, place, ours)
        tell(server, ours, "aside")


def bring(server: Server, place: str, ours: str, *, whole: bool) -> None:
    """Everything out of ours into the place, with all that belongs to it, and ours away; may be repeated.

    ``whole``: the place holds nothing else, and is made or mended itself.

    Raises:
        CannotProve: what was written down is gone, or something in the place is in the way.
    """
    written = book(server, ours)
    if written is None:
        if moving(server, ours):
            raise CannotProve("files.in-the-way", path=server.place_of(ours))
    else:
        frame = Frame.of(written["frame"])
        if state(server, ours) != "taking":
            tell(server, ours, "returning")
        if server.comment(place) is None:
            create(server, place, frame, frame.made[2])
        elif whole and made_as(server, place) != frame.made:
            # A server that died within DROP or CREATE DATABASE has forgotten them.
            server.run(f"ALTER DATABASE {quote(place)} {_kind(server, frame.made)}")
        names = moving(server, ours)
        if names:
            _require_names_free(server, place, frame)
            _undress(server, ours)
            server.insist(ours, _renaming(ours, place, names))
        make(server, place, frame.definitions, frame.made[1])
        # Most are still there, and whoever has them need not be able to give them.
        server.run(*accounts.giving(place, sorted(set(frame.grants) - set(accounts.grants(server, place)))))
    server.drop(ours)


def _require_names_free(server: Server, place: str, frame: Frame) -> None:
    """A table that stayed may have a trigger since of the name of one that is still to come."""
    if present(server, place) & {(one.kind, one.name) for one in frame.definitions if one.kind == "trigger"}:
        raise CannotProve("files.in-the-way", path=server.place_of(place))


def _undress(server: Server, database: str) -> None:
    """Triggers away: a table that has one stays in its database."""
    query = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
    for (name,) in server.ask(query, (database,)):
        server.run(f"DROP TRIGGER IF EXISTS {quote(database)}.{quote(name)}")


def _renaming(source: str, into: str, names: list[str]) -> str:
    pairs = (f"{quote(source)}.{quote(name)} TO {quote(into)}.{quote(name)}" for name in names)
    return "RENAME TABLE " + ", ".join(pairs)


def _rename_out(
    admin: Administration, server: Server, way: tuple[str, str], frame: Frame, only: Only
) -> None:
    """Nobody writes between the last trigger and the rename.

    All tables are locked, the triggers go under the lock, and the rename of a second connection waits for it:
    the server lets a rename pass before anybody else who waits.
    """
    place, ours = way
    names = moving(server, place, only)
    if not names:
        return
    triggers = [one for one in frame.definitions if one.kind == "trigger"]
    locks = ", ".join(f"{quote(place)}.{quote(name)} WRITE" for name in names)
    server.insist(place, f"LOCK TABLES {locks}", ending=only is None)
    if triggers_of(server, place, only) != triggers:
        server.run("UNLOCK TABLES")
        raise CannotProve("files.changed-since", path=server.place_of(place))
    with admin.connected() as other, ThreadPoolExecutor(1) as beside_us:
        number = other.ask("SELECT CAST(CONNECTION_ID() AS CHAR)")[0][0]
        try:
            for one in triggers:
                server.run(f"DROP TRIGGER {quote(place)}.{quote(one.name)}")
            other.run(f"SET SESSION lock_wait_timeout = {int(_QUEUED) * 2}")
            going = beside_us.submit(other.run, _renaming(place, ours, names))
            if not _is_queued(server, number, going):
                _give_up(server, number, going, place)
        except CountersignError:
            # Whoever writes as soon as we let go must meet them.
            make(server, place, triggers, frame.made[1])
            raise
        finally:
            server.run("UNLOCK TABLES")
        going.result()


def _is_queued(server: Server, number: str, going: "Future[None]") -> bool:
    until = time.monotonic() + _QUEUED
    while not going.done() and time.monotonic() < until:
        if any(one[0] == number and "metadata lock" in str(one[6]) for one in server.processes()):
            return True
        time.sleep(_TICK)
    return False


def _give_up(server: Server, number: str, going: "Future[None]", place: str) -> None:
    """The rename that does not wait behind our lock must not come later: it has ended before this returns.

    Raises:
        CountersignError: always; why it failed, where it says so.
    """
    if not going.done():
        server.run(f"KILL CONNECTION {int(number)}")
    going.result()
    raise Stale("whole.not-queued", path=server.place_of(place))


def _clear(server: Server, place: str, ours: str) -> None:
    """The place away: nothing may be in it that is not written down."""
    if server.comment(place) is not None:
        written = book(server, ours)
        if written is None:
            raise TargetDown("files.missing", path=server.place_of(ours))
        known = Frame.of(written["frame"]).definitions
        # A view cannot be read any more without what it looks at.
        new = present(server, place) - {(one.kind, one.name) for one in known}
        if new or not set(definitions(server, place, views=False)) <= set(known):
            raise CannotProve("files.changed-since", path=server.place_of(place))
        server.drop(place)
