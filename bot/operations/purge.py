"""The second job of a teardown, after the grace period: remove what was set aside, for good.

Before the point of no return everything is looked at once more; after it a crash or an error leaves things
half removed, and the next run goes on removing. What is removed is what is in the backup, nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.backups.vault import Vault
from bot.errors import CannotProve, Stale
from bot.operations.gate import Gate
from bot.operations.set_aside import Journal
from bot.targets.system import ServiceFacts, System


@dataclass(frozen=True)
class PurgeOrder:
    """What was set aside, and the backup it is in. ``certify`` signs and keeps what is said at the end."""

    operation: str
    backup_id: str
    sha256: str
    certify: Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class Purged:
    """What went. ``residue``: (what, found) for every place that was looked at again."""

    removed: int
    size: int
    left: int
    residue: tuple[tuple[str, str], ...]
    certificate: str


def run(order: PurgeOrder, system: System, vault: Vault, gate: Gate, journal: Journal) -> Purged:
    """Remove it. ``journal`` is that of the job which set it aside.

    Raises:
        Halted: stopped or frozen before the point of no return; everything is still set aside.
        CountersignError: before the point of no return nothing was removed; after it, what went is gone and
            the rest is where it was.
    """
    with gate.step("step.purge-check"):
        with vault.open(order.backup_id, order.sha256):
            _as_it_was_left(order, system, journal)
        gate.check()
        gate.committing("", order.backup_id, order.sha256)
    return finish(order, system, vault, gate)


def finish(order: PurgeOrder, system: System, vault: Vault, gate: Gate) -> Purged:
    """Everything after the point of no return; may be repeated until it is done."""
    removed = size = 0
    left: list[str] = []
    with gate.step("step.remove"), vault.open(order.backup_id, order.sha256) as opened:
        for holding in system.holdings:
            if holding.whereabouts(order.operation) in ("set-aside", "both"):
                done = holding.remove(order.operation, opened)
                removed, size = removed + done.removed, size + done.size
                left += done.left
    with gate.step("step.residue"):
        residue = _residue(order, system)
    with gate.step("step.certificate"):
        facts = {
            "removed": removed,
            "bytes": size,
            "left": len(left),
            "residue": [list(one) for one in residue],
        }
        certificate = order.certify(facts)
    return Purged(removed, size, len(left), residue, certificate)


def _as_it_was_left(order: PurgeOrder, system: System, journal: Journal) -> None:
    former = journal.get("former") or {}
    for service in system.services:
        service.verify(ServiceFacts.of(former[service.name]))
    for holding in system.holdings:
        if holding.whereabouts(order.operation) != "set-aside":
            raise CannotProve("teardown.not-aside", name=holding.name)
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
