"""Inbox, outbox, erasable texts, roster questions and heartbeats: what the two processes tell each other."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, exists, func, insert, or_, select, update

from bot.model.doors import OutboxItem, RosterQuestion
from bot.model.people import PersonFacts, RosterFacts
from bot.model.requests import State
from bot.store import tables as t
from bot.store.database import insert_new, put_row

THREAD_KINDS = ("plan", "plan-file", "ballot", "note", "receipt")
#: The file goes before the plan, which names its checksum; the ballot after both.
_RANK = {
    "private": 0,
    "direct": 0,
    "private-card": 0,
    "card": 1,
    "plan-file": 2,
    "plan": 3,
    "note": 4,
    "ballot": 5,
    "receipt": 6,
}


class Inbox:
    """What Slack handed over, by event or trigger id. ``state``: new, done, given-up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def accept(self, key: str, kind: str, now: datetime) -> bool:
        """Write a delivery down; False when it was seen before."""
        return insert_new(
            self._connection, t.inbox, key=key, kind=kind, state="new", attempts=0, received_at=now
        )

    def kind_if_new(self, key: str) -> str | None:
        """The kind of a delivery nobody has settled yet."""
        query = select(t.inbox.c.kind).where(t.inbox.c.key == key, t.inbox.c.state == "new")
        return self._connection.execute(query).scalar_one_or_none()

    def claim(self, key: str) -> bool:
        """Mark a delivery done; False when it already was: its change must not happen twice."""
        result = self._connection.execute(
            update(t.inbox).where(t.inbox.c.key == key, t.inbox.c.state == "new").values(state="done")
        )
        return result.rowcount == 1

    def attempt(self, key: str) -> int:
        """Count one more try; returns how many there were."""
        result = self._connection.execute(
            update(t.inbox)
            .where(t.inbox.c.key == key)
            .values(attempts=t.inbox.c.attempts + 1)
            .returning(t.inbox.c.attempts)
        )
        return int(result.scalar_one())

    def waiting(self, older_than: datetime) -> list[str]:
        """Deliveries that nobody has settled."""
        query = (
            select(t.inbox.c.key)
            .where(t.inbox.c.state == "new", t.inbox.c.received_at <= older_than)
            .order_by(t.inbox.c.received_at)
            .limit(100)
        )
        return list(self._connection.execute(query).scalars())

    def prune(self, before: datetime) -> list[str]:
        """Forget deliveries older than ``before``; returns their keys."""
        keys = list(
            self._connection.execute(select(t.inbox.c.key).where(t.inbox.c.received_at < before)).scalars()
        )
        self._connection.execute(delete(t.inbox).where(t.inbox.c.received_at < before))
        return keys


class Erasable:
    """Every personal text, under the subject it belongs to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, subject: str, name: str, value: Any, salt: bytes, now: datetime) -> None:
        """Keep one text (any JSON value) under a subject, replacing an earlier one."""
        text = json.dumps(value)
        put_row(
            self._connection, t.erasable, subject=subject, name=name, salt=salt, text=text, created_at=now
        )

    def get(self, subject: str, name: str) -> Any:
        """One text, or None when it is erased or never was."""
        query = select(t.erasable.c.text).where(t.erasable.c.subject == subject, t.erasable.c.name == name)
        text = self._connection.execute(query).scalar_one_or_none()
        return None if text is None else json.loads(text)

    def erase(self, subject: str) -> None:
        """Forget a subject, salts included: what commits to it can no longer be guessed."""
        self._connection.execute(delete(t.erasable).where(t.erasable.c.subject == subject))

    def older(self, kind: str, before: datetime) -> list[str]:
        """Subjects of a kind with a text that is older."""
        query = select(t.erasable.c.subject).where(
            t.erasable.c.created_at < before, t.erasable.c.subject.like(f"{kind}:%")
        )
        return sorted(set(self._connection.execute(query).scalars()))

    def prune(self, before: datetime) -> None:
        """Forget payloads and private sentences that outlived their day."""
        self._connection.execute(
            delete(t.erasable).where(
                t.erasable.c.created_at < before,
                or_(*(t.erasable.c.subject.like(f"{kind}:%") for kind in ("inbox", "private", "again"))),
            )
        )


class Outbox:
    """Messages that should look like their subjects."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def want(  # noqa: PLR0913 - a message has this many coordinates
        self,
        subject: str,
        kind: str,
        channel: str,
        now: datetime,
        *,
        request_id: int | None = None,
        revision: int | None = None,
        user: str | None = None,
    ) -> None:
        """The message for ``subject`` must be posted, or shown anew."""
        changed = self._connection.execute(
            update(t.outbox)
            .where(t.outbox.c.subject == subject, t.outbox.c.state != "gone")
            .values(wanted=t.outbox.c.wanted + 1)
        )
        if changed.rowcount or self.known(subject):
            return
        insert_new(
            self._connection,
            t.outbox,
            subject=subject,
            kind=kind,
            request_id=request_id,
            revision=revision,
            channel=channel,
            user=user,
            wanted=1,
            shown=0,
            state="new",
            attempts=0,
            next_try_at=now,
            created_at=now,
        )

    def redraw(self, request_id: int, kinds: tuple[str, ...]) -> None:
        """Existing messages of a request must be shown anew."""
        c = t.outbox.c
        rows = select(c.subject).where(c.request_id == request_id, c.kind.in_(kinds), c.state != "gone")
        # A freeze redraws other people's requests: whoever locks several messages does it in one order.
        in_order = rows.order_by(c.subject).with_for_update()
        self._connection.execute(
            update(t.outbox).where(c.subject.in_(in_order)).values(wanted=t.outbox.c.wanted + 1)
        )

    def known(self, subject: str) -> bool:
        """Whether the subject was ever wanted."""
        query = select(t.outbox.c.subject).where(t.outbox.c.subject == subject)
        return self._connection.execute(query).first() is not None

    def due(self, now: datetime, limit: int) -> list[OutboxItem]:
        """What to send next; a reply only once its card is there, a ballot only once the whole plan is."""
        card, file = t.outbox.alias("card"), t.outbox.alias("file")
        has_card = exists().where(
            card.c.request_id == t.outbox.c.request_id, card.c.kind == "card", card.c.ts.is_not(None)
        )
        has_to_come = exists().where(
            file.c.request_id == t.outbox.c.request_id,
            file.c.revision == t.outbox.c.revision,
            file.c.kind == "plan-file",
            file.c.state.not_in(("posted", "gone")),
        )
        query = (
            select(t.outbox)
            .where(
                t.outbox.c.wanted > t.outbox.c.shown,
                t.outbox.c.state != "gone",
                t.outbox.c.next_try_at <= now,
                or_(t.outbox.c.kind.not_in(THREAD_KINDS), t.outbox.c.request_id.is_(None), has_card),
                or_(t.outbox.c.kind != "ballot", t.outbox.c.ts.is_not(None), ~has_to_come),
            )
            .order_by(case(_RANK, value=t.outbox.c.kind, else_=9), t.outbox.c.created_at, t.outbox.c.subject)
            .limit(limit)
        )
        return [_item(row) for row in self._connection.execute(query)]

    def at(self, channel: str, ts: str) -> OutboxItem | None:
        """Which of our messages this is."""
        query = select(t.outbox).where(t.outbox.c.channel == channel, t.outbox.c.ts == ts)
        row = self._connection.execute(query).first()
        return None if row is None else _item(row)

    def card_ts(self, request_id: int) -> str | None:
        """Where the thread of a request begins."""
        query = select(t.outbox.c.ts).where(t.outbox.c.request_id == request_id, t.outbox.c.kind == "card")
        return self._connection.execute(query).scalar_one_or_none()

    def plan_file(self, request_id: int, revision: int) -> OutboxItem | None:
        """The message that carries the whole plan of a revision."""
        c = t.outbox.c
        query = select(t.outbox).where(
            c.request_id == request_id, c.revision == revision, c.kind == "plan-file"
        )
        row = self._connection.execute(query).first()
        return None if row is None else _item(row)

    def set(self, subject: str, **changes: Any) -> None:
        """Note what happened to a message."""
        self._connection.execute(update(t.outbox).where(t.outbox.c.subject == subject).values(**changes))

    def later(self, subject: str, next_try_at: datetime) -> None:
        """Try again at a time; counts the attempt."""
        self.set(subject, next_try_at=next_try_at, attempts=t.outbox.c.attempts + 1)

    def ballots(self) -> list[OutboxItem]:
        """Posted ballots that still count."""
        query = (
            select(t.outbox)
            .join(
                t.requests,
                and_(t.requests.c.id == t.outbox.c.request_id, t.requests.c.revision == t.outbox.c.revision),
            )
            .where(
                t.outbox.c.kind == "ballot",
                t.outbox.c.state == "posted",
                t.requests.c.state.in_([State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE]),
            )
        )
        return [_item(row) for row in self._connection.execute(query)]

    def notes(self, request_id: int) -> int:
        """How many notes a thread has."""
        query = (
            select(func.count())
            .select_from(t.outbox)
            .where(t.outbox.c.request_id == request_id, t.outbox.c.kind == "note")
        )
        return int(self._connection.execute(query).scalar_one())


class Roster:
    """Questions of the worker about people, and the bot's answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, nonce: str, users: tuple[str, ...], groups: tuple[str, ...], now: datetime) -> None:
        """Put a question; the nonce ties the answer to it."""
        self._connection.execute(
            insert(t.roster_questions).values(
                nonce=nonce, users=list(users), groups=list(groups), asked_at=now
            )
        )

    def questions(self) -> list[RosterQuestion]:
        """Unanswered questions, newest first."""
        query = (
            select(t.roster_questions)
            .where(t.roster_questions.c.answered_at.is_(None))
            .order_by(t.roster_questions.c.asked_at.desc())
            .limit(20)
        )
        return [
            RosterQuestion(row.nonce, tuple(row.users), tuple(row.groups), row.asked_at)
            for row in self._connection.execute(query)
        ]

    def answer(self, nonce: str, facts: RosterFacts, now: datetime) -> None:
        """Answer a question once."""
        data = {
            "people": {user: {**vars(person), "name": ""} for user, person in facts.people.items()},
            "groups": {group: list(users) for group, users in facts.groups.items()},
        }
        self._connection.execute(
            update(t.roster_questions)
            .where(t.roster_questions.c.nonce == nonce, t.roster_questions.c.answered_at.is_(None))
            .values(answer=data, answered_at=now)
        )

    def answered(self, nonce: str) -> tuple[RosterFacts, datetime] | None:
        """The answer to a question and when the question was put; None while there is none."""
        query = select(t.roster_questions).where(t.roster_questions.c.nonce == nonce)
        row = self._connection.execute(query).one_or_none()
        if row is None or row.answered_at is None:
            return None
        people = {user: PersonFacts(**facts) for user, facts in row.answer["people"].items()}
        groups = {group: tuple(users) for group, users in row.answer["groups"].items()}
        return RosterFacts(people, groups), row.asked_at

    def asked(self, nonce: str) -> frozenset[str]:
        """The people whom a question was about by name; nobody when it is gone."""
        query = select(t.roster_questions.c.users).where(t.roster_questions.c.nonce == nonce)
        return frozenset(self._connection.execute(query).scalar_one_or_none() or ())

    def open_since(self, nonce: str) -> datetime | None:
        """When a question that is still open was put; None when it is answered or gone."""
        query = select(t.roster_questions.c.asked_at).where(
            t.roster_questions.c.nonce == nonce, t.roster_questions.c.answered_at.is_(None)
        )
        return self._connection.execute(query).scalar_one_or_none()

    def waiting_since(self) -> datetime | None:
        """When the oldest question that is still open was put."""
        query = select(func.min(t.roster_questions.c.asked_at)).where(
            t.roster_questions.c.answered_at.is_(None)
        )
        found: datetime | None = self._connection.execute(query).scalar_one()
        return found

    def last_answer(self) -> datetime | None:
        """When the newest answer came."""
        query = select(func.max(t.roster_questions.c.answered_at))
        found: datetime | None = self._connection.execute(query).scalar_one()
        return found

    def prune(self, before: datetime) -> None:
        """Forget old questions."""
        self._connection.execute(delete(t.roster_questions).where(t.roster_questions.c.asked_at < before))


#: In the facts of a process that ended as it should.
_LEFT = "left"


class Processes:
    """Who is alive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def beat(self, kind: str, process_id: str, facts: Mapping[str, Any], now: datetime) -> None:
        """I am here."""
        put_row(self._connection, t.processes, kind=kind, id=process_id, facts=dict(facts), seen_at=now)

    def leave(self, kind: str, process_id: str) -> None:
        """I am going; what I did is known for a while, because I may only be starting again."""
        mine = (t.processes.c.kind == kind, t.processes.c.id == process_id)
        facts = self._connection.execute(select(t.processes.c.facts).where(*mine)).scalar()
        if facts is not None:
            self._connection.execute(update(t.processes).where(*mine).values(facts={**facts, _LEFT: True}))

    def alive(self, kind: str, now: datetime, within: timedelta) -> list[Mapping[str, Any]]:
        """Facts of the processes seen lately, without those that have left."""
        return [facts for facts in self.seen(kind, now, within) if not facts.get(_LEFT)]

    def seen(self, kind: str, now: datetime, within: timedelta) -> list[Mapping[str, Any]]:
        """Facts of the processes seen lately, with those that have left."""
        query = select(t.processes.c.facts).where(
            t.processes.c.kind == kind, t.processes.c.seen_at >= now - within
        )
        return [dict(facts) for facts in self._connection.execute(query).scalars()]


def _item(row: Row[Any]) -> OutboxItem:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    return OutboxItem(**{name: values[name] for name in OutboxItem.__dataclass_fields__})
