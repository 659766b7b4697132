"""What every handler of the door has at hand, and what it is called with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.approvals.quorum import cannot_be
from bot.config.types import Config
from bot.errors import BadInput, NotAllowed, Refused
from bot.model.doors import Answer, Delivery, Wish
from bot.model.people import Actor
from bot.model.requests import State
from handlers.channels import Channels
from handlers.identity import People
from handlers.ports import LifecyclePort, Services
from handlers.slack import Slack, SlackIsBusy, SlackIsSilent, SlackSaysNo

#: Digits of a number that is no request's id any more.
_LONG = 18


@dataclass(frozen=True)
class Call:
    """One stored delivery. ``fresh``: its trigger may still open a form."""

    key: str
    kind: str
    payload: Mapping[str, Any]
    fresh: bool

    @property
    def user(self) -> str:
        """Who did it."""
        return str(self.payload.get("user") or "")

    @property
    def channel(self) -> str:
        """Where to answer; empty for a direct message."""
        return str(self.payload.get("channel") or "")

    @property
    def text(self) -> str:
        """What was typed after the command."""
        return str(self.payload.get("text") or "")

    @property
    def value(self) -> str:
        """What the pressed button carries."""
        return str(self.payload.get("value") or "")

    @property
    def delivery(self) -> Delivery:
        """The delivery as the desk knows it."""
        ts, about = str(self.payload.get("ts") or ""), str(self.payload.get("about") or "")
        request = int(about) if about.isdecimal() and len(about) < _LONG else None
        return Delivery(self.key, self.channel or None, self.user, ts or None, request)


Decide = Callable[[LifecyclePort, Any, Actor, datetime], Answer | None]


@dataclass(frozen=True)
class Front:
    """Services behind the door, Slack before it, and who is who."""

    services: Services
    slack: Slack
    people: People
    channels: Channels

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.services.config

    def actor(self, call: Call) -> Actor:
        """Who is calling.

        Raises:
            Refused: unknown, or Slack did not answer.
        """
        return self.people.actor(call.user, call.payload.get("team"), call.payload.get("event_team"))

    def member(self, call: Call) -> Actor:
        """Who is calling, when that is somebody who may be shown anything at all.

        Raises:
            Refused: not a live person of this workspace, or Slack did not answer.
        """
        actor = self.actor(call)
        why = cannot_be(actor.facts, self.config.workspace)
        if why is not None:
            raise NotAllowed(why)
        return actor

    def settle(self, call: Call, decide: Decide) -> None:
        """Find out who calls, then decide once.

        Raises:
            Refused: the person could not be established.
        """
        actor = self.actor(call)
        now = self.services.clock()
        self.services.desk.settle(
            call.delivery, lambda work: decide(self.services.lifecycle, work, actor, now)
        )

    def refuse(self, call: Call, refusal: Refused, wish: Wish) -> None:
        """Say no to a wish before anything was decided; it can be tried again."""

        def decide(_work: Any) -> Answer | None:
            raise refusal

        self.services.desk.settle(call.delivery, decide, wish)

    def answer(self, call: Call, answer: Answer | None) -> None:
        """Answer without deciding anything."""
        self.services.desk.settle(call.delivery, lambda _work: answer)

    def open_form(self, call: Call, view: Mapping[str, Any], otherwise: Refused) -> None:
        """Open a form; when the moment for it has passed, say ``otherwise`` instead."""
        trigger = call.payload.get("trigger_id")
        if call.fresh and trigger:
            try:
                self.slack.call("views.open", trigger_id=trigger, view=dict(view))
            except (SlackSaysNo, SlackIsBusy, SlackIsSilent):
                raise otherwise from None
            self.answer(call, None)
            return
        raise otherwise


def request_of(value: str) -> tuple[int, int]:
    """Request id and revision (0 when there is none) from a button's value: a lookup, nothing more.

    Raises:
        BadInput: not one of ours.
    """
    first, _, second = value.partition(".")
    if not first.isdecimal() or (second and not second.isdecimal()) or len(value) > 30:
        raise BadInput("slack.stale-button")
    return int(first), int(second or 0)


def number_done(front: Front, call: Call) -> int:
    """The number of the request on whose receipt a button stands.

    Raises:
        BadInput: it is not there, or has not come to its end.
    """
    request_id, _ = request_of(call.value)
    view = front.services.reading.view(request_id)
    if view is None or not view.request.number or view.request.state is not State.SUCCEEDED:
        raise BadInput("slack.stale-button")
    return view.request.number
