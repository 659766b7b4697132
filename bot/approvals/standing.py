"""What is left of an approval by now: whoever gave it may have left, or hold other roles than then.

Pure. It never becomes more than it was: a role that came later fills no slot until its holder says yes again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bot.approvals import quorum
from bot.config.types import Config
from bot.model.people import RosterFacts
from bot.model.quorums import Quorum
from bot.model.requests import Request, Revision, Vote
from bot.policy import rules


@dataclass(frozen=True)
class Standing:
    """The ``roles`` an approval still counts with, and those it has ``lost``; ``why`` it counts no more."""

    roles: frozenset[str]
    lost: frozenset[str] = frozenset()
    why: str | None = None


def of(
    config: Config,
    case: tuple[Request, Revision],
    vote: Vote,
    roster: RosterFacts,
    quorums: Sequence[Quorum] = (),
) -> Standing:
    """How an approval stands with these facts about people.

    ``quorums``: what is asked for besides the rule of the revision.
    """
    request, revision = case
    person = roster.people.get(vote.user)
    if vote.user == request.requester:
        return Standing(frozenset(), why="own-request")
    if vote.user in revision.people:
        return Standing(frozenset(), why="own-account")
    if person is None or quorum.cannot_be(person, config.workspace) is not None:
        return Standing(frozenset(), why="person-lost")
    now = rules.roles_of(config.roles, vote.user, roster.groups)
    return left(vote.roles, now, (*revision.rule.quorums, *quorums))


def left(then: Collection[str], now: Collection[str], quorums: Sequence[Quorum]) -> Standing:
    """What is left of the roles held at the vote.

    A role that some slot excepts is another matter: to have it or not may each make a vote count. So when
    that has changed, the vote is gone, and its giver may say it again.
    """
    had, has = frozenset(then), frozenset(now)
    barred = {role for one in quorums for slot in one.slots for role in slot.but}
    if barred & (had ^ has):
        return Standing(frozenset(), had - has, "role-changed")
    roles = had & has
    return Standing(roles, had - has, None if roles else "role-lost")


def cut(vote: Vote, standing: Standing) -> Vote:
    """The approval with the roles it still counts with."""
    return replace(vote, roles=tuple(sorted(standing.roles)))
