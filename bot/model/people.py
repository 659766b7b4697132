"""People as Slack describes them and as the configuration sees them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PersonFacts:
    """What Slack says about one person. A flag that Slack left out of its answer is false."""

    user: str
    team: str
    name: str
    is_bot: bool = False
    is_guest: bool = False
    is_deactivated: bool = False
    locale: str | None = None


@dataclass(frozen=True)
class RosterFacts:
    """Who is who, and who is in which user group. A person or group that is absent is unknown: a no."""

    people: Mapping[str, PersonFacts]
    groups: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Actor:
    """Somebody at the door: the person and the roles that person holds right now."""

    facts: PersonFacts
    roles: frozenset[str]

    @property
    def user(self) -> str:
        """The Slack user id."""
        return self.facts.user

    @property
    def team(self) -> str:
        """The workspace (or enterprise) the person belongs to."""
        return self.facts.team
