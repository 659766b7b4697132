"""A worker that kills itself with SIGKILL, or falls asleep, at a chosen moment: ``killed_worker.py MOMENT NAME``.

Moments: ``before``, ``inside``, ``after`` a step NAME of the operation; ``before-note``: the target has
committed and our own database does not know yet; ``sleep`` stops the process inside a step with SIGSTOP, for
whoever sends it SIGCONT; ``open-gate``: the worker's gate says yes to everything; ``linger`` keeps a step waiting while a file ``lingering`` is in the data folder; ``engine-before``, ``engine-after``: a step NAME of the
engine; ``code-used``: a code is used up and its vote not cast; ``asking``: its bucket is asked for NAME, a method and
a part of the path, and has not done it yet; ``answered``: it has, and the worker does not know.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bot import worker
from bot.cli.console import tell
from bot.jobs import permit
from bot.jobs.crew import Crew
from bot.jobs.engine import Step
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.permit import Gate
from bot.jobs.proving import Prover
from bot.settings import read_environment
from tests.fakes.faults import order_faults

MOMENT, NAME = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def linger() -> None:
    marker = Path(os.environ["COUNTERSIGN_DATA_DIR"], "lingering")
    marker.touch()
    while marker.exists():
        time.sleep(0.01)


if MOMENT in ("asking", "answered"):
    method, _, part = NAME.partition(" ")
    dying = {"method": method, "contains": part, "die": os.getpid(), "lost": MOMENT == "answered"}
    order_faults(os.environ["BUCKETS"], [dying])


class DyingGatekeeper(Gatekeeper):
    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        if MOMENT == "before" and name == NAME:
            die()
        with super().step(name):
            if MOMENT == "inside" and name == NAME:
                die()
            if MOMENT == "sleep" and name == NAME:
                # To this thread: of a process any other may take it, and this one would go on for a moment.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            if MOMENT == "linger" and name == NAME:
                linger()
            yield
        if MOMENT == "after" and name == NAME:
            die()


class DyingCrew(Crew):
    def run(self, job_id: str, step: Step) -> None:
        def dying(name: str, work: Any) -> str:
            if MOMENT == "engine-before" and name == NAME:
                die()
            done = step(name, work)
            if MOMENT == "engine-after" and name == NAME:
                die()
            return done

        super().run(job_id, dying)

    def _committed(self, *args: Any) -> None:
        if MOMENT == "before-note":
            die()
        super()._committed(*args)


def open_gate(*_: object) -> Gate:
    return Gate.GO


class DyingProver(Prover):
    """Dies when the code is used up in the file, and the database knows nothing of it."""

    def _vote(self, *args: Any) -> Any:
        if MOMENT == "code-used":
            die()
        return super()._vote(*args)


class DyingWorker(worker.Worker):
    prover = DyingProver
    crew = partial(
        DyingCrew, gatekeeper=DyingGatekeeper, take=open_gate if MOMENT == "open-gate" else permit.take
    )


sys.exit(worker.run_worker(read_environment(), None, lambda key, what: tell(key, what=what), DyingWorker))
