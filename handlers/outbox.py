"""Outbox in, messages out.

A row names its subject; the message is rendered from state each time. A first post is noted before it is
made; one whose answer is not known is looked for in Slack before it is made again. A message that somebody
deleted is not posted anew: a second card or ballot would be worse than none, and votes live in our books.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from bot.model.doors import OutboxItem, RequestView
from handlers import listings, lookup, overview, replies
from handlers.attaching import Attacher
from handlers.front import Front
from handlers.pace import Pace
from handlers.slack import SlackIsBusy, SlackIsSilent, SlackSaysNo
from handlers.views import ballot, plan, receipt, request_card
from handlers.views.blocks import Rendered
from handlers.votes import APPROVE, DENY

#: Slack's words for "these blocks are not acceptable": the plain text goes out instead.
_BAD_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch"})
_VANISHED = frozenset({"message_not_found", "channel_not_found", "is_inactive", "thread_not_found"})
_FROZEN = frozenset({"cant_update_message", "edit_window_closed", "msg_too_long", "update_failed"})
_PRIVATE = frozenset({"private", "private-card", "direct", "plan-preview"})
_THREADED = frozenset({"private", "private-card", "direct"})
_FINE = frozenset({"already_reacted"})
_PAINTERS: Mapping[str, Callable[[RequestView, int, str], Rendered]] = {
    "card": lambda view, _revision, language: request_card.render(view, language),
    "plan": plan.render,
    "ballot": ballot.render,
    "receipt": lambda view, _revision, language: receipt.render(view, language),
}
_log = structlog.get_logger(__name__)


class Drain:
    """Sends what is due. One thread only, and of several bots only the one whose turn it is."""

    def __init__(self, front: Front, pace: Pace | None = None) -> None:
        self._front = front
        self._outbox = front.services.outbox
        self._pace = pace or Pace()
        self._attacher = Attacher(front, self._pace)
        self._shown: dict[str, str] = {}
        self._seeded: set[tuple[str, str]] = set()
        self._was_ours = False

    def run(self, now: datetime) -> int:
        """Send what is due and allowed by now; returns how many messages were dealt with."""
        count = 0
        for item in self._outbox.due(now, 100) if self._is_ours() else ():
            if not self._is_ours():
                break
            try:
                count += self._send(item, now)
            except SlackIsBusy as busy:
                self._outbox.later(item.subject, busy.seconds, now)
            except SlackIsSilent:
                self._outbox.later(item.subject, _patience(item.attempts), now)
                break
            except SlackSaysNo as no:
                _log.error("slack.message-refused", kind=item.kind, code=no.code)
                self._outbox.later(item.subject, _patience(item.attempts), now)
            except Exception as error:  # noqa: BLE001 - one bad message must not hold up the others
                _log.error("slack.message-failed", kind=item.kind, error=type(error).__name__)
                self._outbox.later(item.subject, _patience(item.attempts), now)
        return count

    def _is_ours(self) -> bool:
        """Whether this process sends; what it remembers of Slack is worth nothing once another one did."""
        ours = self._front.services.sends()
        if ours and not self._was_ours:
            self._shown.clear()
            self._seeded.clear()
        self._was_ours = ours
        return ours

    def _send(self, item: OutboxItem, now: datetime) -> bool:
        if item.kind in _PRIVATE:
            return self._whisper(item, now)
        if item.kind == "plan-file":
            return self._attacher.send(item, now)
        rendered = self._render(item)
        if rendered is None:
            self._outbox.gone(item.subject, now)
            return True
        if item.state == "posted" and item.ts:
            return self._update(item, rendered, now)
        return self._post(item, rendered, now)

    def refresh(self, now: datetime) -> None:
        """Redraw open cards that look different although nothing was decided: a worker came or went."""
        for view in self._front.services.reading.open_requests() if self._is_ours() else ():
            request = view.request
            subject = f"card:{request.id}"
            rendered = request_card.render(view, self._front.config.language)
            ts = self._outbox.card_ts(request.id)
            if ts is None or self._shown.get(subject) == rendered.fingerprint:
                continue
            if not self._pace.may("chat.update", request.channel, now):
                return
            try:
                self._call("chat.update", rendered, subject, now, channel=request.channel, ts=ts)
            except SlackSaysNo as no:
                _log.warning("slack.cannot-redraw", kind="card", code=no.code)
            except (SlackIsBusy, SlackIsSilent):
                return
            self._shown[subject] = rendered.fingerprint

    def _render(self, item: OutboxItem) -> Rendered | None:
        """The message as its subject stands; None when nothing is left to show."""
        language = self._front.config.language
        if item.kind == "note":
            answer = self._front.services.reading.private_text(item.subject)
            if answer is None:
                return None
            return replies.private(answer, language)
        view = self._front.services.reading.view(item.request_id or 0)
        return None if view is None else _PAINTERS[item.kind](view, item.revision or 0, language)

    def _post(self, item: OutboxItem, rendered: Rendered, now: datetime) -> bool:
        thread = None if item.kind == "card" or item.request_id is None else self._thread(item)
        if item.state == "posting":
            found = lookup.find(self._front.slack, item, thread)
            if found is not None:
                self._outbox.posted(item.subject, found, 0, now)
                return True
        if not self._pace.may("chat.postMessage", item.channel, now):
            return False
        self._outbox.posting(item.subject, now)
        answer = self._call(
            "chat.postMessage",
            rendered,
            item.subject,
            now,
            channel=item.channel,
            thread_ts=thread,
            reply_broadcast=True if item.kind == "receipt" and thread else None,
            metadata={"event_type": "countersign", "event_payload": {"subject": item.subject}},
            unfurl_links=False,
            unfurl_media=False,
        )
        ts = str(answer.get("ts") or "")
        if not ts:
            raise SlackIsSilent("no-ts")
        self._shown[item.subject] = rendered.fingerprint
        if item.kind != "ballot":
            self._outbox.posted(item.subject, ts, item.wanted, now)
            return True
        # A vote may come at once, so the ballot is known first; it stays due until ✅ and ❌ are on it.
        self._outbox.posted(item.subject, ts, 0, now)
        if self._seed(item, item.channel, ts, now):
            self._outbox.shown(item.subject, item.wanted, now)
        return True

    def _update(self, item: OutboxItem, rendered: Rendered, now: datetime) -> bool:
        if self._shown.get(item.subject) != rendered.fingerprint:
            if not self._pace.may("chat.update", item.channel, now):
                return False
            try:
                self._call("chat.update", rendered, item.subject, now, channel=item.channel, ts=item.ts)
            except SlackSaysNo as no:
                if no.code in _VANISHED:
                    self._outbox.gone(item.subject, now)
                    return True
                if no.code not in _FROZEN:
                    raise
                _log.warning("slack.cannot-redraw", kind=item.kind, code=no.code)
            self._shown[item.subject] = rendered.fingerprint
        if item.kind == "ballot" and not self._seed(item, item.channel, item.ts or "", now):
            return False
        self._outbox.shown(item.subject, item.wanted, now)
        return True

    def _call(
        self, method: str, rendered: Rendered, subject: str, now: datetime, **arguments: Any
    ) -> Mapping[str, Any]:
        """Post or update; in words when Slack does not take our blocks: a receipt must tell its reference."""
        channel = str(arguments["channel"])
        try:
            try:
                blocks = rendered.stamped(subject)
                return self._front.slack.call(method, text=rendered.text, blocks=blocks, **arguments)
            except SlackSaysNo as no:
                if no.code not in _BAD_BLOCKS:
                    raise
                _log.critical("slack.blocks-refused", code=no.code)
                return self._front.slack.call(method, text=rendered.in_words, **arguments)
        except SlackIsBusy as busy:
            self._pace.rest(method, channel, busy.seconds, now)
            raise

    def _thread(self, item: OutboxItem) -> str:
        ts = self._outbox.card_ts(item.request_id or 0)
        if ts is None:
            raise SlackSaysNo("card-not-posted")
        return ts

    def _seed(self, item: OutboxItem, channel: str, ts: str, now: datetime) -> bool:
        """The bot's own ✅ and ❌, so that a vote is one tap; False when they are not there yet."""
        view = self._front.services.reading.view(item.request_id or 0)
        if view is None or not ballot.is_open(view, item.revision or 0):
            return True
        return all(self._react(channel, ts, name, now) for name in (APPROVE, DENY))

    def _react(self, channel: str, ts: str, name: str, now: datetime) -> bool:
        if (ts, name) in self._seeded:
            return True
        if not self._pace.may("reactions.add", channel, now):
            return False
        try:
            self._front.slack.call("reactions.add", channel=channel, timestamp=ts, name=name)
        except SlackSaysNo as no:
            if no.code not in _FINE:
                # The buttons still work, and the ballots are looked at again every half minute.
                _log.warning("slack.seed-refused", code=no.code)
        except (SlackIsBusy, SlackIsSilent) as trouble:
            self._pace.rest("reactions.add", channel, getattr(trouble, "seconds", 5.0), now)
            return False
        self._seeded.add((ts, name))
        return True

    def _whisper(self, item: OutboxItem, now: datetime) -> bool:
        """For one person's eyes: in the channel when possible, else as a direct message, or the other way."""
        rendered = self._private(item)
        if rendered is None or not item.user:
            self._outbox.gone(item.subject, now)
            return True
        if not self._pace.may("chat.postEphemeral", item.channel, now):
            return False
        try:
            if item.kind == "direct":
                self._direct_first(item, item.user, rendered, now)
            elif not self._near(item, rendered, now):
                self._direct(item.user, item.subject, rendered, now)
        except SlackSaysNo as no:
            _log.warning("slack.cannot-tell", code=no.code)
        self._outbox.gone(item.subject, now)
        return True

    def _private(self, item: OutboxItem) -> Rendered | None:
        services, language = self._front.services, self._front.people.language(item.user or "")
        if item.kind == "plan-preview":
            view = services.reading.view(item.request_id or 0)
            return None if view is None else plan.render(view, None, language)
        answer = services.reading.private_text(item.subject)
        if answer is None:
            return None
        config, reading = self._front.config, services.reading
        return (
            overview.render(answer, config, reading, language)
            or listings.render(answer, config, reading, language)
            or replies.private(answer, language)
        )

    def _near(self, item: OutboxItem, rendered: Rendered, now: datetime) -> bool:
        """Where the person is: in the thread of the request, in the channel, or maybe in either."""
        thread = self._outbox.card_ts(item.request_id) if item.request_id and item.kind in _THREADED else None
        told = thread is not None and self._in_channel(item, rendered, thread, now)
        if told and item.kind != "private-card":
            return True
        return self._in_channel(item, rendered, None, now) or told

    def _in_channel(self, item: OutboxItem, rendered: Rendered, thread: str | None, now: datetime) -> bool:
        if not item.channel or item.channel.startswith("D"):
            return False
        where = {"channel": item.channel, "thread_ts": thread}
        try:
            self._call("chat.postEphemeral", rendered, item.subject, now, user=item.user, **where)
        except SlackSaysNo:
            return False
        return True

    def _direct_first(self, item: OutboxItem, person: str, rendered: Rendered, now: datetime) -> None:
        """A direct message; where the person pressed when this person takes none."""
        try:
            self._direct(person, item.subject, rendered, now)
        except SlackSaysNo:
            if not self._near(item, rendered, now):
                raise

    def _direct(self, person: str, subject: str, rendered: Rendered, now: datetime) -> None:
        opened = self._front.slack.call("conversations.open", users=person)
        channel = str((opened.get("channel") or {}).get("id") or "")
        self._call("chat.postMessage", rendered, subject, now, channel=channel)


def _patience(attempts: int) -> float:
    """Seconds until the next try: 1, 2, 4 … 60."""
    return float(min(60, 2 ** min(attempts, 6)))
