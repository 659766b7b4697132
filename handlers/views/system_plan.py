"""What a plan says about a whole system: its parts, who uses them, the steps with their undo. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.texts import DEFAULT_LANGUAGE, catalogue, number, say
from handlers.views import amounts, remains
from handlers.views.ink import Ink
from handlers.views.mrkdwn import size
from handlers.views.progress import step_name
from handlers.views.wording import sentence

_SHOWN = 15
#: What parts there are; how many of what they hold has words of its own for each.
_KINDS = ("files", "database", "role", "user", "group")
_BACK = (("back", "put-back"), ("restore", "restore"))


def sections(plan: Mapping[str, Any], ink: Ink) -> list[str]:
    """The paragraphs of a teardown's plan; none for a plan about records."""
    system = plan.get("system")
    if not system:
        return []
    if "grace" not in system:
        return _coming_back(system, ink)
    parts = [
        _where(system, ink),
        _ways_back(system, ink),
        _method(system, ink),
        _services(system, "plan.services", ink),
        _holdings(system, "plan.holdings", ink),
        _users(system, ink),
        _checks(system, "checks", ink),
        _checks(system, "neighbours", ink),
        _checks(system, "successors", ink) if system.get("successors") else None,
        *remains.announced(system, ink),
    ]
    return [part for part in parts if part]


def steps(plan: Mapping[str, Any], ink: Ink) -> list[str]:
    """Every step, how long it takes, who does it if not the worker; in between, how it is undone."""
    system = plan.get("system")
    if not system:
        return []
    groups = [[f"*{say('plan.steps', ink.language)}*"]]
    before = ""
    for place, (key, owner, seconds, undo, phase) in enumerate(system["steps"], start=1):
        if undo != before:
            groups.append([_undo(undo, phase, ink)])
        before = undo
        spoken = {"number": place, "step": step_name(key, ink.language), "seconds": int(seconds)}
        if owner == "owner.worker":
            groups[-1].append(say("plan.step", ink.language, **spoken))
        else:
            groups[-1].append(say("plan.step-by", ink.language, owner=say(owner, ink.language), **spoken))
    return ["\n".join(lines) for lines in groups]


def _undo(undo: str | None, phase: str, ink: Ink) -> str:
    """What holds for the steps that follow, as a line of its own."""
    if undo:
        return say("plan.undo", ink.language, undo=say(undo, ink.language))
    return f"*{say('plan.no-return' if phase == 'purge' else 'plan.forward', ink.language)}*"


def _coming_back(system: Mapping[str, Any], ink: Ink) -> list[str]:
    """The paragraphs of a restore's plan."""
    host, into = ink.code(str(system["host"]), 60), str(system.get("into") or "")
    first = (
        say("plan.back-into", ink.language, host=host, into=ink.code(into, 150))
        if into
        else say("plan.back", ink.language, host=host)
    )
    names = [f"• {ink.code(str(name), 60)}" for name, _ in ink.shown(system["checks"], _SHOWN)]
    parts = [
        first,
        _how_long(system, ink),
        _holdings(system, "plan.holdings-back", ink),
        _services(system, "plan.services-back", ink),
        _listed("plan.checks-back", names, ink, len(system["checks"])),
    ]
    return [part for part in parts if part]


def _ways_back(system: Mapping[str, Any], ink: Ink) -> str | None:
    """How long the two of them take; None in a plan of an older release."""
    back = system.get("back")
    if not back:
        return None
    times = {key: amounts.time(int(back[name]), ink.language) for key, name in _BACK}
    return say("plan.ways-back-times", ink.language, **times)


def _how_long(system: Mapping[str, Any], ink: Ink) -> str:
    """How long a restore takes, and how anybody knows."""
    time = amounts.time(sum(int(step[2]) for step in system["steps"]), ink.language)
    measured = system.get("measured")
    if measured is None:
        return say("plan.estimated", ink.language, time=time)
    shown = number(max(0.1, float(measured)), ink.language, places=1)
    return say("plan.measured", ink.language, time=time, seconds=shown)


def _where(system: Mapping[str, Any], ink: Ink) -> str:
    days, hours = divmod(int(system["grace"]) // 3600, 24)
    grace = say("plan.days", ink.language, n=days) if days else say("plan.hours", ink.language, n=hours)
    if not days and not hours:
        grace = say("plan.seconds", ink.language, n=int(system["grace"]))
    return say(
        "plan.system",
        ink.language,
        host=ink.code(str(system["host"]), 60),
        grace=grace,
        method=say(system["method"], ink.language),
    )


def _method(system: Mapping[str, Any], ink: Ink) -> str | None:
    """Why by steps although the system has an uninstall of its own; or what of it is called."""
    why, builtin = system.get("why"), system.get("builtin")
    if why:
        return say("plan.why", ink.language, why=sentence(str(why[0]), why[1], ink.language, ink.limit(500)))
    if not builtin:
        return None
    lines = [say("plan.own", ink.language, place=ink.code(str(builtin["uninstall"]), 200))]
    if builtin["export"]:
        lines.append(say("plan.export", ink.language, place=ink.code(str(builtin["export"]), 200)))
    if builtin["running"]:
        lines.append(say("plan.own-runs", ink.language))
    if builtin["leaves"]:
        names = [ink.code(str(name), 60) for name in ink.shown(builtin["leaves"], _SHOWN)]
        if rest := ink.left(builtin["leaves"], _SHOWN):
            names.append(say("plan.more", ink.language, n=rest))
        lines.append(say("plan.own-leaves", ink.language, names=", ".join(names)))
    return "\n".join(lines)


def _services(system: Mapping[str, Any], title: str, ink: Ink) -> str | None:
    lines = []
    for name, state, processes, ports, _ in ink.shown(system["services"], _SHOWN):
        running = _running(str(state), ink)
        called = ink.code(str(name), 60)
        line = say("plan.service", ink.language, name=called, state=running, n=int(processes))
        if ports:
            line += say("plan.ports", ink.language, n=len(ports), ports=", ".join(map(str, ports)))
        lines.append(line)
    return _listed(title, lines, ink, len(system["services"]))


def _running(state: str, ink: Ink) -> str:
    key = f"service.state.{state}"
    return say(key, ink.language) if key in catalogue(DEFAULT_LANGUAGE)[0] else ink.safe(state, 40)


def _holdings(system: Mapping[str, Any], title: str, ink: Ink) -> str | None:
    lines = [
        say(
            f"plan.holding.{kind if kind in _KINDS else 'database'}",
            ink.language,
            name=ink.code(str(name), 60),
            place=ink.code(str(place), 150),
            n=int(items),
            size=size(int(weight), ink.language),
        )
        for name, kind, place, items, weight in ink.shown(system["holdings"], _SHOWN)
    ]
    return _listed(title, lines, ink, len(system["holdings"]))


def _users(system: Mapping[str, Any], ink: Ink) -> str | None:
    users: Sequence[Sequence[Any]] = system["users"]
    lines = [
        say(
            "plan.user",
            ink.language,
            program=ink.code(str(name), 60),
            pid=int(pid),
            name=ink.code(str(holding), 60),
        )
        for name, pid, _, holding in ink.shown(users, _SHOWN)
    ]
    return _listed("plan.users", lines, ink, len(users))


def _checks(system: Mapping[str, Any], kind: str, ink: Ink) -> str | None:
    lines = [
        say("plan.check-well" if well else "plan.check-ill", ink.language, name=ink.code(str(name), 60))
        for name, well in ink.shown(system[kind], _SHOWN)
    ]
    return _listed(f"plan.{kind}", lines, ink, len(system[kind]))


def _listed(title: str, lines: Sequence[str], ink: Ink, of: int) -> str | None:
    """The lines under their title, and how many of them there is no room for; None without any."""
    if not lines:
        return None
    rest = [say("plan.more", ink.language, n=of - len(lines))] if of > len(lines) else []
    return "\n".join([f"*{say(title, ink.language)}*", *lines, *rest])
