"""Durable execution: the only file that knows DBOS.

One queue per target, one job at a time in each; a worker listens to the targets it serves. A workflow gets
a job id and nothing else: no name or value reaches the engine's tables. Steps are JSON strings; a step that
was in flight when the process died runs again.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

import structlog
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Connection, create_engine, event
from sqlalchemy import Engine as SqlEngine

from bot.errors import whereabouts
from bot.store.database import BUSY_MS, Database

log = structlog.get_logger(__name__)

#: Pinned, so that a new build takes up the work of an older one.
VERSION = "1"
WORKFLOW = "run-job"
#: Seconds between two goes at a step whose end could not be written down.
LONGEST_WAIT = 60.0

Step = Callable[[str, Callable[[], str]], str]


class Engine:
    """The worker's side: runs ``body(job_id, step)`` once per enqueued job, across restarts.

    ``hold()`` is called before every go at a step, and ends the process when this is no longer the worker
    that ``executor`` names: somebody else may have the job by then.
    """

    def __init__(
        self,
        database: Database,
        executor: str,
        body: Callable[[str, Step], None],
        serves: Collection[str],
        hold: Callable[[], None],
    ) -> None:
        self._stopping = threading.Event()
        self._hold = hold
        self._queues = [queue_of(target) for target in serves]
        self._own = _engine(database)
        self._client = DBOSClient(system_database_engine=self._own, serializer=DBOSPortableJSONSerializer())
        config: DBOSConfig = {
            "name": "countersign",
            "system_database_url": database.url.render_as_string(hide_password=False),
            "system_database_engine": self._own,
            "application_version": VERSION,
            "executor_id": executor,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "ERROR",
        }
        DBOS(config=config)

        @DBOS.workflow(name=WORKFLOW)
        def _run(job_id: str) -> None:
            body(job_id, lambda name, work: DBOS.run_step({"name": name}, lambda: self._until_done(work)))

        DBOS.listen_queues(self._queues)

    def launch(self) -> None:
        """Take up what an earlier process of the same executor left, then listen."""
        DBOS.launch()
        # Every queue is asked on its own; many of them share the questions that one may ask.
        pause = max(0.07, len(self._queues) / 50)
        for name in self._queues:
            DBOS.register_queue(name, worker_concurrency=1, global_concurrency=1, polling_interval_sec=pause)

    def pending(self) -> set[str]:
        """The names of workers that have begun a job and not ended it."""
        waiting = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        return {str(one.executor_id) for one in waiting if one.executor_id}

    def adopt(self, executor: str) -> None:
        """Give what a dead worker had begun to whoever serves its target; the caller knows it is dead."""
        # The public ``resume_workflows`` would also revive what was cancelled.
        DBOS._recover_pending_workflows([executor])  # noqa: SLF001 - see above

    def revive(self, jobs: Mapping[str, str]) -> None:
        """Go on with those of these unfinished jobs, each with its target, that were cancelled in the engine.

        Whether a job is stopped is decided in our own books. One that is cancelled in the engine alone would
        stand there as running for ever, and nothing else could begin on its target.
        """
        if not jobs:
            return
        found = DBOS.list_workflows(
            workflow_ids=list(jobs), status="CANCELLED", load_input=False, load_output=False
        )
        for one in found:
            log.warning("job was cancelled in the engine and goes on", action="revive", job=one.workflow_id)
            DBOS.resume_workflow(one.workflow_id, queue_name=queue_of(jobs[one.workflow_id]))

    def enqueue(self, connection: Connection, job_id: str, target: str) -> None:
        """Hand a job over inside the caller's transaction; the same id twice is one job."""
        options: Any = {
            "workflow_name": WORKFLOW,
            "queue_name": queue_of(target),
            "workflow_id": job_id,
            "app_version": VERSION,
        }
        self._client.enqueue_in_transaction(connection, options, job_id)

    def _until_done(self, work: Callable[[], str]) -> str:
        """A step that raises could not even write down its end: it goes again, as after a crash.

        The engine would take the error for the job's last word, and the request would run for ever.
        """
        wait = 1.0
        while True:
            self._hold()
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - a full disk, a lost connection, a fault of ours
                # The text of the error may hold values of rows.
                log.error("step goes again", action="step-again", error=whereabouts(error))  # noqa: TRY400
            if self._stopping.wait(wait):
                # Not an Exception: the engine must not note it as the outcome.
                raise SystemExit
            wait = min(2 * wait, LONGEST_WAIT)

    def stop(self, seconds: int = 10) -> None:
        """Let running steps finish, up to a bound."""
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=seconds)
        self._client.destroy()
        self._own.dispose()


def queue_of(target: str) -> str:
    """The queue of a target's jobs."""
    return f"jobs:{target}"


def _engine(database: Database) -> SqlEngine:
    """An engine of DBOS' own: its transactions are not ours."""
    if not database.is_sqlite:
        return create_engine(
            database.url, hide_parameters=True, pool_size=5, max_overflow=25, pool_pre_ping=True
        )
    engine = create_engine(database.url, hide_parameters=True, pool_size=20, max_overflow=20)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (f"busy_timeout={BUSY_MS}", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
