"""A large operation that ends between two of its segments: some is gone for good, and everybody sees it."""

from datetime import datetime

from bot.approvals.ground import Ground
from bot.errors import CountersignError
from bot.model.jobs import Job
from bot.model.requests import Request
from bot.model.segments import Progress, progress
from bot.store.unit_of_work import Work


def stop(ground: Ground, work: Work, request: Request, job: Job | None, user: str, now: datetime) -> bool:
    """Somebody's brake ends it here; False when nothing is done for good yet, and nothing was said."""
    part = progress(job.facts) if job is not None else Progress(0, 0, 0)
    if not part.part_way:
        return False
    params: dict[str, str | int] = {"user": user, **_counted(part)}
    ground.change(
        work,
        request,
        "stop",
        now,
        outcome=f"outcome.stopped-part-way.{request.operation}",
        outcome_params=params,
    )
    ground.note(
        work,
        request,
        f"note.stopped-part-way.{request.operation}",
        now,
        requester=request.requester,
        **params,
    )
    want_receipt(work, request, now)
    return True


def hold(
    ground: Ground,
    work: Work,
    request: Request,
    part: Progress,
    error: CountersignError | None,
    now: datetime,
) -> None:
    """The next segment could not be done: it stands still, and a person decides."""
    ground.change(
        work,
        request,
        "hold",
        now,
        outcome=f"outcome.part-way.{request.operation}",
        outcome_params=_counted(part),
    )
    ground.note(
        work,
        request,
        f"note.part-way.{request.operation}",
        now,
        requester=request.requester,
        **_counted(part),
    )
    if error is not None:
        ground.note(work, request, error.key, now, **error.params)
    want_receipt(work, request, now)


def want_receipt(work: Work, request: Request, now: datetime) -> None:
    """The receipt: it is edited when there is one already."""
    work.outbox.want(
        f"receipt:{request.id}",
        "receipt",
        request.channel,
        now,
        request_id=request.id,
        revision=request.revision,
    )


def _counted(part: Progress) -> dict[str, str | int]:
    return {"done": part.done, "of": part.of, "rows": part.rows}
