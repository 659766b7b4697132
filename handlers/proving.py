"""Codes: the button under a wish, the forms, and their way sealed to the worker."""

from dataclasses import replace

from bot.approvals.phones import check_confirms
from bot.errors import CannotProve, Stale
from bot.model.proofs import CANCEL, Letter
from handlers.front import Call, Front, request_of
from handlers.intake import SEALED, Taken
from handlers.views import proof_forms
from handlers.views.forms import private_of


def sealed(front: Front, taken: Taken) -> Taken:
    """The same delivery with its form sealed to the worker; what was typed is nowhere else.

    Raises:
        Refused: no worker has published its key yet.
    """
    view = taken.secret or {}
    kind = SEALED[str(view.get("callback_id"))]
    said = {**proof_forms.content(view), "kind": kind, "user": str(taken.payload.get("user") or "")}
    name, blob = front.services.letterbox.seal(said)
    letter = {"id": name, "kind": kind, "blob": blob}
    return replace(taken, payload={**taken.payload, "letter": letter}, secret=None)


def enter_code(front: Front, call: Call) -> None:
    """*Enter code…*: the form, for the revision the button stands under."""
    front.member(call)
    request_id, revision = request_of(call.value)
    view = front.services.reading.view(request_id)
    number = view.request.number or 0 if view is not None else 0
    if view is None or view.revision is None or view.request.revision != revision:
        raise Stale("vote.old-ballot", number=number)
    if not any(one.user == call.user for one in view.intents):
        raise Stale("proof.no-wish", number=number)
    form = proof_forms.ask(view, view.confirm, call.channel, front.people.language(call.user))
    front.open_form(call, form, Stale("usage.enter-code"))


def enrol_button(front: Front, call: Call) -> None:
    """*Enrol…* under a wish of somebody whose codes cannot be checked yet."""
    _enrol(front, call)


def enrol_command(front: Front, call: Call) -> None:
    """``/countersign enrol``."""
    _enrol(front, call)


def confirm_change(front: Front, call: Call) -> None:
    """*Confirm…* under the news that somebody gets a new phone."""
    check_confirms(front.config, front.member(call), call.value)
    form = proof_forms.change(call.value, call.channel, front.people.language(call.user))
    front.open_form(call, form, Stale("usage.enter-code"))


def cancel_change(front: Front, call: Call) -> None:
    """*Cancel* of a new phone: the person, or anybody with a role."""
    actor = front.member(call)
    said = {"kind": CANCEL, "user": actor.user, "subject": call.value}
    name, blob = front.services.letterbox.seal(said)
    front.settle(
        call,
        lambda life, work, person, now: life.send_code(
            work, Letter(name, CANCEL, person.user, None, call.channel, blob, now), person, now, call.value
        ),
    )


def sealed_form(front: Front, call: Call) -> None:
    """A submitted form that only the worker can read: hand it over; the worker answers."""
    letter = call.payload.get("letter") or {}
    carried = private_of(call.payload.get("view") or {})
    request = carried.get("request")
    if not letter.get("blob"):
        raise CannotProve("proof.unreadable")
    front.settle(
        call,
        lambda life, work, actor, now: life.send_code(
            work,
            Letter(
                id=str(letter["id"]),
                kind=str(letter["kind"]),
                user=call.user,
                request_id=request if isinstance(request, int) else None,
                channel=call.channel,
                blob=str(letter["blob"]),
                created_at=now,
            ),
            actor,
            now,
            about=str(carried.get("subject") or ""),
        ),
    )


def _enrol(front: Front, call: Call) -> None:
    front.member(call)
    form = proof_forms.enrol(call.channel, front.people.language(call.user))
    front.open_form(call, form, Stale("usage.enrol"))
