"""A request, or a wish, as the question that policy answers."""

from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.model.plans import Plan
from bot.model.requests import Request, Revision
from bot.policy import rules


def asked(config: Config, request: Request, rows: int | None) -> rules.Asked:
    """The question that policy answers, for this request."""
    known = config.targets.get(request.target)
    return rules.Asked(
        operation=str(request.operation),
        target=request.target,
        environment=known.environment if known else None,
        record=request.record,
        rows=rows,
    )


def rows_of(revision: Revision) -> int | None:
    """How many rows a stored plan is about, counted anew; None when it is no plan."""
    try:
        return Plan.from_data(revision.plan).rows
    except (ValueError, KeyError, TypeError):
        return None


def rule_today(config: Config, request: Request, revision: Revision) -> Rule | None:
    """The rule that decides by today's configuration; None: refused."""
    return rules.match(config.rules, asked(config, request, rows_of(revision)))
