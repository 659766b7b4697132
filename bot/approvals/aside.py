"""Where a teardown stands between its first job and its end."""

from bot.model.jobs import JobKind
from bot.model.requests import Operation, Request, State
from bot.store.unit_of_work import Work


def is_aside(work: Work, request: Request) -> bool:
    """Set aside, or standing still before anything was removed."""
    if request.state is State.SET_ASIDE:
        return True
    return request.state is State.HELD and not work.jobs.began_removal(request.id)


def may_go_on(work: Work, request: Request) -> bool:
    """Standing still in its removal, half removed or whole after the system's own uninstall went wrong."""
    if request.state is not State.HELD or request.operation is not Operation.TEARDOWN:
        return False
    if work.jobs.began_removal(request.id):
        return True
    job = work.jobs.latest(request.id)
    return job is not None and job.kind is JobKind.PURGE and bool(job.facts.get("whole"))
