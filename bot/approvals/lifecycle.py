"""Every decision the door may ask for. The role check sits behind each of them, so every door passes it."""

from datetime import datetime

from bot.approvals import (
    brakes,
    copies,
    filing,
    going_on,
    intents,
    pausing,
    putting_back,
    reactions,
    voting,
)
from bot.approvals.ground import Ground
from bot.model.doors import Answer, Wish
from bot.model.people import Actor
from bot.model.proofs import Letter
from bot.model.requests import Choice, Proof
from bot.store.unit_of_work import Work


class Lifecycle:
    """Load, decide, save, inside the caller's transaction. Each method raises Refused with one sentence."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def file(self, work: Work, wish: Wish, actor: Actor, channel: str, now: datetime) -> Answer:
        """Ask for an operation."""
        return filing.file(self._ground, work, wish, actor, channel, now)

    def vote(  # noqa: PLR0913 - a vote has this many facts
        self,
        work: Work,
        request_id: int,
        revision: int,
        choice: Choice,
        proof: Proof,
        actor: Actor,
        now: datetime,
    ) -> Answer:
        """Say yes or no to one revision."""
        return voting.vote(self._ground, work, (request_id, revision), choice, proof, actor, now)

    def withdraw(self, work: Work, request_id: int, revision: int, actor: Actor, now: datetime) -> Answer:
        """Take a vote back."""
        return voting.withdraw(self._ground, work, (request_id, revision), actor, now)

    def reaction(  # noqa: PLR0913 - an event has this many facts
        self,
        work: Work,
        channel: str,
        ts: str,
        emoji: str,
        added: bool,
        event_ts: str,
        actor: Actor,
        now: datetime,
        *,
        looked: bool = False,
    ) -> Answer | None:
        """A reaction appeared on or vanished from a message; ``looked``: as ``reactions.reaction``."""
        place = (channel, ts)
        return reactions.reaction(
            self._ground, work, place, emoji, added, event_ts, actor, now, looked=looked
        )

    def send_code(self, work: Work, letter: Letter, actor: Actor, now: datetime, about: str = "") -> None:
        """Hand a sealed form over to the worker; ``about``: whose new phone it is."""
        intents.send(self._ground, work, letter, actor, now, about)

    def deny_reason(self, work: Work, request_id: int, text: str, actor: Actor, now: datetime) -> Answer:
        """Say why it was denied."""
        return voting.deny_reason(self._ground, work, request_id, text, actor, now)

    def cancel(self, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
        """Take a request back."""
        return brakes.cancel(self._ground, work, number, actor, now)

    def stop(self, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
        """Halt a request."""
        return brakes.stop(self._ground, work, number, actor, now)

    def put_back(self, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
        """Return what a teardown has set aside."""
        return putting_back.put_back(self._ground, work, number, actor, now)

    def go_on(self, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
        """Go on removing what a purge that stands still has left."""
        return going_on.go_on(self._ground, work, number, actor, now)

    def pause(self, work: Work, number: int, actor: Actor, now: datetime) -> Answer:
        """Let what goes part by part stand still after the part that is under way."""
        return pausing.pause(self._ground, work, number, actor, now)

    def tick(
        self, work: Work, request_id: int, place: int, actor: Actor, now: datetime, *, done: bool
    ) -> Answer:
        """Say that something else that holds copies was seen to, or that it was not."""
        return copies.tick(self._ground, work, request_id, place, actor, now, done=done)

    def freeze(self, work: Work, target: str, reason: str | None, actor: Actor, now: datetime) -> Answer:
        """Halt a target."""
        return brakes.freeze(self._ground, work, target, reason, actor, now)
