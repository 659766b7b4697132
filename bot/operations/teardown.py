"""A teardown: what it is about, and the plan that people approve.

It is carried out by two jobs, ``set_aside`` and, after the grace period, ``purge``; between them ``put_back``
returns everything. All of them name the same operation to the parts of the system, made by ``name_of``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.types import Target
from bot.errors import CannotProve
from bot.model.plans import Plan, Told
from bot.model.requests import Operation
from bot.targets.system import Holding, ServiceFacts, Survey, System, Users

#: (step, who does it, seconds expected or how they grow, how it is undone), in order. No undo: for good.
SET_ASIDE = (
    ("step.preflight", "owner.worker", 2, "undo.nothing"),
    ("step.announce", "owner.worker", 1, "undo.nothing"),
    ("step.stop-services", "owner.supervisor", 15, "undo.start"),
    ("step.close", "owner.worker", 2, "undo.start"),
    ("step.back-up", "owner.worker", 2, "undo.start"),
    ("step.rehearse", "owner.worker", 2, "undo.start"),
    ("step.set-aside", "owner.worker", 1, "undo.put-back"),
    ("step.well", "owner.worker", 5, "undo.put-back"),
)
PURGE = (
    ("step.purge-check", "owner.worker", 2, "undo.put-back"),
    ("step.remove", "owner.worker", 2, None),
    ("step.residue", "owner.worker", 2, None),
    ("step.certificate", "owner.worker", 1, None),
)
#: Bytes per second that a backup, its rehearsal and a removal are expected to manage.
_PACE: Mapping[str, int] = {
    "step.back-up": 40_000_000,
    "step.rehearse": 40_000_000,
    "step.remove": 400_000_000,
}
_SHOWN_USERS = 10


@dataclass(frozen=True)
class Host:
    """The machine a worker is on: the ``name`` that targets give, a ``mark`` that no other machine has."""

    name: str
    mark: str


def name_of(request_id: int) -> str:
    """What the parts of a system call one teardown, in names of files too."""
    return f"t{request_id}"


def plan(spec: Target, system: System, host: Host, operation: str) -> tuple[Plan, str | None]:
    """What tearing this system down would mean, looked up and not touched; and which files are open.

    The open files are named apart from the plan: a name may say something about a person, and the plan
    is kept for ever.

    Raises:
        CannotProve: a part must not be touched, or it cannot be told what it is.
        TargetDown: the machine does not answer.
    """
    if spec.host != host.name:
        raise CannotProve("teardown.wrong-host", target=spec.name, host=spec.host or "", here=host.name)
    services = [service.look() for service in system.services]
    surveys = [holding.survey() for holding in system.holdings]
    users = [(holding.name, holding.users(operation)) for holding in system.holdings]
    size = sum(survey.size for survey in surveys)
    data = {
        "host": host.name,
        "method": "method.by-steps",
        "grace": int(spec.grace.total_seconds()),
        "services": [
            [one.name, one.state, len(one.processes), list(one.ports), list(one.restarted_by)]
            for one in services
        ],
        "holdings": [[one.name, one.kind, one.place, one.items, one.size] for one in surveys],
        "users": [[user.name, user.pid, user.how, name] for name, found in users for user in found.users],
        "hidden": max((found.hidden for _, found in users), default=0),
        "checks": [_checked(check.name, check.probe().well) for check in system.checks],
        "neighbours": [_checked(check.name, check.probe().well) for check in system.neighbours],
        "tell": list(spec.tell),
        "size": size,
        "steps": [*_timed(SET_ASIDE, size, "set-aside"), *_timed(PURGE, size, "purge")],
    }
    made = Plan(
        operation=Operation.TEARDOWN,
        target=spec.name,
        record=None,
        tables=(),
        nullified=(),
        roots="",
        fingerprint=fingerprint(spec.name, host, services, surveys),
        warnings=tuple(_warnings(surveys, data)),
        steps=tuple(step[0] for step in (*SET_ASIDE, *PURGE)),
        way_back="way-back.teardown",
        system=data,
    )
    return made, _open_files(users)


def fingerprint(target: str, host: Host, services: Sequence[ServiceFacts], surveys: Sequence[Survey]) -> str:
    """Which machine, which services and which very holdings: what must not change before the first step."""
    what = [
        target,
        host.name,
        host.mark,
        sorted(one.name for one in services),
        [[one.name, one.kind, one.place, sorted(one.identity.items())] for one in surveys],
    ]
    return hashlib.sha256(json.dumps(what, ensure_ascii=True).encode()).hexdigest()


def look_again(spec: Target, system: System, host: Host) -> str:
    """The fingerprint as it is now."""
    services = [service.look() for service in system.services]
    return fingerprint(spec.name, host, services, [holding.survey() for holding in system.holdings])


def each(parts: Iterable[Holding], what: Callable[[Holding], object]) -> None:
    """Do something with every holding, in order."""
    for part in parts:
        what(part)


def _checked(name: str, well: bool) -> list[Any]:
    return [name, well]


def _timed(steps: Sequence[tuple[str, str, int, str | None]], size: int, phase: str) -> list[list[Any]]:
    return [
        [key, owner, seconds + (size // _PACE[key] if key in _PACE else 0), undo, phase]
        for key, owner, seconds, undo in steps
    ]


def _warnings(surveys: Sequence[Survey], data: Mapping[str, Any]) -> list[Told]:
    found = [Told(key, params) for survey in surveys for key, params in survey.warnings]
    if data["hidden"]:
        found.append(Told("told.hidden", {"n": data["hidden"]}))
    found += [Told("told.neighbour-ill", {"name": name}) for name, well in data["neighbours"] if not well]
    if not data["checks"]:
        found.append(Told("told.no-checks"))
    return found


def _open_files(users: Sequence[tuple[str, Users]]) -> str | None:
    held = [f"{user.path} ({user.name} {user.pid})" for _, found in users for user in found.users]
    return ", ".join(held[:_SHOWN_USERS]) or None
