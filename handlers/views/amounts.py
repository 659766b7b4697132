"""How far a step has come, in words. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from bot.model.meter import Reading
from bot.texts import DEFAULT_LANGUAGE, catalogue, listed, number, say
from handlers.views.mrkdwn import size

#: Seconds from which minutes are told, and from which hours.
_MINUTES, _HOURS = 90, 90 * 60


def told(data: Mapping[str, Any], part: str, language: str) -> str:
    """“`files`: removing, 12,000 of about 100,000 files, about 40 s left”. ``part``: its name, as shown."""
    reading = Reading.of(data)
    stage = f"progress.stage.{reading.stage}"
    said = [say(stage, language)] if part and stage in catalogue(DEFAULT_LANGUAGE)[0] else []
    said += [_amount(unit, *one, language) for unit, one in reading.units.items()]
    if reading.left is not None:
        said.append(left(reading.left, language))
    what = listed(said, language)
    return say("progress.part", language, part=part, what=what) if part else what


def left(seconds: int, language: str) -> str:
    """“about 40 s left”, no finer than anybody can know."""
    return _spoken("left", seconds if seconds >= _MINUTES else max(5, math.ceil(seconds / 5) * 5), language)


def time(seconds: float, language: str) -> str:
    """“40 s”, “3 min”, “2 h”; at least a second."""
    return _spoken("time", max(1, math.ceil(seconds)), language)


def _spoken(kind: str, seconds: int, language: str) -> str:
    if seconds < _MINUTES:
        return say(f"progress.{kind}.seconds", language, n=seconds)
    if seconds < _HOURS:
        return say(f"progress.{kind}.minutes", language, n=math.ceil(seconds / 60))
    return say(f"progress.{kind}.hours", language, n=math.ceil(seconds / 3600))


def _amount(unit: str, done: int, total: int, language: str) -> str:
    if unit == "bytes":
        weight = size(done, language)
        return say("progress.bytes", language, done=weight, total=size(total, language)) if total else weight
    if total:
        return say(f"progress.{unit}", language, done=number(done, language), n=total)
    return say(f"progress.open.{unit}", language, n=done)
