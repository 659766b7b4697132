"""Requests, their revisions and their votes."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from bot.model import quorums
from bot.model.bounds import Bounds
from bot.model.requests import (
    Choice,
    Operation,
    Proof,
    Request,
    Revision,
    RuleSpec,
    State,
    Vote,
)
from bot.store import tables as t
from bot.store.database import put_row

#: Any fixed number that no other lock of ours uses.
_NUMBER_LOCK = 0x6E756D626572


class Requests:
    """The collection of requests; every change goes through ``save``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, **values: Any) -> int:
        """Insert a request in state planning; returns its id."""
        row = {
            "state": State.PLANNING,
            "revision": 0,
            "outcome_params": {},
            "preview": False,
            **values,
        }
        result = self._connection.execute(insert(t.requests).values(row).returning(t.requests.c.id))
        return int(result.scalar_one())

    def get(self, request_id: int) -> Request | None:
        """One request as it stands."""
        row = self._connection.execute(select(t.requests).where(t.requests.c.id == request_id)).one_or_none()
        return None if row is None else _request(row)

    def lock(self, request_id: int) -> Request | None:
        """One request, locked until the end of the transaction: the first thing every move does."""
        query = select(t.requests).where(t.requests.c.id == request_id).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _request(row)

    def by_number(self, number: int) -> Request | None:
        """The request that people call #number."""
        row = self._connection.execute(select(t.requests).where(t.requests.c.number == number)).one_or_none()
        return None if row is None else _request(row)

    def in_states(self, states: Iterable[State], limit: int = 1000) -> list[Request]:
        """Requests in any of the states, oldest first."""
        query = (
            select(t.requests)
            .where(t.requests.c.state.in_([str(state) for state in states]))
            .order_by(t.requests.c.id)
            .limit(limit)
        )
        return [_request(row) for row in self._connection.execute(query)]

    def restores_of(self, backup_id: str) -> list[Request]:
        """Requests that restore from this backup, in any state, oldest first."""
        query = (
            select(t.requests)
            .where(t.requests.c.backup_id == backup_id, t.requests.c.operation == Operation.RESTORE)
            .order_by(t.requests.c.id)
        )
        return [_request(row) for row in self._connection.execute(query)]

    def undoing(self, number: int) -> list[Request]:
        """Requests that take restore #``number`` back, in any state, oldest first."""
        query = select(t.requests).where(t.requests.c.undoes == number).order_by(t.requests.c.id)
        return [_request(row) for row in self._connection.execute(query)]

    def save(self, request_id: int, was: State, **changes: Any) -> bool:
        """Change a request that is still in state ``was``; False when somebody else was first."""
        result = self._connection.execute(
            update(t.requests)
            .where(t.requests.c.id == request_id, t.requests.c.state == was)
            .values(**changes)
        )
        return result.rowcount == 1

    def next_number(self) -> int:
        """The next number that people read; numbers are never used twice."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(select(func.pg_advisory_xact_lock(_NUMBER_LOCK)))
        taken = self._connection.execute(select(func.max(t.requests.c.number))).scalar_one_or_none()
        return int(taken or 0) + 1

    def nonce(self, request_id: int) -> str | None:
        """The roster question this request waits for while it is planned."""
        query = select(t.requests.c.nonce).where(t.requests.c.id == request_id)
        return self._connection.execute(query).scalar_one_or_none()

    def set_nonce(self, request_id: int, nonce: str | None) -> None:
        """Remember the roster question."""
        self._connection.execute(update(t.requests).where(t.requests.c.id == request_id).values(nonce=nonce))

    def add_revision(self, revision: Revision) -> None:
        """Keep one plan with the rule it must satisfy."""
        self._connection.execute(
            insert(t.revisions).values(
                request_id=revision.request_id,
                revision=revision.revision,
                digest=revision.digest,
                plan=dict(revision.plan),
                rule=rule_data(revision.rule),
                created_at=revision.created_at,
            )
        )

    def revision(self, request_id: int, number: int) -> Revision | None:
        """One plan of a request."""
        query = select(t.revisions).where(
            t.revisions.c.request_id == request_id, t.revisions.c.revision == number
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _revision(row)


class Votes:
    """One word per person and revision."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, request_id: int, revision: int) -> tuple[Vote, ...]:
        """The votes on one revision, oldest first."""
        query = (
            select(t.votes)
            .where(t.votes.c.request_id == request_id, t.votes.c.revision == revision)
            .order_by(t.votes.c.at, t.votes.c.user)
        )
        return tuple(_vote(row) for row in self._connection.execute(query))

    def put(self, vote: Vote) -> None:
        """Set one person's word, replacing an earlier one on the same revision."""
        put_row(self._connection, t.votes, **{**asdict(vote), "roles": list(vote.roles)})

    def drop(self, request_id: int, revision: int, user: str) -> bool:
        """Take one person's word back; False when there was none."""
        result = self._connection.execute(
            delete(t.votes).where(
                t.votes.c.request_id == request_id,
                t.votes.c.revision == revision,
                t.votes.c.user == user,
            )
        )
        return result.rowcount == 1

    def reaction(self, place: tuple[str, str], user: str, emoji: str) -> tuple[bool, str] | None:
        """What we last knew: (present, event_ts)."""
        query = select(t.reactions.c.present, t.reactions.c.event_ts).where(
            *_reaction_key(place, user, emoji)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (bool(row.present), str(row.event_ts))

    def set_reaction(
        self, place: tuple[str, str], user: str, emoji: str, present: bool, event_ts: str
    ) -> None:
        """Remember what Slack shows."""
        seen = {"present": present, "event_ts": event_ts}
        put_row(self._connection, t.reactions, channel=place[0], ts=place[1], user=user, emoji=emoji, **seen)

    def reactions_on(self, place: tuple[str, str]) -> dict[tuple[str, str], bool]:
        """(user, emoji) -> present, for one message."""
        query = select(t.reactions).where(t.reactions.c.channel == place[0], t.reactions.c.ts == place[1])
        return {(row.user, row.emoji): bool(row.present) for row in self._connection.execute(query)}


def _reaction_key(place: tuple[str, str], user: str, emoji: str) -> tuple[Any, ...]:
    c = t.reactions.c
    return c.channel == place[0], c.ts == place[1], c.user == user, c.emoji == emoji


def _request(row: Row[Any]) -> Request:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    values.pop("nonce")
    values["operation"] = Operation(values["operation"])
    values["state"] = State(values["state"])
    return Request(**values)


def rule_data(rule: RuleSpec) -> dict[str, Any]:
    """A rule in its stored form; ``rule_from`` reads it back."""
    return {
        **asdict(rule),
        "quorums": [quorums.to_data(one) for one in rule.quorums],
        "bounds": rule.bounds.to_data(),
    }


def rule_from(data: Mapping[str, Any]) -> RuleSpec:
    """A rule from its stored form, also from before there were quorums of several parts."""
    if "quorums" in data:
        asked = tuple(quorums.from_data(one) for one in data["quorums"])
    else:
        asked = (quorums.simple(*(quorums.SlotSpec(**slot) for slot in data["approve"])),)
    return RuleSpec(
        name=data["name"],
        request=tuple(data["request"]),
        quorums=asked,
        expires=data["expires"],
        cooling_off=data["cooling_off"],
        drift_rows=data["drift_rows"],
        proof=Proof(data.get("proof", Proof.REACTION)),
        confirm=bool(data.get("confirm", False)),
        bounds=Bounds.from_data(data.get("bounds")),
    )


def _revision(row: Row[Any]) -> Revision:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    return Revision(**{**values, "rule": rule_from(values["rule"])})


def _vote(row: Row[Any]) -> Vote:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    values["choice"] = Choice(values["choice"])
    values["proof"] = Proof(values["proof"])
    values["roles"] = tuple(values["roles"])
    return Vote(**values)
