"""*Put it back*: one person who may ask for a restore ends a teardown's grace period."""

from datetime import datetime

from bot.approvals.filing import check_person, role_refusal
from bot.approvals.ground import Ground
from bot.errors import NotAllowed, NotFound, Stale
from bot.model.doors import Answer
from bot.model.jobs import JobKind
from bot.model.people import Actor
from bot.model.requests import Operation, Request, State
from bot.policy import rules
from bot.store.unit_of_work import Work


def put_back(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """Ask the worker to return everything. A freeze does not stand in the way.

    Raises:
        Refused: the person may not ask for a restore, or nothing is set aside.
    """
    found = work.requests.by_number(number)
    if found is None:
        raise NotFound("request.no-number", number=number)
    request = ground.lock(work, found.id)
    check_person(actor, ground.config)
    _check_role(ground, request, actor)
    if request.operation is not Operation.TEARDOWN or not is_aside(work, request):
        raise Stale("put-back.nothing", number=number)
    if request.put_back_by is not None:
        raise Stale("put-back.already", number=number, user=request.put_back_by)
    work.permits.void(request.id)
    work.requests.save(request.id, request.state, put_back_by=actor.user)
    ground.log(work, "put-back-asked", request, {"by": actor.user}, now)
    ground.note(work, request, "note.put-back-asked", now, user=actor.user)
    ground.redraw(work, request)
    return Answer("put-back.accepted", {"number": number})


def _check_role(ground: Ground, request: Request, actor: Actor) -> None:
    known = ground.config.targets.get(request.target)
    asked = rules.Asked(
        operation=str(Operation.RESTORE),
        target=request.target,
        environment=known.environment if known else None,
        record=None,
        rows=None,
    )
    refusal = rules.refusal_while_filing(ground.config.rules, asked, actor.roles, ground.config.roles)
    if refusal is not None:
        no = role_refusal(refusal, actor.user)
        raise NotAllowed(no.key, **no.params)


def is_aside(work: Work, request: Request) -> bool:
    """Set aside, or standing still before anything was removed."""
    if request.state is State.SET_ASIDE:
        return True
    purge = work.jobs.of_kind(request.id, JobKind.PURGE)
    return request.state is State.HELD and (purge is None or purge.transaction is None)
