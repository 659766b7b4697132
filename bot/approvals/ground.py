"""What every decision stands on: one way to change a state, one way to tell somebody, one way to log."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bot.approvals import states
from bot.audit.chain import commitment
from bot.config.types import Config
from bot.errors import BadInput, NotFound, Stale
from bot.model.doors import Answer
from bot.model.requests import CLOSED, Request, Vote
from bot.store.unit_of_work import Work

#: Messages that one sees in the channel and in the thread.
_IN_CHANNEL = ("card", "receipt")
ALL_KINDS = ("card", "plan", "plan-file", "ballot", "receipt")


def subject(request_id: int) -> str:
    """Where the personal texts of a request lie."""
    return f"request:{request_id}"


class Marks(Protocol):
    """Whether the worker checked the code of a vote; only the worker can say."""

    def is_marked(self, vote: Vote, request: Request, digest: str, *, confirm: bool) -> bool:
        """Whether this vote on this plan carries the mark that only the worker makes.

        ``confirm``: and the approver typed the target and the count.
        """


@dataclass(frozen=True)
class Ground:
    """The configuration and a source of randomness (``entropy(n)`` gives n bytes).

    ``marks``: in the worker only; without them no vote counts as proven by a code.
    """

    config: Config
    entropy: Callable[[int], bytes]
    marks: Marks | None = None

    def log(
        self, work: Work, kind: str, request: Request | None, body: Mapping[str, Any], now: datetime
    ) -> None:
        """One entry of the audit log: Slack ids, counts and commitments only."""
        work.log(kind, now, request.id if request else None, body)

    def keep(self, work: Work, place: str, name: str, value: Any, now: datetime) -> str:
        """Keep one personal text where it can be erased; returns the commitment that the log may hold.

        Raises:
            BadInput: half a character, as a broken client may send it.
        """
        salt = self.entropy(32)
        try:
            committed = commitment(salt, json.dumps(value, ensure_ascii=False))
        except UnicodeEncodeError:
            raise BadInput("filing.bad-text") from None
        work.erasable.put(place, name, value, salt, now)
        return committed

    def change(self, work: Work, request: Request, event: str, now: datetime, **changes: Any) -> Request:
        """Move a locked request, log it, redraw its messages; a closed one forgets its personal texts.

        Raises:
            Stale: the move is not possible from where the request stands.
        """
        after = states.move(request.state, event)
        if after in CLOSED:
            changes["closed_at"] = now
        if not work.requests.save(request.id, request.state, state=after, **changes):
            raise Stale("request.moved-on", state=str(request.state))
        if after in CLOSED:
            work.permits.void(request.id)
            work.erasable.erase(subject(request.id))
        self.redraw(work, request)
        outcome = changes.get("outcome")
        self.log(work, f"request-{event}", request, {"to": str(after), "outcome": outcome}, now)
        changed = work.requests.get(request.id)
        assert changed is not None
        return changed

    def redraw(self, work: Work, request: Request) -> None:
        """Everything shown about a request must be shown anew."""
        work.outbox.redraw(request.id, ALL_KINDS)

    def tell(  # noqa: PLR0913 - a sentence for one person has this many coordinates
        self,
        work: Work,
        user: str,
        channel: str | None,
        answer: Answer,
        now: datetime,
        once: str | None = None,
        on: str | None = None,
        about: int | None = None,
    ) -> None:
        """A private sentence. With ``once``, the same thing is told only once.

        It goes into the thread of the request of the message ``on``, or of the request ``about``. Card and
        receipt stand in the channel too, and whoever pressed there may look at either: that is told in both.
        """
        place = f"private:{once or self.entropy(9).hex()}"
        if work.outbox.known(place):
            return
        work.erasable.put(place, "answer", _content(answer), b"", now)
        pressed = work.outbox.at(channel or "", on) if on else None
        kind = "private-card" if pressed is not None and pressed.kind in _IN_CHANNEL else "private"
        kind = "direct" if answer.direct else kind
        request_id = pressed.request_id if pressed is not None else None
        if request_id is None and about is not None and work.requests.get(about) is not None:
            request_id = about
        work.outbox.want(place, kind, channel or "", now, request_id=request_id, user=user)

    def note(self, work: Work, request: Request, key: str, now: datetime, **params: str | int) -> None:
        """A sentence in the thread of a request. Its parameters are never personal."""
        place = f"note:{request.id}:{work.outbox.notes(request.id) + 1:04}"
        work.erasable.put(place, "answer", {"key": key, "params": params}, b"", now)
        work.outbox.want(
            place, "note", request.channel, now, request_id=request.id, revision=request.revision
        )

    def announce(self, work: Work, channel: str, key: str, now: datetime, **params: str | int) -> None:
        """A sentence in a channel that belongs to no request."""
        self.offer(work, channel, Answer(key, params), now)

    def offer(self, work: Work, channel: str, answer: Answer, now: datetime) -> None:
        """The same, perhaps with a button for everybody."""
        place = f"note:{self.entropy(9).hex()}"
        work.erasable.put(place, "answer", _content(answer), b"", now)
        work.outbox.want(place, "note", channel, now)

    def lock(self, work: Work, request_id: int) -> Request:
        """The request, locked until the transaction ends.

        Raises:
            Stale: there is no such request.
        """
        request = work.requests.lock(request_id)
        if request is None:
            raise Stale("request.unknown")
        return request

    def lock_number(self, work: Work, number: int) -> Request:
        """The request that people call #number, locked until the transaction ends.

        Raises:
            NotFound: there is none.
        """
        request = work.requests.by_number(number)
        if request is None:
            raise NotFound("request.no-number", number=number)
        return self.lock(work, request.id)

    def channel_for(self, target: str) -> str:
        """Where requests on a target are decided."""
        known = self.config.targets.get(target)
        return (known.channel if known else None) or self.config.channel


def _content(answer: Answer) -> dict[str, Any]:
    """A sentence as it is kept until it is sent."""
    return {
        "key": answer.key,
        "params": dict(answer.params),
        "button": answer.button,
        "value": answer.value,
    }
