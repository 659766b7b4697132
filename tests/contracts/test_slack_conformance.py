"""The sandbox's own table of methods, and the events it sends, against the published reference."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.slack import methods
from bot.sandbox.slack.methods_table import METHODS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "slack"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the published method reference is not in this checkout"
)


def reference(name: str, key: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REFERENCE / name).read_text(encoding="utf-8"))[key]
    return content


@needs_reference
@pytest.mark.parametrize("name", METHODS)
def test_the_method_is_documented_with_its_arguments_and_scopes(name: str) -> None:
    documented = reference("methods.json", "methods")[name]
    method = METHODS[name]
    assert method.args <= set(documented["args"])
    assert method.required == set(documented["required"])
    assert method.scopes == set(documented["bot_scopes"])


def test_every_method_of_the_table_is_carried_out_and_no_other() -> None:
    assert set(methods.FUNCTIONS) | {"apps.connections.open"} == set(METHODS)


@needs_reference
def test_every_event_that_is_sent_is_a_documented_one() -> None:
    documented = reference("events.json", "events")
    assert set(events_sent()) <= set(documented)
    assert {"reaction_added", "reaction_removed", "app_home_opened", "subteam_members_changed"} <= set(
        events_sent()
    )


@needs_reference
def test_every_scope_of_the_table_is_one_that_some_method_or_event_knows() -> None:
    known = {scope for one in reference("methods.json", "methods").values() for scope in one["bot_scopes"]}
    assert {scope for method in METHODS.values() for scope in method.scopes} <= known


def events_sent() -> set[str]:
    """The literals that become the type of an event, read from the sources."""
    names = {"reaction_added", "reaction_removed", "channel_shared", "channel_unshared"}
    for source in (ROOT / "bot" / "sandbox" / "slack").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                names |= event_names(node)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "_membership"
            ):
                names |= {str(arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return names


def event_names(node: ast.Dict) -> set[str]:
    pairs = {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    kind = pairs.get("type")
    if "event_ts" not in pairs or not isinstance(kind, ast.Constant):
        return set()
    return {str(kind.value)}
