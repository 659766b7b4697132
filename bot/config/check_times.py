"""Findings about time: windows that never open, closed periods that are over."""

from collections.abc import Iterator
from datetime import datetime

from bot.config.problems import Finding, Place
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.model.calendar import HORIZON, Hours, opening


def time_findings(config: Config, now: datetime) -> Iterator[Finding]:
    """What is closed for as far as anybody plans, and what has been closed."""
    if config.calendar is not None:
        for number, closed in enumerate(config.calendar.closed):
            ends = closed.period(config.calendar.zone).ends
            if ends <= now:
                place = ("calendar", "closed", number)
                yield config.source.finding(place, "finding.closed-past", value=f"{ends:%Y-%m-%d %H:%M} UTC")
    for number, rule in enumerate(config.rules):
        shut = next((name for name in _targets(config, rule) if _never_opens(config, rule, name, now)), None)
        if shut is not None:
            here: Place = ("rules", number, "window")
            days = HORIZON.days
            yield config.source.finding(here, "finding.window-never", rule=rule.name, target=shut, limit=days)


def _targets(config: Config, rule: Rule) -> Iterator[str]:
    for name, target in config.targets.items():
        if rule.when.target is not None and name not in rule.when.target:
            continue
        if rule.when.environment is None or target.environment in rule.when.environment:
            yield name


def _never_opens(config: Config, rule: Rule, target: str, now: datetime) -> bool:
    windows = tuple(one.spec for one in rule.window or ())
    return bool(windows) and opening(Hours((windows,), config.closed_for(target)), now) is None
