"""The first job of a teardown: stop, close, back up, prove the backup, set aside, look.

Read ``run`` from top to bottom; ``undo`` is the way back from anywhere in it. Every step may be repeated: a
job that a crash cut short runs from the top again and finds done what is done. What cannot be found out
again (what ran before, which backup is sealed) is in the journal before it is relied on.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.backups.vault import OpenedBackup, Vault
from bot.config.types import Target
from bot.errors import Broken, CannotProve, CountersignError, because
from bot.model.backups import SealedBackup
from bot.model.drift import Drift
from bot.model.plans import Plan, Told
from bot.operations.clearing import CLEARING
from bot.operations.gate import Drifted, Gate
from bot.operations.measuring import by_backup, by_plan
from bot.operations.teardown import (
    BUILTIN,
    Host,
    look_again,
    method_of,
    require_successors,
    successors_of,
    unmet,
)
from bot.operations.timing import STOP
from bot.targets import kind_of
from bot.targets.builtin import Export
from bot.targets.ports import Check
from bot.targets.reporting import WatchedSink, WatchedSource
from bot.targets.system import ServiceFacts, System, User

#: Seconds: how long a session may take to go that has just ended, and between two looks at it.
_MOMENT, _TICK = 2.0, 0.1


class Journal(Protocol):
    """What a job must know again after a crash; written down before anything relies on it."""

    def get(self, name: str) -> Any:
        """What was noted, or None."""

    def note(self, name: str, value: Any) -> None:
        """Keep plain JSON."""

    def claim(self, name: str, value: Any) -> bool:
        """Keep it unless anybody did already, in one move; whether it was us."""


@dataclass(frozen=True)
class TeardownOrder:
    """A permitted teardown. ``announce`` tells the people the target names; more than once does no harm.

    ``new_backup`` makes an id; ``drop_backup`` removes what a killed attempt left.
    """

    plan: Plan
    spec: Target
    host: Host
    operation: str
    new_backup: Callable[[], str]
    drop_backup: Callable[[str], None]
    announce: Callable[[], None]
    facts: Mapping[str, object]


@dataclass(frozen=True)
class SetAside:
    """What lies where after the first job. ``seconds``: how long the test restore took."""

    backup: SealedBackup
    seconds: float


def run(order: TeardownOrder, system: System, vault: Vault, gate: Gate, journal: Journal) -> SetAside:
    """Set a system aside.

    Raises:
        Drifted: the host or a part is not the approved one; nothing was touched.
        Halted: stopped or frozen; ``undo`` brings back what was.
        NeighbourIll: everything is set aside and somebody else suffers; a person decides.
        CountersignError: anything else; ``undo`` brings back what was.
    """
    operation = order.operation
    require_host(journal, order.host)
    with gate.step("step.preflight"):
        _preflight(order, system, journal)
    gate.check()
    _until_stopped(order, system, gate, journal)
    with gate.step("step.close"):
        sessions = _nobody_holds(system, operation)
    gate.check()
    with gate.step("step.back-up"):
        sealed = _back_up(order, system, vault, gate, journal)
    with vault.open(sealed.backup_id, sealed.sha256) as opened:
        gate.check()
        with gate.step("step.rehearse"):
            seconds = _rehearse(order, system, opened, gate, journal)
        gate.check()
        with gate.step("step.set-aside"):
            _nobody_came(system, operation, sessions)
            for holding in system.holdings:
                report = gate.measure(holding.name, "comparing", by_backup(opened.manifest, holding.name))
                holding.set_aside(operation, WatchedSource(opened, report))
                gate.check()
    with gate.step("step.well"):
        _gone(order, system, journal)
        neighbours_are_well(system, journal)
    gate.check()
    return SetAside(sealed, seconds)


def undo(operation: str, system: System, journal: Journal) -> None:
    """Everything as it was, from wherever ``run`` had come to; may be repeated.

    Raises:
        Broken: something does not come back; the sentence says which part.
    """
    for holding in reversed(system.holdings):
        if holding.whereabouts(operation) == "gone":
            raise Broken("undo.gone", name=holding.name)
        with _place("undo.holding", holding.name):
            if holding.whereabouts(operation) != "in-place":
                holding.put_back(operation)
    if system.builtin is not None and system.builtin.export is not None:
        system.builtin.export.discard(operation)
    former = journal.get("former") or {}
    for service in reversed(system.services):
        if service.name in former:
            with _place("undo.service", service.name):
                service.start(ServiceFacts.of(former[service.name]))


def require_host(journal: Journal, host: Host) -> None:
    """Return on the machine on which the first step was taken: two of them may have the same name.

    Raises:
        AnotherHost: this is another.
    """
    mark = journal.get("host")
    if mark is None or mark == host.mark:
        return
    machine, name = journal.get("machine") or (host.machine, host.name)
    if machine == host.machine:
        raise AnotherHost("teardown.another-host", host=host.name)
    raise AnotherHost("teardown.moved-host", there=machine, host=name, here=host.machine)


class AnotherHost(CannotProve):
    """The worker is on another machine than the one on which the system was set aside."""


class NeighbourIll(CannotProve):
    """A neighbour that answered before does not answer now."""


class _place:  # noqa: N801 - reads as a statement
    """Around one thing that is brought back: a failure names it."""

    def __init__(self, key: str, name: str) -> None:
        self._key = key
        self._name = name

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object, /) -> None:
        if isinstance(error, CountersignError):
            raise Broken(self._key, name=self._name, **because(error)) from error


def _preflight(order: TeardownOrder, system: System, journal: Journal) -> None:
    """Compare with what was approved, once; after the first touch a look would find our own traces."""
    if journal.get("former") is not None:
        return
    method = method_of(order.plan)
    lacks = unmet(system.builtin) if method == BUILTIN and system.builtin else None
    if lacks is not None or look_again(order.spec, system, order.host, method) != order.plan.fingerprint:
        told = lacks or Told("drift.system", {"target": order.plan.target})
        raise Drifted(order.plan.target, Drift(drifted=True, differences=(told,)))
    journal.note("machine", [order.host.machine, order.host.name])
    journal.note("host", order.host.mark)
    note_well(system, journal)
    journal.note("former", {one.name: one.look().plain() for one in system.services})


def note_well(system: System, journal: Journal) -> None:
    """Which neighbours answer now."""
    journal.note("well", [check.name for check in system.neighbours if check.probe().well])


def export_of(order: TeardownOrder, system: System) -> Export | None:
    """What the system gives of itself, where its own uninstall was approved."""
    return system.builtin.export if system.builtin and method_of(order.plan) == BUILTIN else None


def _until_stopped(order: TeardownOrder, system: System, gate: Gate, journal: Journal) -> None:
    """People are told, it gives something of itself, what replaces it must answer; then it is stopped."""
    if method_of(order.plan) == CLEARING:
        return
    with gate.step("step.announce"):
        order.announce()
    gate.check()
    export = export_of(order, system)
    if export is not None:
        with gate.step("step.export"):
            _take(export, order.operation, journal)
        gate.check()
    approved = successors_of(order.plan)
    if system.successors or approved:
        with gate.step("step.successor"):
            require_successors(system, approved)
        gate.check()
    # A plan of an earlier release names the step for a system without services, too.
    if not system.services and STOP not in order.plan.steps:
        return
    with gate.step(STOP):
        for service in system.services:
            service.stop(_former(journal, service.name))
            gate.check()


def _take(export: Export, operation: str, journal: Journal) -> None:
    """Once; after a crash the system may not run any more."""
    if journal.get("exported") is None:
        journal.note("exported", dict(export.take(operation)))


def _former(journal: Journal, service: str) -> ServiceFacts:
    return ServiceFacts.of(journal.get("former")[service])


def _nobody_holds(system: System, operation: str) -> frozenset[User]:
    """The services are stopped; whoever still has a file open is somebody else. The sessions that are left.

    Sessions of a database are ended when it is set aside, as the plan says; what they wrote since the backup
    is noticed then.
    """
    left = set()
    for holding in system.holdings:
        for user in holding.users(operation).users:
            if user.how != "session":
                raise CannotProve("teardown.in-use", name=holding.name, program=user.name, pid=user.pid)
            left.add(user)
    return frozenset(left)


def _nobody_came(system: System, operation: str, before: frozenset[User]) -> None:
    """Return when no session is there that was not there when the services had stopped.

    One that ends within a moment does not count: it may be our own, on its way out.

    Raises:
        CannotProve: something still works with the database; it would go on doing so.
    """
    until = time.monotonic() + _MOMENT
    while came := sorted(_nobody_holds(system, operation) - before, key=lambda one: one.pid):
        if time.monotonic() >= until:
            who = f"{came[0].name} {came[0].origin}".rstrip()
            raise CannotProve("teardown.came-back", target=came[0].path, who=who, pid=came[0].pid)
        time.sleep(_TICK)


def _back_up(
    order: TeardownOrder, system: System, vault: Vault, gate: Gate, journal: Journal
) -> SealedBackup:
    """One archive of everything; the one that was sealed before a crash is found again."""
    known = journal.get("sealed")
    if known is not None:
        with vault.open(known["id"], known["sha256"]) as opened:
            return SealedBackup(known["id"], known["sha256"], known["size"], "", opened.manifest)
    began = journal.get("backup")
    if began is not None:
        order.drop_backup(began)
    backup_id = order.new_backup()
    journal.note("backup", backup_id)
    gate.backup_started(backup_id)
    with vault.sealing(backup_id) as sealing:
        kept = {}
        for holding in system.holdings:
            report = gate.measure(holding.name, "copying", by_plan(order.plan, holding.name))
            kept[holding.name] = dict(holding.copy(WatchedSink(sealing, report)))
        export, exported = export_of(order, system), journal.get("exported")
        if export is not None:
            export.copy(order.operation, sealing, exported)
        sealed = sealing.finish(
            {
                "operation": "teardown",
                "format": 1,
                "target": order.plan.target,
                "engine": kind_of(order.spec.address),
                "name": order.operation,
                "former": journal.get("former"),
                "holdings": kept,
                **({"export": exported} if export is not None else {}),
                **order.facts,
            }
        )
    journal.note("sealed", {"id": sealed.backup_id, "sha256": sealed.sha256, "size": sealed.size})
    if export is not None:
        export.discard(order.operation)
    return sealed


def _rehearse(
    order: TeardownOrder, system: System, opened: OpenedBackup, gate: Gate, journal: Journal
) -> float:
    """Restore every part into scratch space, unless that was done, or it is set aside already."""
    done = journal.get("rehearsed")
    if done is not None:
        return float(done) / 1000
    started = time.monotonic()
    for holding in system.holdings:
        if holding.whereabouts(order.operation) == "in-place":
            report = gate.measure(holding.name, "unpacking", by_backup(opened.manifest, holding.name))
            holding.rehearse(order.operation, WatchedSource(opened, report))
    export = export_of(order, system)
    if export is not None:
        export.rehearse(opened, journal.get("exported"))
    seconds = time.monotonic() - started
    journal.note("rehearsed", int(seconds * 1000))
    return seconds


def _gone(order: TeardownOrder, system: System, journal: Journal) -> None:
    """Stopped, set aside, and its own pages silent."""
    for service in system.services:
        service.verify(_former(journal, service.name))
    for holding in system.holdings:
        if holding.whereabouts(order.operation) != "set-aside":
            raise CannotProve("teardown.not-aside", name=holding.name)
    for check in system.checks:
        if check.probe().well:
            raise CannotProve("teardown.still-answers", name=check.name)


def neighbours_are_well(system: System, journal: Journal) -> None:
    """Return when every neighbour that answered before the journal's last look answers now.

    Raises:
        NeighbourIll: one does not.
    """
    before = set(journal.get("well") or ())
    ill: list[Check] = [one for one in system.neighbours if one.name in before and not one.probe().well]
    if ill:
        raise NeighbourIll("teardown.neighbour-ill", name=ill[0].name)
