"""The checklist on a receipt: what else holds copies is ticked off, or opened again."""

from bot.errors import Stale
from handlers.front import Call, Front, request_of


def done_button(front: Front, call: Call) -> None:
    """*Done* beside something that holds copies."""
    _tick(front, call, done=True)


def reopen_button(front: Front, call: Call) -> None:
    """*Not done* beside something that was ticked off."""
    _tick(front, call, done=False)


def _tick(front: Front, call: Call, *, done: bool) -> None:
    request_id, place = request_of(call.value)
    item = front.services.outbox.at(call.channel, str(call.payload.get("ts") or ""))
    if item is None or item.kind != "receipt" or item.request_id != request_id:
        raise Stale("slack.stale-button")
    front.settle(
        call, lambda life, work, actor, now: life.tick(work, request_id, place, actor, now, done=done)
    )
