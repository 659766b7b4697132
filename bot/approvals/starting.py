"""When a request may start: after its cooling-off, inside its windows, outside closed periods.

The rule that was frozen with the revision and today's configuration both bind: the stricter one counts.
Only what destroys is bound; restores, putting back, unfreezing and stopping always work.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.approvals.asked import rule_today
from bot.approvals.ground import Ground
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.errors import NotAllowed
from bot.model.calendar import HORIZON, Hours, Span, Window, is_open, opening
from bot.model.requests import DESTRUCTIVE, Request, Revision, RuleSpec
from bot.store.unit_of_work import Work

PERMIT_LIFE = timedelta(hours=24)


def with_closed(config: Config, request: Request, rule: RuleSpec, now: datetime) -> RuleSpec:
    """The rule as it is frozen: the closed periods of today bind this revision even if they are taken out."""
    if request.operation not in DESTRUCTIVE:
        return rule
    closed = tuple(one for one in config.closed_for(request.target) if one.ends > now)
    closed = tuple(dict.fromkeys((*rule.bounds.closed, *closed)))
    return replace(rule, bounds=replace(rule.bounds, closed=closed))


def check(request: Request, rule: RuleSpec, now: datetime) -> None:
    """There is a time in reach at which it could start.

    Raises:
        NotAllowed: there is none.
    """
    earliest = now + timedelta(seconds=rule.cooling_off)
    hours = Hours((rule.bounds.windows,), rule.bounds.closed)
    if request.operation in DESTRUCTIVE and opening(hours, earliest) is None:
        raise NotAllowed("filing.never-opens", days=HORIZON.days, rule=rule.name)


def hours_of(config: Config, request: Request, revision: Revision) -> Hours:
    """What bounds the start of this revision."""
    if request.operation not in DESTRUCTIVE:
        return Hours()
    frozen = revision.rule.bounds
    closed = (*frozen.closed, *config.closed_for(request.target))
    return Hours((frozen.windows, windows_of(rule_today(config, request, revision))), closed)


def windows_of(rule: Rule | None) -> tuple[Window, ...]:
    """The windows of a configured rule."""
    return tuple(one.spec for one in (rule.window or ())) if rule is not None else ()


def is_open_for(config: Config, request: Request, revision: Revision, now: datetime) -> bool:
    """Whether this revision may start now, as far as hours go."""
    return is_open(hours_of(config, request, revision), now)


def next_start(
    config: Config, request: Request, revision: Revision, earliest: datetime
) -> tuple[datetime, datetime] | None:
    """When it starts, and until when it may: the end of its window, or a day. None: no time is in reach."""
    hours = hours_of(config, request, revision)
    found: Span | None = opening(hours, earliest)
    if found is None:
        return None
    begins, ends = found
    day = begins + PERMIT_LIFE
    if ends is None:
        return begins, day
    return begins, ends if hours.bound else min(ends, day)


def postpone(ground: Ground, work: Work, request: Request, revision: Revision, now: datetime) -> None:
    """What was to start now may not: by today's configuration it starts later, or never."""
    permit = work.permits.ready(request.id)
    found = next_start(ground.config, request, revision, now)
    if permit is None or permit.expires_at <= now:
        return
    if found is None:
        never(ground, work, request, now)
        return
    work.permits.issue(request.id, revision.revision, revision.digest, found[1], now)
    work.requests.save(request.id, request.state, starts_at=found[0])
    ground.log(work, "start-postponed", request, {"until": int(found[0].timestamp())}, now)
    ground.note(work, request, "note.postponed", now, until=int(found[0].timestamp()))
    ground.redraw(work, request)


def never(ground: Ground, work: Work, request: Request, now: datetime) -> None:
    """No time is left in reach at which it could start: it is over."""
    params = {"days": HORIZON.days}
    ground.change(work, request, "cancel", now, outcome="outcome.never-opens", outcome_params=params)
    ground.note(work, request, "note.policy-says-no", now, requester=request.requester)
