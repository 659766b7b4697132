"""Revisions: what is voted on, and whether it still is what was voted on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.errors import NotOurs
from bot.model import binding
from bot.model.plans import Plan
from bot.model.requests import Permit, Request, Revision, RuleSpec
from bot.store.requests import rule_data
from bot.store.unit_of_work import Work

#: What a revision shows, in the order in which it is posted.
_MESSAGES = ("card", "plan-file", "plan", "ballot")


def make(request: Request, number: int, plan: Mapping[str, Any], rule: RuleSpec, now: datetime) -> Revision:
    """One plan under one rule, bound to both by its digest."""
    return Revision(request.id, number, binding.digest(plan, rule_data(rule)), plan, rule, now)


def is_bound(revision: Revision) -> bool:
    """Whether plan and rule are those that the digest was made of."""
    return revision.digest == binding.digest(revision.plan, rule_data(revision.rule))


def is_of_old(revision: Revision) -> bool:
    """Whether an earlier release made it, whose digest was over the plan alone."""
    try:
        return revision.digest == Plan.from_data(revision.plan).digest()
    except (ValueError, KeyError, TypeError):
        return False


def approved(revision: Revision, permit: Permit | None) -> Plan:
    """The plan that a job carries out, which came past the gate with this permit.

    Raises:
        NotOurs: plan, rule or digest are not those that were approved.
    """
    # A job of an earlier release may have come past its gate before this one took over.
    intact = is_bound(revision) or is_of_old(revision)
    if not intact or permit is None or permit.digest != revision.digest:
        raise NotOurs("outcome.not-what-was-approved")
    return Plan.from_data(revision.plan)


def show(work: Work, request: Request, number: int, now: datetime) -> None:
    """Post what belongs to a revision; the ballot last."""
    for kind in _MESSAGES:
        name = "" if kind == "card" else f":{number}"
        work.outbox.want(
            f"{kind}:{request.id}{name}", kind, request.channel, now, request_id=request.id, revision=number
        )
