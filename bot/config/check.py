"""What works as written, but hardly as meant: findings about the policy, as warnings.

Pure given the facts: what is not known is not guessed, so without a roster nothing is said about user groups.
"""

from collections.abc import Iterator
from datetime import datetime

from bot.config.check_people import Crowd, role_findings, shown_person
from bot.config.check_rules import absences, quorum_findings, rule_findings, target_findings
from bot.config.check_times import time_findings
from bot.config.problems import Finding
from bot.config.types import Config, Target
from bot.model.people import RosterFacts

__all__ = ["advice", "findings", "shown_person"]


def findings(config: Config, roster: RosterFacts | None, now: datetime | None = None) -> tuple[Finding, ...]:
    """Everything worth a warning, in the order of the file.

    Args:
        config: as loaded.
        roster: everybody whom the configuration names and all members of its user groups; None if Slack was
            not asked.
        now: the time, for what windows and the calendar say; None if that is not asked.
    """
    crowd = Crowd(config, roster)
    found = [
        *role_findings(config, crowd),
        *target_findings(config),
        *_database_findings(config),
        *rule_findings(config),
        *quorum_findings(config, crowd),
        *(time_findings(config, now) if now is not None else ()),
    ]
    return tuple(sorted(found, key=lambda one: one.line or 0))


def advice(config: Config, roster: RosterFacts | None) -> tuple[Finding, ...]:
    """What works, and would not on a bad day; arguments as for ``findings``."""
    return tuple(absences(config, Crowd(config, roster)))


def _database_findings(config: Config) -> Iterator[Finding]:
    seen: dict[str, list[str]] = {}
    for name, target in config.targets.items():
        if target.database is None:
            continue
        place = ("targets", name, "database", "url")
        if name in config.source.clear_passwords:
            yield config.source.finding(place, "finding.password-in-clear", target=name)
        there = seen.setdefault(target.database.url, [])
        for other in [one for one in there if not _are_apart(target, config.targets[one])][:1]:
            yield config.source.finding(place, "finding.same-database", target=name, other=other)
        there.append(name)


def _are_apart(one: Target, other: Target) -> bool:
    """Parts of one database, and records are deleted in one of them at most: links may cross."""
    return one.is_apart(other) and not (one.records and other.records)
