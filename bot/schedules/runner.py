"""APScheduler as a tick: it says when, our tables say what. Every body is an idempotent sweep."""

import logging
from collections.abc import Callable

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler

log = structlog.get_logger(__name__)
# It would print the text of every error, which may hold values of rows; ``_report`` says what is needed.
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)


class Ticker:
    """Runs each sweep again and again, never two of the same at once; one that fails has its next turn."""

    def __init__(self) -> None:
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)
        self._scheduler.add_listener(_report, EVENT_JOB_ERROR | EVENT_JOB_MISSED)

    def every(self, seconds: float, sweep: Callable[[], None], name: str) -> None:
        """Add a sweep."""
        self._scheduler.add_job(sweep, "interval", seconds=seconds, id=name, name=name)

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
