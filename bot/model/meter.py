"""How far a long step has come, in what can be counted, and about how long the rest of it takes. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

Unit = Literal["bytes", "rows", "tables", "files"]
#: ``reading``: looked at before it is copied. ``comparing``: what there is, with what there should be.
Stage = Literal["reading", "copying", "unpacking", "comparing", "removing"]
UNITS: tuple[Unit, ...] = get_args(Unit)
#: What is worth telling while a stage lasts.
COUNTED: Mapping[Stage, tuple[Unit, ...]] = {
    "reading": ("bytes", "files"),
    "copying": ("bytes", "rows"),
    "unpacking": ("bytes",),
    "comparing": ("rows", "tables", "files"),
    "removing": ("files",),
}
#: Seconds that a rate is taken over, and the longest time left that is told: more is no forecast.
WINDOW = 30.0
_LONGEST = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Reading:
    """A step at one moment: which part of it, doing what; done and expected by unit; seconds left, if known.

    What is expected comes from a survey and is not exact.
    """

    part: str
    stage: str
    units: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    left: int | None = None

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        units = {unit: list(one) for unit, one in self.units.items()}
        return {"part": self.part, "stage": self.stage, "units": units, "left": self.left}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """What ``to_data`` wrote; what another release wrote and is not understood is left out."""
        units = {name: (int(one[0]), int(one[1])) for name, one in data["units"].items() if name in UNITS}
        left = data.get("left")
        return cls(str(data["part"]), str(data["stage"]), units, None if left is None else int(left))


def read(
    part: str,
    stage: Stage,
    done: Mapping[Unit, int],
    expected: Mapping[Unit, int],
    samples: Sequence[tuple[float, int]],
) -> Reading:
    """What to tell; ``samples``: moments in seconds and what was done by then of the first expected unit."""
    first = leading(stage, expected)
    units: dict[str, tuple[int, int]] = {}
    for unit in COUNTED[stage]:
        reached, total = done.get(unit, 0), expected.get(unit, 0)
        if unit == first or reached > 0:
            units[unit] = (min(reached, total) if total else reached, total)
    return Reading(part, stage, units, left(samples, expected[first]) if first else None)


def leading(stage: Stage, expected: Mapping[Unit, int]) -> Unit | None:
    """The unit by which the time left is judged; None when nothing is known of what is to come."""
    return next((unit for unit in COUNTED[stage] if expected.get(unit, 0) > 0), None)


def left(samples: Sequence[tuple[float, int]], total: int) -> int | None:
    """About how many seconds until ``total`` at the rate of the last ``WINDOW``; at least 1.

    None when nobody can tell: nothing moved, it is as much as was expected already, or it would be for ever.
    """
    recent = [one for one in samples if one[0] >= samples[-1][0] - WINDOW]
    if len(recent) < 2:
        return None
    seconds, gained = recent[-1][0] - recent[0][0], recent[-1][1] - recent[0][1]
    rest = total - recent[-1][1]
    if seconds <= 0 or gained <= 0 or rest <= 0:
        return None
    expected = rest / gained * seconds
    return max(1, math.ceil(expected)) if expected <= _LONGEST else None
