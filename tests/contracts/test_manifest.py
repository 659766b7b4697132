"""manifest.yml, the app as Slack installs it, against what the door really uses and against Slack's schema."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from bot.sandbox.slack.methods_table import METHODS
from handlers import door
from handlers.intake import LASTING

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "slack"
HANDLERS = sorted((ROOT / "handlers").rglob("*.py"))
MANIFEST: dict[str, Any] = YAML(typ="safe").load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
#: Words a person may type that the hint leaves out, and commands that only explain themselves.
UNADVERTISED = {""}
NOT_YET = {"/teardown"}
#: Event -> the scope that lets Slack send it.
SCOPE_OF_EVENT = {
    "app_home_opened": set[str](),
    "channel_shared": {"channels:read", "groups:read"},
    "channel_unshared": {"channels:read", "groups:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "reaction_added": {"reactions:read"},
    "reaction_removed": {"reactions:read"},
    "subteam_members_changed": {"usergroups:read"},
    "user_change": {"users:read"},
}


def literals(files: list[Path]) -> Iterator[str]:
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def methods_used() -> set[str]:
    return set(literals(HANDLERS)) & set(METHODS)


def scopes_granted() -> set[str]:
    return set(MANIFEST["oauth_config"]["scopes"]["bot"])


def events_granted() -> set[str]:
    return set(MANIFEST["settings"]["event_subscriptions"]["bot_events"])


def test_the_commands_of_the_manifest_are_the_commands_that_are_handled() -> None:
    offered = {entry["command"] for entry in MANIFEST["features"]["slash_commands"]}
    assert offered == {*door.COMMANDS, "/countersign"} - NOT_YET


def test_the_hint_of_countersign_lists_its_words() -> None:
    (entry,) = [one for one in MANIFEST["features"]["slash_commands"] if one["command"] == "/countersign"]
    assert set(entry["usage_hint"].split(" | ")) == set(door.WORDS) - UNADVERTISED


@pytest.mark.parametrize("method", sorted(methods_used()))
def test_every_method_that_is_called_is_allowed(method: str) -> None:
    needed = METHODS[method].scopes
    assert not needed or needed & scopes_granted()


def test_no_scope_is_asked_for_without_use() -> None:
    used = {scope for method in methods_used() for scope in METHODS[method].scopes}
    used |= {scope for event in events_granted() for scope in SCOPE_OF_EVENT[event]}
    assert scopes_granted() - used == {"commands"}


def test_the_events_of_the_manifest_are_the_events_that_are_heard() -> None:
    heard = set(literals([ROOT / "handlers" / "door.py"])) & set(SCOPE_OF_EVENT) | set(LASTING)
    assert events_granted() == heard


@pytest.mark.parametrize("event", sorted(events_granted()))
def test_every_event_has_a_scope_that_lets_it_come(event: str) -> None:
    needed = SCOPE_OF_EVENT[event]
    assert needed <= scopes_granted()


def test_every_scope_has_its_reason_in_the_installation_guide() -> None:
    guide = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert {scope for scope in scopes_granted() if f"`{scope}`" not in guide} == set()


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="Slack's published schema is not beside this checkout")
@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
def test_the_manifest_is_one_by_slacks_own_schema(version: str) -> None:
    schema = json.loads((REFERENCE / f"manifest.schema.{version}.json").read_text(encoding="utf-8"))
    jsonschema.validate(MANIFEST, schema)
