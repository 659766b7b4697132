"""What "stopped" means, for whoever keeps a service running.

None of its processes is left, none of its ports listens, and for a bounded while neither comes back.
"""

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from bot.errors import CannotProve
from bot.targets import processes
from bot.targets.system import Running, ServiceFacts

_TICK = 0.1
#: A process by its number and its start, so that a number used again is not mistaken for it.
Known = tuple[int, int]


@dataclass(frozen=True)
class Patience:
    """Seconds: for one answer, for stopping, for watching that it stays so, for starting."""

    answer: float = 10.0
    stop: float = 30.0
    watch: float = 2.0
    start: float = 30.0


def members(name: str, heads: Iterable[int]) -> tuple[Known, ...]:
    """The processes that belong to these.

    Raises:
        CannotProve: we are one of them.
    """
    everybody = processes.table()
    found = processes.family(heads, everybody)
    if os.getpid() in found:
        raise CannotProve("services.ourselves", service=name)
    return tuple(sorted((pid, everybody[pid].started) for pid in found if everybody[pid].alive))


def program(heads: Iterable[int]) -> tuple[str, ...]:
    """The main processes of a service as they are known again: start of the machine, ticks, salt, marks.

    A salt of its own for every look: the same program of another look cannot be told from it.
    """
    boot, ticks = processes.moment()
    salt = secrets.token_hex(8)
    marks = [processes.likeness(pid, salt.encode()) for pid in sorted(heads)]
    return (boot, str(ticks), salt, *(mark for mark in marks if mark))


def silent(ports: Iterable[int]) -> tuple[int, ...]:
    """Those of the ports that nobody listens on."""
    return tuple(sorted(set(ports) - set(processes.listening().values())))


def elsewhere(known: tuple[str, ...]) -> list[int]:
    """The processes of the same program that somebody has started since that look."""
    if not known:
        return []
    boot, ticks, salt, *marks = known
    since = int(ticks) if processes.moment()[0] == boot else 0
    later = [one.pid for one in processes.table().values() if one.alive and one.started >= since]
    return [pid for pid in later if marks and processes.likeness(pid, salt.encode()) in marks]


def left(known: Iterable[Known]) -> list[int]:
    """Which of these processes still run."""
    found = ((processes.one(pid), started) for pid, started in known)
    return [one.pid for one, started in found if one is not None and one.started == started and one.alive]


def end(known: Iterable[Known], seconds: float) -> None:
    """End what outlived its parent: asked first, then made to."""
    known = tuple(known)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid, started in known:
            _signal(pid, started, number)
        if wait(lambda: not left(known), seconds / 2):
            return


def wait(happened: Callable[[], bool], seconds: float) -> bool:
    """Whether it happened within that time."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() >= until:
            return False
        time.sleep(_TICK)
    return True


def settled(look: Callable[[], ServiceFacts], seconds: float) -> ServiceFacts:
    """A service as it is; one that is just starting is waited for, up to that time."""
    facts = [look()]

    def has_started() -> bool:
        if facts[0].state == "starting":
            facts[0] = look()
        return facts[0].state != "starting"

    wait(has_started, seconds)
    return facts[0]


def stays_down(former: ServiceFacts, look: Callable[[], ServiceFacts], seconds: float) -> ServiceFacts:
    """Watch for that time; what it was at the end.

    Raises:
        CannotProve: something of it is there, or comes back.
    """
    until = time.monotonic() + seconds
    while True:
        now = look()
        _require_down(former, now)
        if time.monotonic() >= until:
            return now
        time.sleep(_TICK)


def comes_up(former: ServiceFacts, look: Callable[[], ServiceFacts], seconds: float) -> ServiceFacts:
    """Wait until it runs and the ports of ``former`` listen, then look once more.

    Raises:
        CannotProve: it does not.
    """
    wanted = set(former.ports)
    facts = [look()]

    def is_up() -> bool:
        facts[0] = look()
        if facts[0].state == "failed":
            return True
        heard = wanted <= set(processes.listening().values())
        return facts[0].state == "running" and heard and not _taken(facts[0], wanted)

    if not wait(is_up, seconds) or facts[0].state != "running":
        silent = sorted(wanted - set(processes.listening().values()))
        if facts[0].state == "running" and silent:
            raise CannotProve("services.port-silent", service=former.name, port=silent[0])
        for port in _taken(facts[0], wanted - set(silent)):
            raise CannotProve("services.port-taken", service=former.name, port=port, who=_listener(port))
        raise CannotProve("services.not-up", service=former.name)
    return facts[0]


def _taken(now: ServiceFacts, ports: Iterable[int]) -> list[int]:
    """The ports on which somebody is seen to listen who was there first, and nobody of the service.

    One that came after the service may listen for it, as the proxy of a container does.
    """
    own = {pid for pid, _ in now.processes}
    began = min((started for _, started in now.processes), default=None)
    found = []
    for port in sorted(ports):
        owners = processes.owners([port])
        seen = [one for one in map(processes.one, owners) if one is not None]
        if owners.isdisjoint(own) and any(began is None or one.started < began for one in seen):
            found.append(port)
    return found


def _require_down(former: ServiceFacts, now: ServiceFacts) -> None:
    states: tuple[Running, ...] = ("running", "starting")
    if now.state in states or now.processes:
        heads = {pid for pid, _ in now.processes}
        _no(former, "came-back", processes.starter(min(heads)) if heads else "")
    remaining = left(former.processes)
    if remaining:
        raise CannotProve("services.process-left", service=former.name, pid=remaining[0])
    open_ports = sorted(set(former.ports) & set(processes.listening().values()))
    if open_ports:
        _no(former, "port-open", _listener(open_ports[0]), port=open_ports[0])
    strangers = elsewhere(former.program)
    if strangers:
        _no(former, "started-elsewhere", processes.starter(strangers[0]), pid=strangers[0])
    if former.hidden and not former.ports:
        raise CannotProve("services.hidden", service=former.name, n=former.hidden)


def _signal(pid: int, started: int, number: signal.Signals) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # Behind the handle the number cannot be given to another process any more.
        if left([(pid, started)]):
            signal.pidfd_send_signal(handle, number)
    except OSError:
        return
    finally:
        os.close(handle)


def _listener(port: int) -> str:
    """Who listens on a port, where it can be seen; several hold one that was handed on, and the first did."""
    found = [processes.one(pid) for pid in sorted(processes.owners([port]))]
    return next((f"{one.name} ({one.pid})" for one in found if one is not None), "")


def _no(former: ServiceFacts, what: str, who: str, **params: str | int) -> NoReturn:
    """Say what is wrong, and who is behind it where that can be seen."""
    if who:
        raise CannotProve(f"services.{what}-by", service=former.name, who=who, **params)
    raise CannotProve(f"services.{what}", service=former.name, **params)
