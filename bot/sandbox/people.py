"""The seeded workspace T0ACME: the people of the story, their groups and channels."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ruamel.yaml import YAML

from bot.sandbox.slack.core import Core
from bot.sandbox.slack.workspace import Channel, Group, User, Workspace
from bot.schedules import clock

TEAM = "T0ACME"
OTHER_TEAM = "T0OTHER"
APP_USER = "U0COUNTERSIGN"
DELETIONS = "C0DELETIONS"
GENERAL = "C0GENERAL"
PRIVATE = "C0BOARD"
MANIFEST = Path(__file__).resolve().parents[2] / "manifest.yml"

PEOPLE = (
    User("U0ALICE", "alice", "Alice Support", TEAM),
    User("U0BOB", "bob", "Bob Database", TEAM),
    User("U0DAN", "dan", "Dan Database", TEAM),
    User("U0CAROL", "carol", "Carol Data-Owner", TEAM, locale="de-DE"),
    User("U0ERIN", "erin", "Erin On-Call", TEAM),
    User("U0FRANK", "frank", "Frank Nobody", TEAM, locale="zh-CN"),
    User("U0GUS", "gus", "Gus Guest", TEAM, is_restricted=True),
    User("U0OLGA", "olga", "Olga Elsewhere", OTHER_TEAM),
    User("U0ZOE", "zoe", "Zoe Gone", TEAM, deleted=True),
    User("U0ROBOT", "robot", "Other Robot", TEAM, is_bot=True, bot_id="B0ROBOT"),
    User(APP_USER, "countersign", "Countersign", TEAM, is_bot=True, bot_id="B0COUNTERSIGN"),
)


def seeded(
    *,
    scopes: frozenset[str] | None = None,
    events: frozenset[str] | None = None,
    commands: frozenset[str] | None = None,
    now: Callable[[], datetime] = clock.now,
    trigger_life: float = 3.0,
) -> Core:
    """The workspace with everybody in it, ready for :class:`bot.sandbox.slack.server.Slack`.

    Args:
        scopes: what the bot token may do; None is everything.
        events: the subscribed events; None is everything.
        commands: the app's slash commands; None is any.
        now: Slack's clock, aware UTC.
        trigger_life: seconds that a trigger id can be used.
    """
    workspace = Workspace(TEAM, "acme", APP_USER)
    workspace.users = {user.id: User(**vars(user)) for user in PEOPLE}
    workspace.groups = {
        "S0DBA": Group("S0DBA", "dba", "Database administrators", ["U0BOB", "U0DAN"]),
        "S0ONCALL": Group("S0ONCALL", "oncall", "On call", ["U0ERIN"]),
    }
    everyone = [user.id for user in PEOPLE if not user.deleted]
    staff = [user.id for user in PEOPLE if user.team_id == TEAM and not user.deleted]
    workspace.channels = {
        DELETIONS: Channel(DELETIONS, "deletions", everyone),
        GENERAL: Channel(GENERAL, "general", [user for user in staff if user != APP_USER]),
        PRIVATE: Channel(PRIVATE, "board", ["U0CAROL"], is_private=True),
    }
    return Core(
        workspace, scopes=scopes, events=events, commands=commands, now=now, trigger_life=trigger_life
    )


def installed(manifest: Path = MANIFEST) -> dict[str, frozenset[str] | None]:
    """What an app manifest grants: arguments for :func:`seeded`. Without a manifest, everything."""
    if not manifest.is_file():
        return {"scopes": None, "events": None, "commands": None}
    content = YAML(typ="safe").load(manifest.read_text(encoding="utf-8"))
    return {
        "scopes": frozenset(content["oauth_config"]["scopes"]["bot"]),
        "events": frozenset(content["settings"]["event_subscriptions"]["bot_events"]),
        "commands": frozenset(entry["command"] for entry in content["features"]["slash_commands"]),
    }


def slash_commands(manifest: Path = MANIFEST) -> list[dict[str, str]]:
    """Name, description and usage of each command, as Slack offers them while somebody types."""
    if not manifest.is_file():
        return []
    content = YAML(typ="safe").load(manifest.read_text(encoding="utf-8"))
    return [
        {
            "name": entry["command"],
            "description": entry.get("description", ""),
            "usage": entry.get("usage_hint", ""),
        }
        for entry in content["features"]["slash_commands"]
    ]
