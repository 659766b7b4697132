"""/countersign clear, and *Ask to clear … away* on the receipt of a teardown."""

from bot.errors import BadInput
from bot.model.doors import Wish
from bot.model.requests import Operation
from handlers import filing, parsing, words
from handlers.front import Call, Front, number_done
from handlers.views import forms
from handlers.views.forms import private_of, values_of


def clear_command(front: Front, call: Call) -> None:
    """``/countersign clear 42``: files at once when a reason is there, else opens the form."""
    typed = parsing.clear(call.text)
    if typed.reason:
        filing.ask(front, call, _wish(front, typed), call.channel)
        return
    _open(front, call, typed)


def clear_button(front: Front, call: Call) -> None:
    """*Ask to clear … away* on the receipt: the form."""
    _open(front, call, parsing.Undo(number_done(front, call)))


def clear_form(front: Front, call: Call) -> None:
    """The submitted form."""
    view = call.payload.get("view") or {}
    carried, values = private_of(view), values_of(view)
    reason = words.plain(values.get("reason", ""), slack=False)
    typed = parsing.Undo(int(carried.get("undoes") or 0), reason, parsing.count(values.get("expected", "")))
    filing.ask(front, call, _wish(front, typed), str(carried.get("channel") or ""))


def _open(front: Front, call: Call, typed: parsing.Undo) -> None:
    actor = front.member(call)
    form = forms.clear(typed, call.channel, front.people.language(actor.user))
    front.open_form(call, form, BadInput("usage.clear"))


def _wish(front: Front, typed: parsing.Undo) -> Wish:
    """The wish; whether there is anything to clear away is found out while filing."""
    view = front.services.reading.by_number(typed.number)
    target = view.request.target if view else None
    return Wish(
        Operation.TEARDOWN, target, None, (), typed.reason, expected=typed.expected, undoes=typed.number
    )
