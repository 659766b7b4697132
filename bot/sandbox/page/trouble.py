"""The hostile drawer: what can be made to go wrong from the page."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bot.errors import BadInput, NotAllowed
from bot.sandbox.slack.faults import Faults
from bot.sandbox.slack.server import Slack
from bot.sandbox.slack.workspace import Json

STORM, TWICE, DEAF, LOST = 5, 10, 3, 3
#: ``serve`` gives up on a worker that dies more often than this within a minute.
KILLS, WINDOW = 4, 60.0
LATELY = 8


class Trouble:
    """``make("storm")`` switches something on; ``state()`` tells what is wrong and how it goes.

    Args:
        slack: whose end it is.
        serve: the process id of ``serve``, or None while it does not run.
    """

    def __init__(self, slack: Slack, serve: Callable[[], int | None]) -> None:
        self._slack = slack
        self._serve = serve
        self._down = False
        self._kills: list[float] = []
        faults = slack.faults
        self._kinds: dict[str, Callable[[], None]] = {
            "down": lambda: self._switch(down=True),
            "up": lambda: self._switch(down=False),
            "storm": self._storm,
            "twice": lambda: faults.redeliver_next(TWICE),
            "deaf": lambda: faults.drop_acks(DEAF),
            "lost": lambda: faults.lose_answer_next("chat.postMessage", LOST),
            "refresh": faults.disconnect,
            "kill": self._kill,
            "calm": self._calm,
        }

    def make(self, kind: str) -> None:
        """Let it happen.

        Raises:
            BadInput: no such trouble.
            NotAllowed: the worker has been killed too often for now, or does not run.
        """
        if kind not in self._kinds:
            raise BadInput("page.unknown-act")
        self._kinds[kind]()

    @property
    def worker_runs(self) -> bool:
        """Whether there is a worker right now."""
        return self._worker() is not None

    def state(self) -> Json:
        """What is wrong now, and the last deliveries with what became of them."""
        core, faults = self._slack.core, self._slack.faults
        with core.changed:
            lately = core.deliveries[-LATELY:]
            return {
                "down": self._down,
                "left": faults.left(),
                "worker": self.worker_runs,
                "deliveries": [
                    {
                        "id": one.envelope_id,
                        "name": one.name,
                        "attempt": one.attempt,
                        "state": "acked" if one.acked else "lost" if one.settled else "waiting",
                        "error": one.error,
                    }
                    for one in reversed(lately)
                ],
            }

    def _switch(self, *, down: bool) -> None:
        faults: Faults = self._slack.faults
        if down == self._down:
            return
        (faults.down if down else faults.up)()
        self._down = down

    def _storm(self) -> None:
        for method in ("chat.postMessage", "chat.update"):
            self._slack.faults.rate_limit(method, times=STORM)

    def _calm(self) -> None:
        self._switch(down=False)
        self._slack.faults.calm()

    def _kill(self) -> None:
        now = time.monotonic()
        self._kills = [at for at in self._kills if now - at < WINDOW]
        worker = self._worker()
        if len(self._kills) >= KILLS:
            raise NotAllowed("page.killed-often", n=KILLS)
        if worker is None:
            raise NotAllowed("page.no-worker")
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        self._kills.append(now)

    def _worker(self) -> int | None:
        parent = self._serve()
        return None if parent is None else next(iter(_children(parent, "worker")), None)


def _children(parent: int, part: str) -> list[int]:
    """The living children of a process that run this part of ``serve``."""
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text(encoding="ascii").split():
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if b"serve-part" in words and part.encode() in words:
                    found.append(int(child))
    return found
