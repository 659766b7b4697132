"""Reactions and buttons on a ballot -> a vote. What counts is decided behind the door."""

from datetime import datetime

import structlog

from bot.errors import CannotProve, NotAllowed, Stale
from bot.model.doors import Answer, OutboxItem
from bot.model.people import Actor
from bot.model.requests import Choice, Proof
from handlers import words
from handlers.front import Call, Front, request_of
from handlers.ports import Services
from handlers.slack import SlackIsBusy, SlackIsSilent, SlackSaysNo
from handlers.views import forms
from handlers.views.forms import private_of, values_of

APPROVE = "white_check_mark"
DENY = "x"
_log = structlog.get_logger(__name__)


def reaction(front: Front, call: Call) -> None:
    """``reaction_added`` and ``reaction_removed``."""
    event = call.payload
    services = front.services
    channel, ts = call.channel, str(event.get("ts") or "")
    item = services.outbox.at(channel, ts)
    if item is None or call.user == front.slack.ourselves()[0]:
        services.inbox.done(call.key)
        return
    added = bool(event.get("added"))
    try:
        actor = front.actor(call)
    except CannotProve as silence:
        # The reaction stays on the ballot, so the next look at it counts it after all.
        if added:
            services.desk.refuse(call.delivery, silence)
        else:
            services.inbox.done(call.key)
        return
    now = services.clock()
    emoji, event_ts = base_name(str(event.get("reaction") or "")), str(event.get("event_ts") or "0")
    services.desk.settle(
        call.delivery,
        lambda work: services.lifecycle.reaction(work, channel, ts, emoji, added, event_ts, actor, now),
    )


def base_name(emoji: str) -> str:
    """The emoji without its skin tone."""
    return emoji.strip(":").split("::")[0]


def approve(front: Front, call: Call) -> None:
    """*Approve*."""
    _click(front, call, Choice.APPROVE)


def deny(front: Front, call: Call) -> None:
    """*Deny*."""
    _click(front, call, Choice.DENY)


def withdraw(front: Front, call: Call) -> None:
    """*Withdraw*."""
    request_id, revision = _place(front, call)
    front.settle(call, lambda life, work, actor, now: life.withdraw(work, request_id, revision, actor, now))


def ask_reason(front: Front, call: Call) -> None:
    """*Add a reason* under the private answer to a deny: the form."""
    request_id, _ = request_of(call.value)
    actor = front.member(call)
    form = forms.deny(request_id, call.channel, front.people.language(actor.user))
    front.open_form(call, form, Stale("usage.deny-reason"))


def reason_form(front: Front, call: Call) -> None:
    """The submitted reason of a deny."""
    view = call.payload.get("view") or {}
    request_id, _ = request_of(str(private_of(view).get("request") or ""))
    text = words.plain(values_of(view).get("reason", ""), slack=False)
    front.settle(call, lambda life, work, actor, now: life.deny_reason(work, request_id, text, actor, now))


def _click(front: Front, call: Call, choice: Choice) -> None:
    request_id, revision = _place(front, call)
    front.settle(
        call,
        lambda life, work, actor, now: life.vote(work, request_id, revision, choice, Proof.CLICK, actor, now),
    )


def _place(front: Front, call: Call) -> tuple[int, int]:
    """Request and revision of the ballot that was clicked, as our own books have it.

    Raises:
        Stale: the message is no ballot of ours, or the button does not belong to it.
    """
    asked = request_of(call.value)
    item = front.services.outbox.at(call.channel, str(call.payload.get("ts") or ""))
    if item is None or item.kind != "ballot" or (item.request_id, item.revision) != asked:
        raise Stale("slack.stale-button")
    return asked


class BallotRepair:
    """Reads the ballots again and hands over what events failed to tell."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def run(self, now: datetime) -> int:
        """One pass; ends at once when Slack does not answer. Returns how many differences were found."""
        found = 0
        try:
            own = self._front.slack.ourselves()[0]
            for item in self._front.services.outbox.ballots():
                found += self._ballot(item, own, now)
        except (SlackIsBusy, SlackIsSilent, CannotProve):
            _log.info("slack.repair-paused")
        return found

    def _ballot(self, item: OutboxItem, own: str, now: datetime) -> int:
        try:
            answer = self._front.slack.call(
                "reactions.get", channel=item.channel, timestamp=item.ts, full=True
            )
        except SlackSaysNo as no:
            _log.warning("slack.ballot-unreadable", code=no.code)
            return 0
        shown: set[tuple[str, str]] = set()
        for one in (answer.get("message") or {}).get("reactions") or ():
            name = base_name(str(one.get("name") or ""))
            if name in (APPROVE, DENY):
                shown |= {(str(user), name) for user in one.get("users") or ()}
        for name in (APPROVE, DENY):
            if (own, name) not in shown:
                self._seed(item, name)
        known = self._front.services.outbox.reactions_on(item.channel, item.ts or "")
        before = {pair for pair, present in known.items() if present}
        news = [(pair, False) for pair in sorted(before - shown)]
        news += [(pair, True) for pair in sorted(shown - before) if pair[0] != own]
        for (user, emoji), added in news:
            self._feed(item, user, emoji, added, now)
        return len(news)

    def _seed(self, item: OutboxItem, name: str) -> None:
        try:
            self._front.slack.call("reactions.add", channel=item.channel, timestamp=item.ts, name=name)
        except SlackSaysNo as no:
            _log.info("slack.seed-refused", code=no.code)

    def _feed(self, item: OutboxItem, user: str, emoji: str, added: bool, now: datetime) -> None:
        """Hand over one difference as if its event had come, dated before the look that found it."""
        services: Services = self._front.services
        try:
            actor: Actor = self._front.people.actor(user)
        except NotAllowed:
            return
        event_ts = f"{now.timestamp():.6f}"
        key = f"repair:{item.channel}:{item.ts}:{user}:{emoji}:{added}:{event_ts}"
        call = Call(key, "repair", {"user": user, "channel": item.channel, "ts": item.ts}, fresh=False)
        services.inbox.accept(key, "repair", call.payload, now)

        def decide(work: object) -> Answer | None:
            return services.lifecycle.reaction(
                work, item.channel, item.ts or "", emoji, added, event_ts, actor, now, looked=True
            )

        services.desk.settle(call.delivery, decide)


def repair_ballots(front: Front, now: datetime) -> int:
    """One pass over the ballots; see ``BallotRepair``."""
    return BallotRepair(front).run(now)
