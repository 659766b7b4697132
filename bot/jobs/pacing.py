"""Between two segments of a large operation: no faster than configured, and stopped when somebody says so."""

from collections.abc import Callable
from datetime import datetime

from bot.config.types import Segments
from bot.model.jobs import Job
from bot.model.segments import progress, rest
from bot.operations.gate import Gate

#: Seconds between two looks at *Stop* and freeze.
SLICE = 1.0


def between(
    job: Job, spec: Segments, gate: Gate, clock: Callable[[], datetime], pause: Callable[[float], None]
) -> None:
    """Wait until the next segment may begin; at once when none is done yet.

    Raises:
        Halted: stopped or frozen meanwhile.
    """
    part = progress(job.facts)
    began = job.started_at
    while part.part_way and began is not None:
        left = rest(part.rows - part.before, (clock() - began).total_seconds(), spec.pace)
        if left <= 0:
            break
        gate.check()
        pause(min(left, SLICE))
