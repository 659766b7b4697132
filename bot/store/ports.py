"""Inbox, outbox and roster as the bot process uses them: each call is one short transaction of its own."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.model.doors import OutboxItem, RosterQuestion
from bot.model.people import RosterFacts
from bot.store.unit_of_work import Store, Work


class InboxPort:
    """What Slack hands over, written down before it is acknowledged."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def accept(self, key: str, kind: str, payload: Mapping[str, Any], now: datetime) -> bool:
        """Write a delivery down; False when it was seen before."""
        with self._store.transact() as work:
            if not work.inbox.accept(key, kind, now):
                return False
            work.erasable.put(f"inbox:{key}", "payload", dict(payload), b"", now)
            return True

    def load(self, key: str) -> tuple[str, Mapping[str, Any]] | None:
        """(kind, payload) while nobody has settled it."""
        with self._store.read() as work:
            kind = work.inbox.kind_if_new(key)
            payload = work.erasable.get(f"inbox:{key}", "payload") if kind else None
        return None if kind is None or payload is None else (kind, payload)

    def waiting(self, older_than: datetime) -> list[str]:
        """Deliveries that nobody has settled, to be tried again."""
        with self._store.read() as work:
            return work.inbox.waiting(older_than)

    def attempt(self, key: str) -> int:
        """Count one more try; returns how many there were."""
        with self._store.transact() as work:
            return work.inbox.attempt(key)

    def done(self, key: str) -> None:
        """There was nothing to decide."""
        with self._store.transact() as work:
            work.inbox.claim(key)
            work.erasable.erase(f"inbox:{key}")

    def give_up(self, key: str, now: datetime) -> None:
        """It failed too often; the log keeps that it happened."""
        with self._store.transact() as work:
            if work.inbox.claim(key):
                work.erasable.erase(f"inbox:{key}")
                work.audit.append("delivery-given-up", now, None, {})


class OutboxPort:
    """What should be in Slack, and what is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def due(self, now: datetime, limit: int = 20) -> list[OutboxItem]:
        """What to send next."""
        with self._store.read() as work:
            return work.outbox.due(now, limit)

    def at(self, channel: str, ts: str) -> OutboxItem | None:
        """Which of our messages this is."""
        with self._store.read() as work:
            return work.outbox.at(channel, ts)

    def card_ts(self, request_id: int) -> str | None:
        """Where the thread of a request begins."""
        with self._store.read() as work:
            return work.outbox.card_ts(request_id)

    def posting(self, subject: str, now: datetime) -> None:
        """A first post is about to be made: from here on look before posting again."""
        self._set(subject, now, state="posting")

    def posted(self, subject: str, ts: str, shown: int, now: datetime) -> None:
        """The message is there."""
        self._set(subject, now, state="posted", ts=ts, shown=shown, attempts=0)

    def attaching(self, item: OutboxItem, file: str | None, sha256: str, now: datetime) -> None:
        """A file is needed and about to be handed over; ``file`` is Slack's id for it once there is one."""
        with self._store.transact() as work:
            work.outbox.set(item.subject, state="posting", file=file, sha256=sha256, next_try_at=now)
            if item.sha256 != sha256:
                _redraw_file(work, item)

    def attached(self, item: OutboxItem, now: datetime) -> None:
        """The file is there: the vote may begin. The log keeps what was there to be read."""
        with self._store.transact() as work:
            found = work.outbox.plan_file(item.request_id or 0, item.revision or 0)
            if found is None or found.state != "posting":
                return
            work.outbox.set(item.subject, state="posted", next_try_at=now, attempts=0)
            _redraw_file(work, item)
            work.log("plan-file", now, item.request_id, {"revision": item.revision, "sha256": found.sha256})

    def located(self, item: OutboxItem, ts: str, now: datetime) -> None:
        """Which message carries the file; empty when Slack does not tell."""
        self._set(item.subject, now, ts=ts or None, shown=item.wanted, attempts=0)

    def detached(self, item: OutboxItem, now: datetime) -> None:
        """The file is deleted, or is not needed."""
        with self._store.transact() as work:
            work.outbox.set(item.subject, state="gone", next_try_at=now)
            _redraw_file(work, item)

    def shown(self, subject: str, shown: int, now: datetime) -> None:
        """The message looks like its subject did at change number ``shown``."""
        self._set(subject, now, shown=shown, attempts=0)

    def later(self, subject: str, seconds: float, now: datetime) -> None:
        """Try again later."""
        with self._store.transact() as work:
            work.outbox.later(subject, now + timedelta(seconds=seconds))

    def gone(self, subject: str, now: datetime) -> None:
        """It is sent and forgotten, or can never be shown; a private sentence is erased."""
        with self._store.transact() as work:
            work.outbox.set(subject, state="gone", next_try_at=now)
            if subject.startswith("private:"):
                work.erasable.erase(subject)

    def ballots(self) -> list[OutboxItem]:
        """Ballots that still count."""
        with self._store.read() as work:
            return work.outbox.ballots()

    def reactions_on(self, channel: str, ts: str) -> Mapping[tuple[str, str], bool]:
        """(user, emoji) -> present, as we know it."""
        with self._store.read() as work:
            return work.votes.reactions_on((channel, ts))

    def _set(self, subject: str, now: datetime, **changes: Any) -> None:
        with self._store.transact() as work:
            work.outbox.set(subject, next_try_at=now, **changes)


def _redraw_file(work: Work, item: OutboxItem) -> None:
    """Card and plan say what became of the file."""
    work.outbox.redraw(item.request_id or 0, ("card", "plan"))


class RosterPort:
    """Questions of the worker about people."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def questions(self) -> list[RosterQuestion]:
        """Unanswered, newest first."""
        with self._store.read() as work:
            return work.roster.questions()

    def answer(self, nonce: str, facts: RosterFacts, now: datetime) -> None:
        """Answer one question."""
        with self._store.transact() as work:
            work.roster.answer(nonce, facts, now)
