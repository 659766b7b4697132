"""From an open request to a running job: ask who is who, plan, and enqueue when everything is there.

No network call happens inside a transaction: the worker writes a question about people, the bot answers it,
and the next turn of the sweep goes on with the answer.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.approvals import execution, starting
from bot.approvals.aside import may_go_on
from bot.approvals.ground import Ground
from bot.errors import Broken, CountersignError, whereabouts
from bot.jobs.permit import ROSTER_FRESH, fresh_roster, whom_to_ask
from bot.model.jobs import JobKind, JobState
from bot.model.people import RosterFacts
from bot.model.requests import DESTRUCTIVE, Operation, Request, State
from bot.model.segments import taken_over
from bot.policy import rules
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)

PLANNING_ROSTER_FRESH = timedelta(minutes=5)
MOST_ASKED = 50
Plan = Callable[[Request], execution.Planned]
Enqueue = Callable[[Work, str, str], None]


class Claims(Protocol):
    """Which of several workers plans a request."""

    def claim(self, request_id: int) -> bool:
        """Whether this worker, and no other, may plan it now."""

    def done(self, request_id: int) -> None:
        """It is planned, or not."""


class Dispatcher:
    """The worker's sweep over requests that wait for it."""

    def __init__(
        self,
        store: Store,
        ground: Ground,
        plan: Plan,
        enqueue: Enqueue,
        serves: Collection[str] | None,
        claims: Claims,
    ) -> None:
        self._store = store
        self._ground = ground
        self._plan = plan
        self._enqueue = enqueue
        self._serves = serves
        self._claims = claims
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="plan")
        self._planning: set[int] = set()

    def close(self) -> None:
        """Wait for plans that are being made."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def plan_waiting(self, clock: Callable[[], datetime]) -> None:
        """Start to plan whatever waits for a plan and knows who is who."""
        for request in self._waiting(State.PLANNING):
            if request.id in self._planning or (request.preview and request.revision):
                continue
            roster = self._roster_for(request, clock())
            if roster is None or not self._claims.claim(request.id):
                continue
            self._planning.add(request.id)
            self._pool.submit(self._plan_one, request, roster, clock)

    def start_due(self, clock: Callable[[], datetime]) -> None:
        """Enqueue a job for every approved request whose time has come and whose question is answered."""
        for request in self._waiting(State.APPROVED):
            now = clock()
            if request.starts_at is not None and request.starts_at <= now:
                self._start_one(request, now)

    def end_grace(self, clock: Callable[[], datetime]) -> None:
        """Enqueue what ends a grace period: the purge that has a permit, or what somebody wants back.

        And the rest of what stands still between two parts, once it has a permit.
        """
        for request in (*self._waiting(State.SET_ASIDE), *self._waiting(State.HELD)):
            if request.operation is not Operation.TEARDOWN:
                self._start_one(request, clock(), JobKind.REST)
                continue
            if request.put_back_by is not None:
                self._put_back_one(request)
            else:
                self._start_one(request, clock(), JobKind.PURGE)

    def _put_back_one(self, request: Request) -> None:
        with self._store.transact() as work:
            locked = work.requests.lock(request.id)
            if locked is None or locked.state is not request.state or locked.put_back_by is None:
                return
            latest = work.jobs.latest(locked.id)
            queued = latest is not None and latest.state is JobState.QUEUED
            if not queued and not work.jobs.active_on(locked.target):
                self._hand_over(work, locked, JobKind.PUT_BACK)

    def _waiting(self, state: State) -> list[Request]:
        with self._store.read() as work:
            found = work.requests.in_states([state])
        return [one for one in found if self._serves is None or not one.target or one.target in self._serves]

    def _roster_for(self, request: Request, now: datetime) -> RosterFacts | None:
        """Who is who, with everybody who could approve; None while Slack is being asked."""
        with self._store.read() as work:
            nonce = work.requests.nonce(request.id)
            answered = work.roster.answered(nonce) if nonce else None
            known = work.roster.asked(nonce) if nonce else frozenset()
        groups: Mapping[str, tuple[str, ...]] = {}
        if answered is not None and timedelta(0) <= now - answered[1] <= PLANNING_ROSTER_FRESH:
            groups = answered[0].groups
            if self._approvers(request, groups) <= known:
                return answered[0]
        if nonce is None or answered is not None:
            with self._store.transact() as work:
                locked = work.requests.lock(request.id)
                # Another worker may have asked, or even planned, in the meantime.
                if locked and locked.state is State.PLANNING and work.requests.nonce(request.id) == nonce:
                    more = self._approvers(request, groups)
                    work.requests.set_nonce(request.id, self._ask(work, request, now, more))
        return None

    def _approvers(self, request: Request, groups: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
        """Those who could approve, as far as the groups are known: a request nobody can approve is refused.

        Nobody when there are too many to ask about: among so many somebody can.
        """
        config = self._ground.config
        could = rules.possible(config.rules, execution.asked(config, request, None))
        roles = {role for rule in could for role in rule.quorum.roles}
        found = {user for role in roles for user in rules.people_of(config.roles[role], groups)}
        return frozenset(found) if len(found) <= MOST_ASKED else frozenset()

    def _ask(self, work: Work, request: Request, now: datetime, more: Collection[str] = ()) -> str:
        nonce = self._ground.entropy(16).hex()
        users, groups = whom_to_ask(self._ground, work, request)
        work.roster.ask(nonce, tuple(dict.fromkeys((*users, *sorted(more)))), groups, now)
        return nonce

    def _plan_one(self, request: Request, roster: RosterFacts, clock: Callable[[], datetime]) -> None:
        try:
            try:
                plan: execution.Planned | CountersignError = self._plan(request)
            except CountersignError as error:
                plan = error
            self._save_plan(request, plan, roster, clock())
        except Exception as error:  # noqa: BLE001 - whatever it was, the person who asked must hear of it
            # The text of the error may hold values of rows.
            log.error("planning failed", action="plan-failed", request=request.id, error=whereabouts(error))  # noqa: TRY400
            self._save_plan(request, Broken("plan.broken", code=type(error).__name__), roster, clock())
        finally:
            self._claims.done(request.id)
            self._planning.discard(request.id)

    def _save_plan(
        self, request: Request, plan: execution.Planned | CountersignError, roster: RosterFacts, now: datetime
    ) -> None:
        with self._store.transact() as work:
            locked = work.requests.lock(request.id)
            if locked is None or locked.state is not State.PLANNING or locked.revision != request.revision:
                return
            work.requests.set_nonce(request.id, None)
            refusal = plan if isinstance(plan, CountersignError) else None
            if isinstance(plan, execution.Planned):
                try:
                    with work.savepoint():
                        execution.accept_plan(self._ground, work, locked, plan, roster, now)
                except CountersignError as error:
                    refusal = error
            if refusal is not None:
                execution.refuse(self._ground, work, locked, refusal, now)

    def _start_one(self, request: Request, now: datetime, kind: JobKind = JobKind.RUN) -> None:
        with self._store.transact() as work:
            locked = work.requests.lock(request.id)
            permit = work.permits.ready(request.id)
            if locked is None or locked.state is not request.state or permit is None:
                return
            if locked.starts_at is None or locked.starts_at > now or not permit.holds_at(now):
                return
            revision = work.requests.revision(locked.id, locked.revision)
            if revision is None or not starting.is_open_for(self._ground.config, locked, revision, now):
                if revision is not None and kind is JobKind.RUN:
                    starting.postpone(self._ground, work, locked, revision, now)
                return
            if not self._free(work, locked) or (kind is JobKind.REST and not may_go_on(work, locked)):
                return
            if fresh_roster(work, permit, now) is None:
                asked_at = work.roster.open_since(permit.nonce) if permit.nonce else None
                if asked_at is None or now - asked_at > ROSTER_FRESH:
                    work.permits.ask(permit.id, self._ask(work, locked, now))
                return
            self._hand_over(work, locked, kind)

    def _hand_over(self, work: Work, request: Request, kind: JobKind) -> None:
        job_id = f"job-{request.id}-{work.jobs.count(request.id) + 1:03}"
        last = work.jobs.latest(request.id) if kind is JobKind.REST else None
        facts = taken_over(last.facts) if last is not None else {}
        work.jobs.add(job_id, request.id, request.revision, request.target, kind, facts)
        self._enqueue(work, job_id, request.target)

    @staticmethod
    def _free(work: Work, request: Request) -> bool:
        """Nothing else touches the target, it is not frozen, and no job of this request waits already."""
        latest = work.jobs.latest(request.id)
        if latest is not None and latest.state is JobState.QUEUED:
            return False
        if request.operation in DESTRUCTIVE and work.targets.frozen(request.target):
            return False
        return not work.jobs.active_on(request.target)
