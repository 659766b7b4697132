"""A whole PostgreSQL database as a holding: set aside under another name on its server, closed to everybody.

In the backup: ``<name>.pgdump`` (``pg_dump`` in its own format, not compressed) and ``<name>.database.json``
(what it adds up to, seen in the same snapshot). A copy that is only for looking at is a database of its own
beside the original, made and dropped by us. What must be known again after a crash is in the names, and in
one setting at the database that is set aside.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets import csv_members
from bot.targets import postgresql_bodies as bodies
from bot.targets import postgresql_events as events
from bot.targets import postgresql_people as people
from bot.targets import postgresql_programs as programs
from bot.targets import postgresql_scripts as scripts
from bot.targets.ground import Ground
from bot.targets.ports import Sink, Source, Told
from bot.targets.postgresql_admin import (
    Administration,
    Connection,
    beside,
    place_of,
    require_free_to_move,
    require_unshared,
)
from bot.targets.postgresql_csv import tables
from bot.targets.postgresql_facts import DatabaseFacts, count, dressing, facts, making
from bot.targets.postgresql_questions import TABLES
from bot.targets.postgresql_sql import quote
from bot.targets.postgresql_sums import Seeds
from bot.targets.reporting import Report, report_of
from bot.targets.streams import Whole, chunks
from bot.targets.system import Removal, Survey, User, Users, Whereabouts
from bot.targets.whereabouts import database_of, require_one

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: At the database that is set aside: the number of the copy that we brought out in its place.
_COPY_OUT = '"countersign"."copy"'


class PostgresqlHolding(csv_members.MayHoldCsv, people.NeedsRoles):
    """One database of a PostgreSQL server.

    Args:
        name: its name in the configuration.
        target: of which system, for sentences.
        url: its address.
        others: addresses of PostgreSQL databases of other systems, by the system's name.
        roots: the allowed roots; a restore into a folder under one of them makes a database of its name.

    Raises:
        BadInput: the address cannot be understood.
    """

    def __init__(
        self,
        name: str,
        target: str,
        url: str,
        roots: Sequence[str] = (),
        others: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._name = name
        self._others = others
        self._admin = Administration(target, url)
        self._database = self._admin.database
        self._ground = Ground(roots)

    @property
    def name(self) -> str:
        """See ``Holding``."""
        return self._name

    @property
    def home(self) -> str:
        """See ``Holding``; a database has no path, so that its name stands for one."""
        return f"/{self._database}"

    def require_free(self) -> None:
        """See ``Holding``."""
        self._require_there(self._database)
        require_free_to_move(self._admin)
        require_unshared(self._admin, self._others)
        with self._admin.connected(self._database) as connection:
            programs.require(connection.info.server_version)
            if connection.execute(_IS_OURS).fetchone() != (False,):
                raise CannotProve("whole.ours", database=self._database)
            events.require(connection, self._database)
            bodies.require(connection, self._database)

    def survey(self) -> Survey:
        """See ``Holding``."""
        self.require_free()
        server, number = self._admin.identity()
        with self._admin.connected(self._database) as connection:
            (size,) = connection.execute(_SIZE).fetchone() or (0,)
            rows = count(connection)
        sessions = len(self._admin.sessions(self._database))
        return Survey(
            name=self._name,
            kind="database",
            place=self._place,
            identity={"server": server, "database": self._database, "number": str(number)},
            items=rows,
            size=size,
            free=0,
            warnings=self._warnings(sessions),
        )

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions, those of the database that is set aside where there is one."""
        aside = self._aside(operation)
        there = self._admin.numbers(self._database, aside)
        return Users(tuple(self._admin.sessions(aside if aside in there else self._database)), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        self._require_there(self._database)
        address, hidden = self._admin.address(self._database)
        with self._admin.connected(self._database) as connection, ThreadPoolExecutor(1) as beside_us:
            connection.execute(_SNAPSHOT)
            row = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            assert row is not None
            adding: Future[DatabaseFacts] = beside_us.submit(facts, connection, Seeds.fresh(connection))
            with sink.blob(f"{self._name}.pgdump") as out:
                programs.dump(address, hidden, str(row[0]), out, self._database)
                known = adding.result()
            listed = csv_members.write(sink, self._name, tables(connection, TABLES)) if self._csv else []
        with sink.blob(f"{self._name}.database.json") as out:
            out.write(known.dump())
        found = {"kind": "database", "tables": len(known.tables), "rows": known.rows, "size": known.size}
        roles = [one.plain() for one in known.people]
        return {**found, "roles": roles, **({"csv": [one.plain() for one in listed]} if self._csv else {})}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        scratch = self._beside(operation, "_try")
        try:
            self._unpack(scratch, source)
            if self._csv:
                with self._admin.connected(scratch) as connection:
                    again = tables(connection, TABLES)
                    csv_members.require_proven(source, self._name, self._place, again)
        finally:
            self._admin.away(scratch)

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        aside = self._aside(operation)
        now = self.whereabouts(operation)
        require_one(now, self._place)
        if now == "in-place":
            # The server's own number: a database of the same name that was made since is another one.
            if self._admin.numbers(self._database)[self._database] != wanted.number:
                raise CannotProve("files.another-folder", path=self._place)
            self._admin.rename(self._database, aside)
        if not self._look(aside, wanted.seeds, report_of(source)).is_same_database(wanted):
            raise CannotProve("files.changed-since", path=self._place)

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        now = self.whereabouts(operation)
        if now == "in-place":
            return
        require_one(now, self._place)
        aside = self._aside(operation)
        self._admin.run(f"ALTER DATABASE {quote(aside)} RESET {_COPY_OUT}")
        self._admin.open_for_all(aside, opened=True)
        self._admin.rename(aside, self._database)

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        aside = self._aside(operation)
        there = self._admin.numbers(self._database, aside)
        if self._database in there:
            return "both" if aside in there else "in-place"
        return "set-aside" if aside in there else "gone"

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._place)
        self._require_untouched(operation, self._known(source), report_of(source))

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._known(source)
        now = self.whereabouts(operation)
        if now == "gone":
            return Removal(0, 0, ())
        if now == "in-place":
            raise CannotProve("files.not-set-aside", path=self._place)
        aside = self._aside(operation)
        seen: Sequence[User] = self._admin.sessions(aside)
        if seen:
            raise Stale("files.in-use", path=self._place, program=seen[0].name, pid=seen[0].pid, n=len(seen))
        self._require_untouched(operation, wanted, report_of(source))
        self._admin.drop(aside)
        return Removal(1, wanted.size, ())

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return place_of(database_of(self._ground, self._database, into))

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        target = database_of(self._ground, self._database, into)
        if target in self._admin.numbers(target):
            raise CannotProve("files.in-the-way", path=place_of(target))

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        database_of(self._ground, self._database, into)
        self._unpack(self._beside(operation, "_new"), source)

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        target, ready = database_of(self._ground, self._database, into), self._beside(operation, "_new")
        there = self._admin.numbers(target, ready)
        if (ready in there) is (target in there):
            raise CannotProve(
                "files.in-the-way" if target in there else "files.is-gone", path=place_of(target)
            )
        if ready in there:
            self._admin.rename(ready, target)

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        database_of(self._ground, self._database, into)
        self._admin.away(self._beside(operation, "_new"))

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        aside, ready = self._aside(operation), self._beside(operation, "_new")
        if self._copy_out(aside) is None:
            self.require_room()
            self.prepare(operation, source)
            number = self._admin.numbers(ready)[ready]
            self._admin.run(f"ALTER DATABASE {quote(aside)} SET {_COPY_OUT} TO '{number}'")
        self.appear(operation)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        aside = self._aside(operation)
        there = self._admin.numbers(self._database, aside)
        if aside not in there:
            return
        known = self._copy_out(aside)
        if known is not None and self._database in there:
            if there[self._database] != known:
                raise CannotProve("files.in-the-way", path=self._place)
            used = self._beside(operation, "_used")
            self._admin.rename(self._database, used)
        self._admin.away(self._beside(operation, "_used"))
        self._admin.away(self._beside(operation, "_new"))
        self._admin.run(f"ALTER DATABASE {quote(aside)} RESET {_COPY_OUT}")

    @property
    def _place(self) -> str:
        return place_of(self._database)

    def _aside(self, operation: str) -> str:
        return self._beside(operation, "")

    def _beside(self, operation: str, end: str) -> str:
        return beside(self._database, f"__countersign_{operation}{end}")

    def _warnings(self, sessions: int) -> tuple[Told, ...]:
        if not sessions:
            return ()
        return (("told.sessions-end", {"database": self._database, "n": sessions}),)

    def _require_there(self, database: str) -> None:
        if database not in self._admin.numbers(database):
            raise TargetDown("files.missing", path=place_of(database))

    def _unpack(self, database: str, source: Source) -> None:
        wanted = self._known(source)
        with self._admin.connected() as connection:
            people.require(connection, self._database, wanted.whom)
        self._admin.away(database)
        self._admin.run(making(wanted.made, database))
        address, hidden = self._admin.address(database)
        with source.blob(f"{self._name}.pgdump") as stream:
            lines = scripts.events_last(scripts.contents(stream, database))
        with source.blob(f"{self._name}.pgdump") as stream:
            reading = Whole(stream, wanted.sha256)
            programs.restore(address, hidden, reading, database, lines)
            for chunk in chunks(reading):
                assert chunk
        if not reading.is_whole:
            raise CannotProve("files.not-the-same", path=self._place)
        self._admin.run(*dressing(wanted, database))
        with self._admin.connected(database) as connection:
            connection.execute(_SNAPSHOT)
            report = report_of(source)
            report.begin("comparing")
            came = facts(connection, wanted.seeds, report)
        if not came.is_same_content(wanted):
            raise CannotProve("files.not-the-same", path=self._place)

    def _require_untouched(self, operation: str, wanted: DatabaseFacts, report: Report) -> None:
        report.begin("comparing")
        if not self._look(self._aside(operation), wanted.seeds, report).is_same_database(wanted):
            raise CannotProve("files.touched-aside", path=self._place)

    def _look(self, aside: str, seeds: Seeds, report: Report) -> DatabaseFacts:
        with self._only_us(aside) as connection:
            connection.execute(_SNAPSHOT)
            return facts(connection, seeds, report)

    @contextmanager
    def _only_us(self, aside: str) -> Iterator[Connection]:
        """Into a closed database, which is closed again before anything is looked at, and stays so."""
        self._admin.open_for_all(aside, opened=True)
        try:
            with self._admin.connected(aside) as connection:
                self._admin.open_for_all(aside, opened=False)
                yield connection
        finally:
            self._admin.open_for_all(aside, opened=False)

    def _known(self, source: Source) -> DatabaseFacts:
        with source.blob(f"{self._name}.database.json") as stream:
            return DatabaseFacts.of(b"".join(chunks(stream)))

    def _copy_out(self, aside: str) -> int | None:
        """The number of the copy that we brought out; None without any."""
        with self._admin.connected() as connection:
            row = connection.execute(_MARK, (aside, _COPY_OUT.replace('"', "") + "=")).fetchone()
        return int(row[0]) if row else None


_SIZE = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
#: Tables of ours are in it, in any schema.
_IS_OURS = """
SELECT count(DISTINCT relname) = 4 FROM pg_catalog.pg_class
 WHERE relkind = 'r' AND relname IN ('audit_log', 'permits', 'outbox', 'alembic_version')
"""
_MARK = """
SELECT pg_catalog.split_part(s.one, '=', 2)
  FROM pg_catalog.pg_db_role_setting r JOIN pg_catalog.pg_database d ON d.oid = r.setdatabase,
       pg_catalog.unnest(r.setconfig) s(one)
 WHERE r.setrole = 0 AND d.datname = $1 AND pg_catalog.starts_with(s.one, $2)
"""
