"""Who may ask and who must agree.

Pure: no clock, no database, no Slack. The first rule that matches decides; none matches = refused. A fact
that is not known yet (None) makes a rule *possible*, never a match: doubt means no.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.config.rule_types import Rule, When
from bot.config.types import Role


@dataclass(frozen=True)
class Asked:
    """What somebody asks for, as far as it is known.

    ``target`` is None while only a sealed reference is known. ``environment`` is None for a target without
    one; without a target it says nothing. ``record`` is None where the operation has none. ``rows`` is None
    until the plan has counted them.
    """

    operation: str
    target: str | None
    environment: str | None
    record: str | None
    rows: int | None


@dataclass(frozen=True)
class Refusal:
    """Why nobody with these roles may ask: the roles that could, and whom to ask for them.

    No roles at all: no rule covers what was asked. Both are in the order of the rules, without repetition.
    """

    roles: tuple[str, ...]
    owners: tuple[str, ...]


def match(rules: Sequence[Rule], asked: Asked) -> Rule | None:
    """The rule that decides, or None: refused.

    None as well when a fact is missing that an earlier rule depends on; a later rule may be laxer.
    """
    for rule in rules:
        answer = _fits(rule.when, asked)
        if answer is None:
            return None
        if answer:
            return rule
    return None


def possible(rules: Sequence[Rule], asked: Asked) -> tuple[Rule, ...]:
    """Every rule that could decide once the missing facts are known, in order."""
    found: list[Rule] = []
    for rule in rules:
        answer = _fits(rule.when, asked)
        if answer is not False:
            found.append(rule)
        if answer:
            break
    return tuple(found)


def about(rules: Sequence[Rule], target: str, environment: str | None) -> tuple[Rule, ...]:
    """Every rule that could be about this target, whatever is asked of it, in order."""
    return tuple(
        rule
        for rule in rules
        if _among(rule.when.target, target, known=True)
        and _among(rule.when.environment, environment, known=True)
    )


def may_request(rule: Rule, roles: Collection[str]) -> bool:
    """Whether somebody with these roles may ask under this rule."""
    return not set(rule.request).isdisjoint(roles)


def refusal_while_filing(
    rules: Sequence[Rule], asked: Asked, roles: Collection[str], configured: Mapping[str, Role]
) -> Refusal | None:
    """The refusal that is certain already, or None: plan first, then match exactly.

    Args:
        rules: the policy, in order.
        asked: what is known of the request.
        roles: those the requester holds.
        configured: all roles, for their owners.
    """
    could = possible(rules, asked)
    if any(may_request(rule, roles) for rule in could):
        return None
    return refusal(could, configured)


def refusal(rules: Iterable[Rule], configured: Mapping[str, Role]) -> Refusal:
    """The roles that could ask under any of these rules, and their owners."""
    needed = tuple(dict.fromkeys(role for rule in rules for role in rule.request))
    owners = (configured[role].owner for role in needed if role in configured)
    return Refusal(needed, tuple(dict.fromkeys(owner for owner in owners if owner)))


def roles_of(
    configured: Mapping[str, Role], user: str, groups: Mapping[str, Collection[str]]
) -> frozenset[str]:
    """The roles a person holds. A user group that is not in ``groups`` is unknown: not held."""
    return frozenset(name for name, role in configured.items() if user in people_of(role, groups))


def people_of(role: Role, groups: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Everybody who holds a role. A user group that is not in ``groups`` is unknown: nobody."""
    return role.people(groups)


def _fits(when: When, asked: Asked) -> bool | None:
    """Whether a rule is about this: yes, no, or None while a fact is missing."""
    answers = (
        asked.operation in when.operation,
        _among(when.target, asked.target, known=asked.target is not None),
        _among(when.environment, asked.environment, known=asked.target is not None),
        _among(when.record, asked.record, known=True),
        _small_enough(when, asked.rows),
    )
    if False in answers:
        return False
    return None if None in answers else True


def _among(wanted: Collection[str] | None, fact: str | None, *, known: bool) -> bool | None:
    if wanted is None:
        return True
    if not known:
        return None
    return fact in wanted


def _small_enough(when: When, rows: int | None) -> bool | None:
    if when.rows is None:
        return True
    if rows is None:
        return None
    return rows <= when.rows.at_most
