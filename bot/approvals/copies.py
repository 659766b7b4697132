"""What else holds copies: ticked off by people once the operation has done its part, and on record."""

from collections.abc import Sequence
from datetime import datetime

from bot.approvals.filing import check_person
from bot.approvals.ground import Ground
from bot.errors import NotAllowed, Stale
from bot.model.doors import Answer
from bot.model.leftovers import CopyPart, copies_in
from bot.model.people import Actor
from bot.model.requests import Operation, Request, State, Tick
from bot.store.unit_of_work import Work

#: What a copy that was ticked off or opened again is shown on.
_SHOWN_ON = ("card", "receipt")


def begin(work: Work, request: Request, now: datetime) -> None:
    """The operation has done its part: from now on its copies wait for people."""
    work.copies.begin(request.id, len(_of(work, request)), now)


def tick(  # noqa: PLR0913 - a tick has this many facts
    ground: Ground, work: Work, request_id: int, place: int, actor: Actor, now: datetime, *, done: bool
) -> Answer:
    """Say that a copy was seen to, or (not ``done``) that it was not after all.

    Raises:
        Refused: another role does that, it stands so already, or there is nothing of the kind.
    """
    check_person(actor, ground.config)
    request = ground.lock(work, request_id)
    copies, ticks = _of(work, request), work.copies.of(request_id)
    if not 0 <= place < min(len(copies), len(ticks)):
        raise Stale("slack.stale-button")
    copy, before = copies[place], ticks[place]
    _may(copy, actor)
    told: dict[str, str | int] = {"copy": copy.name, "number": request.number or 0}
    if not work.copies.set(request_id, place, actor.user if done else None, now):
        raise _already(told, before, done=done)
    kind = "copy-done" if done else "copy-reopened"
    ground.log(work, kind, request, {"copy": copy.name, "place": place, "by": actor.user}, now)
    left = left_of(copies, work.copies.of(request_id))
    if done and not left:
        ground.log(work, "copies-done", request, {"copies": len(copies)}, now)
    work.outbox.redraw(request_id, _SHOWN_ON)
    return Answer("copies.done" if done else "copies.reopened", {**told, "n": len(left)})


def left_of(copies: Sequence[CopyPart], ticks: Sequence[Tick]) -> tuple[CopyPart, ...]:
    """What nobody has seen to yet."""
    return tuple(copies[one.place] for one in ticks if one.done_by is None and one.place < len(copies))


def remind(ground: Ground, work: Work, request_id: int, now: datetime) -> None:
    """Say once, in the thread, what is still open; nothing when the rows are back."""
    request = work.requests.lock(request_id)
    if request is None:
        return
    work.copies.reminded(request_id, now)
    left = left_of(_of(work, request), work.copies.of(request_id))
    if not left or _is_back(work, request):
        return
    for kind, key in (("", "note.copies-open"), ("task", "note.tasks-open")):
        names = ", ".join(one.name.replace(",", " ") for one in left if one.kind == kind)
        if names:
            ground.note(work, request, key, now, number=request.number or 0, left=names)


def _of(work: Work, request: Request) -> tuple[CopyPart, ...]:
    revision = work.requests.revision(request.id, request.revision)
    return copies_in(revision.plan) if revision else ()


def _may(copy: CopyPart, actor: Actor) -> None:
    """A role that nobody holds, or that left the configuration, lets nobody tick."""
    if copy.role and copy.role not in actor.roles:
        raise NotAllowed("copies.no-role", role=copy.role, copy=copy.name)
    if not actor.roles:
        raise NotAllowed("brake.no-role")


def _already(told: dict[str, str | int], before: Tick, *, done: bool) -> Stale:
    if not done:
        return Stale("copies.open-already", **told)
    return Stale("copies.done-already", **told, user=before.done_by or "")


def _is_back(work: Work, request: Request) -> bool:
    """Whether what was removed has been restored since."""
    backup = work.backups.of_request(request.id)
    return backup is not None and any(
        one.backup_id == backup.id and one.operation is Operation.RESTORE and one.target == request.target
        for one in work.requests.in_states([State.SUCCEEDED])
    )
