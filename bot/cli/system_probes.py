"""What ``check`` says about tearing a system down: whether a worker here could, and which right it lacks.

Asked is what a plan asks, of the same parts. Nothing is stopped, counted or changed.
"""

from collections.abc import Callable, Iterator
from functools import partial

from bot.cli.behind import parts_of
from bot.cli.probes import Item, Level, attempt, item
from bot.config.types import Config
from bot.operations.teardown import require_well
from bot.settings import Settings
from bot.targets.system import Holding, RightsMissing, Service


def of_system(settings: Settings, config: Config, target: str) -> Iterator[Item]:
    """Look at every service, folder and database; each is looked at, whatever another says."""
    spec = config.targets[target]
    if spec.host != settings.host:
        there = spec.host or ""
        yield item(Level.NOTE, "cli.check.elsewhere", target=target, host=there, here=settings.host)
        return
    system = parts_of(settings, config, target)
    found = [one for service in system.services for one in attempt(partial(_service, service))]
    found += [one for holding in system.holdings for one in attempt(partial(_holding, target, holding))]
    for may in system.residue.may if system.residue is not None else ():
        found += attempt(partial(_accounts, target, may))
    yield from found
    if not found:
        parts = len(system.services) + len(system.holdings)
        yield item(Level.OK, "cli.check.system", target=target, n=parts)


def _service(service: Service) -> Iterator[Item]:
    found = service.look()
    require_well(found)
    if found.state == "away":
        yield item(Level.WARNING, "services.away", service=found.name)


def _accounts(target: str, may: Callable[[], None]) -> Iterator[Item]:
    try:
        may()
    except RightsMissing as missing:
        for grant in missing.grants:
            yield item(Level.ERROR, "cli.check.missing-right-for-roles", target=target, grant=grant)


def _holding(target: str, holding: Holding) -> Iterator[Item]:
    try:
        holding.require_free()
    except RightsMissing as missing:
        for grant in missing.grants:
            yield item(Level.ERROR, "cli.check.missing-right-to-tear-down", target=target, grant=grant)
