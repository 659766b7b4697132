"""The gate: nothing runs without a permit, and the permit is taken only after everything is asked again.

The whole evaluation and the taking of the permit are one transaction of our own database, in the worker.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from bot.approvals import bounds, execution, quorum, revisions, standing, starting
from bot.approvals.aside import require_there, what_waits
from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.approvals.voting import back_to_pending, is_late
from bot.config.types import Config
from bot.errors import Refused
from bot.model.jobs import Job, JobKind, JobState
from bot.model.people import RosterFacts
from bot.model.plans import Plan
from bot.model.requests import (
    DESTRUCTIVE,
    Choice,
    Freeze,
    Operation,
    Permit,
    Proof,
    Request,
    Revision,
    RuleSpec,
    State,
)
from bot.model.segments import stands_between
from bot.policy import rules
from bot.store.unit_of_work import Work

ROSTER_FRESH = timedelta(seconds=60)
_GOING = (JobState.RUNNING, JobState.HALTING, JobState.COMMITTING, JobState.COMMITTED)
POSTPONED = timedelta(hours=1)
_ASIDE = (State.SET_ASIDE, State.HELD)
_STARTS = {JobKind.RUN: "start", JobKind.PURGE: "purge", JobKind.REST: "go-on"}
_Case = tuple[Job, Request, Revision, Permit]


class Gate(StrEnum):
    """What the gate says."""

    GO = "go"
    ASK_AGAIN = "ask-again"
    NO = "no"


def take(ground: Ground, work: Work, job_id: str, now: datetime) -> Gate:
    """Evaluate policy, roles, votes, freeze and time again, and take the permit if all of it says yes.

    Idempotent: a job that already holds its permit gets GO again.
    """
    found = work.jobs.get(job_id)
    request = work.requests.lock(found.request_id) if found is not None else None
    job = work.jobs.get(job_id)
    if job is None or request is None:
        return Gate.NO
    frozen = work.targets.lock(request.target)
    if work.permits.of_job(job_id) is not None:
        return Gate.GO if job.state in _GOING else Gate.NO
    if job.kind is JobKind.PUT_BACK:
        return _put_back(ground, work, job, request, now)
    permit = work.permits.ready(request.id)
    if permit is None or not _bound(job, request, permit, now):
        return _turn_away(ground, work, job, request, "not-bound", now)
    revision = _readable(work, request)
    if revision is None:
        _cancel(ground, work, request, Refused("outcome.not-what-was-approved"), now)
        return _turn_away(ground, work, job, request, "other-digest", now)
    return _ask_everything(ground, work, (job, request, revision, permit), frozen, now)


def fresh_roster(work: Work, permit: Permit, now: datetime) -> RosterFacts | None:
    """The answer to this permit's own question, when the question was put at most a minute ago.

    The answer cannot be older than the question, and the question was put by the worker's own clock: the
    bot's clock may be wrong.
    """
    answered = work.roster.answered(permit.nonce) if permit.nonce is not None else None
    if answered is None or not timedelta(0) <= now - answered[1] <= ROSTER_FRESH:
        return None
    return answered[0]


def whom_to_ask(ground: Ground, work: Work, request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The people and user groups that the decision about a request depends on."""
    votes = work.votes.of(request.id, request.revision)
    users = dict.fromkeys([request.requester, *(vote.user for vote in votes)])
    groups = {role.usergroup for role in ground.config.roles.values() if role.usergroup}
    return tuple(users), tuple(sorted(groups))


def _bound(job: Job, request: Request, permit: Permit, now: datetime) -> bool:
    return (
        job.state is JobState.QUEUED
        and job.revision == request.revision == permit.revision
        and permit.holds_at(now)
        and _is_time(job, request, now)
    )


def _is_time(job: Job, request: Request, now: datetime) -> bool:
    if job.kind is JobKind.PURGE:
        # One that stands still half way has had its grace period.
        due = request.grace_until is not None and request.grace_until <= now
        return request.state in _ASIDE and due and request.put_back_by is None
    if job.kind is JobKind.REST:
        return request.state is State.HELD and stands_between(job)
    return request.state is State.APPROVED and request.starts_at is not None and request.starts_at <= now


def _put_back(ground: Ground, work: Work, job: Job, request: Request, now: datetime) -> Gate:
    """Nothing is taken away by it, so it needs no quorum: the person was asked for the role at the door."""
    if job.state in _GOING:
        return Gate.GO
    aside = request.state in (State.SET_ASIDE, State.HELD) and request.put_back_by is not None
    if job.state is not JobState.QUEUED or not aside:
        return _turn_away(ground, work, job, request, "not-bound", now)
    if any(other.id != job.id for other in work.jobs.active_on(request.target)):
        return _turn_away(ground, work, job, request, "busy", now, Gate.ASK_AGAIN)
    work.jobs.save(job.id, job.state, state=move_job(job.state, "permit"), started_at=now)
    ground.change(work, request, "put-back", now)
    ground.log(work, "put-back-started", request, {"job": job.id, "by": request.put_back_by}, now)
    return Gate.GO


def _ask_everything(ground: Ground, work: Work, case: _Case, frozen: Freeze | None, now: datetime) -> Gate:
    job, request, revision, permit = case
    plan = _plan_of(revision)
    if plan is None or permit.digest != revision.digest or not _is_about(plan, request):
        _cancel(ground, work, request, Refused("outcome.not-what-was-approved"), now)
        return _turn_away(ground, work, job, request, "other-digest", now)
    held_back = _held_back(ground, request, revision, frozen, now)
    if held_back is not None:
        return _turn_away(ground, work, job, request, held_back, now)
    if any(other.id != job.id for other in work.jobs.active_on(request.target)):
        return _turn_away(ground, work, job, request, "busy", now, Gate.ASK_AGAIN)
    roster = fresh_roster(work, permit, now)
    if roster is None:
        return _turn_away(ground, work, job, request, "stale-roster", now, Gate.ASK_AGAIN)
    try:
        rule = _rule(ground, request, plan, roster)
        if job.kind is JobKind.RUN:
            require_there(work, request.operation, request.target, request.backup_id)
            bounds.check_limits(work, request, plan.rows, (revision.rule, rule), now)
    except Refused as refusal:
        _cancel(ground, work, request, refusal, now)
        return _turn_away(ground, work, job, request, refusal.key, now)
    return _decide(ground, work, case, rule, roster, now)


def _readable(work: Work, request: Request) -> Revision | None:
    """The revision, unless somebody has written into our books what none of us writes."""
    try:
        return work.requests.revision(request.id, request.revision)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _held_back(
    ground: Ground, request: Request, revision: Revision, frozen: Freeze | None, now: datetime
) -> str | None:
    """What keeps a deletion from starting now, whoever has approved it."""
    if frozen is not None and request.operation in DESTRUCTIVE:
        return "frozen"
    if not starting.is_open_for(ground.config, request, revision, now):
        return "outside-window"
    return None


def _plan_of(revision: Revision) -> Plan | None:
    """The plan, when it and the rule still are those whose digest was voted on."""
    try:
        plan = Plan.from_data(revision.plan)
    except (ValueError, KeyError, TypeError):
        return None
    return plan if revisions.is_bound(revision) else None


def _is_about(plan: Plan, request: Request) -> bool:
    """Whether the plan is this request's: else a laxer rule could be found for it."""
    if (plan.operation, plan.target) != (request.operation, request.target):
        return False
    return request.operation is not Operation.DELETE_RECORDS or plan.record == request.record


def _rule(ground: Ground, request: Request, plan: Plan, roster: RosterFacts) -> RuleSpec:
    """The rule that decides today, when the requester may still ask under it; of rows that move, both."""
    config = ground.config
    here = _rule_for(config, request, plan.rows, roster)
    if plan.origin is None:
        return here
    left = execution.leaving(config, request, plan.origin.target)
    return execution.both(_rule_for(config, left, plan.rows, roster), here)


def _rule_for(config: Config, request: Request, rows: int, roster: RosterFacts) -> RuleSpec:
    rule = rules.match(config.rules, execution.asked(config, request, rows))
    if rule is None:
        raise bounds.no_rule(config, execution.asked(config, request, rows))
    execution.check_requester(config, request, rule, roster)
    return execution.spec(rule)


def _cancel(ground: Ground, work: Work, request: Request, why: Refused, now: datetime) -> None:
    if request.state in _ASIDE:
        # What is set aside or done in part cannot be cancelled: it stays so. A purge is asked about again.
        work.permits.void(request.id)
        if request.operation is Operation.TEARDOWN:
            work.requests.save(request.id, request.state, grace_until=now + POSTPONED)
        ground.note(
            work, request, f"note.{what_waits(request)}-policy-says-no", now, requester=request.requester
        )
        return
    ground.change(work, request, "cancel", now, outcome=why.key, outcome_params=dict(why.params))
    ground.note(work, request, "note.policy-says-no", now, requester=request.requester)


def _decide(
    ground: Ground, work: Work, case: _Case, rule: RuleSpec, roster: RosterFacts, now: datetime
) -> Gate:
    job, request, revision, permit = case
    unproven = _drop_unproven(ground, work, (request, revision), rule, now)
    voters = _live_voters(ground, work, (request, revision), rule, roster, now)
    # Today's rule can only add to what was asked for.
    quorums = tuple(dict.fromkeys((*revision.rule.quorums, *rule.quorums)))
    denied = any(vote.choice is Choice.DENY for vote in work.votes.of(request.id, request.revision))
    verdict = quorum.decide(quorums, voters)
    reached = verdict.reached
    if request.state in _ASIDE and (denied or not reached):
        work.permits.void(request.id)
        ground.note(
            work, request, f"note.{what_waits(request)}-needs-votes", now, requester=request.requester
        )
        ground.redraw(work, request)
        return _turn_away(ground, work, job, request, "quorum-lost", now)
    if denied:
        back_to_pending(ground, work, request, "role-lost", now)
        return _turn_away(ground, work, job, request, "denied", now)
    if not reached:
        lost = not quorum.decide(revision.rule.quorums, voters).reached
        back_to_pending(ground, work, request, "role-lost", now)
        note = "note.role-lost" if lost else "note.rule-stricter"
        if unproven:
            note = "note.no-code"
        ground.note(work, request, note, now, requester=request.requester)
        return _turn_away(ground, work, job, request, "quorum-lost", now)
    if not work.permits.consume(permit, job.id, now):
        return _turn_away(ground, work, job, request, "permit-used", now)
    work.jobs.save(job.id, job.state, state=move_job(job.state, "permit"), started_at=now)
    # What held it is over; why it was only put off stays until the end.
    over = {"outcome": None} if request.state is State.HELD else {}
    ground.change(work, request, _STARTS[job.kind], now, **over)
    filled = [{"role": one.role, "user": one.user} for one in verdict.filled]
    body = {"job": job.id, "digest": permit.digest, "nonce": permit.nonce, "filled": filled}
    ground.log(work, "permit-taken", request, body, now)
    return Gate.GO


def _drop_unproven(
    ground: Ground, work: Work, case: tuple[Request, Revision], rule: RuleSpec, now: datetime
) -> bool:
    """Take away approvals whose code nobody checked, where either rule asks for one; whether there were any.

    Whoever owns the bot or our database can write votes, but not the mark that only the worker makes.
    """
    request, revision = case
    if Proof.CODE not in (revision.rule.proof, rule.proof):
        return False
    confirm = revision.rule.confirm or rule.confirm
    digest, found = revision.digest, False
    for vote in work.votes.of(request.id, request.revision):
        marked = ground.marks is not None and ground.marks.is_marked(vote, request, digest, confirm=confirm)
        if vote.choice is not Choice.APPROVE or (vote.proof is Proof.CODE and marked):
            continue
        found = True
        work.votes.drop(request.id, request.revision, vote.user)
        ground.log(work, "vote-void", request, {"by": vote.user, "why": "no-code"}, now)
    return found


def _live_voters(
    ground: Ground,
    work: Work,
    case: tuple[Request, Revision],
    rule: RuleSpec,
    roster: RosterFacts,
    now: datetime,
) -> list[quorum.Voter]:
    """Those whose approval still counts, with the roles they held then and hold now; other votes go."""
    request, _ = case
    voters = []
    for vote in work.votes.of(request.id, request.revision):
        if vote.choice is not Choice.APPROVE:
            continue
        found = standing.of(ground.config, case, vote, roster, rule.quorums)
        why = "late" if is_late(request, vote.at) else found.why
        if why is not None:
            work.votes.drop(request.id, request.revision, vote.user)
            ground.log(work, "vote-void", request, {"by": vote.user, "why": why}, now)
            continue
        voters.append(quorum.Voter(vote.user, found.roles))
        if found.lost:
            work.votes.put(standing.cut(vote, found))
    return voters


def _turn_away(  # noqa: PLR0913 - the log wants every one of these
    ground: Ground, work: Work, job: Job, request: Request, why: str, now: datetime, gate: Gate = Gate.NO
) -> Gate:
    if job.state is JobState.QUEUED:
        work.jobs.save(job.id, job.state, state=move_job(job.state, "turn-away"), ended_at=now)
    ground.log(work, "permit-refused", request, {"job": job.id, "why": why}, now)
    return gate
