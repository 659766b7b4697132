"""What is done to a whole database from outside: found, looked into, closed to sessions, dropped."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pymysql
from pymysql import converters

from bot.errors import CannotProve, Stale
from bot.targets.mysql import parts_of
from bot.targets.mysql_errors import translated
from bot.targets.mysql_flavours import flavour_of, too_old
from bot.targets.mysql_kinds import Kind, kind_of
from bot.targets.mysql_sql import quote
from bot.targets.mysql_work import Connection
from bot.targets.system import User
from bot.targets.unreachable import opening

#: Seconds until somebody who comes back again and again is given up on.
_ENDING = 10.0
_AGAIN = 0.1
_LONGEST_NAME = 64
_OLD = {"mariadb": "whole.mariadb-old", "mysql": "whole.mysql-old"}
_UNKNOWN_VARIABLE = 1193
_LOCKED = frozenset({1205, 1213, 1317})
_NO_SUCH_THREAD = 1094
_MAY_NOT = frozenset({1095, 1227})


def beside(database: str, suffix: str) -> str:
    """The name of a database that belongs to another one; a long name is cut, which the end keeps apart."""
    return database[: _LONGEST_NAME - len(suffix)] + suffix


class Server:
    """A connection of ours, and what is asked and done over it.

    ``folds``: the server takes names that differ in case only for the same. ``uid``: the server's own number,
    else its address.
    """

    def __init__(self, connection: Connection, target: str, uid: str, kind: Kind, *, folds: bool) -> None:
        self.connection = connection
        self.target = target
        self.uid = uid
        self.kind = kind
        self.folds = folds

    def place_of(self, database: str) -> str:
        """As people know it."""
        return self.kind.place_of(database)

    def ask(self, query: str, values: Sequence[Any] | None = None) -> list[Sequence[Any]]:
        """All rows of a query; every value is text."""
        with translated(self.target), self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())

    def run(self, *statements: str | bytes) -> None:
        """Statements, one by one, as they are."""
        for statement in statements:
            with translated(self.target), self.connection.cursor() as cursor:
                cursor.execute(statement)

    def literal(self, text: str) -> str:
        """A text as a statement has it; beside a name, which may hold the driver's own sign for a place."""
        return str(self.connection.escape(text))

    def use(self, database: str) -> None:
        """From now on names without a database mean this one."""
        self.run(f"USE {quote(database)}")

    def same(self, one: str, other: str) -> bool:
        """Whether two spellings name one database here."""
        return one.lower() == other.lower() if self.folds else one == other

    def made(self, database: str) -> Sequence[str] | None:
        """Character set, collation and comment, and what we do not make again; None when there is none."""
        found = [made for name, *made in self.ask(self.kind.made, (database,)) if self.same(name, database)]
        return [str(one or "") for one in found[0]] if found else None

    def comment(self, database: str) -> str | None:
        """What stands at a database, where the server can keep that; None when there is no such database."""
        made = self.made(database)
        return None if made is None else made[2]

    def tables(self, database: str) -> Mapping[str, str]:
        """The kind of each table, sequence and view by its name."""
        query = "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        return {name: kind for name, kind in self.ask(query, (database,)) if kind != "TEMPORARY"}

    def sessions(self, database: str) -> list[User]:
        """Who is connected to a database, us left out."""
        us = self.ask("SELECT CAST(CONNECTION_ID() AS CHAR)")[0][0]
        return [
            User(int(number), user, "session", database, f"({host.partition(':')[0]})")
            for number, user, host, inside, command, *_ in self.processes()
            if self.same(inside or "", database) and number != us and command != "Daemon"
        ]

    def processes(self) -> list[Sequence[Any]]:
        """Number, user, host, database, what it does, for how long, and its state.

        Not from ``information_schema``: MySQL refuses that while anybody's statement has certain signs.
        """
        rows = self.ask("SHOW PROCESSLIST")
        return sorted(rows, key=lambda row: int(row[0]))

    def end_sessions(self, database: str) -> None:
        """Throw out whoever is connected; whoever may not be thrown out is still there afterwards."""
        for user in self.sessions(database):
            try:
                with self.connection.cursor() as cursor:
                    cursor.execute(f"KILL CONNECTION {user.pid}")
            except pymysql.Error as error:
                if error.args[0] not in {_NO_SUCH_THREAD, *_MAY_NOT}:
                    with translated(self.target):
                        raise

    def insist(self, database: str, statement: str, *, ending: bool = True) -> None:
        """Run what waits for everybody else to let go, again and again for a while.

        ``ending``: whoever is connected to the database is thrown out meanwhile.

        Raises:
            Stale: somebody holds on to the database, or comes back faster.
            TargetDown: nobody is seen to, and yet something is locked.
        """
        until = time.monotonic() + _ENDING
        while True:
            if ending:
                self.end_sessions(database)
            try:
                with self.connection.cursor() as cursor:
                    cursor.execute(statement)
                return
            except pymysql.Error as error:
                if error.args[0] not in _LOCKED or time.monotonic() >= until:
                    if ending:
                        self.require_nobody(database)
                    with translated(self.target):
                        raise
            time.sleep(_AGAIN)

    def require_nobody(self, database: str) -> None:
        """Return when nobody is seen to be connected to a database.

        Raises:
            Stale: who is.
        """
        seen = self.sessions(database)
        if seen:
            who = f"{seen[0].name} {seen[0].origin}"
            raise Stale(
                "files.in-use", path=self.place_of(database), program=who, pid=seen[0].pid, n=len(seen)
            )

    def drop(self, database: str) -> None:
        """Away with it and with whoever is connected, if it is there."""
        if self.comment(database) is not None:
            self.insist(database, f"DROP DATABASE IF EXISTS {quote(database)}")


class Administration:
    """A server, as the user of a target's address sees it.

    Raises:
        BadInput: the address cannot be understood.
    """

    def __init__(self, target: str, url: str) -> None:
        self.target = target
        self._parts = parts_of(target, url)
        self.database = str(self._parts.pop("database"))
        self._kind: Kind | None = None

    @contextmanager
    def connected(self) -> Iterator[Server]:
        """A connection with everything pinned, in autocommit, and to no database."""
        with opening(self.target, translated):
            connection = pymysql.connect(
                **self._parts,
                charset="utf8mb4",
                autocommit=True,
                local_infile=False,
                # Every value as the text that the server prints.
                conv={
                    kind: write for kind, write in converters.conversions.items() if not isinstance(kind, int)
                },
                program_name="countersign",
            )
        try:
            yield self._recognised(connection)
        finally:
            with suppress(pymysql.Error, OSError):
                connection.close()

    def place_of(self, database: str) -> str:
        """As people know it; the server is asked once what it is."""
        if self._kind is None:
            with self.connected() as server:
                return server.place_of(database)
        return self._kind.place_of(database)

    def _recognised(self, connection: Connection) -> Server:
        with translated(self.target), connection.cursor() as cursor:
            cursor.execute("SELECT VERSION(), @@lower_case_table_names, @@hostname, @@port")
            version, folds, host, port = map(str, cursor.fetchone())
            flavour = flavour_of(version, _known(cursor, "@@innodb_version"))
            if flavour is None:
                raise CannotProve("whole.mysql", target=self.target)
            kind = kind_of(flavour, version)
            old = too_old(replace(flavour, oldest=kind.oldest), version)
            if old:
                raise CannotProve(_OLD[flavour.kind], target=self.target, version=old)
            self._kind = kind
            wanted = ", ".join(f"SESSION {name} = {value}" for name, value in kind.pinned.items())
            cursor.execute(f"SET {wanted}")
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _loosen(cursor, kind)
            uid = _known(cursor, flavour.number) or f"{host}:{port}"
        return Server(connection, self.target, uid, kind, folds=folds != "0")


def _known(cursor: Any, name: str) -> str:
    """The value of a variable; empty where the server does not have it, which is its only excuse."""
    try:
        cursor.execute(f"SELECT {name}")
        return str(cursor.fetchone()[0])
    except pymysql.Error as error:
        if error.args[0] != _UNKNOWN_VARIABLE:
            raise
        return ""


def _loosen(cursor: Any, kind: Kind) -> None:
    """What would be asked of new tables is not asked of those that come back; the survey says who may not."""
    for name in kind.restricted:
        cursor.execute(f"SELECT @@{name}")
        if str(cursor.fetchone()[0]) != "0":
            try:
                cursor.execute(f"SET SESSION {name} = 0")
            except pymysql.Error as error:
                if error.args[0] not in _MAY_NOT:
                    raise
