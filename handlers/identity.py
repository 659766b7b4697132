"""Slack user -> Actor, and the worker's questions about people. Never inside a transaction of ours.

Fails closed: when Slack does not answer, nobody is anybody. A flag that Slack leaves out of an answer is
false; a person or group that Slack does not know is absent.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.config.types import Config
from bot.errors import CannotProve, NotAllowed
from bot.model.people import Actor, PersonFacts, RosterFacts
from bot.policy.rules import roles_of
from bot.texts import languages
from handlers.ports import Services
from handlers.slack import Slack, SlackIsBusy, SlackIsSilent, SlackSaysNo, connect

FRESH = timedelta(seconds=5)
_BOT_FLAGS = ("is_bot", "is_workflow_bot", "is_connector_bot")
LOCALE_FRESH = timedelta(minutes=10)
_NOBODY = frozenset({"user_not_found", "user_not_visible", "users_not_found"})
_NO_GROUP = frozenset({"no_such_subteam", "subteam_not_found"})
_log = structlog.get_logger(__name__)


class People:
    """Who is who, remembered for five seconds."""

    def __init__(self, slack: Slack, config: Config, clock: Callable[[], datetime]) -> None:
        self._slack = slack
        self._config = config
        self._clock = clock
        self._people: dict[str, tuple[datetime, PersonFacts | None]] = {}
        self._groups: dict[str, tuple[datetime, tuple[str, ...] | None]] = {}
        self._resting_until: datetime | None = None

    def actor(self, user: str, team: str | None = None, fallback_team: str | None = None) -> Actor:
        """The person at the door, with the roles held right now.

        Args:
            user: Slack user id.
            team: the person's team as the payload says it; another one than ours is an outsider.
            fallback_team: the payload's team, for when Slack's directory names none.

        Raises:
            NotAllowed: Slack does not know this person.
            CannotProve: Slack did not answer.
        """
        facts = self.facts(user, team or fallback_team)
        if facts is None:
            raise NotAllowed("person.unknown")
        if team and team != self._config.workspace and self._config.workspace.startswith("T"):
            facts = PersonFacts(**{**vars(facts), "team": team})
        groups = {name: users for name in self._config.usergroups if (users := self.group(name)) is not None}
        return Actor(facts, roles_of(self._config.roles, user, groups))

    def facts(
        self, user: str, fallback_team: str | None = None, since: datetime | None = None
    ) -> PersonFacts | None:
        """What Slack says about a person; None when it knows nobody by that id.

        ``since``: how old a remembered answer may be; five seconds when left out.

        Raises:
            CannotProve: Slack did not answer.
        """
        known = self._people.get(user)
        if known and known[0] >= (since or self._clock() - FRESH):
            return known[1]
        asked_at = self._clock()
        answer = self._ask("users.info", _NOBODY, user=user, include_locale=True)
        found = None if answer is None else _facts(user, answer, self._config.workspace, fallback_team)
        self._people[user] = (asked_at, found)
        return found

    def group(self, group: str, since: datetime | None = None) -> tuple[str, ...] | None:
        """The members of a user group; None when Slack knows no such group. ``since`` as in ``facts``.

        Raises:
            CannotProve: Slack did not answer.
        """
        known = self._groups.get(group)
        if known and known[0] >= (since or self._clock() - FRESH):
            return known[1]
        asked_at = self._clock()
        answer = self._ask("usergroups.users.list", _NO_GROUP, usergroup=group)
        users = None if answer is None else tuple(str(user) for user in answer.get("users") or ())
        self._groups[group] = (asked_at, users)
        return users

    def language(self, user: str) -> str:
        """The language for private sentences: the person's own where there is a catalogue for it."""
        known = languages()
        if len(known) < 2:
            return self._config.language
        try:
            facts = self.facts(user, since=self._clock() - LOCALE_FRESH)
        except CannotProve:
            return self._config.language
        wanted = (facts.locale if facts else None) or self._config.language
        return next((one for one in (wanted, wanted.split("-")[0]) if one in known), self._config.language)

    def names(self, users: Iterable[str]) -> Mapping[str, str]:
        """What people are called, as far as it is remembered or Slack says so within a second."""
        until, found = self._clock() + timedelta(seconds=1), dict[str, str]()
        for user in users:
            patient = user not in found and self._clock() < until
            try:
                facts = self.facts(user, since=self._clock() - LOCALE_FRESH) if patient else None
            except CannotProve:
                facts = None
            if facts is not None and facts.name:
                found[user] = facts.name
        return found

    def forget(self) -> None:
        """Somebody or some group changed: ask again."""
        self._people.clear()
        self._groups.clear()

    def read(self, users: tuple[str, ...], groups: tuple[str, ...], since: datetime) -> RosterFacts:
        """Facts read no earlier than ``since``: the whole answer or none.

        Raises:
            CannotProve: Slack did not answer some part.
        """
        members = {group: found for group in groups if (found := self.group(group, since)) is not None}
        people = {user: person for user in users if (person := self.facts(user, since=since)) is not None}
        return RosterFacts(people, members)

    def _ask(self, method: str, nobody: frozenset[str], **arguments: Any) -> Mapping[str, Any] | None:
        if self._resting_until is not None and self._clock() < self._resting_until:
            raise CannotProve("slack.cannot-check")
        try:
            return self._slack.call(method, **arguments)
        except SlackSaysNo as no:
            if no.code in nobody:
                return None
            _log.warning("slack.directory-refused", method=method, code=no.code)
            raise CannotProve("slack.cannot-check") from None
        except SlackIsBusy as busy:
            self._resting_until = self._clock() + timedelta(seconds=busy.seconds)
            raise CannotProve("slack.cannot-check") from None
        except SlackIsSilent:
            raise CannotProve("slack.cannot-check") from None


def answer_roster(services: Services, people: People, now: datetime) -> int:
    """Answer what the worker asks about people; returns how many questions were answered.

    Raises:
        CannotProve: Slack did not answer; the question stays open.
    """
    answered = 0
    for question in services.roster.questions():
        facts = people.read(question.users, question.groups, question.asked_at)
        services.roster.answer(question.nonce, facts, now)
        answered += 1
    return answered


def read_roster(token: str, api_url: str, config: Config, now: Callable[[], datetime]) -> RosterFacts:
    """Everybody the configuration names, with names, for ``countersign check``.

    Raises:
        CannotProve: Slack did not answer some part.
    """
    people = People(Slack(connect(token, api_url)), config, now)
    begun = now()
    groups = people.read((), config.usergroups, begun).groups
    everybody = sorted({*config.users, *(user for members in groups.values() for user in members)})
    return people.read(tuple(everybody), config.usergroups, begun)


def _facts(user: str, answer: Mapping[str, Any], workspace: str, fallback: str | None) -> PersonFacts:
    told = answer.get("user") or {}
    profile = told.get("profile") or {}
    enterprise = (told.get("enterprise_user") or {}).get("enterprise_id")
    team = str(told.get("team_id") or fallback or "")
    home = workspace in (team, enterprise) and not told.get("is_stranger")
    return PersonFacts(
        user=user,
        team=workspace if home else (team if team != workspace else ""),
        name=str(profile.get("display_name") or told.get("real_name") or told.get("name") or ""),
        is_bot=any(told.get(flag) for flag in _BOT_FLAGS)
        or bool(profile.get("bot_id"))
        or user == "USLACKBOT",
        is_guest=bool(told.get("is_restricted")) or bool(told.get("is_ultra_restricted")),
        is_deactivated=bool(told.get("deleted")),
        locale=str(told["locale"]) if told.get("locale") else None,
    )
