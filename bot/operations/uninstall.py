"""The system's own uninstall, in the second job of a teardown.

It is called at most once, ever, and it is given a copy: out of the proven backup into the old places, started
if it has to run, while the originals stay set aside. What it does is then looked at, not believed. Until the
originals are removed everything can be put back; only what it did outside of the parts of the system cannot.
An unclear answer is no answer: nothing is claimed, a person decides, and what follows goes by steps.
"""

import time
from dataclasses import dataclass

from bot.backups.vault import OpenedBackup, Vault
from bot.errors import BooksDown, CannotProve, CountersignError, TakenOver, because
from bot.operations import set_aside
from bot.operations.gate import Gate
from bot.operations.set_aside import Journal
from bot.operations.teardown import unmet
from bot.targets.builtin import Builtin
from bot.targets.system import Holding, ServiceFacts, System

_TICK = 0.1


class CopyIsOut(CannotProve):
    """A copy stands in the place of the system, and cannot be taken away."""


@dataclass(frozen=True)
class UninstallOrder:
    """``job`` calls the system's own uninstall; another job that finds it called goes by steps.

    ``seal``: of what was approved; None in plans that do not say it.
    """

    operation: str
    job: str
    backup_id: str
    sha256: str
    builtin: Builtin
    seal: str | None = None


def called_by(journal: Journal) -> str | None:
    """Which job has called it, if one has; whether it came to an answer is another question."""
    called = journal.get("called")
    return None if called is None else str(called)


def bring_out(order: UninstallOrder, system: System, opened: OpenedBackup, journal: Journal) -> None:
    """A copy of everything into its place, started if it must run; may be repeated.

    Raises:
        CountersignError: what is needed is not there; ``settle`` takes the copy away.
    """
    # Before the first touch, so that it is looked for after a crash.
    journal.note("out", True)
    set_aside.note_well(system, journal)
    for holding in reversed(system.holdings):
        holding.bring_out(order.operation, opened)
    if order.builtin.running:
        former = journal.get("former") or {}
        for service in reversed(system.services):
            service.start(ServiceFacts.of(former[service.name]))
    lacks = unmet(order.builtin, runs=order.builtin.running)
    if lacks is not None:
        raise CannotProve(lacks.key, **lacks.params)
    # Only now: the program may be a part of the system.
    if order.seal is not None and order.builtin.uninstall.seal() != order.seal:
        raise CannotProve("builtin.replaced", place=order.builtin.uninstall.place)


def settle(operation: str, system: System, journal: Journal) -> None:
    """End what still runs of it and take the copy away; nothing to do when none was brought out.

    Raises:
        CopyIsOut: it does not go; the sentence says what stands in the way.
    """
    if not journal.get("out"):
        return
    try:
        quiet(operation, system, journal)
        for holding in system.holdings:
            holding.withdraw(operation)
    except CountersignError as error:
        raise CopyIsOut("builtin.copy-is-out", **because(error)) from error
    journal.note("out", False)


def quiet(operation: str, system: System, journal: Journal) -> None:
    """Nothing runs any more, neither the call nor the system. Raises as ``Service.stop``."""
    if system.builtin is not None:
        system.builtin.uninstall.end(operation)
    former = journal.get("former") or {}
    for service in system.services:
        service.stop(ServiceFacts.of(former[service.name]))


def finish(order: UninstallOrder, system: System, vault: Vault, gate: Gate, journal: Journal) -> None:
    """Call it, once, and see that it did what it says; may be repeated.

    Raises:
        CountersignError: nothing is claimed, and nothing that is set aside was touched.
    """
    failed: CountersignError | None = None
    if called_by(journal) is None:
        try:
            with gate.step("step.uninstall"):
                _call(order, system, vault, journal)
        except (BooksDown, TakenOver):
            raise
        except CountersignError as error:
            failed = error
    # A worker that slept through its time stops nothing: the next step is not its own any more.
    with gate.step("step.uninstalled"):
        answered = journal.get("answered") is not None
        if answered:
            _await(order, system)
        quiet(order.operation, system, journal)
        if failed is not None:
            raise failed
        if not answered:
            raise CannotProve("builtin.unclear", place=order.builtin.uninstall.place)
        for holding in _there(order, system):
            raise CannotProve("builtin.still-there", name=holding.name, place=order.builtin.uninstall.place)
        set_aside.neighbours_are_well(system, journal)
        settle(order.operation, system, journal)


def _call(order: UninstallOrder, system: System, vault: Vault, journal: Journal) -> None:
    with vault.open(order.backup_id, order.sha256) as opened:
        bring_out(order, system, opened, journal)
    # From here on nobody calls it again, whatever becomes of us.
    if not journal.claim("called", order.job):
        raise TakenOver("job.taken-over")
    journal.note("answered", order.builtin.uninstall.run(order.operation))


def _await(order: UninstallOrder, system: System) -> None:
    """Some go on after their answer, within the time that the call itself may take."""
    until = time.monotonic() + order.builtin.seconds
    while time.monotonic() < until and _there(order, system):
        time.sleep(_TICK)


def _there(order: UninstallOrder, system: System) -> list[Holding]:
    """What stands in its place although the system is said to be uninstalled."""
    return [
        holding
        for holding in system.holdings
        if holding.name not in order.builtin.leaves
        and holding.whereabouts(order.operation) in ("in-place", "both")
    ]
