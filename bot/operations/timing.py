"""About how long the steps of a teardown and of a restore take, as a plan tells it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: (step, who does it, seconds expected or how they grow, how it is undone), in order. No undo: for good.
Steps = tuple[tuple[str, str, int, str | None], ...]

#: What is done with the services; a plan about a system without any has neither.
STOP, START = "step.stop-services", "step.start"
#: The two ways back, as long as they take: within the grace period, and out of the backup.
PUT_BACK: Steps = (("step.put-back", "owner.worker", 15, None), ("step.answers", "owner.worker", 5, None))
BRING_BACK: Steps = (
    ("step.look", "owner.worker", 2, "undo.nothing"),
    ("step.prepare", "owner.worker", 2, "undo.clear"),
    ("step.appear", "owner.worker", 1, None),
    (START, "owner.supervisor", 15, None),
    ("step.answers", "owner.worker", 5, None),
)


@dataclass(frozen=True)
class Weight:
    """One part: its kind, how many files or rows, how many bytes."""

    kind: str
    items: int
    size: int


@dataclass(frozen=True)
class Pace:
    """Bytes, and files, per second. A restored database is loaded, indexed and added up once more."""

    files: int
    database: int
    entries: int


_COPY = Pace(40_000_000, 40_000_000, 4_000)
_UNPACK = Pace(40_000_000, 30_000_000, 2_000)
_PACE: Mapping[str, Pace] = {
    "step.back-up": _COPY,
    "step.rehearse": _UNPACK,
    "step.bring-out": _UNPACK,
    "step.prepare": _UNPACK,
    "step.set-aside": Pace(10_000_000_000, 200_000_000, 20_000),
    "step.purge-check": Pace(10_000_000_000, 200_000_000, 20_000),
    "step.remove": Pace(10_000_000_000, 200_000_000, 10_000),
}
#: The step that does what a test restore did.
_MEASURED = "step.prepare"


def as_served(steps: Steps, *, served: bool) -> Steps:
    """The steps of a system; not ``served`` by any service, it has nothing to stop or to start."""
    if served:
        return steps
    return tuple(
        (key, owner, seconds, "undo.nothing" if undo == "undo.start" else undo)
        for key, owner, seconds, undo in steps
        if key not in (STOP, START)
    )


def timed(steps: Steps, parts: Sequence[Weight], phase: str) -> list[list[Any]]:
    """The steps as a plan shows them, each with the seconds it should take."""
    return [[key, owner, _seconds(key, least, parts), undo, phase] for key, owner, least, undo in steps]


def measured(system: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
    """What a plan shows of a restore, when the test restore of that very backup took so long."""
    steps = [
        [key, owner, max(1, round(seconds)) if key == _MEASURED else expected, undo, phase]
        for key, owner, expected, undo, phase in system["steps"]
    ]
    return {**system, "steps": steps, "measured": round(seconds, 1)}


def ways_back(parts: Sequence[Weight], *, served: bool) -> Mapping[str, int]:
    """Seconds that putting it back takes, and bringing it back out of the backup."""
    restore = as_served(BRING_BACK, served=served)
    return {"put-back": total(timed(PUT_BACK, parts, "")), "restore": total(timed(restore, parts, ""))}


def total(steps: Sequence[Sequence[Any]]) -> int:
    """Seconds of all of them."""
    return sum(int(step[2]) for step in steps)


def _seconds(key: str, least: int, parts: Sequence[Weight]) -> int:
    pace = _PACE.get(key)
    return least if pace is None else least + int(sum(_takes(part, pace) for part in parts))


def _takes(part: Weight, pace: Pace) -> float:
    if part.kind == "files":
        return part.size / pace.files + part.items / pace.entries
    return part.size / pace.database
