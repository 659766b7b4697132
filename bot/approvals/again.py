"""What somebody asked for in vain, kept for a day: trying again must not mean typing it all again."""

from datetime import datetime

from bot.approvals.ground import Ground, subject
from bot.errors import BadInput, CountersignError, NotFound
from bot.model.choices import RestoreChoice
from bot.model.doors import Answer, Wish
from bot.model.requests import Operation, Request
from bot.store.unit_of_work import Work

#: What other words can mend; who is not allowed is not allowed in any words.
_MENDED = (BadInput, NotFound)
#: What can be chosen instead -> the button, which may have another beside it.
_BUTTONS = {"skip": "restore-skip", "overwrite,skip": "restore-overwrite"}


def offered(
    ground: Ground, work: Work, wish: Wish | None, by: str, refusal: CountersignError, now: datetime
) -> Answer:
    """The refusal, with a button that opens the form filled in where that may help.

    A restore that something stands in the way of is offered again with what can be chosen instead.
    """
    button = _BUTTONS.get(str(refusal.params.get("choices", "")), "try-again")
    if wish is None or wish.preview or (button == "try-again" and not isinstance(refusal, _MENDED)):
        return Answer(refusal.key, refusal.params)
    token = ground.entropy(12).hex()
    content = {**vars(wish), "values": list(wish.values), "choice": wish.choice.to_data(), "by": by}
    work.erasable.put(_place(token), "wish", content, b"", now)
    return Answer(refusal.key, refusal.params, button=button, value=token)


def kept(work: Work, token: str, by: str) -> Wish | None:
    """What this person asked for; None for anybody else, and once it is erased."""
    content = work.erasable.get(_place(token), "wish")
    if content is None or content.pop("by") != by:
        return None
    operation, values = Operation(content.pop("operation")), tuple(content.pop("values"))
    choice = RestoreChoice.from_data(content.pop("choice", None))
    return Wish(operation=operation, values=values, choice=choice, **content)


def of_request(work: Work, request: Request) -> Wish | None:
    """What a request for rows asked for, while its texts are there; None when it had a plan already."""
    if request.number is not None:
        return None
    place = subject(request.id)
    if request.operation is Operation.RESTORE:
        return _of_restore(work, request, place)
    if request.operation is not Operation.DELETE_RECORDS:
        return None
    values, reason = work.erasable.get(place, "values"), work.erasable.get(place, "reason")
    return Wish(
        request.operation,
        request.target,
        request.record,
        tuple(values or ()),
        reason or "",
        preview=request.preview,
        expected=request.expected,
        heir=work.erasable.get(place, "heir"),
        column=work.erasable.get(place, "column"),
        undoes=request.undoes,
    )


def _of_restore(work: Work, request: Request, place: str) -> Wish:
    reference = work.erasable.get(place, "reference")
    backup = work.backups.get(request.backup_id or "") if reference is None else None
    source = work.requests.get(backup.request_id) if backup else None
    return Wish(
        request.operation,
        None,
        None,
        (),
        work.erasable.get(place, "reason") or "",
        reference=reference,
        number=source.number if source else None,
        into=work.erasable.get(place, "into"),
        choice=RestoreChoice.from_data(work.erasable.get(place, "choice")),
    )


def _place(token: str) -> str:
    return f"again:{token}"
