"""manifest.yml against Slack's own schema, and against what the door really uses."""

import ast
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from bot.sandbox.slack.methods_table import METHODS as SANDBOX
from handlers.door import COMMANDS
from handlers.intake import LASTING
from handlers.slack import EVENTS, METHODS

ROOT = Path(__file__).resolve().parents[2]
#: The published references, where they lie beside the repository.
REFERENCE = ROOT.parent / "shared" / "slack"


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / "manifest.yml").read_text(encoding="utf-8"))
    return found


def http_manifest() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / "manifest.http.yml").read_text(encoding="utf-8"))
    return found


def reference(name: str) -> dict[str, Any]:
    file = REFERENCE / name
    if not file.is_file():
        pytest.skip(f"{name} is not beside the repository")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def granted() -> set[str]:
    return set(manifest()["oauth_config"]["scopes"]["bot"])


def test_it_is_what_slack_accepts() -> None:
    schema = reference("manifest.schema.2.0.0.json")
    jsonschema.validate(manifest(), schema)
    jsonschema.validate(http_manifest(), schema)


def test_the_one_for_http_is_the_same_app_with_an_address() -> None:
    address = "https://countersign.example.com/slack/events"
    given = http_manifest()
    assert [one.pop("url") for one in given["features"]["slash_commands"]] == [address] * 4
    settings = given["settings"]
    assert settings["event_subscriptions"].pop("request_url") == address
    assert settings["interactivity"].pop("request_url") == address
    assert settings["socket_mode_enabled"] is False
    assert {**given, "settings": {**settings, "socket_mode_enabled": True}} == manifest()


def test_it_asks_for_exactly_the_scopes_that_methods_events_and_commands_need() -> None:
    needed = {"commands"}
    for scopes in (*METHODS.values(), *EVENTS.values()):
        needed.update(scopes)
    assert granted() == needed


def test_it_subscribes_to_exactly_the_events_the_door_handles() -> None:
    subscribed = manifest()["settings"]["event_subscriptions"]["bot_events"]
    assert sorted(subscribed) == subscribed
    assert set(subscribed) == set(EVENTS)
    assert set(LASTING) <= set(EVENTS)
    source = (ROOT / "handlers/door.py").read_text(encoding="utf-8")
    for event in set(EVENTS) - set(LASTING):
        assert f'"{event}"' in source


def test_it_offers_exactly_the_commands_that_work() -> None:
    offered = [one["command"] for one in manifest()["features"]["slash_commands"]]
    assert set(offered) == {*COMMANDS, "/countersign"}


def test_it_needs_socket_mode_and_buttons() -> None:
    settings = manifest()["settings"]
    assert settings["socket_mode_enabled"] is True
    assert settings["interactivity"]["is_enabled"] is True


def test_every_method_the_door_calls_is_in_its_table_and_none_is_there_for_nothing() -> None:
    called = {"apps.connections.open"}  # Socket Mode calls it
    for file in (ROOT / "handlers").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and file.name != "slack.py":
                called |= {node.value} & set(SANDBOX)
            if isinstance(node, ast.Constant) and node.value == "auth.test":
                called.add("auth.test")
    assert called == set(METHODS)


def test_the_table_is_what_slack_publishes() -> None:
    methods = reference("methods.json")["methods"]
    for method, scopes in METHODS.items():
        assert method in methods
        allowed = set(methods[method].get("bot_scopes", []))
        assert set(scopes) <= allowed
        assert bool(scopes) is bool(allowed)


def test_the_events_are_those_slack_publishes() -> None:
    events = reference("events.json")["events"]
    for event, scopes in EVENTS.items():
        assert event in events
        assert set(scopes) <= set(events[event])
        assert bool(scopes) is bool(events[event])
