"""Where a request stands still: a teardown between its first job and its end, or what goes part by part."""

from bot.model.jobs import JobKind
from bot.model.requests import Operation, Request, State
from bot.model.segments import stands_between
from bot.store.unit_of_work import Work


def is_aside(work: Work, request: Request) -> bool:
    """Set aside, or standing still before anything was removed."""
    if request.state is State.SET_ASIDE:
        return True
    return request.state is State.HELD and not work.jobs.began_removal(request.id)


def may_go_on(work: Work, request: Request) -> bool:
    """Standing still in its removal, half removed or whole after the system's own uninstall went wrong.

    Or standing still between two parts.
    """
    if request.state is not State.HELD:
        return False
    job = work.jobs.latest(request.id)
    if request.operation is not Operation.TEARDOWN:
        return job is not None and stands_between(job)
    if work.jobs.began_removal(request.id):
        return True
    return job is not None and job.kind is JobKind.PURGE and bool(job.facts.get("whole"))


def what_waits(request: Request) -> str:
    """What the sentences about a request that stands still are about: a removal, or the rest of its parts."""
    return "purge" if request.operation is Operation.TEARDOWN else "rest"
