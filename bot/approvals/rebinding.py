"""The policy has changed while a request is open: its plan is voted on anew, under what both rules ask for.

A change never makes an open request easier, and never goes unnoticed: there is a new revision with a ballot
of its own, the votes on the old one count no more, and the thread says what has changed. Doing it again
changes nothing.
"""

from datetime import datetime, timedelta

from bot.approvals import bounds, execution, revisions, stricter
from bot.approvals.aside import may_go_on
from bot.approvals.asked import asked, rows_of, rule_today
from bot.approvals.ground import Ground
from bot.errors import Refused
from bot.model.people import RosterFacts
from bot.model.requests import Request, Revision, RuleSpec, State
from bot.store.unit_of_work import Work

OPEN = (State.PENDING, State.APPROVED)
ASIDE = (State.SET_ASIDE, State.HELD)


def renew(ground: Ground, work: Work, request: Request, now: datetime) -> None:
    """A revision of an earlier release, whose votes were bound to the plan alone, is voted on anew."""
    revision = work.requests.revision(request.id, request.revision)
    if revision is None or not _is_voted_on(work, request) or not revisions.is_of_old(revision):
        return
    _begin_anew(ground, work, request, revision, revision.rule, now)
    ground.note(work, request, "note.rebound", now, requester=request.requester)


def compare(ground: Ground, work: Work, request: Request, roster: RosterFacts | None, now: datetime) -> None:
    """Hold the rule that is frozen with a locked request against the policy of today.

    ``roster``: None for what is set aside, which no policy can cancel any more.
    """
    revision = work.requests.revision(request.id, request.revision)
    if revision is None or not _is_voted_on(work, request) or not revisions.is_bound(revision):
        return
    try:
        rule = _rule(ground, request, revision, roster)
    except Refused as why:
        if request.state in OPEN:
            ground.change(work, request, "cancel", now, outcome=why.key, outcome_params=dict(why.params))
            ground.note(work, request, "note.policy-says-no", now, requester=request.requester)
        return
    told = list(stricter.differences(revision.rule, rule))
    if not told:
        return
    changed = _begin_anew(ground, work, request, revision, rule, now)
    ground.note(work, request, "note.rule-changed", now, requester=request.requester, rule=rule.name)
    for name in told:
        ground.note(work, changed, f"note.rule-changed.{name}", now, n=_number(rule, name))


def _is_voted_on(work: Work, request: Request) -> bool:
    return request.state in (*OPEN, State.SET_ASIDE) or may_go_on(work, request)


def _rule(ground: Ground, request: Request, revision: Revision, roster: RosterFacts | None) -> RuleSpec:
    """What binds from now on.

    Raises:
        Refused: the policy of today covers this no more, not for this requester, or nobody could agree to it.
    """
    config = ground.config
    rule = rule_today(config, request, revision)
    if rule is None:
        raise bounds.no_rule(config, asked(config, request, rows_of(revision)))
    merged = stricter.merge(revision.rule, execution.spec(rule))
    frozen = revision.rule
    other = set(rule.request) != set(frozen.request) or any(stricter.differences(frozen, merged))
    if roster is not None and other:
        execution.check_requester(config, request, rule, roster)
        execution.check_reachable(config, request, merged, roster, revision.people)
    return merged


def _begin_anew(
    ground: Ground, work: Work, request: Request, revision: Revision, rule: RuleSpec, now: datetime
) -> Request:
    """The next revision: the same plan, a ballot of its own, no votes."""
    number = request.revision + 1
    made = revisions.make(request, number, revision.plan, rule, now)
    gone = [vote.user for vote in work.votes.of(request.id, request.revision)]
    work.requests.add_revision(made)
    work.permits.void(request.id)
    changed = ground.change(work, request, "new-rule", now, revision=number, **_times(request, rule, now))
    revisions.show(work, changed, number, now)
    body = {"revision": number, "digest": made.digest, "rule": rule.name, "void": gone}
    ground.log(work, "rule-changed", request, body, now)
    return changed


def _times(request: Request, rule: RuleSpec, now: datetime) -> dict[str, datetime | None]:
    """Votes that are asked for again get their time again; those that were missing get no more of it."""
    if request.state not in OPEN:
        return {}
    until = now + timedelta(seconds=rule.expires)
    if request.state is State.PENDING and request.expires_at is not None:
        until = min(until, request.expires_at)
    return {"expires_at": until, "starts_at": None}


def _number(rule: RuleSpec, name: str) -> int:
    numbers = {"expires": rule.expires // 60, "cooling-off": rule.cooling_off, "drift-rows": rule.drift_rows}
    return numbers.get(name, 0)
