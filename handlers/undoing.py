"""/countersign undo, and *Undo…* on the receipt of a restore."""

from bot.errors import BadInput
from bot.model.doors import Wish
from bot.model.requests import Operation
from handlers import filing, parsing, words
from handlers.front import Call, Front, number_done
from handlers.views import forms
from handlers.views.forms import private_of, values_of


def undo_command(front: Front, call: Call) -> None:
    """``/countersign undo 43``: files at once when a reason is there, else opens the form."""
    typed = parsing.undo(call.text)
    if typed.reason:
        filing.ask(front, call, _wish(front, typed), call.channel)
        return
    _open(front, call, typed)


def undo_button(front: Front, call: Call) -> None:
    """*Undo…* on the receipt of a restore: the form."""
    _open(front, call, parsing.Undo(number_done(front, call)))


def undo_form(front: Front, call: Call) -> None:
    """The submitted form."""
    view = call.payload.get("view") or {}
    carried, values = private_of(view), values_of(view)
    typed = parsing.Undo(
        int(carried.get("undoes") or 0),
        words.plain(values.get("reason", ""), slack=False),
        parsing.count(values.get("expected", "")),
        parsing.one_value(values.get("heir", "")),
    )
    filing.ask(front, call, _wish(front, typed), str(carried.get("channel") or ""))


def _open(front: Front, call: Call, typed: parsing.Undo) -> None:
    actor = front.member(call)
    form = forms.undo(front.config, typed, call.channel, front.people.language(actor.user))
    front.open_form(call, form, BadInput("usage.undo"))


def _wish(front: Front, typed: parsing.Undo) -> Wish:
    """The wish; which operation it takes is found out while filing."""
    view = front.services.reading.by_number(typed.number)
    return Wish(
        Operation.DELETE_RECORDS,
        view.request.target if view else None,
        None,
        (),
        typed.reason,
        expected=typed.expected,
        heir=typed.heir or None,
        undoes=typed.number,
    )
