"""Approving where a rule asks for a code: a reaction or a click is a wish until the worker has the code."""

from dataclasses import dataclass
from datetime import datetime

from bot.approvals import execution, phones, workers
from bot.approvals.asked import rule_today
from bot.approvals.filing import check_person
from bot.approvals.ground import Ground
from bot.config.types import Config
from bot.errors import CannotProve, NotAllowed
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.proofs import CANCEL, CHANGE, Intent, Letter
from bot.model.requests import Choice, Proof, Request, Revision
from bot.store.proofs import SECRET
from bot.store.unit_of_work import Work


@dataclass(frozen=True)
class Wanted:
    """What it takes to approve: a code or not, and whether the target and the count are typed besides."""

    code: bool
    confirm: bool


def wanted(config: Config, request: Request, revision: Revision) -> Wanted:
    """The stricter of the rule the revision was filed under and the one that would decide today."""
    today = rule_today(config, request, revision)
    found = [revision.rule, *([execution.spec(today)] if today else [])]
    return Wanted(any(one.proof is Proof.CODE for one in found), any(one.confirm for one in found))


def keep(ground: Ground, work: Work, request: Request, wish: Intent, now: datetime) -> Answer:
    """Remember the wish and ask for the code."""
    number = request.number or 0
    given = next((one for one in work.votes.of(*_where(wish)) if one.user == wish.user), None)
    if given is not None and given.choice is Choice.APPROVE and given.proof is Proof.CODE:
        return Answer("vote.already", {"number": number})
    if work.intents.get(*_where(wish), wish.user) is None:
        body = {"by": wish.user, "proof": str(wish.proof), "revision": wish.revision}
        ground.log(work, "approval-wanted", request, body, now)
    work.intents.put(wish)
    ground.redraw(work, request)
    return ask_for_code(work, request, wish.user)


def ask_for_code(work: Work, request: Request, user: str) -> Answer:
    """The direct message whose button opens the form."""
    params: dict[str, str | int] = {"number": request.number or 0, "target": request.target}
    if user not in work.boxes.users(SECRET):
        return Answer("proof.not-enrolled", params, button="enrol", value=str(request.id), direct=True)
    value = f"{request.id}.{request.revision}"
    return Answer("proof.wanted", params, button="code-enter", value=value, direct=True)


def take_back(ground: Ground, work: Work, request: Request, user: str, now: datetime) -> bool:
    """Forget the wish; whether there was one."""
    if not work.intents.drop(request.id, request.revision, user):
        return False
    body = {"by": user, "revision": request.revision}
    ground.log(work, "approval-not-wanted", request, body, now)
    ground.redraw(work, request)
    return True


def send(ground: Ground, work: Work, letter: Letter, actor: Actor, now: datetime, about: str = "") -> None:
    """Hand a sealed form over to the worker, who answers. ``about``: whose new phone it is.

    Raises:
        Refused: not somebody who may do this, or no worker would open it in time.
    """
    check_person(actor, ground.config)
    if letter.user != actor.user:
        raise NotAllowed("person.unknown")
    if letter.kind == CHANGE:
        phones.check_confirms(ground.config, actor, about)
    if letter.kind == CANCEL:
        phones.check_cancels(actor, about)
    if not workers.alive(work, now):
        raise CannotProve("proof.no-worker")
    work.letters.add(letter)


def _where(wish: Intent) -> tuple[int, int]:
    return wish.request_id, wish.revision
