"""Rows that name somebody whose record is gone: kept by their keys for a day, to be asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.approvals.filing import check_person, require_role
from bot.approvals.ground import Ground
from bot.model.doors import Wish
from bot.model.leftovers import FollowUp, Offer
from bot.model.people import Actor
from bot.model.requests import Operation, Request
from bot.store.unit_of_work import Work

#: More columns than a configuration can name.
_MOST = 50


def keep(work: Work, request: Request, offers: Sequence[Offer], now: datetime) -> None:
    """Keep the keys where they can be erased; ``sweeps.prune`` does so after a day."""
    for one in offers:
        content = {"record": one.record, "values": list(one.values)}
        work.erasable.put(_place(request.id), str(one.number), content, b"", now)


def there(work: Work, request: Request) -> tuple[FollowUp, ...]:
    """What can still be asked for."""
    if request.operation is not Operation.DELETE_RECORDS or request.closed_at is None:
        return ()
    found = ((number, _kept(work, request.id, number)) for number in range(_MOST))
    return tuple(
        FollowUp(number, content["record"], len(content["values"])) for number, content in found if content
    )


def wish(ground: Ground, work: Work, request_id: int, number: int, actor: Actor) -> Wish | None:
    """The deletion of those rows, as a form can show it to whoever may ask for it; None once they are erased.

    Raises:
        NotAllowed: this person may not ask for such a deletion, and so sees no keys either.
    """
    check_person(actor, ground.config)
    request = work.requests.get(request_id)
    content = _kept(work, request_id, number)
    if request is None or content is None or request.target not in ground.config.targets:
        return None
    record = str(content["record"])
    require_role(ground, Operation.DELETE_RECORDS, request.target, actor, record)
    return Wish(Operation.DELETE_RECORDS, request.target, record, tuple(content["values"]), "")


def prune(work: Work, before: datetime) -> None:
    """Erase what is older, and show the receipts without it."""
    for place in work.erasable.older("follow", before):
        work.erasable.erase(place)
        work.outbox.redraw(int(place.partition(":")[2]), ("receipt",))


def _kept(work: Work, request_id: int, number: int) -> Any:
    return work.erasable.get(_place(request_id), str(number))


def _place(request_id: int) -> str:
    return f"follow:{request_id}"
