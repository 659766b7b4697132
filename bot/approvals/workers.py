"""Which workers there are, and whether they take work."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.model.jobs import Canary
from bot.store.unit_of_work import Work

ALIVE_WITHIN = timedelta(seconds=15)


def alive(work: Work, now: datetime) -> Sequence[Mapping[str, Any]]:
    """What every worker seen lately says about itself."""
    return work.processes.alive("worker", now, ALIVE_WITHIN)


def at_work(work: Work, now: datetime) -> Sequence[Mapping[str, Any]]:
    """Those that take jobs: their gate has refused what it must refuse."""
    return [one for one in alive(work, now) if one.get("canary") == Canary.REFUSED]


def canary(work: Work, now: datetime) -> Canary:
    """What the workers found out about their gate; the worst counts, else the one that knows most."""
    found = {one.get("canary") for one in alive(work, now)}
    for verdict in (Canary.LET_THROUGH, Canary.UNCLEAR, Canary.REFUSED):
        if verdict in found:
            return verdict
    return Canary.NOT_YET
