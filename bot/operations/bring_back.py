"""A whole system out of its backup: to where it was, into the places of another system, or into a new folder.

Read ``run`` from top to bottom. Until ``gate.committing`` all of it lies unpacked, compared and out of sight,
and a stop clears it away; from there on it goes forward: every part appears whole, the services start, the
pages must answer. ``finish`` may be repeated, so that a crash after the point of no return is taken up again.
"""

import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from bot.backups.vault import OpenedBackup, Vault
from bot.config.types import Target
from bot.errors import CannotProve, CountersignError, NotFound, NotOurs
from bot.model.backups import Manifest
from bot.model.drift import Drift
from bot.model.plans import Origin, Plan, Told
from bot.model.requests import Operation
from bot.operations.gate import Drifted, Gate
from bot.operations.measuring import by_backup
from bot.operations.teardown import Host, require_here
from bot.operations.timing import BRING_BACK, START, Steps, Weight, as_served, timed
from bot.targets import kind_of, versions
from bot.targets.reporting import WatchedSource
from bot.targets.system import Holding, Service, ServiceFacts, System

STEPS = BRING_BACK
_FORMAT = 1

Step = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True)
class BringBackOrder:
    """A permitted restore of a whole system. ``operation`` names it to the parts."""

    plan: Plan
    spec: Target
    host: Host
    operation: str

    @property
    def into(self) -> str:
        """The new folder; empty: where everything was."""
        return str((self.plan.system or {}).get("into") or "")

    @property
    def elsewhere(self) -> bool:
        """Whether it comes into the places of another system than the one it was."""
        return self.plan.origin is not None


def name_of(request_id: int) -> str:
    """What the parts of a system call one restore, in names of files too."""
    return f"r{request_id}"


def is_whole(manifest: Manifest) -> bool:
    """Whether a backup is of a whole system."""
    return manifest.extra.get("operation") == str(Operation.TEARDOWN)


def plan(spec: Target, system: System, host: Host, opened: OpenedBackup, sha256: str, into: str) -> Plan:
    """What bringing it back would mean, looked up and not touched.

    ``spec`` and ``system`` may be those of another system, whose parts have the same names; whoever calls has
    seen to it that its database is of the same kind.

    Raises:
        CannotProve: something stands in the way, runs already, or does not belong to this system.
        NotAllowed: ``into`` is not under an allowed root.
        NotFound: the backup holds a part that the configuration does not name.
        TargetDown: the machine does not answer.
    """
    require_here(spec, host)
    _require_parts(spec, system, opened.manifest)
    services = [] if into else [service.look() for service in system.services]
    for service in services:
        if service.state not in ("stopped", "failed", "away"):
            raise CannotProve("restore.runs", name=service.name)
    if into and len({_into(one, into) for one in system.holdings}) < len(system.holdings):
        raise CannotProve("restore.same-names", target=spec.name)
    extra = opened.manifest.extra
    for holding in system.holdings:
        holding.require_room(_into(holding, into))
        holding.require_accounts(extra["holdings"][holding.name])
    elsewhere = str(extra["target"]) != spec.name
    return Plan(
        operation=Operation.RESTORE,
        target=spec.name,
        record=None,
        tables=(),
        nullified=(),
        roots="",
        fingerprint=_fingerprint(spec, system, host, into, sha256),
        warnings=_warnings(spec, extra, into),
        steps=tuple(step[0] for step in _steps(services, into)),
        way_back="way-back.bring-back",
        backup=opened.manifest.backup_id,
        sha256=sha256,
        system=_shown(system, host, opened.manifest, services, into),
        origin=Origin(str(extra["target"]), str(extra.get("name", ""))) if elsewhere else None,
    )


def run(order: BringBackOrder, system: System, vault: Vault, gate: Gate) -> Told | None:
    """Bring it back; why the last look could not confirm it, or None.

    Raises:
        Drifted: what was approved no longer holds; nothing was touched.
        Halted: stopped before the point of no return; nothing is left of it.
        CountersignError: before the point of no return nothing is left of it; after it, ``finish`` goes on.
    """
    committing = False
    try:
        with vault.open(order.plan.backup or "", order.plan.sha256) as opened:
            with gate.step("step.look"):
                _as_approved(order, system, opened)
            gate.check()
            with gate.step("step.prepare"):
                for holding in reversed(system.holdings):
                    expected = by_backup(opened.manifest, holding.name)
                    watched = WatchedSource(opened, gate.measure(holding.name, "unpacking", expected))
                    holding.prepare(order.operation, watched, _into(holding, order.into))
                    gate.check()
        gate.committing("", "", "")
        committing = True
        return finish(order, system, vault, gate.step)
    except BaseException:
        if not committing:
            # The first error says more than one about the clean-up; the next attempt begins with it.
            with suppress(CountersignError):
                clear(order, system)
        raise


def finish(order: BringBackOrder, system: System, vault: Vault, step: Step) -> Told | None:
    """Everything after the point of no return; may be repeated until it is done."""
    with step("step.appear"):
        for holding in reversed(system.holdings):
            holding.appear(order.operation, _into(holding, order.into))
    if order.into:
        return None
    with vault.open(order.plan.backup or "", order.plan.sha256) as opened:
        former: Mapping[str, Any] = opened.manifest.extra.get("former") or {}
    # A plan of an earlier release names the step for a system without services, too.
    if system.services or START in order.plan.steps:
        with step(START):
            for service in reversed(system.services):
                try:
                    service.start(_wanted(service, former[service.name], order.elsewhere))
                except CountersignError:
                    return Told("restore.not-started", {"name": service.name})
    with step("step.answers"):
        for check in system.checks:
            if not check.probe().well:
                return Told("restore.silent", {"name": check.name})
    return None


def clear(order: BringBackOrder, system: System) -> None:
    """Remove what was unpacked and has not appeared."""
    for holding in system.holdings:
        holding.discard(order.operation, _into(holding, order.into))


def _counted(kept: Mapping[str, Any]) -> int:
    """Files or rows, as the plan of the teardown counted them; an older backup counts folders too."""
    return next((int(kept[name]) for name in ("items", "entries", "rows") if name in kept), 0)


def _shown(
    system: System,
    host: Host,
    manifest: Manifest,
    services: Sequence[ServiceFacts],
    into: str,
) -> Mapping[str, Any]:
    """What people see of it, as plain JSON in the form of a teardown's plan."""
    kept: Mapping[str, Mapping[str, Any]] = manifest.extra["holdings"]
    # Of what was only left over, the backup knows which places it is about.
    parts = {key: value for key, value in manifest.extra.items() if key == "parts"}
    weights = [
        Weight(str(one["kind"]), int(one.get("entries") or 0), int(one.get("size") or 0))
        for one in kept.values()
    ]
    return {
        "host": host.name,
        "into": into,
        **parts,
        "services": [[one.name, one.state, 0, list(one.ports), []] for one in services],
        "holdings": [
            [
                one.name,
                kept[one.name]["kind"],
                one.destination(_into(one, into)),
                _counted(kept[one.name]),
                int(kept[one.name].get("size") or 0),
            ]
            for one in reversed(system.holdings)
        ],
        "users": [],
        "checks": [] if into else [[check.name, check.probe().well] for check in system.checks],
        "neighbours": [],
        "rows": sum(int(one.get("rows") or 0) for one in kept.values()),
        "size": sum(one.size for one in weights),
        "steps": timed(_steps(services, into), weights, "restore"),
    }


def _steps(services: Sequence[ServiceFacts], into: str) -> Steps:
    """Into a new folder nothing is started, and nothing is asked."""
    return STEPS[:3] if into else as_served(STEPS, served=bool(services))


def _as_approved(order: BringBackOrder, system: System, opened: OpenedBackup) -> None:
    spec, into, sha256 = order.spec, order.into, order.plan.sha256 or ""
    now = plan(spec, system, order.host, opened, sha256, into)
    if now.fingerprint != order.plan.fingerprint:
        drift = Drift(drifted=True, differences=(Told("drift.system", {"target": spec.name}),))
        raise Drifted(spec.name, drift)


def _require_parts(spec: Target, system: System, manifest: Manifest) -> None:
    """Return when the backup holds exactly the parts of this system.

    Raises:
        NotOurs: it is of another kind, or of a version this release does not know.
        NotFound: its parts are not those that the configuration names.
    """
    extra = manifest.extra
    if not is_whole(manifest) or extra.get("format") != _FORMAT:
        raise NotOurs("restore.not-a-system", id=manifest.backup_id)
    kept: Mapping[str, Mapping[str, Any]] = extra["holdings"]
    names = {holding.name for holding in system.holdings}
    if names != kept.keys():
        differ = ", ".join(sorted(names ^ kept.keys()))
        raise NotFound("restore.other-parts", target=spec.name, names=differ)
    database = kept.get("database", {})
    for word, owned in _owned(spec, kept).items():
        differing = owned ^ set(database.get(word, ()))
        if differing:
            raise NotFound("restore.other-parts", target=spec.name, names=", ".join(sorted(differing)))
    unknown = {service.name for service in system.services} - (extra.get("former") or {}).keys()
    if unknown:
        raise NotFound("restore.other-parts", target=spec.name, names=", ".join(sorted(unknown)))


def _owned(spec: Target, names: Container[str]) -> Mapping[str, set[str]]:
    """Schemas and tables of a database of which only those are the system's, by their word in the manifest.

    None where no database is among the parts, or all of it is the system's.
    """
    if "database" not in names or spec.database is None:
        return {"schemas": set(), "only": set()}
    return {"schemas": set(spec.database.schemas or ()), "only": set(spec.database.table_paths)}


def _into(holding: Holding, into: str) -> str:
    """Where a part goes; empty: where it was."""
    return f"{into}/{PurePosixPath(holding.home).name}" if into else ""


def _fingerprint(spec: Target, system: System, host: Host, into: str, sha256: str) -> str:
    """Which machine, which parts at which places, out of which backup."""
    places: Sequence[Sequence[str]] = [[one.name, _into(one, into) or one.home] for one in system.holdings]
    services = [one.name for one in system.services]
    what = [spec.name, host.name, host.mark, versions.SYSTEM, into, places, services, sha256]
    owned = _owned(spec, {one.name for one in system.holdings})
    if owned["schemas"]:
        what.append(sorted(owned["schemas"]))
    if owned["only"]:
        what.append(["tables", *sorted(owned["only"])])
    return hashlib.sha256(json.dumps(what, ensure_ascii=True).encode()).hexdigest()


def _warnings(spec: Target, extra: Mapping[str, Any], into: str) -> tuple[Told, ...]:
    """A service that did not run before is not started."""
    if into:
        return (Told("told.not-started"),)
    former: Mapping[str, Any] = extra.get("former") or {}
    idle = [name for name, facts in former.items() if not ServiceFacts.of(facts).up]
    origin = str(extra["target"])
    moved = (Told("told.system-moves", {"origin": origin, "target": spec.name}),)
    asleep = (Told("told.was-not-running", {"name": name}) for name in sorted(idle))
    return (*(moved if origin != spec.name else ()), *asleep)


def _wanted(service: Service, former: Mapping[str, Any], elsewhere: bool) -> ServiceFacts:
    """What a service has to be like again; elsewhere it runs as before, on ports of its own."""
    before = ServiceFacts.of(former)
    return replace(service.look(), state=before.state) if elsewhere else before


def require_kind(spec: Target, manifest: Manifest, known: str) -> None:
    """The database comes from one of the same kind; ``known``: the kind of the origin as it is configured.

    Raises:
        CannotProve: from another kind, or nobody knows from which.
    """
    if "database" not in manifest.extra["holdings"]:
        return
    kind, here = str(manifest.extra.get("engine") or known), kind_of(spec.address)
    names = {"target": spec.name, "origin": str(manifest.extra["target"])}
    if not kind:
        raise CannotProve("restore.kind-unknown", **names)
    if kind != here:
        raise CannotProve("restore.other-system-kind", kind=kind, other=here, **names)
