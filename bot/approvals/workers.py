"""Which workers there are, which targets they serve, and whether they take work."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.config.types import Config
from bot.errors import NotAllowed
from bot.model.jobs import Canary
from bot.store.unit_of_work import Work

ALIVE_WITHIN = timedelta(seconds=15)
#: A worker seen within that time may only be starting again: an update, a reboot, a crash.
STARTING_AGAIN = timedelta(minutes=5)
#: A worker that says so will take no work however long one waits.
_USELESS = (Canary.LET_THROUGH, Canary.UNCLEAR)


def alive(work: Work, now: datetime) -> Sequence[Mapping[str, Any]]:
    """What every worker seen lately says about itself."""
    return work.processes.alive("worker", now, ALIVE_WITHIN)


def at_work(work: Work, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Those that take jobs: their gate has refused what it must refuse."""
    return [one for one in alive(work, now) if one.get("canary") == Canary.REFUSED]


def at_work_on(config: Config, work: Work, target: str, now: datetime) -> bool:
    """Whether a worker takes jobs on this target now; of an unknown target (""), whether any takes jobs."""
    return any(_serves(config, one, target) for one in at_work(work, now))


def require_served(config: Config, work: Work, target: str, now: datetime) -> None:
    """Return when somebody serves the target, or did a moment ago and may only be starting again.

    Raises:
        NotAllowed: nobody does, so whatever is asked would wait until it expires.
    """
    lately = work.processes.seen("worker", now, STARTING_AGAIN)
    if any(_serves(config, one, target) and one.get("canary") not in _USELESS for one in lately):
        return
    spec = config.targets.get(target)
    if spec is None:
        raise NotAllowed("filing.nobody")
    if spec.host is not None:
        raise NotAllowed("filing.no-host", target=target, host=spec.host)
    raise NotAllowed("filing.nobody-serves", target=target)


def _serves(config: Config, facts: Mapping[str, Any], target: str) -> bool:
    spec = config.targets.get(target)
    if spec is None:
        return not target or target in facts.get("targets", ())
    return target in facts.get("targets", ()) and spec.host in (None, facts.get("host"))


def canary(work: Work, now: datetime) -> Canary:
    """What the workers found out about their gate; the worst counts, else the one that knows most."""
    found = {one.get("canary") for one in alive(work, now)}
    for verdict in (Canary.LET_THROUGH, Canary.UNCLEAR, Canary.REFUSED):
        if verdict in found:
            return verdict
    return Canary.NOT_YET
