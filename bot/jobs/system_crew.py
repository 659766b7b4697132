"""What the jobs of a teardown do around the operations: journal, turning round, the states in between.

A job that is stopped or fails before its end turns round (``halting``) and takes back what it did; a crash
on the way back goes on going back. Only what cannot be taken back, or does not come back, is held.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.errors import BooksDown, Broken, CountersignError, Halted, Stale, TakenOver, whereabouts
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.system_hands import SystemHands
from bot.model.jobs import Job, JobKind, JobState
from bot.model.requests import Request
from bot.operations import purge, put_back, set_aside, uninstall
from bot.operations.gate import Drifted
from bot.operations.set_aside import AnotherHost, NeighbourIll
from bot.operations.uninstall import CopyIsOut
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)

#: A purge that could not begin is tried again after so long.
TRY_AGAIN = timedelta(minutes=10)


class StoredJournal:
    """A job's memory in its own row; what is noted is durable before ``note`` returns."""

    def __init__(self, store: Store, ground: Ground, job: Job) -> None:
        self._store = store
        self._ground = ground
        self._job = job
        self._facts: dict[str, Any] = dict(job.facts)

    def get(self, name: str) -> Any:
        """What was noted, or None."""
        return self._facts.get(name)

    def note(self, name: str, value: Any) -> None:
        """Keep plain JSON.

        Raises:
            TakenOver: another worker has the job.
        """
        with self._store.transact() as work:
            self._keep(work, self._fresh(work), name, value)

    def claim(self, name: str, value: Any) -> bool:
        """Keep it unless anybody did already; whether it was us. Raises as ``note``."""
        with self._store.transact() as work:
            job = self._fresh(work)
            if name in job.facts:
                return False
            self._keep(work, job, name, value)
            return True

    def _fresh(self, work: Work) -> Job:
        self._ground.lock(work, self._job.request_id)
        job = work.jobs.get(self._job.id)
        if job is None or job.attempt != self._job.attempt:
            raise TakenOver("job.taken-over")
        return job

    def _keep(self, work: Work, job: Job, name: str, value: Any) -> None:
        self._facts = {**job.facts, name: value}
        work.jobs.save(job.id, job.state, facts=self._facts)


@dataclass(frozen=True)
class SystemCrew:
    """Runs one job of a teardown from wherever it stands."""

    store: Store
    ground: Ground
    hands: SystemHands
    clock: Callable[[], datetime]
    gatekeeper: Callable[[Store, Ground, Callable[[], datetime], Job], Gatekeeper]

    def execute(self, job: Job, request: Request) -> None:
        """The job's own part; what is wrong with it is known only to the request afterwards.

        Raises:
            TakenOver: another worker took the job up after ``job``.
            BooksDown: our own database is away; the job goes on later.
        """
        try:
            if job.kind is JobKind.PURGE:
                self._purge(job, request)
            elif job.kind is JobKind.PUT_BACK:
                self._put_back(job, request)
            else:
                self._set_aside(job, request)
        except (BooksDown, TakenOver):
            raise
        except Drifted as drifted:
            self._drifted(job, drifted)
        except CountersignError as error:
            self._went_wrong(job, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the request must say so
            # The text of the error may hold names of files.
            log.error("job failed", action="job-failed", job=job.id, error=whereabouts(error))  # noqa: TRY400
            self._went_wrong(job, Broken("job.broken", code=type(error).__name__))

    def _set_aside(self, job: Job, request: Request) -> None:
        if job.state is JobState.HALTING:
            self._go_back(job)
        if job.state is not JobState.RUNNING:
            return
        self._forget_steps(job)
        journal = StoredJournal(self.store, self.ground, job)
        gate = self.gatekeeper(self.store, self.ground, self.clock, job)
        order = self.hands.order(job, request)
        done = set_aside.run(order, self.hands.system(request), self.hands.vault, gate, journal)
        facts = {
            "rows": {},
            "sums": {},
            "test_restore_ms": int(done.seconds * 1000),
            "sha256": done.backup.sha256,
        }
        self._finished(job, facts, done.backup.backup_id)

    def _purge(self, job: Job, request: Request) -> None:
        first = self._first(request)
        system = self.hands.system(request)
        if job.state is JobState.HALTING:
            uninstall.settle(self.hands.name(request), system, self._journal(first))
            self._went_wrong(job, Halted("job.stopped"))
        if job.state not in (JobState.RUNNING, JobState.COMMITTING):
            return
        journal = self._journal(first)
        gate = self.gatekeeper(self.store, self.ground, self.clock, job)
        order = self.hands.purge_order(job, request, first, system)
        if job.state is JobState.COMMITTING:
            done = purge.finish(order, system, self.hands.vault, gate, journal)
        else:
            self._forget_steps(job)
            done = purge.run(order, system, self.hands.vault, gate, journal, half=self._is_half(job))
        facts = {
            "removed": done.removed,
            "bytes": done.size,
            "left": done.left,
            "residue": [list(one) for one in done.residue],
            "certificate": done.certificate,
            **({"remains": done.remains.to_data()} if done.remains is not None else {}),
        }
        self._finished(job, facts, None)

    def _put_back(self, job: Job, request: Request) -> None:
        if job.state is not JobState.RUNNING:
            return
        self._forget_steps(job)
        journal = self._journal(self._first(request))
        gate = self.gatekeeper(self.store, self.ground, self.clock, job)
        put_back.run(self.hands.name(request), self.hands.system(request), gate, journal)
        self._finished(job, {}, None)

    def _journal(self, first: Job) -> StoredJournal:
        """The memory of the job that set everything aside.

        Raises:
            AnotherHost: it did so on another machine, where everything still is.
        """
        journal = StoredJournal(self.store, self.ground, first)
        set_aside.require_host(journal, self.hands.host)
        return journal

    def _is_half(self, job: Job) -> bool:
        """Whether an earlier purge of this request came past its point of no return."""
        with self.store.read() as work:
            return work.jobs.began_removal(job.request_id, before=job.id)

    def _first(self, request: Request) -> Job:
        """The job that set everything aside: its journal knows what ran before.

        Raises:
            Broken: there is none.
        """
        with self.store.read() as work:
            first = work.jobs.of_kind(request.id, JobKind.RUN)
        if first is None:
            raise Broken("job.broken", code="journal")
        return first

    def _finished(self, ours: Job, facts: Mapping[str, Any], backup: str | None) -> None:
        """The job has done its part, unless *Stop* was faster.

        Raises:
            Halted: it was.
        """
        now = self.clock()
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            if job.state is JobState.RUNNING:
                after = move_job(job.state, "commit")
                work.jobs.save(job.id, job.state, state=after)
                job = self._lock(work, ours)[0]
            if job.state is not JobState.COMMITTING:
                raise Halted("job.stopped")
            work.jobs.save(
                job.id, job.state, state=move_job(job.state, "committed"), facts={**job.facts, **facts}
            )
            if backup is not None:
                self._book(work, job, request)
            body = {"job": job.id, "kind": str(job.kind), "backup": backup}
            self.ground.log(work, "committed", request, body, now)

    def _book(self, work: Work, job: Job, request: Request) -> None:
        """The backup enters our books, and stays there as long as anything is set aside."""
        sealed = job.facts.get("sealed")
        if sealed is None or work.backups.get(sealed["id"]) is not None:
            return
        booked = self.hands.book(request, sealed, int(job.facts.get("rehearsed") or 0))
        work.backups.add(booked)
        work.requests.save(request.id, request.state, backup_id=booked.id)

    def _drifted(self, ours: Job, drifted: Drifted) -> None:
        """Nothing was touched: a new plan, a new vote."""
        now = self.clock()
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            if job.state is JobState.RUNNING:
                work.jobs.save(job.id, job.state, state=move_job(job.state, "drift"), ended_at=now)
                self.ground.change(work, request, "drift", now, starts_at=None)
                self.ground.note(work, request, "note.drift-system", now)
                for told in drifted.drift.differences:
                    self.ground.note(work, request, told.key, now, **told.params)
                return
        self._go_back(ours)

    def _went_wrong(self, ours: Job, error: CountersignError) -> None:
        job, _ = self._load(ours.id)
        if (
            job.kind is JobKind.PUT_BACK
            or job.state is JobState.COMMITTING
            or isinstance(error, (NeighbourIll, AnotherHost, CopyIsOut))
            or (job.kind is JobKind.PURGE and self._is_half(job))
        ):
            self._hold(ours, error)
            return
        self._turn_round(ours, error)
        if job.kind is JobKind.PURGE:
            self._stays_aside(ours)
        else:
            self._go_back(ours)

    def _turn_round(self, ours: Job, error: CountersignError) -> None:
        """From here on the job takes back what it did; one that was stopped knows why already."""
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            if job.state is not JobState.RUNNING:
                return
            why = "outcome.frozen-now" if isinstance(error, Halted) else error.key
            facts = {**job.facts, "halted": [why, dict(error.params)]}
            work.jobs.save(job.id, job.state, state=move_job(job.state, "halt"), facts=facts)
            self.ground.log(work, "job-halted", request, {"job": job.id, "why": why}, self.clock())
            if job.kind is not JobKind.PURGE:
                # One that ends a grace period has taken nothing from its place, and brings nothing back.
                self.ground.note(work, request, "note.going-back", self.clock())

    def _go_back(self, ours: Job) -> None:
        """Undo; then the request ends as it must, or is held at the place that does not come back."""
        job, request = self._load(ours.id)
        if job.state is not JobState.HALTING:
            return
        gate = self.gatekeeper(self.store, self.ground, self.clock, job)
        try:
            journal = self._journal(job)
            with gate.step("step.undo"):
                set_aside.undo(self.hands.name(request), self.hands.system(request), journal)
        except (BooksDown, TakenOver):
            raise
        except CountersignError as error:
            self._hold(ours, error)
            return
        self._end(ours)

    def _end(self, ours: Job) -> None:
        now = self.clock()
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            key, params, event = _why(job)
            work.jobs.save(job.id, job.state, state=move_job(job.state, event), ended_at=now)
            self.ground.change(work, request, event, now, outcome=key, outcome_params=params)
            self.ground.note(work, request, "note.undone", now, requester=request.requester)

    def _stays_aside(self, ours: Job) -> None:
        """A purge that did not begin: all is still set aside. Stopped by a person, it needs new votes."""
        now = self.clock()
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            if job.state is not JobState.HALTING:
                return
            key, params, event = _why(job)
            work.jobs.save(job.id, job.state, state=move_job(job.state, event), ended_at=now)
            if key == "outcome.stopped":
                for vote in work.votes.of(request.id, request.revision):
                    work.votes.drop(request.id, request.revision, vote.user)
            self.ground.change(
                work,
                request,
                "set-aside",
                now,
                outcome=key,
                outcome_params=params,
                grace_until=now + TRY_AGAIN,
            )
            # It is tried again and again; the thread hears of each reason once.
            if (request.outcome, dict(request.outcome_params)) != (key, params):
                self.ground.note(work, request, "note.still-aside", now, requester=request.requester)

    def _hold(self, ours: Job, error: CountersignError) -> None:
        """It stands still, and says where; a person decides."""
        now = self.clock()
        log.error("job held", action="job-held", job=ours.id, why=error.key)
        left, whole = self._left(ours), self._whole(ours)
        with self.store.transact() as work:
            job, request = self._lock(work, ours)
            try:
                after = move_job(job.state, "hold")
            except Stale:
                return
            facts = {**job.facts, "whole": True} if whole is not None else job.facts
            work.jobs.save(job.id, job.state, state=after, ended_at=now, facts=facts)
            self._book(work, job, request)
            params = dict(error.params)
            self.ground.change(
                work, request, "hold", now, outcome=error.key, outcome_params=params, put_back_by=None
            )
            self.ground.note(work, request, "note.hold", now, requester=request.requester)
            if whole is not None:
                self.ground.note(
                    work, request, "note.purge-whole", now, left=whole, number=request.number or 0
                )
            if left is not None:
                self.ground.note(work, request, "note.purge-half", now, left=left, number=request.number or 0)

    def _left(self, ours: Job) -> str | None:
        """What a removal that stands still has not removed; None when none has begun."""
        job, request = self._load(ours.id)
        if job.kind is not JobKind.PURGE or not (job.transaction is not None or self._is_half(job)):
            return None
        return self._remaining(request)

    def _whole(self, ours: Job) -> str | None:
        """What is still set aside after the system's own uninstall, when nothing was removed after it."""
        job, request = self._load(ours.id)
        if job.kind is not JobKind.PURGE or job.transaction is not None or self._is_half(job):
            return None
        first = self._first(request)
        return self._remaining(request) if "out" in first.facts else None

    def _remaining(self, request: Request) -> str:
        try:
            return ", ".join(purge.remaining(self.hands.name(request), self.hands.system(request))) or "-"
        except CountersignError:
            return "?"

    def _forget_steps(self, job: Job) -> None:
        with self.store.transact() as work:
            work.jobs.forget_steps(job.id)

    def _load(self, job_id: str) -> tuple[Job, Request]:
        with self.store.read() as work:
            job = work.jobs.get(job_id)
            request = work.requests.get(job.request_id) if job else None
        if job is None or request is None:
            raise Broken("job.broken", code="missing")
        return job, request

    def _lock(self, work: Work, ours: Job) -> tuple[Job, Request]:
        """The request first, as everywhere, and then the job as it stands.

        Raises:
            TakenOver: another worker took it up after ours.
        """
        request = self.ground.lock(work, ours.request_id)
        job = work.jobs.get(ours.id) or ours
        if job.attempt != ours.attempt:
            raise TakenOver("job.taken-over")
        return job, request


def _why(job: Job) -> tuple[str, dict[str, str | int], str]:
    """What ended a job, and the move that says so: a person's brake stops, anything else fails."""
    key, params = job.facts.get("halted") or ["outcome.stopped", {}]
    return key, dict(params), "stop" if key.startswith("outcome.") else "fail"
