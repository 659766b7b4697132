"""The gate: nothing runs without a permit, and the permit is taken only after everything is asked again.

The whole evaluation and the taking of the permit are one transaction of our own database, in the worker.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.approvals import execution, quorum
from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.approvals.voting import back_to_pending
from bot.errors import Refused
from bot.model.jobs import Job, JobState
from bot.model.people import RosterFacts
from bot.model.requests import Choice, Operation, Permit, Request, Revision, SlotSpec, State, Vote
from bot.policy import rules
from bot.store.unit_of_work import Work

ROSTER_FRESH = timedelta(seconds=60)


class Gate(StrEnum):
    """What the gate says."""

    GO = "go"
    ASK_AGAIN = "ask-again"
    NO = "no"


def take(ground: Ground, work: Work, job_id: str, now: datetime) -> Gate:
    """Evaluate policy, roles, votes, freeze and time again, and take the permit if all of it says yes.

    Idempotent: a job that already holds its permit gets GO again.
    """
    job = work.jobs.get(job_id)
    if job is None:
        return Gate.NO
    request = work.requests.lock(job.request_id)
    if request is None:
        return Gate.NO
    frozen = work.targets.lock(request.target)
    if work.permits.of_job(job_id) is not None:
        return (
            Gate.GO if job.state in (JobState.RUNNING, JobState.COMMITTING, JobState.COMMITTED) else Gate.NO
        )
    permit = work.permits.ready(request.id)
    revision = work.requests.revision(request.id, request.revision)
    if permit is None or revision is None or not _bound(job, request, revision, permit, now):
        return _turn_away(ground, work, job, request, "not-bound", now)
    if frozen is not None and request.operation is Operation.DELETE_RECORDS:
        return _turn_away(ground, work, job, request, "frozen", now)
    busy = [other for other in work.jobs.active_on(request.target) if other.id != job.id]
    if busy:
        return _turn_away(ground, work, job, request, "busy", now, Gate.ASK_AGAIN)
    roster = fresh_roster(work, permit, now)
    if roster is None:
        return _turn_away(ground, work, job, request, "stale-roster", now, Gate.ASK_AGAIN)
    return _decide(ground, work, (job, request, revision, permit), roster, now)


def fresh_roster(work: Work, permit: Permit, now: datetime) -> RosterFacts | None:
    """The answer to this permit's own question, when it is at most a minute old."""
    if permit.nonce is None:
        return None
    answered = work.roster.answered(permit.nonce)
    if answered is None or now - answered[1] > ROSTER_FRESH:
        return None
    return answered[0]


def whom_to_ask(ground: Ground, work: Work, request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The people and user groups that the decision about a request depends on."""
    votes = work.votes.of(request.id, request.revision)
    users = dict.fromkeys([request.requester, *(vote.user for vote in votes)])
    groups = {role.usergroup for role in ground.config.roles.values() if role.usergroup}
    return tuple(users), tuple(sorted(groups))


def _bound(job: Job, request: Request, revision: Revision, permit: Permit, now: datetime) -> bool:
    return (
        request.state is State.APPROVED
        and job.state is JobState.QUEUED
        and job.revision == request.revision == permit.revision
        and permit.digest == revision.digest
        and permit.expires_at > now
        and request.starts_at is not None
        and request.starts_at <= now
    )


def _decide(
    ground: Ground,
    work: Work,
    case: tuple[Job, Request, Revision, Permit],
    roster: RosterFacts,
    now: datetime,
) -> Gate:
    job, request, revision, permit = case
    config = ground.config
    rule = rules.match(config.rules, execution.asked(config, request, int(revision.plan["rows"])))
    try:
        if rule is None:
            raise Refused("filing.no-rule")
        execution.check_requester(config, request, rule, roster)
    except Refused as refusal:
        ground.change(work, request, "cancel", now, outcome=refusal.key)
        ground.note(work, request, "note.policy-says-no", now, requester=request.requester)
        return _turn_away(ground, work, job, request, refusal.key, now)
    voters = _live_voters(ground, work, request, roster, now)
    both = (revision.rule.approve, execution.spec(rule).approve)
    if not all(quorum.decide(slots, voters).reached for slots in both):
        back_to_pending(ground, work, request, "role-lost", now)
        ground.note(work, request, "note.role-lost", now, requester=request.requester)
        return _turn_away(ground, work, job, request, "quorum-lost", now)
    if not work.permits.consume(permit, job.id, now):
        return _turn_away(ground, work, job, request, "permit-used", now)
    work.jobs.save(job.id, job.state, state=move_job(job.state, "permit"), started_at=now)
    ground.change(work, request, "start", now)
    filled = [{"role": one.role, "user": one.user} for one in quorum.decide(_stricter(both), voters).filled]
    body = {"job": job.id, "digest": permit.digest, "nonce": permit.nonce, "filled": filled}
    ground.log(work, "permit-taken", request, body, now)
    return Gate.GO


def _stricter(both: tuple[tuple[SlotSpec, ...], tuple[SlotSpec, ...]]) -> tuple[SlotSpec, ...]:
    return max(both, key=lambda slots: sum(slot.count for slot in slots))


def _live_voters(
    ground: Ground, work: Work, request: Request, roster: RosterFacts, now: datetime
) -> list[quorum.Voter]:
    """Those whose approval still counts, with the roles they hold now; the others' votes are taken away."""
    config = ground.config
    voters = []
    for vote in work.votes.of(request.id, request.revision):
        if vote.choice is not Choice.APPROVE:
            continue
        person = roster.people.get(vote.user)
        roles = rules.roles_of(config.roles, vote.user, roster.groups)
        fine = person is not None and quorum.cannot_be(person, config.workspace) is None
        if not fine or vote.user == request.requester or not roles:
            work.votes.drop(request.id, request.revision, vote.user)
            ground.log(work, "vote-void", request, {"by": vote.user, "why": "role-lost"}, now)
            continue
        voters.append(quorum.Voter(vote.user, roles))
        if tuple(sorted(roles)) != vote.roles:
            work.votes.put(_with_roles(vote, roles))
    return voters


def _with_roles(vote: Vote, roles: frozenset[str]) -> Vote:
    return replace(vote, roles=tuple(sorted(roles)))


def _turn_away(  # noqa: PLR0913 - the log wants every one of these
    ground: Ground, work: Work, job: Job, request: Request, why: str, now: datetime, gate: Gate = Gate.NO
) -> Gate:
    if job.state is JobState.QUEUED:
        work.jobs.save(job.id, job.state, state=move_job(job.state, "turn-away"), ended_at=now)
    ground.log(work, "permit-refused", request, {"job": job.id, "why": why}, now)
    return gate
