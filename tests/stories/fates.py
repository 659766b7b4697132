"""A process that kills itself with SIGKILL at a chosen moment, by a list of fates in a file.

A fate is used up right before it strikes, so whoever starts next lives on, or meets the next one on the list.
Nothing of the product is replaced: steps are watched from subclasses that ``compose`` takes, everything else
by the profile function that Python offers to debuggers.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from bot.jobs.crew import Crew
from bot.jobs.engine import Step
from bot.jobs.gatekeeper import Gatekeeper


@dataclass(frozen=True)
class Fate:
    """When to die.

    ``at``: ``before``, ``begun``, ``done`` (a step of the operation, by its key); ``engine-before``,
    ``engine-after`` (a step of the engine); ``call``, ``return`` (a function, by a pattern of its qualified
    name); ``during`` (``delay`` seconds after the function was called, in another thread).
    ``about``: only when a local variable of the function holds this text. ``nth``: the how-manieth time.
    """

    at: str
    where: str
    nth: int = 1
    about: str = ""
    delay: float = 0.0


def seal(path: Path, fates: Sequence[Fate]) -> None:
    """Write down what is to happen, for the next process that reads ``path``."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps([asdict(fate) for fate in fates]), encoding="utf-8")
    beside.replace(path)


def sealed(path: Path) -> list[Fate]:
    """What has not struck yet."""
    if not path.exists():
        return []
    return [Fate(**one) for one in json.loads(path.read_text(encoding="utf-8"))]


class Doom:
    """The first fate of a file, waiting for its moment in this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fates = sealed(path)
        self._left = self._fates[0].nth if self._fates else 0
        self._known: dict[CodeType, bool] = {}
        self._pattern = re.compile(self._fates[0].where if self._fates else "(?!)")

    def reached(self, at: str, where: str) -> None:
        """A named moment has come."""
        if self._fates and self._fates[0].at == at and self._fates[0].where == where:
            self._count()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the functions that this thread calls."""
        if self._watches():
            sys.setprofile(self._watch)
        try:
            yield
        finally:
            sys.setprofile(None)

    def watch_all_threads(self) -> None:
        """Watch the functions that threads call from now on."""
        if self._watches():
            threading.setprofile(self._watch)

    def _watches(self) -> bool:
        return bool(self._fates) and self._fates[0].at in ("call", "return", "during")

    def _watch(self, frame: FrameType, event: str, _: Any) -> None:
        fate = self._fates[0]
        if event != ("return" if fate.at == "return" else "call"):
            return
        code = frame.f_code
        ours = self._known.get(code)
        if ours is None:
            ours = self._known[code] = self._pattern.fullmatch(code.co_qualname) is not None
        if not ours or (fate.about and not _mentions(frame, fate.about)):
            return
        if fate.at == "during":
            sys.setprofile(None)
            threading.Thread(target=self._late, args=(fate.delay,), daemon=True).start()
        else:
            self._count()

    def _late(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        self._die()

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            self._die()

    def _die(self) -> None:
        seal(self._path, self._fates[1:])
        os.kill(os.getpid(), signal.SIGKILL)


def _mentions(frame: FrameType, text: str) -> bool:
    return any(text in str(value) for value in frame.f_locals.values())


class DyingGatekeeper(Gatekeeper):
    """Knows the moments around the steps of an operation."""

    doom: Doom

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.doom.reached("before", name)
        with super().step(name):
            self.doom.reached("begun", name)
            yield
        self.doom.reached("done", name)


class DyingCrew(Crew):
    """Knows the moments around the steps of the engine; reads its fate anew for each job."""

    fates: Path

    def run(self, job_id: str, step: Step) -> None:
        doom = Doom(self.fates)

        def dying(name: str, work: Any) -> str:
            doom.reached("engine-before", name)
            done = step(name, work)
            doom.reached("engine-after", name)
            return done

        watched = type("Watched", (DyingGatekeeper,), {"doom": doom})
        with doom.watching():
            super(DyingCrew, replace(self, gatekeeper=watched)).run(job_id, dying)
