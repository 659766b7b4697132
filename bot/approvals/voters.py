"""Who may vote: people who could fill a slot that is open, and to deny also those with a veto."""

from collections.abc import Sequence

from bot.approvals import quorum
from bot.approvals.filing import check_person
from bot.config.types import Config
from bot.errors import NotAllowed
from bot.model.people import Actor
from bot.model.quorums import Quorum
from bot.model.requests import Choice, Request, Revision


def check_voter(
    config: Config,
    request: Request,
    revision: Revision,
    actor: Actor,
    choice: Choice,
    voters: Sequence[quorum.Voter],
) -> None:
    """Return when this person may say that about this revision. ``voters``: who has approved so far.

    Raises:
        NotAllowed: with the sentence for the first reason that holds.
    """
    check_person(actor, config)
    number, quorums = request.number or 0, revision.rule.quorums
    if actor.user == request.requester:
        raise NotAllowed("vote.own-request", number=number)
    if actor.user in revision.people:
        raise NotAllowed("vote.own-account", number=number)
    slots = [slot for one in quorums for slot in one.slots]
    if choice is Choice.DENY and quorum.may_deny(quorums, actor.roles):
        return
    if not quorum.may_fill(slots, actor.roles):
        raise _no_slot(number, quorums, actor)
    if not quorum.may_fill(quorum.open_slots(quorums, voters), actor.roles):
        first = quorum.decide(quorums, voters).missing
        raise NotAllowed("vote.not-yet", number=number, stage=", ".join(stage.name for stage in first))


def _no_slot(number: int, quorums: Sequence[Quorum], actor: Actor) -> NotAllowed:
    """Why this person's approval fills nothing: a veto only, an exception, or no role."""
    veto = actor.roles & {role for one in quorums for role in one.veto}
    if veto:
        return NotAllowed("vote.veto-only", number=number, roles=", ".join(sorted(veto)))
    mine = [slot for one in quorums for slot in one.slots if slot.role in actor.roles]
    if mine:
        barred = sorted({role for slot in mine for role in slot.but} & actor.roles)
        return NotAllowed("vote.excepted", number=number, roles=", ".join(barred))
    wanted = sorted({role for one in quorums for role in one.roles})
    return NotAllowed("vote.no-slot", number=number, roles=", ".join(wanted))
