"""How much: the count that the requester expected, and the caps of a rule, refused with the numbers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.approvals import starting
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.errors import NotAllowed
from bot.model.bounds import Bounds, Limit, written
from bot.model.requests import DESTRUCTIVE, Request, RuleSpec
from bot.policy import rules
from bot.store.unit_of_work import Work


def of_rule(rule: Rule) -> Bounds:
    """What a configured rule bounds; closed periods come from the calendar."""
    cap = rule.limit
    return Bounds(
        windows=starting.windows_of(rule),
        limit=Limit(cap.rows, cap.requests, int(cap.per.total_seconds())) if cap else None,
        expected=rule.expected,
    )


def within(
    config: Config, work: Work, request: Request, rows: int, rule: RuleSpec, now: datetime
) -> RuleSpec:
    """The rule to freeze with a new plan, which stays within all of its bounds.

    Raises:
        NotAllowed: another count than expected, a cap, or no time at which it could start.
    """
    check_expected(request, rows, rule)
    bound = starting.with_closed(config, request, rule, now)
    if not request.preview:
        check_limits(work, request, rows, (bound,), now, waiting=True)
        starting.check(request, bound, now)
    return bound


def check_expected(request: Request, rows: int, rule: RuleSpec) -> None:
    """What the requester expected is what the plan counted.

    Raises:
        NotAllowed: it is not, or the rule demands a number and there is none.
    """
    if request.expected is not None and request.expected != rows:
        raise NotAllowed("filing.expected", expected=request.expected, rows=rows)
    if request.expected is None and rule.bounds.expected and not request.preview:
        raise NotAllowed("filing.expected-needed", rule=rule.name)


def check_limits(
    work: Work,
    request: Request,
    rows: int,
    specs: Iterable[RuleSpec],
    now: datetime,
    *,
    waiting: bool = False,
) -> None:
    """With this request, what is done under each rule stays within its cap.

    Args:
        work: the open transaction; at the gate it holds the target locked.
        request: the one to be added.
        rows: how many rows it is about.
        specs: the rules that bind it, as frozen and as of today.
        now: the time.
        waiting: count what waits for approval or its start as well.

    Raises:
        NotAllowed: with the numbers.
    """
    if request.operation not in DESTRUCTIVE:
        return
    for spec in specs:
        cap = spec.bounds.limit
        if cap is None:
            continue
        since = now - timedelta(seconds=cap.seconds)
        others = work.usage.on(request.target, since, waiting=waiting, but=request.id)
        used = [one.rows for one in others if one.rule == spec.name]
        told: dict[str, str | int] = {
            "rule": spec.name,
            "target": request.target,
            "span": written(cap.seconds),
        }
        if cap.rows is not None and sum(used) + rows > cap.rows:
            raise NotAllowed("filing.limit-rows", rows=rows, limit=cap.rows, used=sum(used), **told)
        if cap.requests is not None and len(used) + 1 > cap.requests:
            raise NotAllowed("filing.limit-requests", limit=cap.requests, used=len(used), **told)


def no_rule(config: Config, asked: rules.Asked) -> NotAllowed:
    """Why no rule matches: its size alone, told with the numbers and whom to ask, or something else."""
    fitting = [rule for rule in config.rules if rules.possible([rule], replace(asked, rows=None))]
    sized = [rule for rule in fitting if rule.when.rows is not None]
    if asked.rows is None or not sized or len(sized) < len(fitting):
        return NotAllowed("filing.no-rule")
    largest = max(sized, key=_at_most)
    numbers = {"rows": asked.rows, "limit": _at_most(largest)}
    owners = rules.refusal([largest], config.roles).owners
    if not owners:
        return NotAllowed("filing.too-many-rows-no-owner", **numbers)
    return NotAllowed("filing.too-many-rows", users=",".join(owners), **numbers)


def _at_most(rule: Rule) -> int:
    return rule.when.rows.at_most if rule.when.rows is not None else 0
