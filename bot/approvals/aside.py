"""Where a request stands still: a teardown between its first job and its end, or what goes part by part."""

from bot.errors import NotAllowed
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


def require_there(work: Work, operation: Operation, target: str, backup_id: str | None) -> None:
    """Nothing can be done to the rows of a system that is set aside: its database is not in its place.

    ``backup_id``: what is restored, records or a whole system.

    Raises:
        NotAllowed: it is set aside.
    """
    backup = work.backups.get(backup_id) if backup_id else None
    back = backup is not None and backup.record is not None
    if operation is not Operation.DELETE_RECORDS and not back:
        return
    for one in work.requests.in_states([State.SET_ASIDE]):
        if one.target == target and one.undoes is None:
            raise NotAllowed("restore.put-back-instead", target=target, number=one.number or 0)


def what_waits(request: Request) -> str:
    """What the sentences about a request that stands still are about: a removal, or the rest of its parts."""
    return "purge" if request.operation is Operation.TEARDOWN else "rest"
