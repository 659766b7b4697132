"""From the configuration of a target to the parts of its system."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from bot.config import types
from bot.config.database_types import Database
from bot.config.system_types import Check as CheckSpec
from bot.config.types import Target
from bot.errors import CannotProve
from bot.jobs.remains import residue_of
from bot.operations.clearing import Leftover
from bot.settings import Settings
from bot.targets.assertions import SqlCheck
from bot.targets.builtin import Builtin, Call
from bot.targets.calls import CommandCall, Credential, HttpCall, no_program
from bot.targets.checks import AbsentCheck, HttpCheck, PlaceCheck, PortCheck
from bot.targets.export import KeptExport
from bot.targets.files import FolderHolding
from bot.targets.machine_holdings import holding_of
from bot.targets.machine_people import Machine
from bot.targets.mysql import parts_of as mysql_parts_of
from bot.targets.mysql_part import TablesHolding
from bot.targets.mysql_users import UserHolding
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.ports import Check
from bot.targets.postgresql import parts_of
from bot.targets.postgresql_accounts import RoleHolding
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_part_tables import PostgresqlTablesHolding
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.remains import Residue
from bot.targets.services import SupervisorService
from bot.targets.services_commands import Commands, CommandService
from bot.targets.single import FileHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.starters import Starters
from bot.targets.starters_text import Needles
from bot.targets.stopping import Patience
from bot.targets.system import Holding, Service, System

_FILE = "sqlite:///"
_SERVER = "postgresql://"
_MARIADB = ("mysql://", "mariadb://")
_Database = SqliteHolding | PostgresqlHolding | SchemasHolding | MariadbHolding


@dataclass(frozen=True)
class Surroundings:
    """What a worker brings to the parts of a system.

    ``variables``: where credentials are looked up. ``exports``: a folder of the worker's own.
    ``installation``: tells this one's calls from those of another installation on the same machine. ``ours``:
    our own files and folders, which belong to no system. ``root``: above cron and systemd.
    """

    variables: Mapping[str, str]
    exports: Path
    installation: str = ""
    ours: tuple[str, ...] = ()
    root: Path = Path("/")

    @classmethod
    def of(cls, settings: Settings, public_key: str) -> "Surroundings":
        """Those of a worker, whose log is signed with this key."""
        ours = (settings.config_file, settings.data_dir, settings.worker_dir, settings.master_key_file)
        places = tuple(str(path.absolute()) for path in ours)
        return cls(settings.variables, settings.worker_dir / "exports", public_key[:12], places)


def open_system(
    spec: Target, targets: Mapping[str, Target], parts: Sequence[Leftover], around: Surroundings
) -> System:
    """The parts of one target, in the order in which they are stopped and set aside; nothing is touched yet.

    Args:
        spec: the target.
        targets: all of them, whose places are off limits.
        parts: it is only about these, which an earlier teardown of it has left; empty: about all of it.
        around: what the worker brings.

    Raises:
        CannotProve: its database is of a kind that this version does not set aside.
    """
    if parts:
        return _leftovers(spec, targets, parts, around)
    return System(
        services=tuple(_service(one) for one in spec.services),
        holdings=_holdings(spec, targets),
        checks=tuple(_own_checks(spec)),
        neighbours=(*map(_check, spec.neighbours), *(_beside(spec, targets) if spec.builtin else ())),
        successors=tuple(_successors(spec, targets)),
        residue=_residue(spec, targets, around),
        starters=_starters(spec, around),
        builtin=_builtin(spec.builtin, spec, around) if spec.builtin else None,
    )


def _starters(spec: Target, around: Surroundings) -> Starters | None:
    """What the services are known by to whoever would start them; None when there is none."""
    if not spec.services:
        return None
    commands = [one.commands for one in spec.services if one.commands is not None]
    programs = tuple(one.program for one in spec.services if one.program is not None)
    needles = Needles(tuple(_places(spec)), (), programs)
    return Starters(
        needles.with_commands([words for one in commands for words in (one.start, one.stop)]),
        asked=all("systemctl" in PurePosixPath(one.stop[0]).name for one in commands),
        root=around.root,
    )


def _leftovers(
    spec: Target, targets: Mapping[str, Target], parts: Sequence[Leftover], around: Surroundings
) -> System:
    """A system that has neither services nor pages."""
    paths = [one.path for one in parts if not one.role]
    taken = [place for other in targets.values() for place in _places(other)] + [*around.ours]
    accounts = [one.role for one in parts if one.role and not one.kind]
    machine = _machine(spec, parts, around)

    def holding(one: Leftover) -> Holding:
        if one.kind:
            return holding_of("user" if one.kind == "user" else "group", one.name, machine, one.role)
        if one.role:
            return _account(one, spec, targets, accounts)
        beside = [*taken, *(path for path in paths if path != one.path)]
        return (FolderHolding if one.folder else FileHolding)(one.name, one.path, spec.roots, beside)

    return System(
        services=(),
        holdings=tuple(map(holding, parts)),
        checks=(),
        neighbours=tuple(map(_check, spec.neighbours)),
        residue=_residue(spec, targets, around, parts),
    )


def _machine(spec: Target, parts: Sequence[Leftover], around: Surroundings) -> Machine:
    """Where its users and groups are; ``parts``: all that goes with them."""
    return Machine(
        Path(spec.residue.root if spec.residue is not None else "/"),
        around.ours,
        frozenset(one.role for one in parts if one.kind == "user"),
        frozenset(one.role for one in parts if one.kind == "group"),
        frozenset(one.path for one in parts if not one.role),
    )


def _account(
    one: Leftover, spec: Target, targets: Mapping[str, Target], accounts: Sequence[str]
) -> RoleHolding | UserHolding:
    """A role or an account of the server; ``accounts``: all that go with it."""
    url = spec.address
    if url.startswith(_SERVER):
        return RoleHolding(one.name, spec.name, url, one.role, _users(targets.values(), (_SERVER,)))
    ours = _users(targets.values(), _MARIADB)
    return UserHolding(one.name, spec.name, url, one.role, ours, accounts)


def _users(targets: Collection[Target], kind: tuple[str, ...]) -> frozenset[str]:
    """As what accounts of servers we work; ``kind``: how the addresses begin."""
    read = parts_of if kind == (_SERVER,) else mysql_parts_of
    asked = {one.name: (*one.checks, *one.neighbours, *one.replaced_by) for one in targets}
    found = [
        (one.name, url)
        for one in targets
        for url in (one.address, *(check.database for check in asked[one.name]))
        if url is not None and url.startswith(kind)
    ]
    return frozenset(str(read(name, url).get("user", "")) for name, url in found)


def _residue(
    spec: Target, targets: Mapping[str, Target], around: Surroundings, parts: Sequence[Leftover] = ()
) -> Residue | None:
    others = [other for other in targets.values() if other.name != spec.name]
    strangers = [place for other in others for place in _places(other)]
    paths = [one.path for one in parts if not one.role]
    return residue_of(spec, _places(spec), strangers, others, [*around.ours, *paths], parts)


def _builtin(one: types.Builtin, spec: Target, around: Surroundings) -> Builtin:
    secret = Credential(one.credential, around.variables.get(one.credential, "")) if one.credential else None
    seconds = one.timeout.total_seconds()
    call = partial(_call, secret=secret, seconds=seconds, owner=around.installation)
    programs = one.requires.programs
    return Builtin(
        uninstall=call(one.uninstall, "POST"),
        export=KeptExport(call(one.export, "GET"), around.exports) if one.export else None,
        running=one.running,
        lacks=lambda: next((lack for lack in map(no_program, programs) if lack), None),
        checks=tuple(check for check in _own_checks(spec) if check.name in one.requires.checks),
        leaves=frozenset(one.leaves),
        seconds=seconds,
        mark=hashlib.sha256(one.model_dump_json().encode()).hexdigest(),
    )


def _call(one: types.Call, verb: str, secret: Credential | None, seconds: float, owner: str) -> Call:
    if one.command is not None:
        return CommandCall(one.command, secret, seconds, owner)
    return HttpCall(one.http or "", one.verb or verb, secret, seconds, owner)


def _service(one: types.Service) -> Service:
    seconds = one.wait.total_seconds()
    patience = Patience(stop=seconds, watch=one.stays_down.total_seconds(), start=seconds)
    if one.commands is not None:
        words = Commands(one.commands.start, one.commands.stop, one.commands.status)
        return CommandService(one.name, words, one.ports, patience)
    return SupervisorService(one.name, one.supervisor or "", one.program or "", one.ports, patience)


def _holdings(spec: Target, targets: Mapping[str, Target]) -> tuple[Holding, ...]:
    strangers = [place for other in targets.values() if other.name != spec.name for place in _places(other)]
    places = {one.name: one.path for one in spec.files}
    made: list[Holding] = []
    if spec.database is not None:
        if spec.address.startswith(_FILE):
            places["database"] = _file_of(spec.database)
        made.append(_database(spec, spec.database, targets, strangers))
    for one in spec.files:
        beside = [place for name, place in places.items() if name != one.name]
        made.append(FolderHolding(one.name, one.path, spec.roots, [*beside, *strangers]))
    return tuple(made)


def _database(
    spec: Target, own: Database, targets: Mapping[str, Target], strangers: Sequence[str]
) -> Holding:
    """The database, or the part of it that is the system's."""
    if own.schemas is not None and not own.url.startswith(_SERVER):
        raise CannotProve("teardown.schemas-kind", target=spec.name)
    if own.tables is not None and not own.url.startswith((_SERVER, *_MARIADB)):
        raise CannotProve("teardown.tables-kind", target=spec.name)
    if own.url.startswith(_FILE):
        made: _Database = SqliteHolding("database", _file_of(own), spec.roots, strangers)
    else:
        made = _on_server(spec, own, targets)
    if own.csv:
        made.with_csv()
    return made


def _file_of(database: Database) -> str:
    return "/" + database.url.removeprefix(_FILE).lstrip("/")


def _on_server(spec: Target, own: Database, targets: Mapping[str, Target]) -> _Database:
    """The whole database of a server, or part of it."""
    url, schemas, tables = own.url, own.schemas, own.tables
    if url.startswith(_MARIADB):
        others = _servers(spec, targets, _MARIADB)
        if tables is not None:
            return TablesHolding("database", spec.name, url, tables, spec.roots, others)
        return MariadbHolding("database", spec.name, url, spec.roots, others)
    if not url.startswith(_SERVER):
        raise CannotProve("teardown.database-kind", target=spec.name)
    others = _servers(spec, targets, (_SERVER,))
    if schemas is not None:
        return SchemasHolding("database", spec.name, url, schemas, spec.roots, others)
    if tables is not None:
        paths = sorted(own.table_paths)
        return PostgresqlTablesHolding("database", spec.name, url, paths, spec.roots, others)
    return PostgresqlHolding("database", spec.name, url, spec.roots, others)


def _servers(spec: Target, targets: Mapping[str, Target], kind: tuple[str, ...]) -> Mapping[str, str]:
    """The addresses of other systems that begin like one of these and cannot share one with this."""
    others = (one for one in targets.values() if one.name != spec.name and not spec.is_apart(one))
    return {one.name: one.address for one in others if one.address.startswith(kind)}


def _places(target: Target) -> list[str]:
    found = [one.path for one in target.files]
    if target.database is not None and target.database.url.startswith(_FILE):
        found.append(str(PurePosixPath(_file_of(target.database))))
    return found


def _beside(spec: Target, targets: Mapping[str, Target]) -> Iterator[Check]:
    """What other systems on the same machine keep: nobody knows what an uninstall removes."""
    for other in targets.values():
        if other.name != spec.name and other.host == spec.host:
            for path in _places(other):
                yield PlaceCheck(f"{other.name}: {PurePosixPath(path).name}", path)


def _own_checks(spec: Target) -> Iterator[Check]:
    return (_check(one, spec.address) for one in spec.checks)


def _successors(spec: Target, targets: Mapping[str, Target]) -> Iterator[Check]:
    """What must answer in this system's place: by checks of its own, or those of another system.

    One that is not configured any more never answers.
    """
    for one in spec.replaced_by:
        other = targets.get(one.name)
        if not one.is_system:
            yield _check(one)
        elif other is None or not other.checks:
            yield AbsentCheck(one.name)
        else:
            for check in other.checks:
                called = check.model_copy(update={"name": f"{other.name}: {check.name}"})
                yield _check(called, other.address)


def _check(one: CheckSpec, database: str = "") -> Check:
    """``database``: where a statement is asked that names no other place."""
    seconds = one.timeout.total_seconds()
    if one.http is not None:
        return HttpCheck(one.name, one.http, one.status, seconds)
    if one.sql is not None:
        return SqlCheck(one.name, one.database or database, one.sql, seconds)
    host, _, port = (one.port or "").rpartition(":")
    return PortCheck(one.name, host, int(port), seconds)
