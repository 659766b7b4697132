"""Findings about rules: those that never decide, what none covers, and quorums that cannot be reached."""

from collections.abc import Iterator, Mapping

from bot.config.check_people import Crowd
from bot.config.problems import Finding, Place
from bot.config.rule_types import Rule
from bot.config.types import Config
from bot.model.quorums import plain
from bot.model.requests import Operation
from bot.model.seating import everything, left, seat

#: What somebody may ask for: operation, target, record type (None where there is none).
Case = tuple[str, str, str | None]
_ANY_NUMBER = 2**63


def rule_findings(config: Config) -> Iterator[Finding]:
    """Rules about nothing, and rules that an earlier one leaves nothing to decide."""
    covered: dict[Case, int] = {}
    earlier: dict[Case, list[str]] = {}
    for number, rule in enumerate(config.rules):
        limits = _limits(config, rule)
        if not limits:
            yield config.source.finding(("rules", number), "finding.rule-empty", rule=rule.name)
        elif all(covered.get(case, -1) >= limit for case, limit in limits.items()):
            names = dict.fromkeys(name for case in limits for name in earlier[case])
            by = ", ".join(f"“{name}”" for name in names)
            yield config.source.finding(("rules", number), "finding.rule-shadowed", rule=rule.name, by=by)
        for case, limit in limits.items():
            covered[case] = max(limit, covered.get(case, -1))
            earlier.setdefault(case, []).append(rule.name)


def target_findings(config: Config) -> Iterator[Finding]:
    """Targets and record types for which no rule exists, so that everything is refused."""
    covered: dict[Case, int] = {}
    for rule in config.rules:
        for case, limit in _limits(config, rule).items():
            covered[case] = max(limit, covered.get(case, -1))
    for name, target in config.targets.items():
        place = ("targets", name)
        if not target.records and not target.is_system:
            yield config.source.finding(place, "finding.target-no-records", target=name)
        for record in target.records:
            if (Operation.DELETE_RECORDS, name, record) not in covered:
                here = (*place, "records", record)
                yield config.source.finding(here, "finding.record-no-rule", target=name, record=record)
        if (Operation.UNFREEZE, name, None) not in covered:
            yield config.source.finding(place, "finding.target-no-unfreeze", target=name)
        yield from _whole_findings(config, name, covered)


def quorum_findings(config: Config, crowd: Crowd) -> Iterator[Finding]:
    """Rules whose approvals can never be gathered, by anybody or by some who may ask."""
    for number, rule in _judged(config, crowd):
        for key, params in _quorum_findings(config, crowd, rule):
            yield config.source.finding(_place(number, rule), key, rule=rule.name, **params)


def absences(config: Config, crowd: Crowd) -> Iterator[Finding]:
    """Rules that work today, and cannot be met as soon as one person is away."""
    for number, rule in _judged(config, crowd):
        blocked = _blocked(rule, _people(config, crowd))
        if blocked:
            key, params = "finding.quorum-absence", _told(crowd, blocked)
            yield config.source.finding(_place(number, rule), key, rule=rule.name, **params)


def _judged(config: Config, crowd: Crowd) -> Iterator[tuple[int, Rule]]:
    """The rules about whose approvers everything is known."""
    for number, rule in enumerate(config.rules):
        but = {role for slot in rule.quorum.slots for role in slot.but}
        if all(crowd.is_known(config.roles[role]) for role in {*rule.quorum.roles, *but}):
            yield number, rule


def _place(number: int, rule: Rule) -> Place:
    return ("rules", number, "approve" if rule.stages is None else "stages")


def _limits(config: Config, rule: Rule) -> dict[Case, int]:
    """The cases that a rule is about, each with the greatest number of rows."""
    limit = rule.when.rows.at_most if rule.when.rows else _ANY_NUMBER
    return {case: limit for case in _cases(config) if _is_about(config, rule, case)}


def _cases(config: Config) -> Iterator[Case]:
    for name, target in config.targets.items():
        for record in target.records:
            yield Operation.DELETE_RECORDS, name, record
        yield Operation.RESTORE, name, None
        yield Operation.UNFREEZE, name, None
        if target.is_system:
            yield Operation.TEARDOWN, name, None


def _is_about(config: Config, rule: Rule, case: Case) -> bool:
    operation, target, record = case
    when = rule.when
    return (
        operation in when.operation
        and (when.target is None or target in when.target)
        and (when.record is None or record in when.record)
        and (when.environment is None or config.targets[target].environment in when.environment)
    )


def _whole_findings(config: Config, name: str, covered: Mapping[Case, int]) -> Iterator[Finding]:
    place = ("targets", name)
    if config.targets[name].is_system and (Operation.TEARDOWN, name, None) not in covered:
        yield config.source.finding(place, "finding.target-no-teardown", target=name)
    restorable = covered.get((Operation.RESTORE, name, None))
    deletable = max(
        (limit for (operation, target, record), limit in covered.items() if target == name and record),
        default=-1,
    )
    if restorable is None:
        yield config.source.finding(place, "finding.target-no-restore", target=name)
    elif restorable < deletable:
        yield config.source.finding(place, "finding.restore-limited", target=name, limit=restorable)


def _quorum_findings(config: Config, crowd: Crowd, rule: Rule) -> Iterator[tuple[str, dict[str, str]]]:
    people = _people(config, crowd)
    missing = _missing(rule, people)
    if missing:
        yield "finding.quorum-never", {"roles": missing}
        return
    asking = {user for role in rule.request for user in crowd.holders(config.roles[role])}
    own = {user: gone for user, gone in _blocked(rule, people).items() if user in asking}
    if own:
        all_known = all(crowd.is_known(config.roles[role]) for role in rule.request)
        never = own.keys() == asking and all_known
        yield "finding.quorum-self" if never else "finding.quorum-some", _told(crowd, own)


def _people(config: Config, crowd: Crowd) -> dict[str, frozenset[str]]:
    """Everybody known, with their roles."""
    people: dict[str, frozenset[str]] = {}
    for role, spec in config.roles.items():
        for user in crowd.holders(spec):
            people[user] = people.get(user, frozenset()) | {role}
    return people


def _blocked(rule: Rule, people: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """Those without whom the rule cannot be met, and what then stays empty; nobody if it cannot anyway."""
    if _missing(rule, people):
        return {}
    alone = {
        user: _missing(rule, {other: roles for other, roles in people.items() if other != user})
        for user in people
    }
    return {user: missing for user, missing in alone.items() if missing}


def _missing(rule: Rule, people: Mapping[str, frozenset[str]]) -> str:
    """The slots that stay empty when everybody agrees, or nothing."""
    need = everything(need for stage in rule.quorum.stages for need in stage.needs)
    open_need = left(need, seat(need, people)[0], people)
    return "" if open_need is None else plain(open_need)


def _told(crowd: Crowd, gone: Mapping[str, str]) -> dict[str, str]:
    return {"roles": ", ".join(sorted(set(gone.values()))), "people": crowd.names(gone)}
