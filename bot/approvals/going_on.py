"""*Go on*: what stands still half way is taken up again, on a permit of its own.

A removal, or what goes part by part. What is done for good is not decided anew, but whatever goes on needs
the approvals, and the gate asks for them again.
"""

from datetime import datetime, timedelta

from bot.approvals import starting, voting, workers
from bot.approvals.aside import may_go_on
from bot.approvals.filing import check_person, require_role
from bot.approvals.ground import Ground
from bot.errors import Stale
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.requests import DESTRUCTIVE
from bot.store.unit_of_work import Work

PERMIT_LIFE = timedelta(hours=1)


def go_on(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """Ask the worker to do what is left.

    Raises:
        Refused: the person may not ask for such an operation, nothing stands still half way, the system is
            frozen, or approvals were lost.
    """
    request = ground.lock_number(work, number)
    check_person(actor, ground.config)
    require_role(ground, request.operation, request.target, actor, request.record)
    revision = work.requests.revision(request.id, request.revision)
    if revision is None or not may_go_on(work, request):
        raise Stale("go-on.nothing", number=number)
    origin = (revision.plan.get("origin") or [""])[0]
    if origin:
        require_role(ground, request.operation, origin, actor, request.record)
    if request.operation in DESTRUCTIVE and work.targets.frozen(request.target) is not None:
        raise Stale("go-on.frozen", number=number, target=request.target)
    workers.require_served(ground.config, work, request.target, now)
    if not starting.is_open_for(ground.config, request, revision, now):
        raise Stale("go-on.closed", number=number, target=request.target)
    permit = work.permits.ready(request.id)
    if permit is not None and permit.expires_at > now:
        raise Stale("go-on.already", number=number)
    if not voting.is_reached(work, voting.Ballot(request, revision)):
        raise Stale("go-on.votes", number=number)
    work.permits.issue(request.id, revision.revision, revision.digest, now + PERMIT_LIFE, now)
    ground.log(work, "go-on-asked", request, {"by": actor.user}, now)
    ground.note(work, request, "note.go-on-asked", now, user=actor.user)
    ground.redraw(work, request)
    return Answer("go-on.accepted", {"number": number})
