"""Some schemas of a PostgreSQL database as a holding: renamed and closed in it, whoever else works there.

In the backup: ``<name>.pgdump`` (these schemas alone) and ``<name>.schemas.json`` (what they add up to, seen
in the same snapshot). A test restore is a database of its own. What must be known again after a crash is in
the names of the schemas, and in their comments.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets import csv_members
from bot.targets import postgresql_part_questions as queries
from bot.targets import postgresql_people as people
from bot.targets import postgresql_programs as programs
from bot.targets import postgresql_scripts as scripts
from bot.targets.ports import Sink, Source
from bot.targets.postgresql_admin import Administration, Connection, beside, require_unshared
from bot.targets.postgresql_csv import tables
from bot.targets.postgresql_facts import making
from bot.targets.postgresql_part_facts import PartFacts, part_facts
from bot.targets.postgresql_part_moves import Part, keepers
from bot.targets.postgresql_part_notes import Link, Note, beside_schema, closing, noting
from bot.targets.postgresql_part_survey import look, require_free
from bot.targets.postgresql_sql import quote
from bot.targets.postgresql_sums import Seeds
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.reporting import Report, report_of
from bot.targets.streams import Whole, chunks
from bot.targets.system import Removal, Survey, Users, Whereabouts
from bot.targets.whereabouts import require_one

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class SchemasHolding(csv_members.MayHoldCsv, people.NeedsRoles):
    """Some schemas of a PostgreSQL database that belongs to others too.

    Args:
        name: its name in the configuration.
        target: of which system, for sentences.
        url: the address of the database.
        schemas: their names.
        roots: the allowed roots; a restore into a folder under one of them makes a database of its name.
        others: addresses of databases of other systems that own all of theirs, or one of these schemas.

    Raises:
        BadInput: the address cannot be understood.
    """

    #: Their word in the manifest, and how the blob of facts ends.
    _own, _ends = "schemas", "schemas.json"
    _acts: type[Part] = Part
    #: Seconds until whoever holds a table is told.
    patience = 10.0

    def __init__(
        self,
        name: str,
        target: str,
        url: str,
        schemas: Sequence[str],
        roots: Sequence[str] = (),
        others: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._name = name
        self._schemas = tuple(schemas)
        self._others = others
        self._admin = Administration(target, url)
        self._database = self._admin.database
        self._place = f"PostgreSQL {self._database}: {', '.join(schemas)}"
        self._part = self._acts(self._admin, self._place, self.patience)
        # Elsewhere they are a database of their own, which appears and goes as a whole one does.
        self._elsewhere = PostgresqlHolding(name, target, url, roots)

    @property
    def name(self) -> str:
        """See ``Holding``."""
        return self._name

    @property
    def home(self) -> str:
        """See ``Holding``; the name of the database stands for a path."""
        return self._elsewhere.home

    def require_free(self) -> None:
        """See ``Holding``."""
        require_unshared(self._admin, self._others)
        with self._connected() as connection:
            programs.require(connection.info.server_version, scripts.PROGRAMS)
            require_free(connection, self._here(connection), self._place, self._database)

    def survey(self) -> Survey:
        """See ``Holding``."""
        self.require_free()
        with self._connected() as connection:
            known = self._here(connection)
            server, _ = self._admin.identity()
            return look(connection, known, (self._name, self._place, self._database, server or ""))

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions that hold locks on what is in them."""
        with self._connected() as connection:
            aside = self._numbers(connection, self._aside(operation))
            return Users(tuple(self._part.users(connection, aside or self._numbers(connection))), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        address, hidden = self._admin.address(self._database)
        with self._connected() as connection, ThreadPoolExecutor(1) as beside_us:
            connection.execute(_SNAPSHOT)
            row = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            assert row is not None
            known = self._here(connection)
            adding: Future[PartFacts] = beside_us.submit(
                part_facts, connection, known, Seeds.fresh(connection)
            )
            with sink.blob(f"{self._name}.pgdump") as out:
                programs.dump(address, hidden, str(row[0]), out, self._database, self._options())
                facts = adding.result()
            asked = queries.relations(known, "r")
            listed = csv_members.write(sink, self._name, tables(connection, asked)) if self._csv else []
        with sink.blob(f"{self._name}.{self._ends}") as out:
            out.write(facts.dump())
        listing = {"csv": [one.plain() for one in listed]} if self._csv else {}
        found = {"kind": "database", "tables": len(facts.tables), "rows": facts.rows, "size": facts.size}
        return {**found, self._own: sorted(self._schemas), "roles": facts.plain_people, **listing}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``; foreign keys to the outside are left out, because the outside is not there."""
        scratch = beside(self._database, f"__countersign_{operation}_try")
        try:
            self._make(scratch, source)
            if self._csv:
                with self._admin.connected(scratch) as connection:
                    again = tables(connection, queries.relations(self._numbers(connection), "r"))
                    csv_members.require_proven(source, self._name, self._place, again)
        finally:
            self._admin.away(scratch)

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        now = self.whereabouts(operation)
        require_one(now, self._place)
        with self._connected() as connection:
            if now == "in-place":
                # The server's own numbers: schemas of the same names that were made since are others.
                known = self._numbers(connection)
                if known != wanted.schemas:
                    raise CannotProve("files.another-folder", path=self._place)
                self._part.close(connection, known, self._aside(operation))
        with self._connected() as connection:
            if not self._is_untouched(connection, operation, wanted, report_of(source)):
                raise CannotProve("files.changed-since", path=self._place)

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        now = self.whereabouts(operation)
        if now == "in-place":
            return
        require_one(now, self._place)
        with self._connected() as connection:
            self._open(connection, self._aside(operation))

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        with self._connected() as connection:
            aside = self._numbers(connection, self._aside(operation))
            if self._numbers(connection):
                return "both" if aside else "in-place"
            return "set-aside" if aside else "gone"

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._place)
        wanted = self._known(source)
        with self._connected() as connection:
            if not self._is_untouched(connection, operation, wanted, report_of(source)):
                raise CannotProve("files.touched-aside", path=self._place)
            self._part.require_alone(connection, wanted.schemas)

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._known(source)
        now = self.whereabouts(operation)
        if now == "gone":
            return Removal(0, 0, ())
        if now == "in-place":
            raise CannotProve("files.not-set-aside", path=self._place)
        with self._connected() as connection:
            aside = self._numbers(connection, self._aside(operation))
            if aside != wanted.schemas:
                raise CannotProve("files.touched-aside", path=self._place)
            seen = self._part.users(connection, aside)
            if seen:
                raise Stale(
                    "files.in-use", path=self._place, program=seen[0].name, pid=seen[0].pid, n=len(seen)
                )
            self._part.drop(connection, aside, wanted)
        return Removal(len(aside), wanted.size, ())

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return self._elsewhere.destination(into) if into else self._place

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        if into:
            self._elsewhere.require_room(into)
            return
        with self._connected() as connection:
            if self._numbers(connection):
                raise CannotProve("files.in-the-way", path=self._place)

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        if into:
            self._elsewhere.destination(into)
            self._make(beside(self._database, f"__countersign_{operation}_new"), source)
            return
        self.require_room()
        self.discard(operation)
        wanted = self._known(source)
        ready = self._ready(operation)
        with self._connected() as connection:
            people.require(connection, self._database, wanted.whom)
            self._part.require_extensions(connection, wanted)
            statements = self._closing(connection, wanted, ready)
        self._pour(self._database, source, wanted, statements)
        with self._connected() as connection:
            known = self._numbers(connection, ready)
            self._require_same(connection, known, wanted, report_of(source))
            self._part.link(connection, known, {one: self._schema_of(one, ready) for one in wanted.links})

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        if into:
            self._elsewhere.appear(operation, into)
            return
        with self._connected() as connection:
            ready, there = self._numbers(connection, self._ready(operation)), self._numbers(connection)
            if bool(ready) is bool(there):
                raise CannotProve("files.in-the-way" if there else "files.is-gone", path=self._place)
            if ready:
                self._open(connection, self._ready(operation))

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        if into:
            self._elsewhere.discard(operation, into)
            return
        with self._connected() as connection:
            ready = self._numbers(connection, self._ready(operation))
            if ready:
                self._part.drop(connection, ready, None)

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        with self._connected() as connection:
            aside, note = self._noted(connection, operation)
        if not note.copy:
            self.prepare(operation, source)
            with self._connected() as connection:
                copies = self._numbers(connection, self._ready(operation))
                connection.execute(noting(aside, replace(note, copy=copies)).encode())
        self.appear(operation)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        with self._connected() as connection:
            if not self._numbers(connection, self._aside(operation)):
                return
            aside, note = self._noted(connection, operation)
            there = self._numbers(connection)
            if note.copy and there:
                if any(note.copy.get(name) != number for name, number in there.items()):
                    raise CannotProve("files.in-the-way", path=self._place)
                self._part.drop(connection, there, None)
        self.discard(operation)
        with self._connected() as connection:
            connection.execute(noting(aside, replace(note, copy={})).encode())

    def _options(self) -> Sequence[str]:
        # In quotes a name is itself and no pattern.
        return [f"--schema={quote(one)}" for one in self._schemas]

    def _closing(self, connection: Connection, wanted: PartFacts, ready: Mapping[str, str]) -> Sequence[str]:
        """What follows a restore in its transaction, so that nobody sees what came."""
        keep = keepers(connection, {one.owner for one in wanted.links})
        return [
            statement
            for name, new in ready.items()
            for statement in closing(name, new, Note(wanted.grants[name], wanted.comments[name]), keep)
        ]

    def _schema_of(self, link: Link, ready: Mapping[str, str]) -> str:
        return ready[link.schema]

    def _ground(self, connection: Connection, wanted: PartFacts) -> Sequence[str]:
        """Ready an empty database for them; the statements that a dump of them lacks."""
        for name, schema, version in wanted.extensions:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}".encode())
            statement = f"CREATE EXTENSION IF NOT EXISTS {quote(name)} SCHEMA {quote(schema)}"
            connection.execute(f"{statement} VERSION {quote(version)} CASCADE".encode())
        return ()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._admin.connected(self._database) as connection:
            yield connection

    def _aside(self, operation: str) -> Mapping[str, str]:
        return {name: beside_schema(name, f"__countersign_{operation}") for name in self._schemas}

    def _ready(self, operation: str) -> Mapping[str, str]:
        return {name: beside_schema(name, f"__countersign_{operation}_new") for name in self._schemas}

    def _numbers(self, connection: Connection, now: Mapping[str, str] | None = None) -> Mapping[str, int]:
        """The numbers of those that are there, by their names at home; ``now``: what they are called."""
        called = now or {name: name for name in self._schemas}
        there = self._part.numbers(connection, called.values())
        return {name: there[one] for name, one in called.items() if one in there}

    def _here(self, connection: Connection) -> Mapping[str, int]:
        known = self._numbers(connection)
        for name in self._schemas:
            if name not in known:
                raise TargetDown("files.missing", path=f"PostgreSQL {self._database}: {name}")
        return known

    def _open(self, connection: Connection, called: Mapping[str, str]) -> None:
        known = self._numbers(connection, called)
        self._part.open(connection, known, {name: called[name] for name in known})

    def _noted(self, connection: Connection, operation: str) -> tuple[str, Note]:
        """The first that is set aside, where it is noted which copies we brought out."""
        called = self._aside(operation)
        there = self._numbers(connection, called)
        first = next((called[name] for name in self._schemas if name in there), None)
        if first is None:
            raise CannotProve("files.not-set-aside", path=self._place)
        return first, self._part.note(connection, first)

    def _is_untouched(
        self, connection: Connection, operation: str, wanted: PartFacts, report: Report
    ) -> bool:
        report.begin("comparing")
        connection.execute(_SNAPSHOT)
        aside = self._numbers(connection, self._aside(operation))
        now = part_facts(connection, aside, wanted.seeds, report) if aside == wanted.schemas else None
        connection.execute("COMMIT")
        return now is not None and now.is_same_place(wanted)

    def _known(self, source: Source) -> PartFacts:
        with source.blob(f"{self._name}.{self._ends}") as stream:
            return PartFacts.of(b"".join(chunks(stream)))

    def _require_same(
        self, connection: Connection, known: Mapping[str, int], wanted: PartFacts, report: Report
    ) -> None:
        report.begin("comparing")
        connection.execute(_SNAPSHOT)
        came = part_facts(connection, known, wanted.seeds, report)
        connection.execute("COMMIT")
        if known.keys() != wanted.schemas.keys() or not came.is_same_content(wanted):
            raise CannotProve("files.not-the-same", path=self._place)

    def _make(self, database: str, source: Source) -> None:
        """A database of our own with these schemas and the extensions they need, compared with the backup."""
        wanted = self._known(source)
        self._admin.away(database)
        with self._connected() as connection:
            people.require(connection, self._database, wanted.whom)
            owner = str((connection.execute("SELECT current_user::text").fetchone() or ("",))[0])
        self._admin.run(making({**wanted.made, "owner": owner}, database))
        with self._admin.connected(database) as connection:
            lacking = self._ground(connection, wanted)
        self._pour(database, source, wanted, lacking)
        with self._admin.connected(database) as connection:
            self._require_same(connection, self._numbers(connection), wanted, report_of(source))

    def _pour(self, database: str, source: Source, wanted: PartFacts, statements: Sequence[str]) -> None:
        address, hidden = self._admin.address(database)
        with source.blob(f"{self._name}.pgdump") as stream:
            listed = scripts.contents(stream, self._database)
        lines = scripts.without(listed, {one.number for one in wanted.links})
        with source.blob(f"{self._name}.pgdump") as stream:
            reading = Whole(stream, wanted.sha256)
            way = (address, hidden, self._database)
            whole = scripts.restore(way, lines, reading, lambda: reading.is_whole, statements)
        if not whole:
            raise CannotProve("files.not-the-same", path=self._place)
