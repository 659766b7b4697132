"""The job's side of an operation: its steps are noted; stop, freeze and time are asked at each safe point."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.errors import Halted, Stale, TakenOver
from bot.jobs.telling import LOOK, TELL, Telling
from bot.model.jobs import Job, JobKind, JobState, StepState
from bot.model.meter import Reading, Stage, Unit
from bot.model.requests import DESTRUCTIVE, Request
from bot.model.segments import PAUSED, progress
from bot.store.unit_of_work import Store, Work
from bot.targets.reporting import SILENT, Report

log = structlog.get_logger(__name__)

#: How long a job may run on a permit that would have let it start no longer.
RUN_LIFE = timedelta(hours=24)
STEP_KINDS = ("card", "plan")
#: Between two lines of the log about one job.
LOG_EVERY = timedelta(seconds=30)


class Gatekeeper:
    """Implements what ``bot.operations.gate.Gate`` asks, for one job; ``pace`` as of ``Telling``."""

    def __init__(
        self,
        store: Store,
        ground: Ground,
        clock: Callable[[], datetime],
        job: Job,
        pace: tuple[float, float] = (LOOK, TELL),
    ) -> None:
        self._store = store
        self._ground = ground
        self._clock = clock
        self._job = job
        self._position = 0
        self._pace = pace
        self._telling: Telling | None = None
        self._logged: datetime | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note the beginning and the end of a step, and show them."""
        with self._store.transact() as work:
            self._ours(work.jobs.get(self._job.id))
            position = work.jobs.begin_step(self._job.id, name, self._clock())
            self._show(work)
        self._position = position
        self._telling = Telling(lambda reading: self._note(position, name, reading), *self._pace)
        try:
            yield
        except BaseException:
            self._end(StepState.FAILED)
            raise
        self._end(StepState.DONE)

    def _end(self, state: StepState) -> None:
        if self._telling is not None:
            self._telling.close()
            self._telling = None
        with self._store.transact() as work:
            work.jobs.end_step(self._job.id, self._position, state, self._clock())
            self._show(work)

    def _ours(self, found: Job | None) -> Job:
        if found is None:
            raise Halted("job.stopped")
        if found.attempt != self._job.attempt:
            raise TakenOver("job.taken-over")
        return found

    def _show(self, work: Work) -> None:
        work.outbox.redraw(self._job.request_id, STEP_KINDS)

    def progress(self, done: int, total: int) -> None:
        """Rows done within the step."""
        if self._telling is not None:
            self._telling.reach("rows", done, total)

    def measure(self, part: str, stage: Stage, expected: Mapping[Unit, int], /) -> Report:
        """What is done of a part of the step is shown and logged now and then."""
        if self._telling is None:
            return SILENT
        self._telling.measure(part, stage, expected)
        return self._telling

    def _note(self, position: int, name: str, reading: Reading) -> None:
        now = self._clock()
        if self._logged is None or now - self._logged >= LOG_EVERY:
            self._logged = now
            log.info("progress", action="progress", job=self._job.id, step=name, **reading.to_data())
        with self._store.transact() as work:
            self._ours(work.jobs.get(self._job.id))
            if work.jobs.note_progress(self._job.id, position, reading.to_data()):
                work.outbox.redraw(self._job.request_id, ("card",))

    def check(self) -> None:
        """A safe point.

        Raises:
            Halted: somebody stopped the job or froze the target, or its permit has expired.
            TakenOver: another worker has the job.
        """
        with self._store.read() as work:
            job = self._ours(work.jobs.get(self._job.id))
            permit = work.permits.of_job(self._job.id)
            frozen = work.targets.frozen(self._job.target)
            request = work.requests.get(self._job.request_id)
        if job.state is not JobState.RUNNING:
            raise Halted("job.stopped")
        if frozen and self._may_be_halted(request):
            raise Halted("job.frozen", target=self._job.target)
        # A worker may have slept for days since it took the permit. What began in time may go on past the
        # end of its window, but not for ever.
        if permit is None or max(permit.expires_at, _day_of(job)) <= self._clock():
            raise Halted("job.expired")

    def pass_on(self) -> None:
        """A safe point between two parts; raises as ``check``, and ``Halted`` when somebody wants a pause."""
        self.check()
        with self._store.read() as work:
            facts = self._ours(work.jobs.get(self._job.id)).facts
        if facts.get(PAUSED) and progress(facts).part_way:
            raise Halted("job.paused", user=str(facts[PAUSED]))

    def _may_be_halted(self, request: Request | None) -> bool:
        """What brings something back goes on while a target is frozen."""
        return (
            request is not None
            and request.operation in DESTRUCTIVE
            and self._job.kind is not JobKind.PUT_BACK
        )

    def backup_started(self, backup_id: str) -> None:
        """Remember the attempt, so that a crash leaves no orphan."""
        with self._store.transact() as work:
            work.requests.lock(self._job.request_id)
            self._ours(work.jobs.get(self._job.id))
            if not work.jobs.save(self._job.id, JobState.RUNNING, backup_id=backup_id):
                raise Halted("job.stopped")

    def committing(self, transaction: str, backup_id: str, sha256: str) -> None:
        """The point of no return: from here *Stop* comes too late.

        Raises:
            Halted: *Stop* or a freeze was faster.
            TakenOver: another worker has the job.
        """
        self._commit({"transaction": transaction}, backup_id, sha256)

    def calling(self, backup_id: str, sha256: str) -> None:
        """*Stop* comes too late from here on, although nothing is removed yet; raises as ``committing``."""
        self._commit({}, backup_id, sha256)

    def removing(self) -> None:
        """From here on nothing can be put back.

        Raises:
            TakenOver: another worker has the job.
        """
        with self._store.transact() as work:
            self._ground.lock(work, self._job.request_id)
            job = self._ours(work.jobs.get(self._job.id))
            if job.transaction is None and not work.jobs.save(job.id, JobState.COMMITTING, transaction=""):
                raise TakenOver("job.taken-over")
            self._show(work)

    def _commit(self, changes: dict[str, Any], backup_id: str, sha256: str) -> None:
        self.check()
        with self._store.transact() as work:
            request = work.requests.lock(self._job.request_id)
            frozen = work.targets.lock(self._job.target)
            if frozen and self._may_be_halted(request):
                raise Halted("job.frozen", target=self._job.target)
            job = self._ours(work.jobs.get(self._job.id))
            try:
                after = move_job(job.state, "commit")
            except Stale:
                raise Halted("job.stopped") from None
            changes["facts"] = {**job.facts, "sha256": sha256}
            if backup_id:
                changes["backup_id"] = backup_id
            if not work.jobs.save(job.id, job.state, state=after, **changes):
                raise Halted("job.stopped")
            self._ground.log(
                work,
                "committing",
                request,
                {"job": job.id, "backup": backup_id, "sha256": sha256},
                self._clock(),
            )
            self._show(work)


def _day_of(job: Job) -> datetime:
    """A day after the job began; one that never began has no time of its own."""
    return job.started_at + RUN_LIFE if job.started_at is not None else datetime.min.replace(tzinfo=UTC)
