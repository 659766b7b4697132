"""Taking a restore back: what it brought is asked to be deleted, what it overwrote to be as it was."""

from dataclasses import replace
from typing import Any

from bot.approvals.ground import Ground
from bot.errors import NotAllowed
from bot.model.choices import Mode, RestoreChoice
from bot.model.doors import Wish
from bot.model.remains import Remains
from bot.model.requests import CLOSED, Operation, Request, State
from bot.model.undoing import overwrites, problem
from bot.store.unit_of_work import Work


def resolve(ground: Ground, work: Work, wish: Wish) -> Wish:
    """The one request that takes a restore back: a deletion under a deletion's rule, or a restore.

    Or the teardown of what an earlier one has left.

    Raises:
        NotFound: there is no such request.
        NotAllowed: no single step takes it back; the sentence says what to type instead.
    """
    if wish.operation is Operation.TEARDOWN:
        return _clearing(ground, work, wish)
    # Locked, so that of two who ask at once one is told of the other.
    restored = ground.lock_number(work, wish.undoes or 0)
    plan = _plan_of(work, restored)
    for other in work.requests.undoing(wish.undoes or 0):
        if other.state is State.SUCCEEDED:
            raise NotAllowed("taken-back.already", number=wish.undoes or 0, other=other.number or 0)
        if other.state not in CLOSED:
            raise NotAllowed("taken-back.open", number=wish.undoes or 0)
    if overwrites(plan):
        choice = RestoreChoice(mode=Mode.OVERWRITE)
        return replace(
            wish, operation=Operation.RESTORE, target=None, record=None, number=wish.undoes, choice=choice
        )
    return replace(
        wish, operation=Operation.DELETE_RECORDS, target=restored.target, record=restored.record, values=()
    )


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
    """The plan of a restore that has succeeded and that one step takes back."""
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
