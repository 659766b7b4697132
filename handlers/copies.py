"""The checklist on a receipt: what else holds copies is ticked off, or opened again."""

from handlers.front import Call, Front, request_of


def done_button(front: Front, call: Call) -> None:
    """*Tick off* beside something that holds copies."""
    _tick(front, call, done=True)


def reopen_button(front: Front, call: Call) -> None:
    """*Undo* beside something that was ticked off."""
    _tick(front, call, done=False)


def _tick(front: Front, call: Call, *, done: bool) -> None:
    """Who presses decides, and not on which message: it may be pressed before we know where it stands."""
    request_id, place = request_of(call.value)
    front.settle(
        call, lambda life, work, actor, now: life.tick(work, request_id, place, actor, now, done=done)
    )
