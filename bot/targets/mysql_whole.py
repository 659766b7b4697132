"""A whole database of MariaDB or MySQL as a holding: set aside in another database on its server.

In the backup: ``<name>.rows.sql`` (every row, written by the server), ``<name>.tables.sql`` and
``<name>.definitions.sql`` (what is around them, for people) and ``<name>.database.json`` (all of that, and
what it adds up to, seen in one snapshot). A copy that is only for looking at is a database of its own beside
the original, made and dropped by us.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets import csv_members
from bot.targets import mysql_accounts as accounts
from bot.targets import mysql_moving as moving
from bot.targets import mysql_rows as rows
from bot.targets.ground import Ground
from bot.targets.mysql_admin import Administration, Server, beside
from bot.targets.mysql_csv import tables
from bot.targets.mysql_definitions import Only, changed, make, running, script
from bot.targets.mysql_facts import DatabaseFacts, Frame, count, facts, furnishing, numbers, size
from bot.targets.mysql_kinds import Kind
from bot.targets.mysql_survey import require_free_to_move, require_unshared
from bot.targets.mysql_written import Written
from bot.targets.ports import Sink, Source, Told
from bot.targets.reporting import Report, report_of
from bot.targets.streams import Whole, chunks
from bot.targets.system import Removal, Survey, Users, Whereabouts
from bot.targets.whereabouts import database_of, require_one

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class MariadbHolding(csv_members.MayHoldCsv):
    """One database of a MariaDB or MySQL server.

    Args:
        name: its name in the configuration.
        target: of which system, for sentences.
        url: its address.
        roots: the allowed roots; a restore into a folder under one of them makes a database of its name.
        others: addresses of such databases of other systems, by the system's name.

    Raises:
        BadInput: the address cannot be understood.
    """

    #: The tables that it is about; None: all of the database, and what is around them.
    _only: Only = None
    #: Under which word the book of what is set aside keeps how a copy that appeared is known again.
    _copied = "copy"

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
        with self._admin.connected() as server:
            self._require_there(server)
            require_free_to_move(server, self._database, self._aside(""), self._only)
            require_unshared(self._admin, server, self._others)
            # What could not be made again is told now.
            frame = Frame.read(server, self._database, self._only)
            self._require_alone(server, frame)
            self._require_accounts(server, frame.accounts)

    def survey(self) -> Survey:
        """See ``Holding``."""
        self.require_free()
        with self._admin.connected() as server:
            return Survey(
                name=self._name,
                kind="database",
                place=self._place,
                identity={"server": server.uid, "database": self._database, **self._parts},
                items=count(server, self._database, self._only),
                size=size(server, self._database, self._only),
                free=0,
                warnings=tuple(self._warnings(server)),
            )

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions, those of the database that is set aside where there is one."""
        aside = self._aside(operation)
        with self._admin.connected() as server:
            there = server.comment(aside) is not None
            return Users(tuple(server.sessions(aside if there else self._database)), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._admin.connected() as server:
            self._require_there(server)
            frame = Frame.read(server, self._database, self._only)
            server.run(_SNAPSHOT)
            with sink.blob(f"{self._name}.rows.sql") as out:
                known = facts(server, self._database, Written(out), frame, only=self._only)
            every = tables(server, self._database, self._only)
            listed = csv_members.write(sink, self._name, every) if self._csv else []
        for name, text in _for_people(known, server.kind).items():
            with sink.blob(f"{self._name}.{name}.sql") as out:
                out.write(text.encode())
        with sink.blob(f"{self._name}.database.json") as out:
            out.write(known.dump())
        told = {"kind": "database", "tables": len(known.tables), "rows": known.rows, "size": known.size}
        told_too = {"csv": [one.plain() for one in listed]} if self._csv else {}
        return {**told, "accounts": sorted(frame.accounts), **told_too}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        scratch = self._beside(operation, "_try")
        with self._admin.connected() as server:
            try:
                self._unpack(server, scratch, source)
                if self._csv:
                    again = tables(server, scratch)
                    csv_members.require_proven(source, self._name, self._place, again)
            finally:
                self._drop(server, scratch)

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted, aside = self._known(source), self._aside(operation)
        now = self.whereabouts(operation)
        require_one(now, self._place)
        with self._admin.connected() as server:
            moving.take(self._admin, server, self._database, aside, self._only)
            if not self._look(server, aside, wanted.seed, report_of(source)).is_same_content(wanted):
                raise changed(server, self._place, wanted.frame.definitions)

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        now = self.whereabouts(operation)
        if now == "in-place":
            return
        require_one(now, self._place)
        aside = self._aside(operation)
        with self._admin.connected() as server:
            if moving.state(server, aside) == "removing":
                raise CannotProve("files.is-gone", path=self._place)
            moving.bring(server, self._database, aside, whole=self._only is None)

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``; what is on its way counts as set aside, so that somebody finishes it."""
        with self._admin.connected() as server:
            there = self._is_there(server, self._database)
            now = moving.state(server, self._aside(operation))
            if not now:
                return "in-place" if there else "gone"
            return "both" if there and now in ("aside", "removing") else "set-aside"

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._place)
        with self._admin.connected() as server:
            self._require_untouched(server, operation, self._known(source), report_of(source))

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted, aside = self._known(source), self._aside(operation)
        now = self.whereabouts(operation)
        if now == "gone":
            return Removal(0, 0, ())
        if now == "in-place":
            raise CannotProve("files.not-set-aside", path=self._place)
        with self._admin.connected() as server:
            server.require_nobody(aside)
            if moving.state(server, aside) != "removing":
                self._require_untouched(server, operation, wanted, report_of(source))
                # From here on it may be there in part.
                moving.tell(server, aside, "removing")
            moving.drop(server, aside)
        return Removal(1, wanted.size, ())

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return self._admin.place_of(database_of(self._ground, self._database, into))

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        target = database_of(self._ground, self._database, into)
        with self._admin.connected() as server:
            if self._is_there(server, target):
                raise CannotProve("files.in-the-way", path=self._admin.place_of(target))

    def require_accounts(self, kept: Mapping[str, Any]) -> None:
        """See ``Holding``."""
        with self._admin.connected() as server:
            self._require_accounts(server, kept.get("accounts", ()))

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        database_of(self._ground, self._database, into)
        ready = self._beside(operation, "_new")
        with self._admin.connected() as server:
            # On its way already: it was compared then.
            if moving.state(server, ready) != "returning":
                self._unpack(server, ready, source)
                moving.tell(server, ready, "ready")

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        target, ready = database_of(self._ground, self._database, into), self._beside(operation, "_new")
        with self._admin.connected() as server:
            there, now = self._is_there(server, target), moving.state(server, ready)
            if now == "returning" or (now == "ready" and not there):
                moving.bring(server, target, ready, whole=self._only is None)
            elif now or not there:
                key = "files.in-the-way" if there else "files.is-gone"
                raise CannotProve(key, path=self._admin.place_of(target))

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        target, ready = database_of(self._ground, self._database, into), self._beside(operation, "_new")
        with self._admin.connected() as server:
            if moving.state(server, ready) == "returning":
                # Half of it has appeared already.
                moving.bring(server, target, ready, whole=self._only is None)
            self._drop(server, ready)

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        aside, ready = self._aside(operation), self._beside(operation, "_new")
        with self._admin.connected() as server:
            written = self._book(server, aside)
            if self._copied not in written:
                self.require_room()
                self.prepare(operation, source)
                moving.note(server, aside, {**written, self._copied: self._mark(server, ready)})
        self.appear(operation)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        aside = self._aside(operation)
        with self._admin.connected() as server:
            if not moving.state(server, aside):
                return
            written = self._book(server, aside)
            if self._copied in written:
                self._take_away(server, written[self._copied])
            self._drop(server, self._beside(operation, "_new"))
            moving.note(server, aside, {"frame": written["frame"]})

    def _mark(self, server: Server, ready: str) -> Any:
        """Mark a copy that is to appear, and say how it is known again."""
        if not server.kind.comments:
            return dict(numbers(server, ready))
        mark = f"countersign copy {secrets.token_hex(8)}"
        frame = Frame.of(self._book(server, ready)["frame"])
        moving.note(server, ready, {"frame": replace(frame, made=(*frame.made[:2], mark)).plain()})
        return mark

    def _take_away(self, server: Server, mark: Any) -> None:
        """Remove a copy that appeared, if it is there and is that one."""
        said = server.comment(self._database)
        if said is None:
            return
        is_that = said == mark
        if not server.kind.comments:
            # Who made one of its tables made the rest; what it has beside them came later.
            is_that = bool(mark.items() & numbers(server, self._database).items())
        if not is_that:
            raise CannotProve("files.in-the-way", path=self._place)
        server.drop(self._database)

    @property
    def _place(self) -> str:
        return self._admin.place_of(self._database)

    def _aside(self, operation: str) -> str:
        return self._beside(operation, "")

    def _beside(self, operation: str, end: str) -> str:
        return beside(self._database, f"__countersign_{operation}{end}")

    def _warnings(self, server: Server) -> list[Told]:
        found: list[Told] = []
        users = server.sessions(self._database)
        if users:
            found.append(("told.sessions-end", {"database": self._database, "n": len(users)}))
        still = accounts.let_in(server, self._aside("t1"))
        if still:
            names = ", ".join(still[:5]) + (", …" if len(still) > 5 else "")
            found.append(("told.still-let-in", {"names": names, "n": len(still)}))
        events = running(server, self._database) if self._only is None else []
        if events:
            found.append(
                ("told.events-run", {"database": self._database, "name": events[0], "n": len(events)})
            )
        return found

    def _require_there(self, server: Server) -> None:
        if not self._is_there(server, self._database):
            raise TargetDown("files.missing", path=self._place)

    def _is_there(self, server: Server, database: str) -> bool:
        """Whether there is something of it, or in its way, in a database."""
        return server.comment(database) is not None

    def _require_alone(self, server: Server, frame: Frame) -> None:
        """Return when nothing else hangs on it; of a whole database that is looked at with the rest."""

    @property
    def _parts(self) -> Mapping[str, str]:
        """What besides its name tells it from others."""
        return {}

    def _drop(self, server: Server, database: str) -> None:
        """One that we made. Whoever is connected to it is thrown out: nobody was told its name."""
        if moving.state(server, database) is not None:
            moving.drop(server, database)

    def _require_accounts(self, server: Server, needed: Iterable[str]) -> None:
        lacking = accounts.missing(server, needed)
        if lacking:
            raise CannotProve("whole.no-account", database=self._database, name=lacking[0], n=len(lacking))

    def _unpack(self, server: Server, database: str, source: Source) -> None:
        wanted = self._known(source)
        self._require_accounts(server, wanted.frame.accounts)
        self._drop(server, database)
        moving.begin(server, database, wanted.frame, "building")
        server.use(database)
        server.run(*furnishing(wanted))
        with source.blob(f"{self._name}.rows.sql") as stream:
            reading = Whole(stream, wanted.sha256)
            rows.load(server, database, reading)
        if not reading.is_whole:
            raise CannotProve("files.not-the-same", path=self._place)
        for name, text in _for_people(wanted, server.kind).items():
            with source.blob(f"{self._name}.{name}.sql") as stream:
                if b"".join(chunks(stream)) != text.encode():
                    raise CannotProve("files.not-the-same", path=self._place)
        make(server, database, wanted.frame.still.definitions, wanted.frame.made[1])
        report = report_of(source)
        report.begin("comparing")
        came = facts(server, database, rows.Sums(wanted.seed), Frame.read(server, database).still, report)
        if not came.is_same_content(replace(wanted, frame=wanted.frame.still)):
            raise CannotProve("files.not-the-same", path=self._place)

    def _require_untouched(
        self, server: Server, operation: str, wanted: DatabaseFacts, report: Report
    ) -> None:
        aside = self._aside(operation)
        if moving.state(server, aside) != "aside":
            raise CannotProve("files.not-set-aside", path=self._place)
        report.begin("comparing")
        if not self._look(server, aside, wanted.seed, report).is_same_content(wanted):
            raise CannotProve("files.touched-aside", path=self._place)

    def _look(self, server: Server, aside: str, seed: str, report: Report) -> DatabaseFacts:
        frame = Frame.of(self._book(server, aside)["frame"])
        server.run(_SNAPSHOT)
        try:
            return facts(server, aside, rows.Sums(seed), frame, report)
        finally:
            server.run("COMMIT")

    def _book(self, server: Server, ours: str) -> dict[str, Any]:
        written = moving.book(server, ours)
        if written is None:
            raise TargetDown("files.missing", path=self._admin.place_of(ours))
        return written

    def _known(self, source: Source) -> DatabaseFacts:
        with source.blob(f"{self._name}.database.json") as stream:
            return DatabaseFacts.of(b"".join(chunks(stream)))


def _for_people(known: DatabaseFacts, kind: Kind) -> Mapping[str, str]:
    """What a person loads before and after the rows with the server's own program, in one session. Pure."""
    pinned = ", ".join(f"{name} = {kind.pinned[name]}" for name in kind.loading)
    tables = "".join(f"{one};\n" for one in furnishing(known))
    head = f"SET NAMES utf8mb4;\nSET {pinned};\n"
    return {"tables": head + tables, "definitions": script(known.frame.definitions)}
