"""Cancel, stop, freeze, put back, pause, go on: by command and by button."""

from bot.errors import BadInput, Stale
from handlers import parsing
from handlers.front import Call, Front, request_of


def cancel_command(front: Front, call: Call) -> None:
    """``/countersign cancel 42``."""
    number = parsing.number(call.text)
    front.settle(call, lambda life, work, actor, now: life.cancel(work, number, actor, now))


def stop_command(front: Front, call: Call) -> None:
    """``/countersign stop 42``."""
    number = parsing.number(call.text)
    front.settle(call, lambda life, work, actor, now: life.stop(work, number, actor, now))


def freeze_command(front: Front, call: Call) -> None:
    """``/countersign freeze crm -- reason``; the reason may be missing, for this is an emergency."""
    typed = parsing.named(call.text)
    if not typed.name:
        raise BadInput("usage.freeze")
    front.settle(
        call,
        lambda life, work, actor, now: life.freeze(work, typed.name, typed.reason or None, actor, now),
    )


def cancel_button(front: Front, call: Call) -> None:
    """*Cancel* on the card."""
    number = _number(front, call)
    front.settle(call, lambda life, work, actor, now: life.cancel(work, number, actor, now))


def stop_button(front: Front, call: Call) -> None:
    """*Stop* on the card."""
    number = _number(front, call)
    front.settle(call, lambda life, work, actor, now: life.stop(work, number, actor, now))


def put_back_command(front: Front, call: Call) -> None:
    """``/countersign put-back 42``."""
    number = parsing.number(call.text)
    front.settle(call, lambda life, work, actor, now: life.put_back(work, number, actor, now))


def put_back_button(front: Front, call: Call) -> None:
    """*Put it back* on the card or the receipt."""
    number = _number(front, call, ("card", "receipt"))
    front.settle(call, lambda life, work, actor, now: life.put_back(work, number, actor, now))


def go_on_command(front: Front, call: Call) -> None:
    """``/countersign go-on 42``."""
    number = parsing.number(call.text)
    front.settle(call, lambda life, work, actor, now: life.go_on(work, number, actor, now))


def go_on_button(front: Front, call: Call) -> None:
    """*Go on* on the card."""
    number = _number(front, call)
    front.settle(call, lambda life, work, actor, now: life.go_on(work, number, actor, now))


def pause_command(front: Front, call: Call) -> None:
    """``/countersign pause 42``."""
    number = parsing.number(call.text)
    front.settle(call, lambda life, work, actor, now: life.pause(work, number, actor, now))


def pause_button(front: Front, call: Call) -> None:
    """*Pause* on the card."""
    number = _number(front, call)
    front.settle(call, lambda life, work, actor, now: life.pause(work, number, actor, now))


def _number(front: Front, call: Call, kinds: tuple[str, ...] = ("card",)) -> int:
    """The request whose card (or other message) was clicked.

    Raises:
        Stale: the message is none of ours, or the button does not belong to it.
    """
    request_id, _ = request_of(call.value)
    item = front.services.outbox.at(call.channel, str(call.payload.get("ts") or ""))
    view = front.services.reading.view(request_id)
    if item is None or item.kind not in kinds or item.request_id != request_id or view is None:
        raise Stale("slack.stale-button")
    return view.request.number or 0
