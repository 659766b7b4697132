"""The second job of a teardown, after the grace period: remove what was set aside, for good.

Before the point of no return everything is looked at once more; after it a crash or an error leaves things
half removed, and the next run goes on removing: by itself after a crash, on a person's word when something
stood in the way. What is removed is what is in the backup, nothing else, and nothing is certified before
all of it is gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.backups.vault import OpenedBackup, Vault
from bot.errors import BooksDown, CannotProve, CountersignError, Stale, TakenOver
from bot.model.remains import Remains, lines_of
from bot.operations import uninstall
from bot.operations.gate import Gate
from bot.operations.measuring import by_backup
from bot.operations.set_aside import Journal
from bot.operations.teardown import require_successors
from bot.operations.uninstall import UninstallOrder
from bot.targets.reporting import WatchedSource
from bot.targets.system import ServiceFacts, System


@dataclass(frozen=True)
class PurgeOrder:
    """What was set aside, and the backup it is in. ``certify`` signs and keeps what is said at the end.

    ``own``: the system's own uninstall, where that was approved. ``successors``: what had to answer in the
    system's place when the plan was approved. ``remains``: what was there besides its parts at that time.
    """

    operation: str
    backup_id: str
    sha256: str
    certify: Callable[[Mapping[str, Any]], str]
    own: UninstallOrder | None = None
    successors: tuple[str, ...] = ()
    remains: Remains | None = None

    def to_call(self, journal: Journal) -> UninstallOrder | None:
        """The system's own uninstall, unless another job has called it: then what is left goes by steps."""
        return self.own if self.own and uninstall.called_by(journal) in (None, self.own.job) else None


@dataclass(frozen=True)
class Purged:
    """What went. ``residue``: (what, found) for every place that was looked at again; ``remains`` of them."""

    removed: int
    size: int
    left: int
    residue: tuple[tuple[str, str], ...]
    certificate: str
    remains: Remains | None = None


def run(
    order: PurgeOrder, system: System, vault: Vault, gate: Gate, journal: Journal, *, half: bool = False
) -> Purged:
    """Remove it. ``journal`` is that of the job which set it aside; ``half``: a part of it is gone already.

    The system's own uninstall, where that was approved, is called in between; see ``uninstall``.

    Raises:
        Halted: stopped or frozen before the point of no return; everything is still set aside.
        CountersignError: before the point of no return nothing was removed; after it, what went is gone and
            the rest is where it was.
    """
    own = order.to_call(journal)
    with gate.step("step.purge-check"):
        uninstall.settle(order.operation, system, journal)
        if not half:
            require_successors(system, order.successors)
        with vault.open(order.backup_id, order.sha256) as opened:
            _still_stopped(system, journal)
            if not half:
                _verify(order, system, opened, gate, journal)
            _nobody_holds(order, system)
        gate.check()
        if own is None:
            gate.committing("", order.backup_id, order.sha256)
    if own is not None:
        _bring_out(own, system, vault, gate, journal)
    return finish(order, system, vault, gate, journal)


def finish(order: PurgeOrder, system: System, vault: Vault, gate: Gate, journal: Journal) -> Purged:
    """Everything after the point of no return; may be repeated until it is done."""
    own = order.to_call(journal)
    if own is not None and not journal.get("uninstalled"):
        uninstall.finish(own, system, vault, gate, journal)
        journal.note("uninstalled", True)
    gate.removing()
    with gate.step("step.remove"), vault.open(order.backup_id, order.sha256) as opened:
        _remove(order, system, opened, gate)
        removed, size = _what_went(opened)
    with gate.step("step.residue"):
        remains = system.residue.look(order.remains) if system.residue is not None else None
        residue = (*_residue(order, system), *(lines_of(remains) if remains is not None else ()))
    with gate.step("step.certificate"):
        facts = {
            "removed": removed,
            "bytes": size,
            "left": 0,
            "residue": [list(one) for one in residue],
            **_how(order, journal),
        }
        certificate = order.certify(facts)
    return Purged(removed, size, 0, residue, certificate, remains)


def remaining(operation: str, system: System) -> tuple[str, ...]:
    """The names of the parts of which something is still set aside."""
    return tuple(one.name for one in system.holdings if one.whereabouts(operation) in ("set-aside", "both"))


def _bring_out(own: UninstallOrder, system: System, vault: Vault, gate: Gate, journal: Journal) -> None:
    """The copy for the system's own uninstall; when that may not be called after all, it goes again."""
    try:
        with gate.step("step.bring-out"), vault.open(own.backup_id, own.sha256) as opened:
            uninstall.bring_out(own, system, opened, journal)
        gate.check()
        gate.calling(own.backup_id, own.sha256)
    except (BooksDown, TakenOver):
        raise
    except CountersignError:
        uninstall.settle(own.operation, system, journal)
        raise


def _verify(order: PurgeOrder, system: System, opened: OpenedBackup, gate: Gate, journal: Journal) -> None:
    """Everything is set aside and whole; what an uninstall took with it is gone, and needs no removal."""
    for holding in system.holdings:
        gone = holding.whereabouts(order.operation) == "gone"
        if not (gone and uninstall.called_by(journal)):
            report = gate.measure(holding.name, "comparing", by_backup(opened.manifest, holding.name))
            holding.verify(order.operation, WatchedSource(opened, report))


def _how(order: PurgeOrder, journal: Journal) -> Mapping[str, Any]:
    """By which method, and what is known of the system's own uninstall."""
    if order.own is None:
        return {"method": "by-steps"}
    return {
        "method": "builtin" if journal.get("uninstalled") else "by-steps",
        "uninstall": journal.get("answered") or "no clear answer",
    }


def _remove(order: PurgeOrder, system: System, opened: OpenedBackup, gate: Gate) -> None:
    """Every part as far as it goes: one that stands in the way keeps no other from going.

    Raises:
        CountersignError: the first that was in the way.
    """
    failed: list[CountersignError] = []
    for holding in system.holdings:
        if holding.whereabouts(order.operation) == "in-place":
            continue
        try:
            report = gate.measure(holding.name, "removing", by_backup(opened.manifest, holding.name))
            left = holding.remove(order.operation, WatchedSource(opened, report)).left
            if left:
                raise CannotProve("purge.left", name=holding.name, n=len(left), first=left[0])
        except CountersignError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _what_went(opened: OpenedBackup) -> tuple[int, int]:
    """Files and bytes of all that is gone now; a run that a crash cut short knows only its own part."""
    kept = opened.manifest.extra["holdings"].values()
    return sum(int(one.get("items", one.get("entries", 1))) for one in kept), sum(
        int(one["size"]) for one in kept
    )


def _still_stopped(system: System, journal: Journal) -> None:
    former = journal.get("former") or {}
    for service in system.services:
        service.verify(ServiceFacts.of(former[service.name]))


def _nobody_holds(order: PurgeOrder, system: System) -> None:
    for holding in system.holdings:
        for user in holding.users(order.operation).users:
            raise Stale("teardown.in-use", name=holding.name, program=user.name, pid=user.pid)


def _residue(order: PurgeOrder, system: System) -> tuple[tuple[str, str], ...]:
    """Every declared place, service and check, looked at again: absent, found, or not to be told."""
    found = []
    for holding in system.holdings:
        where = holding.whereabouts(order.operation)
        found.append((f"holding {holding.name}", "absent" if where == "gone" else "found"))
    for service in system.services:
        state = service.look().state
        found.append((f"service {service.name}", "absent" if state in ("stopped", "away") else "found"))
    found += [(f"check {one.name}", "found" if one.probe().well else "absent") for one in system.checks]
    return tuple(found)
