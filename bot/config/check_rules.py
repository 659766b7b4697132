"""Findings about rules: those that never decide, what none covers, and quorums that cannot be reached."""

from collections.abc import Iterator, Mapping, Sequence

from bot.config.check_people import Crowd
from bot.config.problems import Finding
from bot.config.types import Config, Rule
from bot.model.requests import Operation

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
    for number, rule in enumerate(config.rules):
        approving = {slot.role for slot in rule.approve}
        if not all(crowd.is_known(config.roles[role]) for role in approving):
            continue
        finding = _quorum_finding(config, crowd, rule)
        if finding:
            key, params = finding
            yield config.source.finding(("rules", number, "approve"), key, rule=rule.name, **params)


def missing_seats(seats: Sequence[str], people: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The seats (roles) that stay empty when as many distinct people as possible sit down."""
    taken: dict[str, int] = {}

    def fill(seat: int, tried: set[str]) -> bool:
        for person, roles in people.items():
            if seats[seat] not in roles or person in tried:
                continue
            tried.add(person)
            if person not in taken or fill(taken[person], tried):
                taken[person] = seat
                return True
        return False

    return tuple(role for seat, role in enumerate(seats) if not fill(seat, set()))


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


def _quorum_finding(config: Config, crowd: Crowd, rule: Rule) -> tuple[str, dict[str, str]] | None:
    seats = [slot.role for slot in rule.approve for _ in range(slot.count)]
    people: dict[str, frozenset[str]] = {}
    for role in dict.fromkeys(seats):
        for user in crowd.holders(config.roles[role]):
            people[user] = people.get(user, frozenset()) | {role}
    missing = missing_seats(seats, people)
    if missing:
        return "finding.quorum-never", {"roles": _listed(missing)}
    asking = {user for role in rule.request for user in crowd.holders(config.roles[role])}
    blocked = {user: left for user in asking & people.keys() if (left := _without(seats, people, user))}
    if not blocked:
        return None
    roles = _listed(role for left in blocked.values() for role in left)
    all_known = all(crowd.is_known(config.roles[role]) for role in rule.request)
    if blocked.keys() == asking and all_known:
        return "finding.quorum-self", {"roles": roles, "people": crowd.names(blocked)}
    return "finding.quorum-some", {"roles": roles, "people": crowd.names(blocked)}


def _without(seats: Sequence[str], people: Mapping[str, frozenset[str]], user: str) -> tuple[str, ...]:
    return missing_seats(seats, {other: roles for other, roles in people.items() if other != user})


def _listed(roles: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(sorted(set(roles)))
