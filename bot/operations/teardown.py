"""A teardown: what it is about, and the plan that people approve.

It is done by steps, or by the system's own uninstall: the first method of the configuration whose
requirements are met. It is carried out by two jobs, ``set_aside`` and, after the grace period, ``purge``;
between them ``put_back`` returns everything. All of them name the same operation to the parts of the system,
made by ``name_of``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.types import Target
from bot.errors import CannotProve
from bot.model.plans import Plan, Told
from bot.model.remains import Remains
from bot.model.requests import Operation
from bot.operations.clearing import CLEARING, Leftover, to_data
from bot.operations.copies import checklist_of
from bot.operations.timing import STOP, Steps, Weight, as_served, timed, ways_back
from bot.targets import versions
from bot.targets.builtin import Builtin
from bot.targets.ports import Check
from bot.targets.stopping import settled
from bot.targets.system import AUTOSTART, ServiceFacts, Survey, System, Users

#: (step, who does it, seconds expected or how they grow, how it is undone), in order. No undo: for good.
SET_ASIDE: Steps = (
    ("step.preflight", "owner.worker", 2, "undo.nothing"),
    ("step.announce", "owner.worker", 1, "undo.nothing"),
    (STOP, "owner.supervisor", 15, "undo.start"),
    ("step.close", "owner.worker", 2, "undo.start"),
    ("step.back-up", "owner.worker", 2, "undo.start"),
    ("step.rehearse", "owner.worker", 2, "undo.start"),
    ("step.set-aside", "owner.worker", 1, "undo.put-back"),
    ("step.well", "owner.worker", 5, "undo.put-back"),
)
PURGE: Steps = (
    ("step.purge-check", "owner.worker", 2, "undo.put-back"),
    ("step.remove", "owner.worker", 2, None),
    ("step.residue", "owner.worker", 2, None),
    ("step.certificate", "owner.worker", 1, None),
)
#: Before the services are stopped, where the system gives something of itself.
EXPORT = ("step.export", "owner.system", 30, "undo.nothing")
#: Right before the services are stopped, where something takes the system's place.
SUCCESSOR = ("step.successor", "owner.worker", 5, "undo.nothing")
#: The system's own uninstall is called between looking and removing.
BUILTIN_PURGE: Steps = (
    PURGE[0],
    ("step.bring-out", "owner.worker", 10, "undo.put-back"),
    ("step.uninstall", "owner.system", 30, "undo.inside"),
    ("step.uninstalled", "owner.worker", 10, "undo.put-back"),
    *PURGE[1:],
)
BY_STEPS, BUILTIN = "method.by-steps", "method.builtin"
_SHOWN_USERS = 10
#: Seconds: how long a service that is just starting is waited for.
_SETTLING = 10.0
_BLOCK, _MEGABYTE = 4096, 1_000_000
#: A database is a holding here, and its own adapter says what its place is.
_ADAPTERS = [versions.SYSTEM, versions.SQLITE]


@dataclass(frozen=True)
class Host:
    """The machine a worker is on: the ``name`` that targets give, a ``mark`` that no other machine has.

    ``machine``: what it calls itself, whatever the worker was told to go by.
    """

    name: str
    mark: str
    machine: str = ""


def name_of(request_id: int) -> str:
    """What the parts of a system call one teardown, in names of files too."""
    return f"t{request_id}"


@dataclass(frozen=True)
class Method:
    """How it is done. ``why``: what kept the methods before it from being used; None when it is the first."""

    key: str
    why: Told | None


def choose(spec: Target, system: System) -> Method:
    """The first declared method that can be used.

    Raises:
        CannotProve: none can; the sentence says what the last one lacks.
    """
    why: Told | None = None
    for name in spec.methods:
        if name == "by-steps" or system.builtin is None:
            return Method(BY_STEPS, why)
        why = unmet(system.builtin)
        if why is None:
            return Method(BUILTIN, None)
    assert why is not None
    raise CannotProve(why.key, **why.params)


def unmet(builtin: Builtin, *, runs: bool = True) -> Told | None:
    """What the system's own uninstall requires and does not find; ``runs``: the system can be asked, too."""
    asked = [builtin.uninstall.unmet, *([builtin.export.unmet] if builtin.export else []), builtin.lacks]
    for lacks in asked:
        found = lacks()
        if found is not None:
            return Told(*found)
    silent = (check.name for check in builtin.checks if runs and not check.probe().well)
    name = next(silent, None)
    return None if name is None else Told("builtin.silent", {"name": name})


def require_here(spec: Target, host: Host) -> None:
    """Return when the target lives on this machine.

    Raises:
        CannotProve: it lives elsewhere.
    """
    if spec.host != host.name:
        raise CannotProve("teardown.wrong-host", target=spec.name, host=spec.host or "", here=host.name)


def steps_of(system: System, method: str) -> tuple[Steps, Steps]:
    """The steps of both jobs."""
    if method == CLEARING:
        return (SET_ASIDE[0], *SET_ASIDE[3:]), PURGE
    own = system.builtin if method == BUILTIN else None
    between = [*([EXPORT] if own and own.export else []), *([SUCCESSOR] if system.successors else [])]
    first = as_served((*SET_ASIDE[:2], *between, *SET_ASIDE[2:]), served=bool(system.services))
    return first, BUILTIN_PURGE if own else PURGE


def plan(
    spec: Target, system: System, host: Host, operation: str, parts: Sequence[Leftover] = ()
) -> tuple[Plan, str | None]:
    """What tearing this system down would mean, looked up and not touched; and which files are open.

    ``parts``: it is only about these, which an earlier teardown of it has left.

    The open files are named apart from the plan: a name may say something about a person, and the plan
    is kept for ever.

    Raises:
        CannotProve: a part must not be touched, or it cannot be told what it is.
        TargetDown: the machine does not answer.
    """
    require_here(spec, host)
    services = _looked_at(system)
    surveys = [holding.survey() for holding in system.holdings]
    users = [(holding.name, holding.users(operation)) for holding in system.holdings]
    size = sum(survey.size for survey in surveys)
    weights = [Weight(survey.kind, survey.items, survey.size) for survey in surveys]
    method = Method(CLEARING, None) if parts else choose(spec, system)
    first, second = steps_of(system, method.key)
    data = {
        "host": host.name,
        "method": method.key,
        "why": [method.why.key, dict(method.why.params)] if method.why else None,
        "builtin": _shown(system.builtin) if method.key == BUILTIN else None,
        "grace": int(spec.grace.total_seconds()),
        "services": [
            [one.name, one.state, len(one.processes), list(one.ports), list(one.restarted_by)]
            for one in services
        ],
        "holdings": [[one.name, one.kind, one.place, one.items, one.size] for one in surveys],
        "users": [[user.name, user.pid, user.how, name] for name, found in users for user in found.users],
        "hidden": max((found.hidden for _, found in users), default=0),
        "checks": _probed(system.checks),
        "neighbours": _probed(system.neighbours),
        **({"successors": _probed(system.successors)} if system.successors else {}),
        **({"residue": system.residue.look().to_data()} if system.residue is not None else {}),
        **({"parts": to_data(parts)} if parts else {}),
        "tell": [] if parts else list(spec.tell),
        "size": size,
        "steps": [*timed(first, weights, "set-aside"), *timed(second, weights, "purge")],
        "back": ways_back(weights, served=bool(services)),
    }
    made = Plan(
        operation=Operation.TEARDOWN,
        target=spec.name,
        record=None,
        tables=(),
        nullified=(),
        roots="",
        fingerprint=fingerprint(spec.name, host, services, surveys, _mark(system, method.key)),
        warnings=(*_warnings(surveys, data), *_starters(system, services)),
        steps=tuple(step[0] for step in (*first, *second)),
        way_back="way-back.teardown",
        system=data,
        copies=() if parts else checklist_of(spec),
    )
    return made, _open_files(users)


def _looked_at(system: System) -> list[ServiceFacts]:
    """The services as they are.

    Raises:
        CannotProve: one says that it runs and does not do what it is declared to: it could be neither known
            to be stopped nor brought back to how it was.
    """
    found = [settled(service.look, _SETTLING) for service in system.services]
    for one in found:
        require_well(one)
    return found


def require_well(one: ServiceFacts) -> None:
    """Return when a service does what it says.

    Raises:
        CannotProve: it says that it runs, and a port that it is declared to listen on is silent; or it goes
            on starting, and could be brought back to nothing else.
    """
    if one.state == "starting":
        raise CannotProve("services.starting", service=one.name)
    if one.state == "running" and one.silent:
        raise CannotProve("services.silent", service=one.name, port=one.silent[0])


def fingerprint(
    target: str, host: Host, services: Sequence[ServiceFacts], surveys: Sequence[Survey], mark: str = ""
) -> str:
    """Which machine, which services and which very holdings: what must not change before the first step.

    ``mark``: the system's own uninstall, when it is to be used.
    """
    what = [
        target,
        host.name,
        host.mark,
        _ADAPTERS,
        sorted(one.name for one in services),
        [[one.name, one.kind, one.place, sorted(one.identity.items())] for one in surveys],
        *([mark] if mark else []),
    ]
    return hashlib.sha256(json.dumps(what, ensure_ascii=True).encode()).hexdigest()


def look_again(spec: Target, system: System, host: Host, method: str) -> str:
    """The fingerprint as it is now."""
    services = _looked_at(system)
    surveys = [holding.survey() for holding in system.holdings]
    return fingerprint(spec.name, host, services, surveys, _mark(system, method))


def method_of(plan: Plan) -> str:
    """Which method was approved."""
    return str((plan.system or {}).get("method") or BY_STEPS)


def _mark(system: System, method: str) -> str:
    if method != BUILTIN or system.builtin is None:
        return ""
    return system.builtin.mark + system.builtin.uninstall.seal()


def _shown(builtin: Builtin | None) -> Mapping[str, Any]:
    """What people see of the system's own uninstall: neither an argument nor a credential."""
    assert builtin is not None
    return {
        "uninstall": builtin.uninstall.place,
        "export": builtin.export.place if builtin.export else None,
        "running": builtin.running,
        "leaves": sorted(builtin.leaves),
        "mark": builtin.mark,
        "seal": builtin.uninstall.seal(),
    }


def _probed(checks: Sequence[Check]) -> list[list[Any]]:
    return [[check.name, check.probe().well] for check in checks]


def successors_of(plan: Plan) -> tuple[str, ...]:
    """What had to answer in the system's place when the plan was approved."""
    return tuple(name for name, _ in (plan.system or {}).get("successors", ()))


def remains_of(plan: Plan) -> Remains | None:
    """What was there besides its parts when the plan was made; None when nothing was looked for."""
    data = (plan.system or {}).get("residue")
    return None if data is None else Remains.from_data(data)


def require_successors(system: System, approved: Sequence[str]) -> None:
    """Return when everything answers that takes the system's place: as approved, and as configured now.

    Raises:
        SuccessorSilent: something does not, or is not known any more.
    """
    known = {check.name for check in system.successors}
    silent = [check.name for check in system.successors if not check.probe().well]
    silent += [name for name in approved if name not in known]
    if silent:
        raise SuccessorSilent("teardown.successor-silent", names=", ".join(silent), n=len(silent))


class SuccessorSilent(CannotProve):
    """What takes the system's place does not answer."""


def _warnings(surveys: Sequence[Survey], data: Mapping[str, Any]) -> list[Told]:
    found = [Told(key, params) for survey in surveys for key, params in survey.warnings]
    if data["hidden"]:
        found.append(Told("told.hidden", {"n": data["hidden"]}))
    found += [Told("told.neighbour-ill", {"name": name}) for name, well in data["neighbours"] if not well]
    found += [_tight(survey) for survey in surveys if _needs(survey) > survey.free and _tells_room(survey)]
    silent = [name for name, well in data.get("successors", ()) if not well]
    if silent:
        found.append(Told("told.successor-silent", {"names": ", ".join(silent), "n": len(silent)}))
    if not data["checks"] and "parts" not in data:
        found.append(Told("told.no-checks"))
    return found


def _needs(survey: Survey) -> int:
    """Bytes that a test restore takes where the part lies; files with holes take less."""
    return survey.size + (survey.items * _BLOCK if survey.kind == "files" else 0)


def _tells_room(survey: Survey) -> bool:
    """Whether it is known how much is free there; of a server's disks nothing is."""
    return survey.kind == "files" or survey.free > 0


def _tight(survey: Survey) -> Told:
    params: dict[str, str | int] = {
        "name": survey.name,
        "n": _needs(survey) // _MEGABYTE + 1,
        "free": survey.free // _MEGABYTE,
    }
    return Told("told.little-room", params)


def _starters(system: System, services: Sequence[ServiceFacts]) -> list[Told]:
    """What would start the services again once they are stopped."""
    found = [Told(AUTOSTART, {"name": one.name}) for one in services if AUTOSTART in one.restarted_by]
    return [*found, *(Told(*one) for one in (system.starters.look() if system.starters is not None else ()))]


def _open_files(users: Sequence[tuple[str, Users]]) -> str | None:
    held = [f"{user.path} ({user.name} {user.pid})" for _, found in users for user in found.users]
    return ", ".join(held[:_SHOWN_USERS]) or None
