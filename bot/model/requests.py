"""A request and what is decided about it. Nothing here is personal: labels and reasons live apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.model.bounds import Bounds
from bot.model.quorums import Quorum


class Operation(StrEnum):
    """What can be asked."""

    DELETE_RECORDS = "delete-records"
    RESTORE = "restore"
    TEARDOWN = "teardown"
    UNFREEZE = "unfreeze"


#: What a freeze forbids to start and halts while it runs; what brings something back always works.
DESTRUCTIVE = frozenset({Operation.DELETE_RECORDS, Operation.TEARDOWN})


class State(StrEnum):
    """Where a request stands; the moves between them are in ``bot.approvals.states``."""

    PLANNING = "planning"
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    RUNNING = "running"
    SET_ASIDE = "set-aside"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    FAILED = "failed"
    HELD = "held"


#: A request in one of these is over: its personal texts are erased and its messages redrawn without them.
CLOSED = frozenset(
    {
        State.SUCCEEDED,
        State.REFUSED,
        State.REJECTED,
        State.EXPIRED,
        State.CANCELLED,
        State.STOPPED,
        State.FAILED,
    }
)


class Choice(StrEnum):
    """What a vote says."""

    APPROVE = "approve"
    DENY = "deny"


class Proof(StrEnum):
    """How a vote was given; of a rule: what it takes at least, REACTION (or a click) or CODE."""

    REACTION = "reaction"
    CLICK = "click"
    CODE = "code"


@dataclass(frozen=True)
class Request:
    """One person's wish for one operation on one target.

    ``id`` is internal; ``number`` is what people read (#42), given when planning has succeeded.
    ``outcome`` is a catalogue key with ``outcome_params`` (no personal values) that says how it ended or why
    it waits. A ``preview`` is planned and shown to one person, and never decided.
    A teardown that is set aside waits until ``grace_until``; ``noticed_at``: people were told that this ends
    soon; ``put_back_by``: somebody wants everything back. ``expected``: how many rows the requester expects;
    ``reminded_at``: people were told that approvals are still missing. ``undoes``: the number of the restore
    that it takes back, or of the teardown whose leftovers it clears away.
    """

    id: int
    number: int | None
    operation: Operation
    target: str
    record: str | None
    backup_id: str | None
    requester: str
    origin_channel: str
    channel: str
    state: State
    revision: int
    created_at: datetime
    expires_at: datetime | None
    starts_at: datetime | None
    denied_by: str | None
    denied_until: datetime | None
    closed_at: datetime | None
    outcome: str | None
    outcome_params: Mapping[str, str | int]
    preview: bool
    grace_until: datetime | None = None
    noticed_at: datetime | None = None
    put_back_by: str | None = None
    expected: int | None = None
    reminded_at: datetime | None = None
    undoes: int | None = None


@dataclass(frozen=True)
class RuleSpec:
    """The rule a revision was filed under, frozen with it: a later policy can only make it harder.

    Every one of the ``quorums`` must be reached: that of the rule, then those of earlier policies that still
    bind. Durations are in seconds. ``proof``: what an approval takes at least; ``confirm``: the approver also
    types the target and the count.
    """

    name: str
    request: tuple[str, ...]
    quorums: tuple[Quorum, ...]
    expires: int
    cooling_off: int
    drift_rows: int
    proof: Proof = Proof.REACTION
    confirm: bool = False
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Revision:
    """One plan of a request, with the rule it must satisfy. ``plan`` is canonical JSON data."""

    request_id: int
    revision: int
    digest: str
    plan: Mapping[str, Any]
    rule: RuleSpec
    created_at: datetime

    @property
    def people(self) -> frozenset[str]:
        """Those whose own records it is about: they decide nothing about it."""
        return frozenset(self.plan.get("people") or ())


@dataclass(frozen=True)
class Vote:
    """One person's word on one revision, with the roles held when it was given.

    ``mark``: only the worker can make it, after it has checked a code.
    """

    request_id: int
    revision: int
    user: str
    choice: Choice
    proof: Proof
    at: datetime
    roles: tuple[str, ...]
    mark: str | None = None


@dataclass(frozen=True)
class Permit:
    """The single-use right to run one revision."""

    id: int
    request_id: int
    revision: int
    digest: str
    state: str
    expires_at: datetime
    nonce: str | None
    job_id: str | None
    issued_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        """Whether it counts: neither expired nor issued at a time that has yet to come.

        The latter means that a clock was set back, and nobody can say what has expired since.
        """
        return self.expires_at > now and (self.issued_at is None or self.issued_at <= now)


@dataclass(frozen=True)
class Freeze:
    """A target on which nothing may start."""

    target: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Tick:
    """What became of one copy of a plan, by its place there: open since then, or seen to by somebody."""

    place: int
    since: datetime
    done_by: str | None
    done_at: datetime | None
    reminded: bool
