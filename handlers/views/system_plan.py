"""What a plan says about a whole system: its parts, who uses them, the steps with their undo. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.texts import DEFAULT_LANGUAGE, catalogue, say
from handlers.views.mrkdwn import code, safe, size
from handlers.views.progress import step_name
from handlers.views.wording import sentence

_SHOWN = 15


def sections(plan: Mapping[str, Any], language: str) -> list[str]:
    """The paragraphs of a teardown's plan; none for a plan about records."""
    system = plan.get("system")
    if not system:
        return []
    if "grace" not in system:
        return _coming_back(system, language)
    parts = [
        _where(system, language),
        _method(system, language),
        _services(system, "plan.services", language),
        _holdings(system, "plan.holdings", language),
        _users(system, language),
        _checks(system, "checks", language),
        _checks(system, "neighbours", language),
    ]
    return [part for part in parts if part]


def steps(plan: Mapping[str, Any], language: str) -> list[str]:
    """Every step, how long it takes, who does it if not the worker; in between, how it is undone."""
    system = plan.get("system")
    if not system:
        return []
    groups = [[f"*{say('plan.steps', language)}*"]]
    before = ""
    for number, (key, owner, seconds, undo, phase) in enumerate(system["steps"], start=1):
        if undo != before:
            groups.append([_undo(undo, phase, language)])
        before = undo
        spoken = {"number": number, "step": step_name(key, language), "seconds": int(seconds)}
        if owner == "owner.worker":
            groups[-1].append(say("plan.step", language, **spoken))
        else:
            groups[-1].append(say("plan.step-by", language, owner=say(owner, language), **spoken))
    return ["\n".join(lines) for lines in groups]


def _undo(undo: str | None, phase: str, language: str) -> str:
    """What holds for the steps that follow, as a line of its own."""
    if undo:
        return say("plan.undo", language, undo=say(undo, language))
    return f"*{say('plan.no-return' if phase == 'purge' else 'plan.forward', language)}*"


def _coming_back(system: Mapping[str, Any], language: str) -> list[str]:
    """The paragraphs of a restore's plan."""
    host, into = code(str(system["host"]), 60), str(system.get("into") or "")
    first = (
        say("plan.back-into", language, host=host, into=code(into, 150))
        if into
        else say("plan.back", language, host=host)
    )
    names = [f"• {code(str(name), 60)}" for name, _ in system["checks"][:_SHOWN]]
    parts = [
        first,
        _holdings(system, "plan.holdings-back", language),
        _services(system, "plan.services-back", language),
        _listed("plan.checks-back", names, language),
    ]
    return [part for part in parts if part]


def _where(system: Mapping[str, Any], language: str) -> str:
    days, hours = divmod(int(system["grace"]) // 3600, 24)
    grace = say("plan.days", language, n=days) if days else say("plan.hours", language, n=hours)
    if not days and not hours:
        grace = say("plan.seconds", language, n=int(system["grace"]))
    return say(
        "plan.system",
        language,
        host=code(str(system["host"]), 60),
        grace=grace,
        method=say(system["method"], language),
    )


def _method(system: Mapping[str, Any], language: str) -> str | None:
    """Why by steps although the system has an uninstall of its own; or what of it is called."""
    why, builtin = system.get("why"), system.get("builtin")
    if why:
        return say("plan.why", language, why=sentence(str(why[0]), why[1], language))
    if not builtin:
        return None
    lines = [say("plan.own", language, place=code(str(builtin["uninstall"]), 200))]
    if builtin["export"]:
        lines.append(say("plan.export", language, place=code(str(builtin["export"]), 200)))
    if builtin["running"]:
        lines.append(say("plan.own-runs", language))
    if builtin["leaves"]:
        names = ", ".join(code(str(name), 60) for name in builtin["leaves"][:_SHOWN])
        lines.append(say("plan.own-leaves", language, names=names))
    return "\n".join(lines)


def _services(system: Mapping[str, Any], title: str, language: str) -> str | None:
    lines = []
    for name, state, processes, ports, _ in system["services"][:_SHOWN]:
        running = _running(str(state), language)
        line = say("plan.service", language, name=code(str(name), 60), state=running, n=int(processes))
        if ports:
            line += say("plan.ports", language, n=len(ports), ports=", ".join(map(str, ports)))
        lines.append(line)
    return _listed(title, lines, language)


def _running(state: str, language: str) -> str:
    key = f"service.state.{state}"
    return say(key, language) if key in catalogue(DEFAULT_LANGUAGE)[0] else safe(state, 40)


def _holdings(system: Mapping[str, Any], title: str, language: str) -> str | None:
    lines = [
        say(
            "plan.holding",
            language,
            name=code(str(name), 60),
            place=code(str(place), 150),
            n=int(items),
            size=size(int(weight), language),
        )
        for name, _, place, items, weight in system["holdings"][:_SHOWN]
    ]
    return _listed(title, lines, language)


def _users(system: Mapping[str, Any], language: str) -> str | None:
    users: Sequence[Sequence[Any]] = system["users"]
    lines = [
        say("plan.user", language, program=code(str(name), 60), pid=int(pid), name=code(str(holding), 60))
        for name, pid, _, holding in users[:_SHOWN]
    ]
    if len(users) > _SHOWN:
        lines.append(say("plan.more-users", language, n=len(users) - _SHOWN))
    return _listed("plan.users", lines, language)


def _checks(system: Mapping[str, Any], kind: str, language: str) -> str | None:
    lines = [
        say("plan.check-well" if well else "plan.check-ill", language, name=code(str(name), 60))
        for name, well in system[kind][:_SHOWN]
    ]
    return _listed(f"plan.{kind}", lines, language)


def _listed(title: str, lines: Sequence[str], language: str) -> str | None:
    return "\n".join([f"*{say(title, language)}*", *lines]) if lines else None
