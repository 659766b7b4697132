"""While a request is open, a change of people or of policy shows at once: in its thread, and in the log.

The gate asks everything again whatever is noticed here; this is so that nobody waits for an approval that
will not count, and so that whoever follows the thread knows what has changed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bot.approvals import standing, voting
from bot.approvals.ground import Ground
from bot.model.people import RosterFacts
from bot.model.requests import Choice, Request, Revision, State, Vote
from bot.store.unit_of_work import Work

#: What is looked at. A denied request is over in a minute, or open again.
OPEN = (State.PENDING, State.APPROVED)
#: So many people are named; of more only the number is told.
NAMED = 3


@dataclass(frozen=True)
class Known:
    """An answer about people: whom it was asked about, and when."""

    roster: RosterFacts
    users: frozenset[str]
    asked_at: datetime

    def is_about(self, vote: Vote) -> bool:
        """Whether it says anything about this vote: one that came later knows better."""
        return vote.user in self.users and vote.at < self.asked_at


def votes(ground: Ground, work: Work, request: Request, known: Known, now: datetime) -> None:
    """Approvals of people who lost the roles they were given with count no more, or for less."""
    revision = work.requests.revision(request.id, request.revision)
    if request.state not in OPEN or revision is None:
        return
    judge = partial(standing.of, ground.config, (request, revision), roster=known.roster)
    told = [
        _weigh(ground, work, (request, revision, vote), judge(vote), now)
        for vote in work.votes.of(request.id, request.revision)
        if vote.choice is Choice.APPROVE and known.is_about(vote)
    ]
    if not any(told):
        return
    if request.state is State.APPROVED and not voting.is_reached(work, voting.Ballot(request, revision)):
        voting.back_to_pending(ground, work, request, "role-lost", now)
    ground.redraw(work, request)


def _weigh(
    ground: Ground, work: Work, case: tuple[Request, Revision, Vote], found: standing.Standing, now: datetime
) -> bool:
    """Whether this approval is worth less than it was; if so it is taken away or cut, and told."""
    request, revision, vote = case
    wanted = {slot.role for one in revision.rule.quorums for slot in one.slots}
    lost = sorted(found.lost & wanted)
    if found.why is None and not lost:
        return False
    work.votes.drop(request.id, request.revision, vote.user)
    if found.why is None:
        work.votes.put(standing.cut(vote, found))
    body = {"by": vote.user, "why": found.why or "role-lost", "lost": lost, "left": sorted(found.roles)}
    ground.log(work, "vote-void" if found.why else "vote-narrowed", request, body, now)
    if found.why is None:
        key = "note.vote-narrowed"
    else:
        key = "note.vote-void" if lost else f"note.vote-void.{found.why}"
    roles = {"roles": ", ".join(lost)} if lost else {}
    ground.note(work, request, key, now, user=vote.user, **roles)
    return True


def members(ground: Ground, work: Work, roster: RosterFacts, now: datetime) -> None:
    """Who holds each role has changed since it was last looked at: the threads that ask for it hear of it."""
    open_ones = sorted(work.requests.in_states(OPEN), key=lambda one: one.id)
    locked = [found for one in open_ones if (found := work.requests.lock(one.id)) and found.state in OPEN]
    for role, known in ground.config.roles.items():
        holders, seen = known.people(roster.groups), work.members.seen(role)
        before = None if seen is None else seen[0]
        if not work.members.look(role, holders, before, now) or seen is None or before == holders:
            continue
        more, fewer = sorted(holders - seen[0]), sorted(seen[0] - holders)
        body = {"role": role, "more": more[:20], "fewer": fewer[:20], "holders": len(holders)}
        ground.log(work, "role-changed", None, body, now)
        for request in locked:
            # One that was filed after the last look may have been filed after the change.
            if request.created_at <= seen[1] and role in _asked_for(work, request):
                _tell(ground, work, request, role, (more, fewer), now)


def _tell(
    ground: Ground,
    work: Work,
    request: Request,
    role: str,
    change: tuple[Iterable[str], Iterable[str]],
    now: datetime,
) -> None:
    voted = {vote.user for vote in work.votes.of(request.id, request.revision)}
    more, fewer = list(change[0]), [user for user in change[1] if user not in voted]
    for key, users in (("more", more), ("fewer", fewer)):
        if users and len(users) <= NAMED:
            ground.note(work, request, f"note.role-{key}", now, role=role, users=",".join(users))
        elif users:
            ground.note(work, request, f"note.role-{key}-many", now, role=role, n=len(users))


def _asked_for(work: Work, request: Request) -> frozenset[str]:
    revision = work.requests.revision(request.id, request.revision)
    return frozenset(_roles(revision)) if revision is not None else frozenset()


def _roles(revision: Revision) -> Iterator[str]:
    for one in revision.rule.quorums:
        yield from one.roles
        yield from one.veto
