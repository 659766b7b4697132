"""Taking a restore back: what it brought is asked to be deleted, what it overwrote to be as it was."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.approvals.ground import Ground
from bot.errors import NotAllowed
from bot.model.choices import Mode, RestoreChoice
from bot.model.doors import Wish
from bot.model.remains import Remains
from bot.model.requests import CLOSED, Operation, Request, State
from bot.model.undoing import brings, is_whole, overwrites, problem, takes_two
from bot.store.unit_of_work import Work


def resolve(ground: Ground, work: Work, wish: Wish) -> Wish:
    """The request that takes a restore back: a deletion under a deletion's rule, or a restore.

    Of one that brought rows and overwrote others first the restore, once that is done the deletion. Or the
    teardown of what an earlier one has left.

    Raises:
        NotFound: there is no such request.
        NotAllowed: no request takes it back; the sentence says what to type instead.
    """
    if wish.operation is Operation.TEARDOWN:
        return _clearing(ground, work, wish)
    # Locked, so that of two who ask at once one is told of the other.
    restored = ground.lock_number(work, wish.undoes or 0)
    plan = _plan_of(work, restored)
    two = takes_two(plan)
    for other in work.requests.undoing(wish.undoes or 0):
        if other.state is State.SUCCEEDED and not (two and other.operation is Operation.RESTORE):
            raise NotAllowed("taken-back.already", number=wish.undoes or 0, other=other.number or 0)
        if other.state not in CLOSED:
            raise NotAllowed("taken-back.open", number=wish.undoes or 0)
    if two and not _has_records(ground, restored, plan):
        raise NotAllowed("taken-back.two-steps", number=wish.undoes or 0)
    if overwrites(plan) and not (two and _has_old_values(work, restored)):
        choice = RestoreChoice(mode=Mode.OVERWRITE)
        return replace(
            wish, operation=Operation.RESTORE, target=None, record=None, number=wish.undoes, choice=choice
        )
    return replace(
        wish, operation=Operation.DELETE_RECORDS, target=restored.target, record=restored.record, values=()
    )


def _has_records(ground: Ground, restored: Request, plan: Mapping[str, Any]) -> bool:
    """Whether records came back, and not only what belongs to those that were overwritten."""
    spec = ground.config.targets.get(restored.target)
    kind = spec.records.get(restored.record or "") if spec else None
    return kind is not None and brings(plan, kind.table)


def _has_old_values(work: Work, restored: Request) -> bool:
    """Whether what it overwrote is as it was: its backup has been restored, and that not taken back."""
    last = next(reversed(_restores(work, restored)), None)
    return last is not None and not _restores(work, last)


def _restores(work: Work, request: Request) -> list[Request]:
    """Those that brought all of the backup which this one has made, to where it was."""
    backup = work.backups.of_request(request.id)
    found = []
    for one in work.requests.restores_of(backup.id) if backup else ():
        revision = work.requests.revision(one.id, one.revision)
        done = one.state is State.SUCCEEDED and one.target == request.target
        if done and revision is not None and is_whole(revision.plan):
            found.append(one)
    return found


def _clearing(ground: Ground, work: Work, wish: Wish) -> Wish:
    """The teardown of what an earlier one has left, under the rule of a teardown of that system."""
    number = wish.undoes or 0
    done = ground.lock_number(work, number)
    if done.operation is not Operation.TEARDOWN or done.state is not State.SUCCEEDED:
        raise NotAllowed("clearing.not-done", number=number)
    job = work.jobs.latest(done.id)
    if job is None or not Remains.from_data(job.facts.get("remains") or {}).clearable:
        raise NotAllowed("clearing.nothing", number=number, target=done.target)
    return replace(wish, target=done.target, record=None, values=())


def _plan_of(work: Work, request: Request) -> dict[str, Any]:
    """The plan of a restore that has succeeded and that can be taken back."""
    said: dict[str, str | int] = {
        "number": request.number or 0,
        "target": request.target,
        "record": request.record or "-",
    }
    if request.operation is not Operation.RESTORE:
        raise NotAllowed(f"taken-back.of.{request.operation}", **said)
    if request.state is not State.SUCCEEDED:
        raise NotAllowed("taken-back.not-done", **said, state=str(request.state))
    revision = work.requests.revision(request.id, request.revision)
    plan = dict(revision.plan) if revision else {}
    why = problem(plan)
    if why is not None:
        raise NotAllowed(why, **said)
    return plan
