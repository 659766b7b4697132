"""The canary: before the worker takes work, its own gate has to refuse what must never run.

Not a mock: the function that guards real jobs is asked on our real database, about a request that has
everything a real one has but for one thing. Each case lies in a transaction that is always undone, under ids
that nothing real can have, so nobody ever sees it. A last case lacks nothing and has to be let through:
a gate that refuses that one too would prove nothing by the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog

from bot.approvals import execution, revisions
from bot.approvals.ground import Ground
from bot.config.types import Config
from bot.errors import BooksDown, whereabouts
from bot.jobs.permit import Gate
from bot.model.jobs import Canary, JobState
from bot.model.people import PersonFacts, RosterFacts
from bot.model.plans import Plan
from bot.model.requests import Choice, Operation, Permit, Proof, State, Vote
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)

Take = Callable[[Ground, Work, str, datetime], Gate]

#: Nobody's: ids count from 1, and names of targets begin with a letter or a digit.
REQUEST, JOB, TARGET = -1, ":canary:", ":canary:"
_ROLE = "canary"
_ASKS, _AGREES, _OWNS = _PEOPLE = "U0CANARYASKS", "U0CANARYAGREES", "U0CANARYOWNS"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Bird:
    """One case: everything a job needs, but for what ``lacks`` takes away."""

    work: Work
    permit: Permit
    now: datetime


@dataclass(frozen=True)
class Proven:
    """What is known of the gate; ``cases`` went wrong."""

    found: Canary
    cases: tuple[str, ...] = ()


def _nothing(_: Bird) -> None:
    """The job lacks nothing."""


def _no_permit(bird: Bird) -> None:
    bird.work.permits.void(REQUEST)


def _used(bird: Bird) -> None:
    bird.work.permits.consume(bird.permit, f"{JOB}other", bird.now)


def _other_digest(bird: Bird) -> None:
    _issue(bird.work, "0" * 64, bird.now + _HOUR, bird.permit.nonce, bird.now)


def _expired(bird: Bird) -> None:
    _issue(bird.work, bird.permit.digest, bird.now, bird.permit.nonce, bird.now)


def _early(bird: Bird) -> None:
    """Issued at a time that has yet to come: a clock was set back."""
    later = bird.now + timedelta(microseconds=1)
    _issue(bird.work, bird.permit.digest, bird.now + _HOUR, bird.permit.nonce, later)


def _requester_only(bird: Bird) -> None:
    _no_votes(bird)
    _vote(bird.work, _ASKS, bird.now)


def _own_account_only(bird: Bird) -> None:
    _no_votes(bird)
    _vote(bird.work, _OWNS, bird.now)


def _no_votes(bird: Bird) -> None:
    bird.work.votes.drop(REQUEST, 1, _AGREES)


#: case -> what is taken away; the gate has to refuse each.
LACKS: Mapping[str, Callable[[Bird], None]] = MappingProxyType(
    {
        "no-permit": _no_permit,
        "used-permit": _used,
        "other-digest": _other_digest,
        "expired-permit": _expired,
        "early-permit": _early,
        "requester-only": _requester_only,
        "own-account-only": _own_account_only,
        "no-votes": _no_votes,
        "no-code": _nothing,
    }
)
#: The rule of this case asks for a code; the vote is a click.
BY_CODE = "no-code"
WHOLE = "whole"


def prove(store: Store, config: Config, take: Take, now: datetime) -> Proven:
    """Ask the gate about every case; leaves no trace in our database.

    Raises:
        BooksDown: our own database cannot be used.
    """
    ground, by_code = (Ground(_settings(config, proof), bytes) for proof in (Proof.REACTION, Proof.CODE))
    grounds = {BY_CODE: by_code}
    try:
        let_through = tuple(
            name
            for name, lacks in LACKS.items()
            if _passes(store, grounds.get(name, ground), take, lacks, now)
        )
        if let_through:
            return Proven(Canary.LET_THROUGH, let_through)
        whole = _passes(store, ground, take, _nothing, now)
    except BooksDown:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, a gate that cannot be asked proves nothing
        # The text of the error may hold values of rows.
        log.error("the canary could not be asked", action="canary", error=whereabouts(error))  # noqa: TRY400
        return Proven(Canary.UNCLEAR, ("error",))
    return Proven(Canary.REFUSED) if whole else Proven(Canary.UNCLEAR, (WHOLE,))


def _passes(store: Store, ground: Ground, take: Take, lacks: Callable[[Bird], None], now: datetime) -> bool:
    with store.rehearse() as work:
        lacks(Bird(work, _hatch(work, ground, now), now))
        gate = take(ground, work, JOB, now)
        job = work.jobs.get(JOB)
        # Whatever it says, it has let the job through when the job may go on or holds a permit.
        stands = job is not None and job.state in (JobState.QUEUED, JobState.TURNED_AWAY)
        return gate == Gate.GO or not stands or work.permits.of_job(JOB) is not None


def _settings(config: Config, proof: Proof) -> Config:
    """One rule and one role. Of the real file only the workspace counts.

    Whatever else stands there, a holiday or a stricter rule, must not turn a case away before that does.
    """
    rule = {
        "name": _ROLE,
        "when": {"operation": str(Operation.DELETE_RECORDS)},
        "request": [_ROLE],
        "approve": [f"1 of {_ROLE}"],
        "proof": str(proof),
    }
    return Config.model_validate(
        {
            "workspace": config.workspace,
            "channel": config.channel,
            "roles": {_ROLE: {"users": list(_PEOPLE)}},
            "targets": {_ROLE: {"database": {"url": "sqlite:///none"}}},
            "rules": [rule],
        }
    )


def _hatch(work: Work, ground: Ground, now: datetime) -> Permit:
    """An approved request whose job waits at the gate, with a fresh answer about its people."""
    plan = _plan()
    work.requests.add(
        id=REQUEST,
        operation=plan.operation,
        target=TARGET,
        record=None,
        backup_id=None,
        requester=_ASKS,
        origin_channel="",
        channel="",
        created_at=now,
        state=State.APPROVED,
        revision=1,
        starts_at=now,
        expires_at=now + _HOUR,
    )
    rule = execution.spec(ground.config.rules[0])
    asked = work.requests.get(REQUEST)
    assert asked is not None
    revision = revisions.make(asked, 1, plan.to_data(), rule, now)
    work.requests.add_revision(revision)
    _vote(work, _AGREES, now)
    people = {user: PersonFacts(user, ground.config.workspace, "") for user in _PEOPLE}
    work.roster.ask(JOB, _PEOPLE, (), now)
    work.roster.answer(JOB, RosterFacts(people, {}), now)
    work.jobs.add(JOB, REQUEST, 1, TARGET)
    return _issue(work, revision.digest, now + _HOUR, JOB, now)


def _plan() -> Plan:
    return replace(Plan.bare(Operation.DELETE_RECORDS, TARGET), people=(_OWNS,))


def _vote(work: Work, user: str, now: datetime) -> None:
    work.votes.put(Vote(REQUEST, 1, user, Choice.APPROVE, Proof.CLICK, now, (_ROLE,)))


def _issue(work: Work, digest: str, expires_at: datetime, nonce: str | None, now: datetime) -> Permit:
    """A permit that waits for an answer that is there."""
    work.permits.issue(REQUEST, 1, digest, expires_at, now)
    issued = work.permits.ready(REQUEST)
    assert issued is not None
    work.permits.ask(issued.id, nonce)
    return replace(issued, nonce=nonce)
