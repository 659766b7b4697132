"""Cancel, stop, freeze: what always works."""

from datetime import datetime

from bot.approvals import part_way
from bot.approvals.aside import is_aside
from bot.approvals.filing import check_person
from bot.approvals.ground import Ground
from bot.approvals.states import move_job
from bot.errors import NotAllowed, NotFound, Stale
from bot.model.doors import Answer
from bot.model.jobs import Job, JobKind, JobState
from bot.model.people import Actor
from bot.model.requests import CLOSED, DESTRUCTIVE, Operation, Request, State
from bot.store.unit_of_work import Work

_SHOWS_FREEZE = (State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE)


def cancel(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """The requester takes the request back.

    Raises:
        Refused: somebody else's request, or it is over, or it runs.
    """
    request = ground.lock_number(work, number)
    check_person(actor, ground.config)
    if request.requester != actor.user:
        raise NotAllowed("brake.not-yours", number=number, user=request.requester)
    if request.state is State.RUNNING:
        raise Stale("brake.cancel-running", number=number)
    ground.change(work, request, "cancel", now, outcome="outcome.cancelled")
    return Answer("brake.cancelled", {"number": number})


def stop(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """Halt an approved or running request before its point of no return.

    Raises:
        Refused: the person holds no role, or there is nothing left to stop.
    """
    request = ground.lock_number(work, number)
    check_person(actor, ground.config)
    if not actor.roles and request.requester != actor.user:
        raise NotAllowed("brake.no-role")
    if request.state in CLOSED:
        raise Stale("brake.over", number=number)
    answer = _brake(ground, work, request, actor, now)
    if answer is not None:
        return answer
    if part_way.stop(ground, work, request, work.jobs.latest(request.id), actor.user, now):
        return Answer(f"brake.stopped-part-way.{request.operation}", {"number": number})
    ground.change(work, request, "stop", now, outcome="outcome.stopped", outcome_params={"user": actor.user})
    ground.note(work, request, "note.stopped", now, user=actor.user, requester=request.requester)
    return Answer("brake.stopped", {"number": number})


def _brake(ground: Ground, work: Work, request: Request, actor: Actor, now: datetime) -> Answer | None:
    """Halt whatever runs; an answer when the request does not simply end with it."""
    number = request.number or 0
    if request.state is State.HELD:
        return _close_held(ground, work, request, actor, now)
    if request.state is State.SET_ASIDE:
        raise Stale("brake.set-aside", number=number)
    if request.state is State.RUNNING:
        job = work.jobs.latest(request.id)
        if job is None or job.state is not JobState.RUNNING or job.kind is JobKind.PUT_BACK:
            raise Stale("brake.too-late", number=number)
        if request.operation is Operation.TEARDOWN:
            return _halt_teardown(ground, work, request, job, actor, now)
        _stop_job(work, job, now)
    elif request.state is not State.APPROVED:
        raise Stale("brake.not-running", number=number)
    return None


def _halt_teardown(
    ground: Ground, work: Work, request: Request, job: Job, actor: Actor, now: datetime
) -> Answer:
    """The worker takes back what it did so far; only then the request is stopped."""
    _turn_round(work, job, "outcome.stopped", actor)
    ground.log(work, "job-halted", request, {"job": job.id, "by": actor.user}, now)
    ground.note(work, request, "note.halting", now, user=actor.user)
    ground.redraw(work, request)
    return Answer("brake.halting", {"number": request.number or 0})


def _turn_round(work: Work, job: Job, outcome: str, actor: Actor) -> None:
    facts = {**job.facts, "halted": [outcome, {"user": actor.user}]}
    if not work.jobs.save(job.id, job.state, state=move_job(job.state, "halt"), facts=facts):
        raise Stale("brake.too-late-now")


def _close_held(ground: Ground, work: Work, request: Request, actor: Actor, now: datetime) -> Answer:
    """A person has looked; what happened stays unsaid, because nobody here knows it.

    Raises:
        Stale: things may lie set aside, and nobody has tried to put them back.
    """
    job = work.jobs.latest(request.id)
    tried = job is not None and job.kind is JobKind.PUT_BACK
    if request.operation is Operation.TEARDOWN and not tried and is_aside(work, request):
        raise Stale("brake.put-back-first", number=request.number or 0)
    if job is not None and job.state is JobState.HELD:
        _stop_job(work, job, now)
    # Without a transaction under way it is known what is gone: what its segments did, and nothing else.
    known = job is not None and job.transaction is None
    if known and part_way.stop(ground, work, request, job, actor.user, now):
        return Answer(f"brake.stopped-part-way.{request.operation}", {"number": request.number or 0})
    params = {"user": actor.user}
    ground.change(work, request, "stop", now, outcome="outcome.closed-held", outcome_params=params)
    ground.note(work, request, "note.closed-held", now, requester=request.requester, **params)
    return Answer("brake.closed-held", {"number": request.number or 0})


def freeze(
    ground: Ground, work: Work, target: str, reason: str | None, actor: Actor, now: datetime
) -> Answer:
    """Nothing starts on a target until it is unfrozen; what runs halts at its next safe point.

    Raises:
        Refused: the person holds no role, the target is unknown or frozen already.
    """
    check_person(actor, ground.config)
    if target not in ground.config.targets:
        raise NotFound("filing.unknown-target", target=target, known=", ".join(sorted(ground.config.targets)))
    if not actor.roles:
        raise NotAllowed("brake.no-role")
    # Requests before the target, as everywhere; a job that begins in between halts itself at its next step.
    running = _running_deletions(work, target)
    already = work.targets.lock(target)
    if already is not None:
        raise Stale("brake.frozen-already", target=target, user=already.by)
    work.targets.set(target, actor.user, now)
    body = {"target": target, "by": actor.user}
    if reason:
        body["reason"] = ground.keep(work, f"freeze:{target}", "reason", reason, now)
    ground.log(work, "target-frozen", None, body, now)
    halted = _halt(ground, work, running, actor, now)
    for request in work.requests.in_states(_SHOWS_FREEZE):
        if request.target == target:
            ground.redraw(work, request)
    ground.announce(work, ground.channel_for(target), "note.frozen", now, target=target, user=actor.user)
    return Answer("brake.frozen" if halted else "brake.frozen-idle", {"target": target, "n": halted})


def _running_deletions(work: Work, target: str) -> list[Request]:
    """Running deletions and teardowns on a target, locked."""
    found = [
        work.requests.lock(one.id)
        for one in work.requests.in_states([State.RUNNING])
        if one.target == target and one.operation in DESTRUCTIVE
    ]
    return [one for one in found if one is not None and one.state is State.RUNNING]


def _halt(ground: Ground, work: Work, running: list[Request], actor: Actor, now: datetime) -> int:
    halted = 0
    params = {"user": actor.user}
    for request in running:
        job = work.jobs.latest(request.id)
        if job is None or job.state is not JobState.RUNNING or job.kind is JobKind.PUT_BACK:
            continue
        halted += 1
        if request.operation is Operation.TEARDOWN:
            _turn_round(work, job, "outcome.frozen", actor)
            ground.note(work, request, "note.halting", now, **params)
            continue
        _stop_job(work, job, now)
        if part_way.stop(ground, work, request, job, actor.user, now):
            continue
        ground.change(work, request, "stop", now, outcome="outcome.frozen", outcome_params=params)
        ground.note(work, request, "note.stopped-by-freeze", now, requester=request.requester, **params)
    return halted


def _stop_job(work: Work, job: Job, now: datetime) -> None:
    after = move_job(job.state, "stop")
    if not work.jobs.save(job.id, job.state, state=after, ended_at=now):
        raise Stale("brake.too-late-now")
