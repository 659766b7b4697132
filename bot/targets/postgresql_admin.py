"""What is done to a whole PostgreSQL database from outside: found, made, renamed, closed, dropped.

It is done over a connection to the server's ``postgres`` database, because nobody can rename or drop the one
that he is connected to.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets.postgresql import parts_of
from bot.targets.postgresql_errors import translated
from bot.targets.postgresql_sql import WHICH_SERVER, quote
from bot.targets.postgresql_work import PINNED, setting
from bot.targets.system import RightsMissing, User
from bot.targets.unreachable import opening

Connection = psycopg.Connection[tuple[Any, ...]]

_MAINTENANCE = "postgres"
#: Seconds until somebody who comes back again and again is given up on.
_ENDING = 10.0
_AGAIN = 0.1
#: No time limit: a whole database takes as long as it takes. Locks are still bounded.
_PATIENT = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "lock_timeout": "10000"}
_LONGEST_NAME = 63
_WHICH = f"""
SELECT {WHICH_SERVER}, oid::bigint
  FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
"""  # noqa: S608 - constants
_SESSIONS = """
SELECT pid, coalesce(usename, '-'),
       pg_catalog.concat_ws(', ', nullif(application_name, ''),
                            coalesce(pg_catalog.host(client_addr), 'local'))
  FROM pg_catalog.pg_stat_activity
 WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid()
   AND coalesce(backend_type, 'client backend') IN ('client backend', 'walsender') ORDER BY pid
"""


def beside(database: str, suffix: str) -> str:
    """The name of a database that belongs to another one; a long name is cut, which the end keeps apart."""
    room = _LONGEST_NAME - len(suffix.encode())
    return database.encode()[:room].decode(errors="ignore") + suffix


class Administration:
    """A server, as the role of a target's address sees it.

    Raises:
        BadInput: the address cannot be understood.
    """

    def __init__(self, target: str, url: str) -> None:
        self.target = target
        self._parts = parts_of(target, url)
        self.database = str(self._parts["dbname"])

    @contextmanager
    def connected(self, database: str = _MAINTENANCE) -> Iterator[Connection]:
        """A connection with everything pinned, in autocommit."""
        with opening(self.target, translated):
            connection: Connection = psycopg.connect(
                **{**self._parts, "dbname": database},
                autocommit=True,
                prepare_threshold=None,
                cursor_factory=psycopg.RawCursor,
                client_encoding="UTF8",
                application_name="countersign",
            )
        with closing(connection), translated(self.target):
            connection.execute(*setting({**PINNED, **_PATIENT}))
            yield connection

    def address(self, database: str) -> tuple[str, Mapping[str, str]]:
        """How a program of PostgreSQL reaches a database, and what its environment must hold.

        A password is in the environment, because everybody on the machine may read arguments.
        """
        hidden = {"password", "sslpassword"}
        plain = {name: value for name, value in self._parts.items() if name not in hidden}
        password = self._parts.get("password")
        return make_conninfo(**{**plain, "dbname": database}), {
            "PGPASSWORD": str(password)
        } if password else {}

    def identity(self) -> tuple[str, int]:
        """Which server, and the number of the database there.

        Raises:
            TargetDown: it does not answer.
        """
        return self._identity(self.database)

    def identity_of_server(self) -> str:
        """Which server, whether the database is there or not.

        Raises:
            TargetDown: it does not answer.
        """
        return self._identity(_MAINTENANCE)[0]

    def _identity(self, database: str) -> tuple[str, int]:
        with self.connected(database) as connection:
            row = connection.execute(_WHICH).fetchone()
            assert row is not None
            info = connection.info
            return str(row[0] or f"{info.host}:{info.port}"), int(row[1])

    def numbers(self, *names: str) -> Mapping[str, int]:
        """The server's own number of each of these databases that exists."""
        with self.connected() as connection:
            query = "SELECT datname, oid::bigint FROM pg_catalog.pg_database WHERE datname = ANY($1::name[])"
            return dict(connection.execute(query, (list(names),)).fetchall())

    def sessions(self, database: str) -> Sequence[User]:
        """Who is connected to a database."""
        with self.connected() as connection:
            return [
                User(pid, role, "session", database, f"({origin})")
                for pid, role, origin in connection.execute(_SESSIONS, (database,))
            ]

    def rename(self, database: str, into: str) -> None:
        """Give it another name; whoever is connected is thrown out, again and again for a while.

        Raises:
            Stale: somebody comes back faster than the database can be renamed.
        """
        with self.connected() as connection:
            until = time.monotonic() + _ENDING
            while True:
                self._end(connection, database)
                try:
                    connection.execute(f"ALTER DATABASE {quote(database)} RENAME TO {quote(into)}".encode())
                    return
                except psycopg.errors.ObjectInUse:
                    self._give_up(connection, database, until)

    def drop(self, database: str) -> None:
        """Away with it, if it is there.

        Raises:
            Stale: somebody is connected to it.
        """
        with self.connected() as connection:
            try:
                connection.execute(f"DROP DATABASE IF EXISTS {quote(database)}".encode())
            except psycopg.errors.ObjectInUse:
                self._give_up(connection, database, 0)

    def away(self, database: str) -> None:
        """One that we made. Whoever is connected to it is thrown out: nobody was told its name."""
        if database in self.numbers(database):
            gone = beside(database, "_x")
            self.rename(database, gone)
            self.drop(gone)

    def open_for_all(self, database: str, *, opened: bool) -> None:
        """Whether the server lets anybody connect to it, us included."""
        with self.connected() as connection:
            value = "true" if opened else "false"
            connection.execute(f"ALTER DATABASE {quote(database)} ALLOW_CONNECTIONS {value}".encode())

    def run(self, *statements: str) -> None:
        """Statements of the server, one by one."""
        with self.connected() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def _end(self, connection: Connection, database: str) -> None:
        for pid, *_ in connection.execute(_SESSIONS, (database,)).fetchall():
            # Only a superuser ends a superuser's: it is still there afterwards, and told by its number.
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT pg_catalog.pg_terminate_backend($1)", (pid,))

    def _give_up(self, connection: Connection, database: str, until: float) -> None:
        if time.monotonic() < until:
            time.sleep(_AGAIN)
            return
        there = connection.execute(_SESSIONS, (database,)).fetchall()
        pid, role, origin = there[0] if there else (0, "-", "-")
        who = f"{role} ({origin})"
        raise Stale("files.in-use", path=place_of(database), program=who, pid=pid, n=max(1, len(there)))


def place_of(database: str) -> str:
    """As people know it."""
    return f"PostgreSQL {database}"


def require_free_to_move(admin: Administration) -> None:
    """Return when the database may be closed, renamed and dropped, and nothing is in the way.

    Raises:
        CannotProve: it may not; the sentence has the statement that helps, or names what is in the way.
        TargetDown: the server is a copy that cannot be written to.
    """
    database = admin.database
    with admin.connected() as connection:
        if connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone() == (True,):
            raise TargetDown("target.read-only", target=admin.target)
        grants = [grant for lacks, grant in _rights(connection, database) if lacks]
        if grants:
            raise RightsMissing(database, grants)
        for key, query in _IN_THE_WAY.items():
            found = connection.execute(query, (database,)).fetchall()
            if found:
                raise CannotProve(key, database=database, name=str(found[0][0]), n=len(found))


def require_unshared(admin: Administration, others: Mapping[str, str]) -> None:
    """Return when no other system keeps its records in the same database. ``others``: addresses by name.

    Raises:
        CannotProve: one does, or it has a database of the same name and does not say where.
    """
    mine = admin.identity()
    for name, url in others.items():
        other = Administration(name, url)
        if other.database == admin.database:
            try:
                same = other.identity() == mine
            except TargetDown:
                raise CannotProve("whole.unknown", database=admin.database, other=name) from None
            if same:
                raise CannotProve("whole.shared", database=admin.database, other=name)


def _rights(connection: Connection, database: str) -> Sequence[tuple[bool, str]]:
    row = connection.execute(_RIGHTS, (database,)).fetchone()
    if row is None:
        raise TargetDown("files.missing", path=place_of(database))
    me, may_all, owns, may_create, may_end, template, owner = row
    if template:
        raise CannotProve("whole.template", database=database)
    if may_all:
        return ()
    return (
        (not owns, f"GRANT {quote(owner)} TO {quote(me)}"),
        (not may_create, f"ALTER ROLE {quote(me)} CREATEDB"),
        (not may_end, f"GRANT pg_signal_backend TO {quote(me)}"),
    )


_RIGHTS = """
SELECT current_user::text, r.rolsuper, pg_catalog.pg_has_role(d.datdba, 'USAGE'), r.rolcreatedb,
       pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'),
       d.datistemplate OR d.datname = 'postgres', pg_catalog.pg_get_userbyid(d.datdba)::text
  FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
 WHERE d.datname = $1 AND r.rolname = current_user
"""
#: DROP DATABASE … WITH (FORCE) ends none of these.
_IN_THE_WAY: Mapping[str, str] = {
    "whole.prepared": "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = $1 ORDER BY prepared",
    "whole.slot": "SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = $1 ORDER BY 1",
    "whole.subscription": """SELECT s.subname FROM pg_catalog.pg_subscription s
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = $1 ORDER BY 1""",
}
