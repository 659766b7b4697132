"""APScheduler as a tick: it says when, our tables say what. Every body is an idempotent sweep."""

import logging
import time
from collections.abc import Callable

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger(__name__)
# It would print the text of every error, which may hold values of rows; ``_report`` says what is needed.
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)


#: How long a sweep may leave unchanged books alone, in seconds: time passes, and that is no commit.
LONGEST = 0.5


class WhenChanged:
    """A sweep that has nothing to do while nobody commits anything, but for what is due by the clock.

    ``mark()`` is a number that every commit changes, or None when nobody knows: then every turn looks.
    """

    def __init__(
        self, sweep: Callable[[], None], mark: Callable[[], int | None], longest: float = LONGEST
    ) -> None:
        self._sweep = sweep
        self._mark = mark
        self._longest = longest
        self._seen: int | None = None
        self._until = 0.0

    def __call__(self) -> None:
        """Look, if there may be something new to see."""
        mark = self._mark()
        if mark is not None and mark == self._seen and time.monotonic() < self._until:
            return
        # Forgotten until it has ended well: one that fails looks again at its next turn.
        self._seen = None
        self._sweep()
        self._seen, self._until = mark, time.monotonic() + self._longest


class Ticker:
    """Runs each sweep again and again, never two of the same at once; one that fails has its next turn.

    ``mark``: see :class:`WhenChanged`.
    """

    def __init__(self, mark: Callable[[], int | None] = lambda: None) -> None:
        self._mark = mark
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR | EVENT_JOB_MISSED)

    def every(self, seconds: float, sweep: Callable[[], None], name: str) -> None:
        """Add a sweep."""
        self._scheduler.add_job(sweep, "interval", seconds=seconds, id=name, name=name)

    def when_changed(self, seconds: float, sweep: Callable[[], None], name: str) -> None:
        """Add a sweep that people wait for: asked often, and run only when somebody has written something."""
        self.every(seconds, WhenChanged(sweep, self._mark), name)

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running sweeps finish, then stop."""
        # Paused first: a tick that falls due during the shutdown would find no thread to run in.
        self._scheduler.pause()
        self._scheduler.shutdown(wait=True)


def _report(event: JobExecutionEvent) -> None:
    failure = getattr(event, "exception", None)
    log.error("sweep failed", action="sweep-failed", sweep=event.job_id, error=type(failure).__name__)
