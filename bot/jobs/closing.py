"""What becomes of a request when its job has done everything."""

from datetime import datetime

from bot.approvals.ground import Ground
from bot.model.jobs import Job, JobKind
from bot.model.requests import Operation, Request
from bot.store.unit_of_work import Work


def close(ground: Ground, work: Work, job: Job, request: Request, now: datetime) -> None:
    """The request is done; a teardown ends its first job set aside, and its last one as it was wanted."""
    if request.operation is not Operation.TEARDOWN:
        ground.change(work, request, "succeed", now, outcome="outcome.done")
    elif job.kind is JobKind.RUN:
        until = now + ground.config.targets[request.target].grace
        ground.change(work, request, "set-aside", now, outcome=None, grace_until=until)
        told = int(until.timestamp())
        ground.note(work, request, "note.set-aside", now, requester=request.requester, until=told)
    elif job.kind is JobKind.PURGE:
        ground.change(work, request, "succeed", now, outcome="outcome.done")
        ground.note(work, request, "note.purged", now, requester=request.requester)
    else:
        params = {"user": request.put_back_by or ""}
        ground.change(work, request, "stop", now, outcome="outcome.put-back", outcome_params=params)
        ground.note(work, request, "note.put-back", now, requester=request.requester)
