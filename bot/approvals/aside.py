"""Where a teardown stands between its first job and its end."""

from bot.model.requests import Operation, Request, State
from bot.store.unit_of_work import Work


def is_aside(work: Work, request: Request) -> bool:
    """Set aside, or standing still before anything was removed."""
    if request.state is State.SET_ASIDE:
        return True
    return request.state is State.HELD and not work.jobs.began_removal(request.id)


def is_half_removed(work: Work, request: Request) -> bool:
    """Standing still, with a part of what was set aside gone for good."""
    return (
        request.state is State.HELD
        and request.operation is Operation.TEARDOWN
        and work.jobs.began_removal(request.id)
    )
