"""Votes: by reaction or click, given and taken back, and what follows from them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.approvals import quorum
from bot.approvals.filing import check_person
from bot.approvals.ground import Ground, subject
from bot.errors import NotAllowed, Refused, Stale
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.requests import Choice, Proof, Request, Revision, State, Verdict, Vote
from bot.store.unit_of_work import Work

APPROVE_EMOJI = "white_check_mark"
DENY_EMOJI = "x"
DENY_FINAL_AFTER = timedelta(minutes=1)
PERMIT_LIFE = timedelta(hours=24)
_EMOJI = {APPROVE_EMOJI: Choice.APPROVE, DENY_EMOJI: Choice.DENY}
_OPEN = (State.PENDING, State.APPROVED, State.DENIED)


@dataclass(frozen=True)
class Ballot:
    """What a vote is on: the locked request and its newest revision."""

    request: Request
    revision: Revision


def verdict(revision: Revision, votes: tuple[Vote, ...]) -> Verdict:
    """What the votes on a revision amount to, by the roles held when they were given."""
    voters = [quorum.Voter(v.user, frozenset(v.roles)) for v in votes if v.choice is Choice.APPROVE]
    return quorum.decide(revision.rule.approve, voters)


def vote(  # noqa: PLR0913 - a vote has this many facts
    ground: Ground,
    work: Work,
    where: tuple[int, int],
    choice: Choice,
    proof: Proof,
    actor: Actor,
    now: datetime,
) -> Answer:
    """One person says yes or no to one revision.

    Args:
        ground: configuration and randomness.
        work: the open transaction.
        where: request id and revision that the ballot shows.
        choice: approve or deny.
        proof: how it was said.
        actor: who says it.
        now: the time.

    Raises:
        Refused: the ballot is old, the request moved on, or this person may not decide it.
    """
    ballot = _open_ballot(ground, work, where, now)
    _check_voter(ground, ballot, actor)
    roles = tuple(sorted(actor.roles))
    before = next((v for v in work.votes.of(*where) if v.user == actor.user), None)
    if before and before.choice is choice:
        return Answer("vote.already", {"number": _number(ballot.request)})
    work.votes.put(Vote(where[0], where[1], actor.user, choice, proof, now, roles))
    ground.log(
        work,
        "vote",
        ballot.request,
        {
            "by": actor.user,
            "choice": str(choice),
            "proof": str(proof),
            "revision": where[1],
            "roles": list(roles),
        },
        now,
    )
    if choice is Choice.DENY:
        return _deny(ground, work, ballot, actor, now)
    return _approve(ground, work, ballot, actor, now)


def withdraw(ground: Ground, work: Work, where: tuple[int, int], actor: Actor, now: datetime) -> Answer:
    """One person takes the vote back, as long as the job has not started.

    Raises:
        Refused: there is nothing to take back, or it is too late.
    """
    ballot = _open_ballot(ground, work, where, now)
    request = ballot.request
    if not work.votes.drop(where[0], where[1], actor.user):
        raise Stale("vote.nothing-to-withdraw", number=_number(request))
    ground.log(work, "vote-withdrawn", request, {"by": actor.user, "revision": where[1]}, now)
    if request.state is State.DENIED and request.denied_by == actor.user:
        request = ground.change(work, request, "take-back", now, denied_by=None, denied_until=None)
        settle(ground, work, Ballot(request, ballot.revision), now)
    elif request.state is State.APPROVED and not verdict(ballot.revision, work.votes.of(*where)).reached:
        back_to_pending(ground, work, request, "withdraw", now)
    ground.redraw(work, request)
    return Answer("vote.withdrawn", {"number": _number(request)})


def back_to_pending(ground: Ground, work: Work, request: Request, event: str, now: datetime) -> Request:
    """The quorum is no longer there: the permit is void and the ballot open again."""
    work.permits.void(request.id)
    return ground.change(work, request, event, now, starts_at=None)


def reaction(  # noqa: PLR0913 - an event has this many facts
    ground: Ground,
    work: Work,
    place: tuple[str, str],
    emoji: str,
    added: bool,
    event_ts: str,
    actor: Actor,
    now: datetime,
) -> Answer | None:
    """A reaction was put on a message or taken off; None when that needs no answer.

    Events come late, twice and out of order: what counts is the newest ``event_ts`` for this person and emoji.
    """
    item = work.outbox.at(*place)
    if item is None or item.request_id is None:
        return None
    name = emoji.split("::", maxsplit=1)[0]
    if item.kind != "ballot" or name not in _EMOJI:
        if added:
            key = "vote.other-emoji" if item.kind == "ballot" else "vote.not-the-ballot"
            _tell_once(ground, work, place, actor, Answer(key), now)
        return None
    if not _is_news(work, place, actor.user, name, added, event_ts):
        return None
    where = (item.request_id, item.revision or 0)
    try:
        with work.savepoint():
            if added:
                return vote(ground, work, where, _EMOJI[name], Proof.REACTION, actor, now)
            return _taken_off(ground, work, place, where, _EMOJI[name], actor, now)
    except Refused as refusal:
        request = work.requests.get(item.request_id)
        ground.log(work, "vote-refused", request, {"by": actor.user, "why": refusal.key}, now)
        if added:
            _tell_once(ground, work, place, actor, Answer(refusal.key, refusal.params), now)
        return None


def _is_news(work: Work, place: tuple[str, str], user: str, name: str, added: bool, event_ts: str) -> bool:
    """Remember what Slack shows; whether it differs from what we knew."""
    known = work.votes.reaction(place, user, name)
    if known is not None and _older(event_ts, known[1]):
        return False
    work.votes.set_reaction(place, user, name, added, event_ts)
    return known is None or known[0] != added


def deny_reason(
    ground: Ground, work: Work, request_id: int, text: str, actor: Actor, now: datetime
) -> Answer:
    """Why somebody denied; the requester reads it in private, the card while the request is open.

    Raises:
        Refused: this person did not deny it.
    """
    request = ground.lock(work, request_id)
    if request.denied_by != actor.user or request.state not in (State.DENIED, State.REJECTED):
        raise Stale("vote.not-your-denial")
    if request.state is State.DENIED:
        ground.keep(work, subject(request.id), "deny_reason", text, now)
        ground.redraw(work, request)
    told = Answer("vote.denied-because", {"number": _number(request), "user": actor.user, "text": text})
    ground.tell(work, request.requester, request.origin_channel, told, now)
    ground.log(work, "deny-reason", request, {"by": actor.user}, now)
    return Answer("vote.reason-kept", {"number": _number(request)})


def settle(ground: Ground, work: Work, ballot: Ballot, now: datetime) -> bool:
    """When the votes fill every slot: issue the permit. Returns whether they do."""
    request, revision = ballot.request, ballot.revision
    if request.state is not State.PENDING:
        return False
    if not verdict(revision, work.votes.of(request.id, revision.revision)).reached:
        return False
    starts_at = now + timedelta(seconds=revision.rule.cooling_off)
    work.permits.issue(request.id, revision.revision, revision.digest, starts_at + PERMIT_LIFE)
    ground.change(work, request, "approve", now, starts_at=starts_at)
    return True


def _open_ballot(ground: Ground, work: Work, where: tuple[int, int], now: datetime) -> Ballot:
    request = ground.lock(work, where[0])
    if request.state not in _OPEN:
        key = "vote.running" if request.state is State.RUNNING else "vote.closed"
        raise Stale(key, number=_number(request), state=str(request.state))
    if request.revision != where[1]:
        raise Stale("vote.old-ballot", number=_number(request))
    if request.state is State.PENDING and request.expires_at is not None and now >= request.expires_at:
        raise Stale("vote.expired", number=_number(request))
    revision = work.requests.revision(request.id, request.revision)
    assert revision is not None
    return Ballot(request, revision)


def _check_voter(ground: Ground, ballot: Ballot, actor: Actor) -> None:
    check_person(actor, ground.config)
    if actor.user == ballot.request.requester:
        raise NotAllowed("vote.own-request", number=_number(ballot.request))
    wanted = {slot.role for slot in ballot.revision.rule.approve}
    if not wanted & actor.roles:
        raise NotAllowed("vote.no-slot", number=_number(ballot.request), roles=", ".join(sorted(wanted)))


def _approve(ground: Ground, work: Work, ballot: Ballot, actor: Actor, now: datetime) -> Answer:
    request = ballot.request
    number = _number(request)
    if request.state is State.DENIED and request.denied_by == actor.user:
        request = ground.change(work, request, "take-back", now, denied_by=None, denied_until=None)
    elif request.state is State.DENIED:
        ground.redraw(work, request)
        return Answer("vote.approved-but-denied", {"number": number, "user": request.denied_by or ""})
    reached = settle(ground, work, Ballot(request, ballot.revision), now)
    ground.redraw(work, request)
    return Answer("vote.approved-all" if reached else "vote.approved", {"number": number})


def _deny(ground: Ground, work: Work, ballot: Ballot, actor: Actor, now: datetime) -> Answer:
    request = ballot.request
    number = _number(request)
    if request.state is State.DENIED:
        ground.redraw(work, request)
        return Answer("vote.denied-too", {"number": number})
    work.permits.void(request.id)
    ground.change(
        work,
        request,
        "deny",
        now,
        starts_at=None,
        denied_by=actor.user,
        denied_until=now + DENY_FINAL_AFTER,
    )
    return Answer("vote.denied", {"number": number}, button="deny-reason", value=str(request.id))


def _taken_off(  # noqa: PLR0913 - an event has this many facts
    ground: Ground,
    work: Work,
    place: tuple[str, str],
    where: tuple[int, int],
    choice: Choice,
    actor: Actor,
    now: datetime,
) -> Answer | None:
    """A ✅ or ❌ was removed: its vote goes, and the other reaction counts if it is still there."""
    mine = next((v for v in work.votes.of(*where) if v.user == actor.user), None)
    if mine is None or mine.choice is not choice:
        return None
    answer = withdraw(ground, work, where, actor, now)
    other = DENY_EMOJI if choice is Choice.APPROVE else APPROVE_EMOJI
    still = work.votes.reaction(place, actor.user, other)
    if still is not None and still[0]:
        return vote(ground, work, where, _EMOJI[other], Proof.REACTION, actor, now)
    return answer


def _tell_once(
    ground: Ground, work: Work, place: tuple[str, str], actor: Actor, answer: Answer, now: datetime
) -> None:
    once = f"once:{place[0]}:{place[1]}:{actor.user}:{answer.key}"
    ground.tell(work, actor.user, place[0], answer, now, once=once)


def _older(event_ts: str, known: str) -> bool:
    try:
        return float(event_ts) <= float(known)
    except ValueError:
        return True


def _number(request: Request) -> int:
    return request.number or 0
