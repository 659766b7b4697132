"""From the configuration of a target to the parts of its system."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from bot.config import types
from bot.config.types import Target
from bot.errors import CannotProve
from bot.targets.checks import HttpCheck, PortCheck
from bot.targets.files import FolderHolding
from bot.targets.services import SupervisorService
from bot.targets.services_commands import Commands, CommandService
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.stopping import Patience
from bot.targets.system import Check, Holding, Service, System

_FILE = "sqlite:///"


def open_system(spec: Target, targets: Mapping[str, Target]) -> System:
    """The parts of one target, in the order in which they are stopped and set aside; nothing is touched yet.

    Raises:
        CannotProve: its database is of a kind that this version does not set aside.
    """
    return System(
        services=tuple(_service(one) for one in spec.services),
        holdings=_holdings(spec, targets),
        checks=tuple(_check(one) for one in spec.checks),
        neighbours=tuple(_check(one) for one in spec.neighbours),
    )


def _service(one: types.Service) -> Service:
    seconds = one.wait.total_seconds()
    patience = Patience(stop=seconds, start=seconds)
    if one.commands is not None:
        words = Commands(one.commands.start, one.commands.stop, one.commands.status)
        return CommandService(one.name, words, one.ports, patience)
    return SupervisorService(one.name, one.supervisor or "", one.program or "", one.ports, patience)


def _holdings(spec: Target, targets: Mapping[str, Target]) -> tuple[Holding, ...]:
    if not spec.database.url.startswith(_FILE):
        raise CannotProve("teardown.database-kind", target=spec.name)
    database = "/" + spec.database.url.removeprefix(_FILE).lstrip("/")
    places = {"database": database, **{one.name: one.path for one in spec.files}}
    strangers = [place for other in targets.values() if other.name != spec.name for place in _places(other)]
    made: list[Holding] = [SqliteHolding("database", database, spec.roots, strangers)]
    for one in spec.files:
        others = [place for name, place in places.items() if name != one.name]
        made.append(FolderHolding(one.name, one.path, spec.roots, [*others, *strangers]))
    return tuple(made)


def _places(target: Target) -> list[str]:
    found = [one.path for one in target.files]
    if target.database.url.startswith(_FILE):
        found.append(str(PurePosixPath("/" + target.database.url.removeprefix(_FILE).lstrip("/"))))
    return found


def _check(one: types.Check) -> Check:
    seconds = one.timeout.total_seconds()
    if one.http is not None:
        return HttpCheck(one.name, one.http, one.status, seconds)
    host, _, port = (one.port or "").rpartition(":")
    return PortCheck(one.name, host, int(port), seconds)
