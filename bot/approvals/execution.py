"""What the worker tells the request: planned, refused, ended. The gate itself is in bot.jobs.permit."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.approvals import again, bounds, quorum, revisions, stricter
from bot.approvals.asked import asked, rule_today
from bot.approvals.filing import role_refusal
from bot.approvals.ground import Ground, subject
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.errors import CannotProve, CountersignError, NotAllowed, Refused
from bot.model.people import RosterFacts
from bot.model.quorums import plain
from bot.model.requests import Proof, Request, Revision, RuleSpec, State
from bot.policy import rules
from bot.store.unit_of_work import Work


@dataclass(frozen=True)
class Planned:
    """A finished plan: canonical data for everybody, label, subject and heir for the erasable table."""

    target: str
    record: str | None
    data: Mapping[str, Any]
    rows: int
    label: str | None
    subject: str
    backup_id: str | None = None
    heir: str | None = None


def spec(rule: Rule) -> RuleSpec:
    """A rule as it is frozen with a revision."""
    return RuleSpec(
        name=rule.name,
        request=tuple(rule.request),
        quorums=(rule.quorum,),
        expires=int(rule.expires.total_seconds()),
        cooling_off=int(rule.cooling_off.total_seconds()),
        drift_rows=rule.drift.rows,
        proof=Proof(rule.proof),
        confirm=rule.confirm,
        bounds=bounds.of_rule(rule),
    )


def rule_for(
    config: Config, request: Request, rows: int, roster: RosterFacts, people: Collection[str] = ()
) -> RuleSpec:
    """The rule that decides, when this requester may ask under it and its slots can be filled.

    ``people``: those whose own records it is about; they fill no slot.

    Raises:
        Refused: no rule, the role is missing, or the quorum can never be reached.
    """
    question = asked(config, request, rows)
    rule = rules.match(config.rules, question)
    if rule is None:
        raise bounds.no_rule(config, question)
    check_requester(config, request, rule, roster)
    frozen = spec(rule)
    check_reachable(config, request, frozen, roster, people)
    return frozen


def check_reachable(
    config: Config, request: Request, rule: RuleSpec, roster: RosterFacts, people: Collection[str]
) -> None:
    """Return when everybody who may vote could together fill every slot.

    Raises:
        NotAllowed: which slots would stay empty.
    """
    holders: dict[str, set[str]] = {}
    for role, known in config.roles.items():
        for user in rules.people_of(known, roster.groups):
            person = roster.people.get(user)
            if user in people:
                continue
            if person is None or quorum.cannot_be(person, config.workspace) is None:
                holders.setdefault(user, set()).add(role)
    missing = quorum.unreachable(rule.quorums, holders, request.requester)
    if missing:
        raise NotAllowed(
            "filing.unreachable", rule=rule.name, missing=", ".join(plain(need) for need in missing)
        )


def check_requester(config: Config, request: Request, rule: Rule, roster: RosterFacts) -> None:
    """The requester is a live person of this workspace who may ask under the rule.

    Raises:
        NotAllowed: otherwise.
    """
    person = roster.people.get(request.requester)
    if person is None:
        raise NotAllowed("person.unknown")
    why = quorum.cannot_be(person, config.workspace)
    if why is not None:
        raise NotAllowed(why)
    roles = rules.roles_of(config.roles, request.requester, roster.groups)
    if not rules.may_request(rule, roles):
        raise role_refusal(rules.refusal([rule], config.roles), request.requester)


def accept_plan(
    ground: Ground, work: Work, request: Request, plan: Planned, roster: RosterFacts, now: datetime
) -> None:
    """A plan is ready: match the rule exactly, number the request, open the ballot.

    Raises:
        Refused: policy says no; the caller refuses the request.
    """
    resolved = replace(request, target=plan.target, record=plan.record)
    people = plan.data.get("people") or ()
    rule = _of_origin(ground.config, resolved, plan, roster)
    before = work.requests.revision(request.id, request.revision)
    if before is not None:
        rule = _carried(ground.config, resolved, before, rule)
        check_reachable(ground.config, resolved, rule, roster, people)
    rule = bounds.within(ground.config, work, resolved, plan.rows, rule, now)
    number = request.revision + 1
    revision = revisions.make(request, number, plan.data, rule, now)
    work.requests.add_revision(revision)
    place = subject(request.id)
    if plan.label is not None:
        ground.keep(work, place, "label", plan.label, now)
    if plan.heir is not None:
        ground.keep(work, place, "heir_label", plan.heir, now)
    ground.keep(work, place, "subject", plan.subject, now)
    ground.keep(work, place, "mark", ground.entropy(16).hex(), now)
    if request.preview:
        work.requests.save(request.id, State.PLANNING, revision=number)
        work.outbox.want(
            f"preview:{request.id}",
            "plan-preview",
            request.origin_channel,
            now,
            request_id=request.id,
            revision=number,
            user=request.requester,
        )
        return
    body = {"digest": revision.digest, "rows": plan.rows, "rule": rule.name, "revision": number}
    if "origin" in plan.data:
        body |= {"target": plan.target, "origin": plan.data["origin"][0]}
    ground.log(work, "plan", request, body, now)
    changed = ground.change(
        work,
        request,
        "planned",
        now,
        number=request.number or work.requests.next_number(),
        revision=number,
        target=plan.target,
        record=plan.record,
        channel=ground.channel_for(plan.target),
        backup_id=plan.backup_id,
        expires_at=now + timedelta(seconds=rule.expires),
        starts_at=None,
        outcome=None,
        outcome_params={},
    )
    revisions.show(work, changed, number, now)


def _of_origin(config: Config, request: Request, plan: Planned, roster: RosterFacts) -> RuleSpec:
    """The rule that decides. Rows that leave their own system need no less than they would need to stay.

    Raises:
        Refused: as ``rule_for``, for either system.
    """
    people = plan.data.get("people") or ()
    rule = rule_for(config, request, plan.rows, roster, people)
    origin = (plan.data.get("origin") or [""])[0]
    if not origin:
        return rule
    there = rule_for(config, leaving(config, request, origin), plan.rows, roster, people)
    merged = both(there, rule)
    check_reachable(config, request, merged, roster, people)
    return merged


def leaving(config: Config, request: Request, origin: str) -> Request:
    """The same wish as if the rows stayed where they are from: the rule of that system binds as well.

    Raises:
        CannotProve: nobody knows its rule any more.
    """
    if origin not in config.targets:
        raise CannotProve("restore.origin-unknown", origin=origin, target=request.target)
    return replace(request, target=origin)


def both(there: RuleSpec, rule: RuleSpec) -> RuleSpec:
    """What two systems ask for together; hours and caps are those of the second."""
    return rule if stricter.is_same(there, rule) else replace(stricter.merge(there, rule), bounds=rule.bounds)


def _carried(config: Config, request: Request, before: Revision, rule: RuleSpec) -> RuleSpec:
    """The rule of a plan that was made anew. A policy that has changed in between makes it no easier.

    A plan that has grown or shrunk may fall under another rule of the same policy: then that one alone binds.
    """
    then = rule_today(config, request, before)
    if then is not None and stricter.is_same(before.rule, spec(then)):
        closed = before.rule.bounds.closed
        return replace(rule, bounds=replace(rule.bounds, closed=closed))
    return stricter.merge(before.rule, rule)


def refuse(ground: Ground, work: Work, request: Request, refusal: CountersignError, now: datetime) -> None:
    """Planning ended in a no: a log entry and a private sentence; the thread hears of it if there is one."""
    wish = again.of_request(work, request)
    ground.change(work, request, "refuse", now, outcome=refusal.key, outcome_params=dict(refusal.params))
    told = again.offered(ground, work, wish, request.requester, refusal, now)
    ground.tell(work, request.requester, request.origin_channel, told, now)
    if request.number is not None:
        ground.note(work, request, "note.refused-again", now, requester=request.requester)


def end(
    ground: Ground, work: Work, request: Request, event: str, now: datetime, error: CountersignError | None
) -> Request:
    """A job ended without success: the request says why and whom it concerns."""
    key = error.key if error else f"outcome.{event}"
    params = dict(error.params) if error else {}
    ended = ground.change(work, request, event, now, outcome=key, outcome_params=params)
    ground.note(work, request, f"note.{event}", now, requester=request.requester)
    return ended


__all__ = [
    "Planned",
    "Refused",
    "accept_plan",
    "asked",
    "check_requester",
    "end",
    "refuse",
    "rule_for",
    "spec",
]
