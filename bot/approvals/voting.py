"""Votes: given and taken back, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.approvals import intents, quorum, starting
from bot.approvals.aside import may_go_on, what_waits
from bot.approvals.filing import check_person
from bot.approvals.ground import Ground, subject
from bot.approvals.voters import check_voter
from bot.errors import Stale
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.proofs import Intent
from bot.model.quorums import Verdict
from bot.model.requests import Choice, Proof, Request, Revision, State, Vote
from bot.store.unit_of_work import Work

DENY_FINAL_AFTER = timedelta(minutes=1)
#: While a system is set aside, its votes still count: they decide again when the grace period is over.
_OPEN = (State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE)
#: Held: half removed, see ``aside.may_go_on``; no other request that stands still has votes.
_ASIDE = (State.SET_ASIDE, State.HELD)


@dataclass(frozen=True)
class Ballot:
    """What a vote is on: the locked request and its newest revision."""

    request: Request
    revision: Revision


def verdict(revision: Revision, votes: tuple[Vote, ...]) -> Verdict:
    """What the votes on a revision amount to, by the roles held when they were given."""
    return quorum.decide(revision.rule.quorums, _voters(revision, votes))


def _voters(revision: Revision, votes: Sequence[Vote]) -> list[quorum.Voter]:
    return [quorum.Voter(one.user, frozenset(one.roles)) for one in votes if counts(revision, one)]


def counts(revision: Revision, vote: Vote) -> bool:
    """Whether it is a yes, proven as the rule asks, of somebody whose own records this is not about."""
    proven = vote.proof is Proof.CODE or revision.rule.proof is not Proof.CODE
    return vote.choice is Choice.APPROVE and proven and vote.user not in revision.people


def vote(  # noqa: PLR0913 - a vote has this many facts
    ground: Ground,
    work: Work,
    where: tuple[int, int],
    choice: Choice,
    proof: Proof,
    actor: Actor,
    now: datetime,
) -> Answer:
    """One person says yes or no to one revision; where the rule asks for a code, a yes is a wish first.

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
    ballot = ready(ground, work, where, actor, choice, now)
    mine = Vote(where[0], where[1], actor.user, choice, proof, now, tuple(sorted(actor.roles)))
    if choice is Choice.APPROVE and intents.wanted(ground.config, ballot.request, ballot.revision).code:
        wish = Intent(*where, actor.user, proof, now, mine.roles)
        return intents.keep(ground, work, ballot.request, wish, now)
    given = work.votes.of(*where)
    stood = verdict(ballot.revision, given)
    if _is_said(ballot, given, mine):
        return Answer("vote.already", {"number": _number(ballot.request)})
    _check_taking_back(ballot, _word_of(given, actor.user), now)
    work.votes.put(mine)
    ground.log(
        work,
        "vote",
        ballot.request,
        {
            "by": actor.user,
            "choice": str(choice),
            "proof": str(proof),
            "revision": where[1],
            "roles": list(mine.roles),
        },
        now,
    )
    if choice is Choice.DENY:
        intents.take_back(ground, work, ballot.request, actor.user, now)
        return _deny(ground, work, ballot, actor, now)
    answer = _approve(ground, work, ballot, actor, now)
    _note_stage(ground, work, ballot, stood, now)
    return answer


def ready(
    ground: Ground, work: Work, where: tuple[int, int], actor: Actor, choice: Choice, now: datetime
) -> Ballot:
    """The ballot, locked, when it is open and this person may decide on it.

    Raises:
        Refused: the ballot is old, the request moved on, or this person may not decide it.
    """
    ballot = _open_ballot(ground, work, where, now)
    if ballot.request.state is not State.APPROVED and is_late(ballot.request, now):
        raise Stale("vote.expired", number=_number(ballot.request))
    voters = _voters(ballot.revision, work.votes.of(*where))
    check_voter(ground.config, ballot.request, ballot.revision, actor, choice, voters)
    return ballot


def proven(ground: Ground, work: Work, ballot: Ballot, given: Vote, actor: Actor, now: datetime) -> Answer:
    """A vote whose code the worker has checked takes the place of the wish."""
    before = work.votes.of(given.request_id, given.revision)
    _check_taking_back(ballot, _word_of(before, actor.user), now)
    work.intents.drop(given.request_id, given.revision, given.user)
    work.votes.put(given)
    body = {
        "by": given.user,
        "choice": str(given.choice),
        "proof": str(given.proof),
        "revision": given.revision,
        "roles": list(given.roles),
        "mark": given.mark,
    }
    ground.log(work, "vote", ballot.request, body, now)
    answer = _approve(ground, work, ballot, actor, now)
    _note_stage(ground, work, ballot, verdict(ballot.revision, before), now)
    return answer


def withdraw(ground: Ground, work: Work, where: tuple[int, int], actor: Actor, now: datetime) -> Answer:
    """One person takes the vote back, as long as the job has not started.

    Raises:
        Refused: there is nothing to take back, or it is too late.
    """
    check_person(actor, ground.config)
    ballot = _open_ballot(ground, work, where, now)
    request = ballot.request
    if request.state is State.PENDING and is_late(request, now):
        raise Stale("vote.expired", number=_number(request))
    _check_taking_back(ballot, _word_of(work.votes.of(*where), actor.user), now)
    wished = intents.take_back(ground, work, request, actor.user, now)
    if not work.votes.drop(where[0], where[1], actor.user):
        if wished:
            return Answer("vote.withdrawn", {"number": _number(request)})
        raise Stale("vote.nothing-to-withdraw", number=_number(request))
    ground.log(work, "vote-withdrawn", request, {"by": actor.user, "revision": where[1]}, now)
    if request.state is State.DENIED and request.denied_by == actor.user:
        request = _take_back(ground, work, ballot, now)
        settle(ground, work, Ballot(request, ballot.revision), now)
    elif request.state is State.APPROVED and not is_reached(work, ballot):
        back_to_pending(ground, work, request, "withdraw", now)
    ground.redraw(work, request)
    return Answer("vote.withdrawn", {"number": _number(request)})


def back_to_pending(ground: Ground, work: Work, request: Request, event: str, now: datetime) -> Request:
    """The quorum is no longer there: the permit is void and the ballot open again."""
    work.permits.void(request.id)
    return ground.change(work, request, event, now, starts_at=None)


def deny_reason(
    ground: Ground, work: Work, request_id: int, text: str, actor: Actor, now: datetime
) -> Answer:
    """Why somebody denied; the requester reads it in private, the card while the request is open.

    Raises:
        Refused: this person did not deny it, or is nobody here any more.
    """
    request = ground.lock(work, request_id)
    check_person(actor, ground.config)
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
    if request.state is not State.PENDING or not is_reached(work, ballot):
        return False
    earliest = now + timedelta(seconds=revision.rule.cooling_off)
    found = starting.next_start(ground.config, request, revision, earliest)
    if found is None:
        starting.never(ground, work, request, now)
        return False
    work.permits.issue(request.id, revision.revision, revision.digest, found[1], now)
    ground.change(work, request, "approve", now, starts_at=found[0])
    return True


def is_reached(work: Work, ballot: Ballot) -> bool:
    """Whether nobody denies and the approvals that came in time fill every slot."""
    request = ballot.request
    votes = work.votes.of(request.id, ballot.revision.revision)
    if any(one.choice is Choice.DENY for one in votes):
        return False
    timely = tuple(one for one in votes if not is_late(request, one.at))
    return verdict(ballot.revision, timely).reached


def is_late(request: Request, at: datetime) -> bool:
    """Whether something said at ``at`` came after the end of the vote; while set aside, there is no end."""
    if request.state in _ASIDE:
        return False
    return request.expires_at is not None and at >= request.expires_at


def _open_ballot(ground: Ground, work: Work, where: tuple[int, int], now: datetime) -> Ballot:
    request = ground.lock(work, where[0])
    if request.state not in _OPEN and not may_go_on(work, request):
        key = "vote.running" if request.state is State.RUNNING else "vote.closed"
        raise Stale(key, number=_number(request), state=str(request.state))
    if request.revision != where[1]:
        raise Stale("vote.old-ballot", number=_number(request))
    if request.denied_until is not None and now >= request.denied_until:
        raise Stale("vote.closed", number=_number(request), state=str(request.state))
    revision = work.requests.revision(request.id, request.revision)
    assert revision is not None
    return Ballot(request, revision)


def _word_of(given: Sequence[Vote], user: str) -> Vote | None:
    return next((one for one in given if one.user == user), None)


def _check_taking_back(ballot: Ballot, word: Vote | None, now: datetime) -> None:
    """Each denial has a minute of its own; one from the future shows a clock set back, and doubt means no."""
    request = ballot.request
    if word is None or word.choice is not Choice.DENY or request.state is not State.DENIED:
        return
    if not timedelta(0) <= now - word.at < DENY_FINAL_AFTER:
        raise Stale("vote.closed", number=_number(request), state=str(request.state))


def _is_said(ballot: Ballot, given: Sequence[Vote], mine: Vote) -> bool:
    """Whether this person has said exactly that already, and saying it again would fill nothing more."""
    before = _word_of(given, mine.user)
    if before is None or before.choice is not mine.choice:
        return False
    if mine.choice is Choice.DENY:
        return True
    if before.roles != mine.roles:
        return False
    # Said before its stage was open, an approval fills nothing; said again, it counts.
    again = (*(one for one in given if one.user != mine.user), mine)
    return _fills(verdict(ballot.revision, tuple(given)), mine.user) or not _fills(
        verdict(ballot.revision, again), mine.user
    )


def _fills(found: Verdict, user: str) -> bool:
    return any(one.user == user for one in found.filled)


def _note_stage(ground: Ground, work: Work, ballot: Ballot, stood: Verdict, now: datetime) -> None:
    """The thread hears that the next stage is open."""
    request = ballot.request
    votes = work.votes.of(request.id, ballot.revision.revision)
    found = verdict(ballot.revision, votes)
    opened = [stage.name for stage in stood.later if stage not in found.later]
    if opened and not found.reached:
        ground.note(work, request, "note.stage-open", now, stage=", ".join(opened))


def _approve(ground: Ground, work: Work, ballot: Ballot, actor: Actor, now: datetime) -> Answer:
    request = ballot.request
    number = _number(request)
    if request.state is State.DENIED and request.denied_by == actor.user:
        request = _take_back(ground, work, ballot, now)
    if request.state is State.DENIED:
        ground.redraw(work, request)
        return Answer("vote.approved-but-denied", {"number": number, "user": request.denied_by or ""})
    reached = settle(ground, work, Ballot(request, ballot.revision), now)
    ground.redraw(work, request)
    return Answer("vote.approved-all" if reached else "vote.approved", {"number": number})


def _deny(ground: Ground, work: Work, ballot: Ballot, actor: Actor, now: datetime) -> Answer:
    request = ballot.request
    number = _number(request)
    if request.state in _ASIDE:
        work.permits.void(request.id)
        what = what_waits(request)
        ground.note(work, request, f"note.{what}-denied", now, user=actor.user)
        ground.redraw(work, request)
        return Answer(f"vote.{what}-denied", {"number": number})
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


def _take_back(ground: Ground, work: Work, ballot: Ballot, now: datetime) -> Request:
    """A denial is gone; one of somebody else's that still stands takes its place, with its own minute."""
    request = ground.change(work, ballot.request, "take-back", now, denied_by=None, denied_until=None)
    votes = work.votes.of(request.id, ballot.revision.revision)
    other = next((one for one in votes if one.choice is Choice.DENY), None)
    if other is None:
        return request
    until = other.at + DENY_FINAL_AFTER
    return ground.change(work, request, "deny", now, denied_by=other.user, denied_until=until)


def _number(request: Request) -> int:
    return request.number or 0
