"""What a job does, step by step. Every step may run again after a crash, and then finds out how far it came.

The steps of the engine are coarse: the gate, the one transaction on the target, the last word. What happens
inside the transaction is noted step by step in our own tables, for people to watch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from bot.approvals import copies, execution, follow_ups, part_way, revisions
from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.audit.opening import sign_log
from bot.errors import (
    BooksDown,
    Broken,
    CountersignError,
    Halted,
    Refused,
    TakenOver,
    TargetDown,
    whereabouts,
)
from bot.jobs import pacing, permit
from bot.jobs.canary import Take
from bot.jobs.closing import close
from bot.jobs.engine import Step
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Result
from bot.jobs.segment_orders import after
from bot.jobs.system_crew import SystemCrew
from bot.jobs.work_orders import Hands
from bot.model.jobs import Job, JobKind, JobState
from bot.model.requests import Operation, Request, State
from bot.model.segments import added_up, progress
from bot.operations.gate import Drifted
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)

#: What the target says when it has undone our transaction to let another one finish.
GAVE_WAY = ("target.deadlock", "target.collided")
#: Seconds before another go, each made up to twice as long by chance.
PAUSES = (0.2, 1.0)
#: Seconds between looks at a target that cannot be asked what has become of a COMMIT.
LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0)


@dataclass(frozen=True)
class Crew:
    """The worker's hands and what they need. ``sign_key`` signs the log's head for the receipt."""

    store: Store
    ground: Ground
    hands: Hands
    sign_key: bytes
    clock: Callable[[], datetime]
    gatekeeper: Callable[[Store, Ground, Callable[[], datetime], Job], Gatekeeper] = Gatekeeper
    take: Take = permit.take
    rest: Callable[[float], None] = time.sleep

    def run(self, job_id: str, step: Step) -> None:
        """One job from the gate to the last word."""
        if step("permit", lambda: self.permit(job_id)) != permit.Gate.GO:
            return
        step("execute", lambda: self.execute(job_id))
        step("tell", lambda: self.tell(job_id))

    def permit(self, job_id: str) -> str:
        """Take the permit; whoever is turned away may come again with a new question."""
        with self.store.transact() as work:
            gate = self.take(self.ground, work, job_id, self.clock())
            job = work.jobs.get(job_id)
            ready = work.permits.ready(job.request_id) if job else None
            if gate is not permit.Gate.GO and ready is not None:
                work.permits.ask(ready.id, None)
        return str(gate)

    def execute(self, job_id: str) -> str:
        """The operation itself, or what a crash left of it."""
        job, request = self._begin(job_id)
        try:
            if request.operation is Operation.TEARDOWN:
                self._system_crew().execute(job, request)
            else:
                self._go_on(job, request)
        except TakenOver:
            log.warning("job taken over", action="job-taken-over", job=job_id)
        return str(self._load(job_id)[0].state)

    def _go_on(self, job: Job, request: Request) -> None:
        """To the end; what is done in segments, one after the other."""
        self._turn(job, request)
        while (job := self._still(job)).state is JobState.RUNNING and progress(job.facts).part_way:
            self._turn(job, request)

    def _turn(self, job: Job, request: Request) -> None:
        try:
            if job.state is JobState.COMMITTING:
                job = self._settle(job, request)
            if job.state is JobState.RUNNING:
                self._between(job)
                self._attempts(job, request)
        except (BooksDown, TakenOver):
            raise
        except Halted as halted:
            self._halted(job, halted)
        except Drifted as drifted:
            self._drifted(job, drifted)
        except CountersignError as error:
            self._failed(job, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the request must say so
            # The text of the error may hold values of rows.
            log.error("job failed", action="job-failed", job=job.id, error=whereabouts(error))  # noqa: TRY400
            self._failed(job, Broken("job.broken", code=type(error).__name__))

    def _between(self, job: Job) -> None:
        target = self.ground.config.targets.get(job.target)
        if target is not None:
            gate = self.gatekeeper(self.store, self.ground, self.clock, job)
            pacing.between(job, target.segments, gate, self.clock, self.rest, self.hands.is_behind)

    def _begin(self, job_id: str) -> tuple[Job, Request]:
        """Take the job up: from here on a worker that had it before can do nothing more about it."""
        with self.store.transact() as work:
            found, request = self._lock(work, job_id)
            work.jobs.save(job_id, found.state, facts={**found.facts, "attempt": found.attempt + 1})
            return work.jobs.get(job_id) or found, request

    def tell(self, job_id: str) -> str:
        """The last word: the request ends, the log is signed, the receipt goes out."""
        job, request = self._load(job_id)
        if job.state is not JobState.COMMITTED:
            return str(job.state)
        now = self.clock()
        with self.store.transact() as work:
            job, locked = self._lock(work, job_id)
            if job.state is not JobState.COMMITTED:
                return str(job.state)
            body = {"job": job.id, "backup": job.backup_id, "rows": job.facts.get("rows", {})}
            revision = work.requests.revision(job.request_id, job.revision)
            if revision is not None and "origin" in revision.plan:
                body |= {"target": request.target, "origin": revision.plan["origin"][0]}
            self.ground.log(work, "job-done", request, body, now)
            head = sign_log(work.audit, self.sign_key, now)
            facts = {**job.facts, "head": head}
            after = move_job(job.state, "finish")
            work.jobs.save(job.id, job.state, state=after, facts=facts, ended_at=now)
            close(self.ground, work, job, locked, now)
            if job.kind is JobKind.PURGE or request.operation is Operation.DELETE_RECORDS:
                copies.begin(work, locked, now)
            part_way.want_receipt(work, request, now)
        self.store.database.forget()
        return str(JobState.DONE)

    def _system_crew(self) -> SystemCrew:
        return SystemCrew(self.store, self.ground, self.hands.whole_systems, self.clock, self.gatekeeper)

    def _load(self, job_id: str) -> tuple[Job, Request]:
        with self.store.read() as work:
            job = work.jobs.get(job_id)
            request = work.requests.get(job.request_id) if job else None
        if job is None or request is None:
            raise Broken("job.broken", code="missing")
        return job, request

    def _lock(self, work: Work, job_id: str, ours: Job | None = None) -> tuple[Job, Request]:
        """The request first, as everywhere, and then the job as it stands.

        Raises:
            TakenOver: another worker took it up after ``ours``.
        """
        found = work.jobs.get(job_id)
        if found is None:
            raise Broken("job.broken", code="missing")
        request = self.ground.lock(work, found.request_id)
        job = work.jobs.get(job_id) or found
        if ours is not None and job.attempt != ours.attempt:
            raise TakenOver("job.taken-over")
        return job, request

    def _attempts(self, job: Job, request: Request) -> None:
        """The operation, once more after others were in the way: the server chose us to give way."""
        for pause in PAUSES:
            try:
                self._attempt(job, request)
            except TargetDown as error:
                job = self._still(job)
                if error.key not in GAVE_WAY or job.state is not JobState.RUNNING:
                    raise
                log.info("job gave way", action="job-gave-way", job=job.id, why=error.key)
                self.rest(pause * (1 + self.ground.entropy(1)[0] / 255))
            else:
                return
        self._attempt(job, request)

    def _attempt(self, job: Job, request: Request) -> None:
        """One go at the operation; an attempt that a crash cut short is cleared away first."""
        self.hands.clear(job)
        with self.store.transact() as work:
            work.jobs.forget_steps(job.id)
            revision, taken = work.requests.revision(request.id, job.revision), work.permits.of_job(job.id)
        if revision is None:
            raise Broken("job.broken", code="revision")
        revisions.approved(revision, taken)
        gate = self.gatekeeper(self.store, self.ground, self.clock, job)
        gate.check()
        if request.operation is Operation.UNFREEZE:
            self._unfreeze(job, request)
            return
        result = self.hands.carry_out(job, request, revision, gate)
        self._committed(job, result)

    def _unfreeze(self, job: Job, request: Request) -> None:
        now = self.clock()
        with self.store.transact() as work:
            job, request = self._lock(work, job.id, job)
            work.targets.lock(request.target)
            if not work.jobs.save(job.id, JobState.RUNNING, state=JobState.COMMITTING):
                raise Halted("job.stopped")
            work.targets.set(request.target, None, None)
            work.erasable.erase(f"freeze:{request.target}")
            work.jobs.save(job.id, JobState.COMMITTING, state=JobState.COMMITTED)
            self.ground.log(work, "target-unfrozen", request, {"target": request.target}, now)
            self.ground.announce(work, request.channel, "note.unfrozen", now, target=request.target)
            for other in work.requests.in_states([State.PENDING, State.APPROVED, State.DENIED]):
                if other.target == request.target:
                    self.ground.redraw(work, other)

    def _settle(self, job: Job, request: Request) -> Job:
        """COMMIT was the last thing noted: the target itself says whether it happened."""
        verdict, result = self._fate(job, request)
        if verdict == "committed" and result is not None:
            self._committed(job, result)
        elif verdict == "not-committed":
            self._not_committed(job)
        else:
            self._held(job, Broken("job.unclear", target=request.target))
        return self._load(job.id)[0]

    def _not_committed(self, job: Job) -> None:
        with self.store.transact() as work:
            found, request = self._lock(work, job.id, job)
            work.jobs.save(found.id, found.state, state=move_job(found.state, "not-committed"))
            self.ground.log(work, "not-committed", request, {"job": job.id}, self.clock())

    def _committed(self, job: Job, result: Result) -> None:
        now = self.clock()
        with self.store.transact() as work:
            found, request = self._lock(work, job.id, job)
            after = move_job(found.state, "committed")
            changes: dict[str, Any] = {"facts": {**found.facts, **result.facts}}
            if result.segments:
                changes["facts"] = added_up(found.facts, result.facts, result.segments)
                part = progress(changes["facts"])
                if part.part_way:
                    after = move_job(after, "next")
                    changes |= {"backup_id": None, "transaction": None}
            if not work.jobs.save(job.id, found.state, state=after, **changes):
                return
            if result.backup is not None and work.backups.get(result.backup.id) is None:
                work.backups.add(result.backup)
                work.backups.keep_together(result.backup)
            follow_ups.keep(work, request, result.offers, now)
            body = {"job": job.id, "backup": result.backup.id if result.backup else None}
            self.ground.log(work, "committed", request, body, now)

    def _halted(self, ours: Job, halted: Halted) -> None:
        """Stopped or frozen: the brake has already moved the request, unless the freeze came in between."""
        if halted.key in ("job.expired", "job.paused"):
            self._failed(ours, halted)
            return
        job = self._still(ours)
        self._tidy(job)
        if job.state is JobState.RUNNING:
            with self.store.transact() as work:
                self._end(work, job, "stop", "stop", None)

    def _drifted(self, ours: Job, drifted: Drifted) -> None:
        self._tidy(self._still(ours))
        now = self.clock()
        with self.store.transact() as work:
            job, locked = self._lock(work, ours.id, ours)
            if job.state is not JobState.RUNNING:
                return
            if progress(job.facts).part_way:
                self._end(work, job, "hold", "hold", None)
            else:
                work.jobs.save(job.id, job.state, state=move_job(job.state, "drift"), ended_at=now)
                self.ground.change(work, locked, "drift", now, starts_at=None)
                self.ground.note(work, locked, "note.drift", now)
            for told in drifted.drift.differences:
                self.ground.note(work, locked, told.key, now, **told.params)

    def _failed(self, ours: Job, error: CountersignError) -> None:
        """Nothing was changed, or it cannot be told: then it stands still and a person decides."""
        job, request = self._still(ours), self._load(ours.id)[1]
        if job.state is JobState.COMMITTING:
            ended = error.key == "operations.ended"
            verdict, result = ("unclear", None) if ended else self._fate(job, request)
            if verdict == "committed" and result is not None:
                self._committed(job, result)
                return
            if verdict != "not-committed":
                self._held(job, Broken("job.unclear", target=request.target))
                return
            self._not_committed(job)
            job = self._still(ours)
        self._tidy(job)
        if job.state is JobState.RUNNING:
            with self.store.transact() as work:
                self._end(work, job, "fail", "fail", error)

    def _fate(self, job: Job, request: Request) -> tuple[str, Result | None]:
        """An operation removes its backup only when it surely was not committed.

        No other refusal says anything about the rows: the system may have left the configuration since.
        """
        for pause in LOOKS:
            try:
                return self.hands.look(job, request)
            except Refused as refusal:
                removed = refusal.key == "backups.shredded" and request.operation is Operation.DELETE_RECORDS
                return "not-committed" if removed else "unclear", None
            except TargetDown:
                # A server that crashed with us comes back; only one that stays away leaves it unclear.
                self.rest(pause)
            except Broken:
                break
        return "unclear", None

    def _held(self, job: Job, error: CountersignError) -> None:
        """The rows may be gone: whoever decides must find their backup in the books."""
        _, request = self._load(job.id)
        log.error("job held", action="job-held", job=job.id, why=error.key)
        backup = self.hands.salvage(job, request)
        with self.store.transact() as work:
            if not self._end(work, job, "hold", "hold", error) or backup is None:
                return
            if work.backups.get(backup.id) is None:
                work.backups.add(after(backup, work.backups.of_request(request.id)))
                work.backups.keep_together(backup)
            self.ground.note(work, request, "note.hold-kept", self.clock(), number=request.number or 0)

    def sweep(self) -> None:
        """Remove what attempts that changed nothing have left in the store."""
        self.hands.storage.sweep()
        with self.store.read() as work:
            left = work.jobs.with_leftovers()
        for job in left:
            self._tidy(job)
        try:
            self.hands.sweep_files()
        except CountersignError as error:
            log.warning("files stay set aside for now", action="tidy-files", why=error.key)

    def _tidy(self, job: Job) -> None:
        """Remove the attempt's backup. One that cannot go now waits for ``sweep``: the end must be told."""
        if job.backup_id is None:
            return
        try:
            self.hands.clear(job)
        except CountersignError as error:
            log.warning("backup of an attempt stays for now", action="tidy", job=job.id, why=error.key)
            return
        with self.store.transact() as work:
            self._lock(work, job.id, job)
            work.jobs.save(job.id, job.state, backup_id=None)

    def _still(self, ours: Job) -> Job:
        """The job as it stands.

        Raises:
            TakenOver: it is another worker's.
        """
        found, _ = self._load(ours.id)
        if found.attempt != ours.attempt:
            raise TakenOver("job.taken-over")
        return found

    def _end(self, work: Work, job: Job, move: str, event: str, error: CountersignError | None) -> bool:
        """End a job that stands where it stood; False when somebody else was first."""
        now = self.clock()
        found, request = self._lock(work, job.id, job)
        if found.state is not job.state:
            return False
        part = progress(found.facts)
        move = "hold" if part.part_way else move
        work.jobs.save(job.id, found.state, state=move_job(found.state, move), ended_at=now)
        if request.state is State.RUNNING and part.part_way:
            part_way.hold(self.ground, work, request, part, error, now)
        elif request.state is State.RUNNING:
            execution.end(self.ground, work, request, event, now, error)
        return True
