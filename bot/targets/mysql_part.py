"""Some tables of a database of MariaDB or MySQL as a holding: moved out of it, whoever else works there.

As a whole database (``mysql_whole``), with these differences: the database stays, nobody is thrown out of it,
and nothing outside may hang on the tables. What goes along are their triggers.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets import mysql_part_ties as ties
from bot.targets.mysql_admin import Server
from bot.targets.mysql_facts import DatabaseFacts, Frame, numbers
from bot.targets.mysql_sql import quote
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.ports import Sink, Source, Told
from bot.targets.reporting import Report
from bot.targets.system import Users


class TablesHolding(MariadbHolding):
    """Some tables of a database of MariaDB or MySQL that belongs to others too.

    Args:
        name: its name in the configuration.
        target: of which system, for sentences.
        url: the address of the database.
        tables: their names, as the server spells them.
        roots: the allowed roots; a restore into a folder under one of them makes a database of its name.
        others: addresses of databases of other systems that own all of theirs, or one of these tables.

    Raises:
        BadInput: the address cannot be understood.
    """

    _only: frozenset[str]
    _copied = "copies"

    def __init__(
        self,
        name: str,
        target: str,
        url: str,
        tables: Sequence[str],
        roots: Sequence[str] = (),
        others: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(name, target, url, roots, others)
        self._only = frozenset(tables)

    def users(self, operation: str) -> Users:
        """See ``Holding``: sessions in what is set aside; whose a lock in the place is, nobody says."""
        with self._admin.connected() as server:
            return Users(tuple(server.sessions(self._aside(operation))), 0)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``; the summary names the tables as the configuration compares them."""
        return {**super().copy(sink), "only": sorted(one.lower() for one in self._only)}

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        with self._admin.connected() as server:
            self._require_nothing_hangs(server)
        super().set_aside(operation, source)
        # Until the tables were locked, somebody may have made something that needs them.
        with self._admin.connected() as server:
            self._require_nothing_hangs(server)

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return super().destination(into) if into else self._place

    def _mark(self, server: Server, ready: str) -> Any:
        return numbers(server, ready, self._only)

    def _take_away(self, server: Server, mark: Any) -> None:
        there = numbers(server, self._database, self._only)
        if any(mark.get(table) != number for table, number in there.items()):
            raise CannotProve("files.in-the-way", path=self._place)
        if there:
            names = ", ".join(f"{quote(self._database)}.{quote(table)}" for table in there)
            server.insist(self._database, f"DROP TABLE {names}", ending=False)

    @property
    def _place(self) -> str:
        return f"{self._admin.place_of(self._database)}: {', '.join(sorted(self._only))}"

    @property
    def _parts(self) -> Mapping[str, str]:
        return {"tables": "\n".join(sorted(self._only))}

    def _is_there(self, server: Server, database: str) -> bool:
        if database != self._database:
            return super()._is_there(server, database)
        return not self._only.isdisjoint(server.tables(database))

    def _require_there(self, server: Server) -> None:
        kinds = server.tables(self._database)
        for table in sorted(self._only):
            if table not in kinds:
                raise TargetDown("files.missing", path=f"{self._admin.place_of(self._database)}: {table}")
            if kinds[table] in ("VIEW", "SEQUENCE"):
                raise CannotProve("whole.unwritable", database=self._database, name=table)

    def _require_alone(self, server: Server, frame: Frame) -> None:
        self._require_nothing_hangs(server)
        lacking = ties.lacking(server, self._database, self._only)
        if lacking:
            raise CannotProve("part.lacking", path=self._place, name=lacking[0], n=len(lacking))
        for one in frame.definitions:
            # To make it again, the way in which the whole database sorts would be changed for a moment.
            if one.database_collation not in ("", frame.made[1]):
                raise CannotProve("whole.unwritable", database=self._database, name=one.name)

    def _require_nothing_hangs(self, server: Server) -> None:
        found = ties.hanging(server, self._database, self._only)
        if found:
            raise CannotProve("part.hanging", path=self._place, name=found[0], n=len(found))

    def _require_untouched(
        self, server: Server, operation: str, wanted: DatabaseFacts, report: Report
    ) -> None:
        super()._require_untouched(server, operation, wanted, report)
        aside = self._aside(operation)
        found = ties.pointing(server, aside, self._only)
        if found:
            raise CannotProve("part.hanging", path=server.place_of(aside), name=found[0], n=len(found))

    def _warnings(self, server: Server) -> list[Told]:
        found = [one for one in super()._warnings(server) if one[0] != "told.sessions-end"]
        if not ties.sees_everything(server):
            found.append(("told.tables-unseen", {"path": self._place}))
        return found
