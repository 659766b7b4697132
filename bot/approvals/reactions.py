"""Reactions on a ballot: which of them are votes, in the order in which people made them."""

from datetime import datetime

from bot.approvals import intents
from bot.approvals.ground import Ground
from bot.approvals.voting import vote, withdraw
from bot.errors import Refused
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.requests import Choice, Proof
from bot.store.unit_of_work import Work

APPROVE_EMOJI = "white_check_mark"
DENY_EMOJI = "x"
_EMOJI = {APPROVE_EMOJI: Choice.APPROVE, DENY_EMOJI: Choice.DENY}


def reaction(  # noqa: PLR0913 - an event has this many facts
    ground: Ground,
    work: Work,
    place: tuple[str, str],
    emoji: str,
    added: bool,
    event_ts: str,
    actor: Actor,
    now: datetime,
    *,
    looked: bool = False,
) -> Answer | None:
    """A reaction was put on a message or taken off; None when that needs no answer.

    ``looked``: nobody told us; we looked what is there, and only what we did not know is news.

    Events come late, twice and out of order: what counts is the newest ``event_ts`` for this person and
    emoji, and of two emoji that are both there the newer one.
    """
    item = work.outbox.at(*place)
    if item is None or item.request_id is None:
        return None
    ground.lock(work, item.request_id)
    name = emoji.split("::", maxsplit=1)[0]
    if item.kind != "ballot" or name not in _EMOJI:
        if added:
            key = "vote.other-emoji" if item.kind == "ballot" else "vote.not-the-ballot"
            _tell_once(ground, work, place, actor, Answer(key), now)
        return None
    known = work.votes.reaction(place, actor.user, name)
    # Nobody can add what is there: whoever adds it has taken it off before, even if that is not told yet.
    same = known is not None and known[0] == added and (looked or not added)
    if not _counts(work, place, actor.user, name, added, event_ts) or same:
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
        _tell_once(ground, work, place, actor, Answer(refusal.key, refusal.params), now)
        return None


def _is_newer(work: Work, place: tuple[str, str], user: str, name: str, added: bool, event_ts: str) -> bool:
    """Remember what Slack shows; whether it is newer than what we knew."""
    known = work.votes.reaction(place, user, name)
    if known is not None and _older(event_ts, known[1]):
        return False
    work.votes.set_reaction(place, user, name, added, event_ts)
    return True


def _counts(work: Work, place: tuple[str, str], user: str, name: str, added: bool, event_ts: str) -> bool:
    """Whether it is newer than what we knew, and no newer reaction of the same person says otherwise."""
    newer = _is_newer(work, place, user, name, added, event_ts)
    return newer and not (added and _is_overtaken(work, place, user, name, event_ts))


def _is_overtaken(work: Work, place: tuple[str, str], user: str, name: str, event_ts: str) -> bool:
    """Whether this person put the other emoji there later: an old ✅ that comes late undoes no ❌."""
    other = APPROVE_EMOJI if name == DENY_EMOJI else DENY_EMOJI
    known = work.votes.reaction(place, user, other)
    return known is not None and known[0] and _older(event_ts, known[1])


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
        # A ✅ that was no vote yet; whatever else this person said stays.
        request = ground.lock(work, where[0])
        wish = choice is Choice.APPROVE and request.revision == where[1]
        if wish and intents.take_back(ground, work, request, actor.user, now):
            return Answer("vote.withdrawn", {"number": request.number or 0})
        return None
    answer = withdraw(ground, work, where, actor, now)
    other = DENY_EMOJI if choice is Choice.APPROVE else APPROVE_EMOJI
    still = work.votes.reaction(place, actor.user, other)
    if still is None or not still[0]:
        return answer
    try:
        with work.savepoint():
            return vote(ground, work, where, _EMOJI[other], Proof.REACTION, actor, now)
    except Refused:
        # What is still there may not count any more; what was taken off stays taken off.
        return answer


def _tell_once(
    ground: Ground, work: Work, place: tuple[str, str], actor: Actor, answer: Answer, now: datetime
) -> None:
    once = f"once:{place[0]}:{place[1]}:{actor.user}:{answer.key}"
    ground.tell(work, actor.user, place[0], answer, now, once=once, on=place[1])


def _older(event_ts: str, known: str) -> bool:
    try:
        return float(event_ts) <= float(known)
    except ValueError:
        return True
