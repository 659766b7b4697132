"""*Put it back*: one person who may ask for a restore ends a teardown's grace period."""

from datetime import datetime

from bot.approvals import workers
from bot.approvals.aside import is_aside
from bot.approvals.filing import check_person, require_role
from bot.approvals.ground import Ground
from bot.errors import Stale
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.requests import Operation
from bot.store.unit_of_work import Work


def put_back(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """Ask the worker to return everything. A freeze does not stand in the way.

    Raises:
        Refused: the person may not ask for a restore, or nothing is set aside.
    """
    request = ground.lock_number(work, number)
    check_person(actor, ground.config)
    require_role(ground, Operation.RESTORE, request.target, actor)
    if request.operation is not Operation.TEARDOWN or not is_aside(work, request):
        raise Stale("put-back.nothing", number=number)
    if request.put_back_by is not None:
        raise Stale("put-back.already", number=number, user=request.put_back_by)
    work.permits.void(request.id)
    work.requests.save(request.id, request.state, put_back_by=actor.user)
    ground.log(work, "put-back-asked", request, {"by": actor.user}, now)
    ground.note(work, request, "note.put-back-asked", now, user=actor.user)
    ground.redraw(work, request)
    there = workers.at_work_on(ground.config, work, request.target, now)
    host = ground.config.targets[request.target].host if request.target in ground.config.targets else None
    if there or host is None:
        return Answer("put-back.accepted", {"number": number})
    return Answer("put-back.accepted-no-worker", {"number": number, "host": host})
