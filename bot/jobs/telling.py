"""Beside a long step: what is done is written down now and then, while the work only counts.

The work must not wait for it, nor fail by it: a thread of its own writes, and what goes wrong there is logged
once and forgotten.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from bot.errors import whereabouts
from bot.model.meter import Reading, Stage, Unit, leading, read

log = structlog.get_logger(__name__)

#: Seconds between two looks at the counters, and between two that are told, at Slack's pace.
LOOK, TELL = 1.0, 5.0
#: Seconds that the end of a step waits for a sentence that is being written.
_PATIENCE = 0.2
_KEPT = 40


class Telling:
    """The counters of one step; implements ``bot.targets.reporting.Report``.

    Args:
        tell: writes it down; may be slow and may raise.
        look, every: seconds between two looks, and between two calls of ``tell``.
    """

    def __init__(self, tell: Callable[[Reading], None], look: float = LOOK, every: float = TELL) -> None:
        self._tell = tell
        self._look = look
        self._every = every
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._part = ""
        self._stage: Stage = "copying"
        self._done: dict[Unit, int] = {}
        self._expected: dict[Unit, int] = {}
        self._size = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_KEPT)

    def measure(self, part: str, stage: Stage, expected: Mapping[Unit, int]) -> None:
        """Another part of the step begins, of which so much is expected."""
        with self._lock:
            self._part = part
            self._expected = dict(expected)
            self._size = self._expected.get("bytes", 0)
        self.begin(stage)
        self._start()

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="telling", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # No room for one more thread is no reason to hold a job.
                log.warning("progress not told", action="progress-not-told", error=whereabouts(error))
                return
            self._thread = thread

    def begin(self, stage: Stage, size: int = 0) -> None:
        """See ``Report``."""
        with self._lock:
            self._stage = stage
            self._done = {}
            self._samples.clear()
            if known := size or self._size:
                self._expected["bytes"] = known

    def add(self, unit: Unit, n: int = 1) -> None:
        """See ``Report``."""
        with self._lock:
            self._done[unit] = self._done.get(unit, 0) + n

    def reach(self, unit: Unit, done: int, total: int) -> None:
        """So many of so many are done by now; the step has no parts."""
        if self._expected != {unit: total}:
            self.measure("", "copying", {unit: total})
        with self._lock:
            self._done[unit] = done

    def close(self) -> None:
        """The step is over; nothing more is told of it."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def now(self) -> Reading:
        """How far it has come."""
        with self._lock:
            return read(self._part, self._stage, self._done, self._expected, self._samples)

    def _run(self) -> None:
        told, failed = time.monotonic(), False
        while not self._over.wait(self._look):
            now = time.monotonic()
            with self._lock:
                unit = leading(self._stage, self._expected)
                if unit is not None:
                    self._samples.append((now, self._done.get(unit, 0)))
            if now - told < self._every:
                continue
            told = now
            try:
                self._tell(self.now())
            except Exception as error:  # noqa: BLE001 - whatever it is, the work goes on
                if not failed:
                    log.warning("progress not told", action="progress-not-told", error=whereabouts(error))
                failed = True
