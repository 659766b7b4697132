"""Findings about roles: who holds them, who only seems to, and whom to ask."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.config.problems import Finding, Place
from bot.config.types import Config, Role
from bot.config.values import short
from bot.model.people import RosterFacts

_MANY = 5


@dataclass(frozen=True)
class Crowd:
    """The people behind the roles, as far as Slack was asked."""

    config: Config
    roster: RosterFacts | None

    def unfit(self, user: str) -> str | None:
        """Why this person may neither ask nor approve; None if nothing is known against it."""
        if self.roster is None:
            return None
        person = self.roster.people.get(user)
        if person is None:
            return "unknown"
        reasons = {
            "outsider": person.team != self.config.workspace,
            "bot": person.is_bot,
            "deactivated": person.is_deactivated,
            "guest": person.is_guest,
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def is_known(self, role: Role) -> bool:
        """Whether all holders of a role are known."""
        return role.usergroup is None or self.roster is not None

    def holders(self, role: Role) -> frozenset[str]:
        """The known people who hold a role and may use it."""
        groups = self.roster.groups if self.roster else {}
        return frozenset(user for user in role.people(groups) if self.unfit(user) is None)

    def names(self, users: Iterable[str]) -> str:
        """People as they stand in a sentence; a long list is cut."""
        people = sorted(users)
        shown = ", ".join(shown_person(user, self.roster) for user in people[:_MANY])
        return shown if len(people) <= _MANY else f"{shown}, … ({len(people)})"


def shown_person(user: str, roster: RosterFacts | None) -> str:
    """A Slack id with the name beside it, if the roster knows one: ``Alice (U0ALICE)``."""
    person = roster.people.get(user) if roster else None
    name = "".join(letter if letter.isprintable() else " " for letter in person.name) if person else ""
    return f"{short(name)} ({user})" if name.strip() else user


def role_findings(config: Config, crowd: Crowd) -> Iterator[Finding]:
    """Roles that nobody holds or uses, people who cannot use theirs, owners who cannot be asked."""
    used = {role for rule in config.rules for role in rule.roles}
    for name, role in config.roles.items():
        place: Place = ("roles", name)
        yield from _person_findings(crowd, place, name, role)
        yield from _group_findings(crowd, place, name, role)
        if crowd.is_known(role) and not crowd.holders(role):
            yield config.source.finding(place, "finding.role-nobody", role=name)
        if name not in used:
            yield config.source.finding(place, "finding.role-unused", role=name)
        if role.owner is None:
            yield config.source.finding(place, "finding.role-no-owner", role=name)


def _person_findings(crowd: Crowd, place: Place, name: str, role: Role) -> Iterator[Finding]:
    source = crowd.config.source
    for number, user in enumerate(role.users):
        why = crowd.unfit(user)
        if why:
            person = shown_person(user, crowd.roster)
            here = (*place, "users", number)
            yield source.finding(here, f"finding.person-{why}", person=person, role=name)
    why = crowd.unfit(role.owner) if role.owner else None
    if role.owner and why:
        owner = shown_person(role.owner, crowd.roster)
        yield source.finding((*place, "owner"), f"finding.owner-{why}", person=owner, role=name)


def _group_findings(crowd: Crowd, place: Place, name: str, role: Role) -> Iterator[Finding]:
    if crowd.roster is None or role.usergroup is None:
        return
    if role.usergroup not in crowd.roster.groups:
        here = (*place, "usergroup")
        yield crowd.config.source.finding(here, "finding.group-unknown", group=role.usergroup, role=name)
