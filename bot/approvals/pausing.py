"""*Pause*: what goes part by part stands still after the part under way, until somebody lets it go on."""

from datetime import datetime

from bot.approvals.filing import check_person
from bot.approvals.ground import Ground
from bot.errors import NotAllowed, Stale
from bot.model.doors import Answer
from bot.model.jobs import JobState
from bot.model.people import Actor
from bot.model.requests import State
from bot.model.segments import PAUSED, may_pause
from bot.store.unit_of_work import Work

_UNDER_WAY = (JobState.RUNNING, JobState.COMMITTING, JobState.COMMITTED)


def pause(ground: Ground, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
    """Ask the worker to stand still between two parts.

    Raises:
        Refused: the person holds no role, it does not run, it goes in one piece, or in its last part.
    """
    request = ground.lock_number(work, number)
    check_person(actor, ground.config)
    if not actor.roles and request.requester != actor.user:
        raise NotAllowed("brake.no-role")
    job = work.jobs.latest(request.id)
    if request.state is not State.RUNNING or job is None or job.state not in _UNDER_WAY:
        raise Stale("pause.not-running", number=number)
    revision = work.requests.revision(request.id, request.revision)
    parts = len(revision.plan.get("segments") or ()) if revision else 0
    if not parts:
        raise NotAllowed("pause.one-piece", number=number)
    if not may_pause(job.facts, parts):
        raise Stale("pause.last-part", number=number)
    if job.facts.get(PAUSED):
        raise Stale("pause.already", number=number, user=str(job.facts[PAUSED]))
    if not work.jobs.save(job.id, job.state, facts={**job.facts, PAUSED: actor.user}):
        raise Stale("pause.not-running", number=number)
    ground.log(work, "pause-asked", request, {"job": job.id, "by": actor.user}, now)
    ground.note(work, request, "note.pause-asked", now, user=actor.user)
    ground.redraw(work, request)
    return Answer("pause.accepted", {"number": number})
