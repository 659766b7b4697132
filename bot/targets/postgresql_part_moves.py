"""What is done to some schemas inside their database: renamed and closed, opened again, dropped.

Each is one transaction, so that a crash leaves all of it or nothing. Other systems work in the same database:
no session is ever ended, locks are waited for a short while again and again, and who holds them is named.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import psycopg

from bot.errors import CannotProve, Stale
from bot.targets import postgresql_part_questions as queries
from bot.targets.postgresql_admin import Administration, Connection
from bot.targets.postgresql_part_facts import PartFacts, about, grants_of, part_facts
from bot.targets.postgresql_part_notes import Link, Note, closing, opening_again, wanted
from bot.targets.postgresql_sql import quote
from bot.targets.postgresql_sums import Seeds, digest
from bot.targets.system import User

Done = TypeVar("Done")

#: For one lock: longer than the server needs to find a deadlock or to send a cleaner away.
_ONE_LOCK = "2s"
_AGAIN = 0.1


class Part:
    """Some schemas of the database of a connection.

    ``place``: as people know them; ``patience``: seconds until whoever is in the way is told.
    """

    def __init__(self, admin: Administration, place: str, patience: float) -> None:
        self._patience = patience
        self._admin = admin
        self.place = place

    def numbers(self, connection: Connection, names: Collection[str]) -> Mapping[str, int]:
        """The number of each of these schemas that is there."""
        return dict(connection.execute(queries.NUMBERS, (list(names),)).fetchall())

    def users(self, connection: Connection, known: Mapping[str, int]) -> Sequence[User]:
        """Who holds a lock on something in them."""
        asked = connection.execute(queries.holders(known).encode()).fetchall()
        return [User(pid, role, "session", self.place) for pid, role in asked]

    def require_alone(self, connection: Connection, known: Mapping[str, int]) -> None:
        """Return when nothing outside hangs on them.

        Raises:
            CannotProve: something does, and is named.
        """
        found = connection.execute(queries.hanging(known).encode()).fetchall()
        if found:
            raise CannotProve("part.hanging", path=self.place, name=str(found[0][0]), n=len(found))

    def require_extensions(self, connection: Connection, wanted: PartFacts) -> None:
        """Return when the database has all extensions that they need.

        Raises:
            CannotProve: it lacks one.
        """
        query = "SELECT extname::text FROM pg_catalog.pg_extension"
        lacking = {name for name, _, _ in wanted.extensions} - {name for (name,) in connection.execute(query)}
        if lacking:
            raise CannotProve("part.extension", path=self.place, name=min(lacking), n=len(lacking))

    def close(self, connection: Connection, known: Mapping[str, int], into: Mapping[str, str]) -> None:
        """Set them aside under these names; what they were is noted at them.

        Raises:
            CannotProve: something outside hangs on them.
            Stale: somebody holds them.
        """

        def work() -> None:
            self.lock(connection, known, "ACCESS EXCLUSIVE")
            self.require_alone(connection, known)
            links = connection.execute(queries.links(known).encode()).fetchall()
            keep = keepers(connection, {Link(*one).owner for one in links})
            for name, new in into.items():
                note = Note(grants_of(connection, name), about(connection, name)[1])
                run(connection, closing(name, new, note, keep))

        self.patiently(connection, known, work)

    def open(self, connection: Connection, known: Mapping[str, int], from_: Mapping[str, str]) -> None:
        """Under their names at home again, with everybody's rights as they were. ``from_``: names by home.

        Raises:
            CannotProve: what they were is not noted any more, or cannot be given back.
        """

        def work() -> None:
            roles = {name for (name,) in connection.execute(_ROLES).fetchall()}
            for name, now in from_.items():
                note = self.note(connection, now)
                run(connection, opening_again(now, name, note, grants_of(connection, now), roles))
                if set(grants_of(connection, name)) != set(wanted(note, roles)):
                    raise CannotProve("part.rights", path=self.place, name=name)

        self.patiently(connection, known, work)

    def note(self, connection: Connection, schema: str) -> Note:
        """What is noted at one that is set aside."""
        note = Note.of(about(connection, schema)[1])
        if note is None:
            raise CannotProve("part.note", path=self.place, name=schema)
        return note

    def link(self, connection: Connection, known: Mapping[str, int], links: Mapping[Link, str]) -> None:
        """Foreign keys to tables outside, at their tables in these schemas.

        Raises:
            CannotProve: one does not hold any more.
            Stale: somebody holds a table.
        """

        def work() -> None:
            for link, schema in links.items():
                try:
                    connection.execute(link.adding(schema).encode())
                except (psycopg.errors.IntegrityError, psycopg.errors.ProgrammingError):
                    raise CannotProve("part.link", path=self.place, name=link.name) from None

        self.patiently(connection, known, work)

    def drop(self, connection: Connection, known: Mapping[str, int], wanted: PartFacts | None) -> None:
        """Drop exactly these, or nothing. ``wanted``: what they must be; None for copies of our own.

        Their own objects go with them. That nothing else went is seen before anything is final: everything
        outside, as we see it now, is what everybody else still sees.

        Raises:
            CannotProve: something outside hangs on them, or they are not what they should be.
            Stale: somebody holds them, or changes definitions of the database all the while.
        """
        seeds = wanted.seeds if wanted is not None else Seeds.fresh(connection)

        def work() -> None:
            # Reading goes on, so that a foreign key's check in another system does not wait for the sums.
            self.lock(connection, known, "SHARE")
            if wanted is not None and not part_facts(connection, known, seeds).is_same_place(wanted):
                raise CannotProve("files.touched-aside", path=self.place)
            self.require_alone(connection, known)
            self.away(connection, known)
            ours = digest(connection, queries.catalogue(known, outside=True), seeds)
            with self._admin.connected(self._admin.database) as other:
                theirs = digest(other, queries.catalogue(known, outside=True), seeds)
            if ours != theirs:
                raise _MovedError

        self.patiently(connection, known, work)

    def away(self, connection: Connection, known: Mapping[str, int]) -> None:
        """Drop them, inside a transaction."""
        found = connection.execute(_NAMES, (list(known.values()),)).fetchall()
        names = ", ".join(quote(str(name)) for (name,) in found)
        connection.execute(f"DROP SCHEMA {names} CASCADE".encode())

    def lock(self, connection: Connection, known: Mapping[str, int], mode: str) -> None:
        """Lock all tables in them, inside a transaction."""
        found = connection.execute(queries.relations(known, "rp").encode()).fetchall()
        for _, relation in found:
            connection.execute(f"LOCK TABLE ONLY {relation} IN {mode} MODE".encode())

    def patiently(self, connection: Connection, known: Mapping[str, int], work: Callable[[], Done]) -> Done:
        """Once all of it goes through; tried again while somebody is in the way, for a bounded while."""
        until = time.monotonic() + self._patience
        while True:
            try:
                with connection.transaction():
                    connection.execute(f"SET LOCAL lock_timeout = '{_ONE_LOCK}'".encode())
                    return work()
            except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject):
                raise CannotProve("files.in-the-way", path=self.place) from None
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, _MovedError) as error:
                if time.monotonic() > until:
                    raise self._in_the_way(connection, known, error) from None
                time.sleep(_AGAIN)

    def _in_the_way(self, connection: Connection, known: Mapping[str, int], error: Exception) -> Stale:
        if isinstance(error, _MovedError):
            return Stale("part.moving", path=self.place)
        seen = self.users(connection, known) or [User(0, "-", "session", self.place)]
        return Stale("files.in-use", path=self.place, program=seen[0].name, pid=seen[0].pid, n=len(seen))


class _MovedError(Exception):
    """Something outside is not what others see: with us it goes, or somebody changed it just now."""


def keepers(connection: Connection, owners: Collection[str]) -> Collection[str]:
    """Who may still use schemas that are set aside.

    Ourselves, unless we may do everything; and ``owners``: of tables with foreign keys to the outside, in
    whose name the server looks into them whenever another system deletes what they point to.
    """
    row = connection.execute(_WE).fetchone()
    assert row is not None
    return set(owners) if row[1] else {*owners, str(row[0])}


def run(connection: Connection, statements: Sequence[str]) -> None:
    """One after the other."""
    for one in statements:
        connection.execute(one.encode())


_WE = "SELECT current_user::text, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
_ROLES = "SELECT rolname::text FROM pg_catalog.pg_roles"
_NAMES = "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE oid = ANY($1::oid[])"
