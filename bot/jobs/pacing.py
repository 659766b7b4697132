"""Between two segments of a large operation: no faster than configured, nor than replicas can follow.

And stopped when somebody says so.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from bot.config.types import Segments
from bot.model.jobs import Job
from bot.model.segments import progress, rest
from bot.operations.gate import Gate

#: Seconds between two looks at *Stop* and freeze.
SLICE = 1.0


class Boundary(Gate, Protocol):
    """A gate that knows the places between two segments."""

    def pass_on(self) -> None:
        """A safe point at which it may also stand still; raises ``Halted``."""


def between(
    job: Job,
    spec: Segments,
    gate: Boundary,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
    is_behind: Callable[[str, timedelta], bool],
) -> None:
    """Wait until the next segment may begin; at once when none is done yet.

    Raises:
        Halted: stopped, paused, frozen or too late meanwhile.
        CountersignError: nobody can tell any more how far replicas are behind.
    """
    part = progress(job.facts)
    began = job.started_at
    while part.part_way and began is not None:
        left = rest(part.rows - part.before, (clock() - began).total_seconds(), spec.pace)
        if left <= 0:
            break
        gate.pass_on()
        pause(min(left, SLICE))
    if part.part_way and spec.lag is not None and is_behind(job.target, spec.lag):
        with gate.step("step.replicas"):
            while is_behind(job.target, spec.lag):
                gate.pass_on()
                pause(SLICE)
    if part.part_way:
        gate.pass_on()
