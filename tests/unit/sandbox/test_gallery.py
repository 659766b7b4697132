"""Everything the bot can show is in the gallery, is taken by Slack, and is what Slack's own types allow."""

import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FrameType, ModuleType
from typing import Any

import pytest
from jsonschema import Draft7Validator

from bot.sandbox import gallery
from bot.sandbox.gallery import Exhibit
from bot.sandbox.slack.limits import UPDATE_TEXT, check_message, check_view
from bot.texts import languages
from handlers import views as drawers
from handlers.views.blocks import Rendered

TYPES = Path(__file__).resolve().parents[2] / "contracts" / "slack_types" / "schema.json"
VIEWS = tuple(import_module(f"{drawers.__name__}.{one.name}") for one in iter_modules(drawers.__path__))
#: They read what somebody typed into a form; nothing of theirs is shown.
READERS = {"values_of", "private_of", "language_of", "content", "number_in"}


@pytest.fixture(scope="module", params=languages())
def shown(request: pytest.FixtureRequest) -> list[Exhibit]:
    return gallery.exhibits(request.param)


@pytest.fixture(scope="module")
def types() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(TYPES.read_text(encoding="utf-8"))
    return content


def public(module: ModuleType) -> Iterator[str]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_") and name not in READERS:
            yield f"{module.__name__}.{name}"


def test_whatever_draws_has_drawn_something_here() -> None:
    called = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            called.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        gallery.exhibits("en")
    finally:
        sys.setprofile(None)
    folder = Path(drawers.__path__[0])
    assert {f"handlers.views.{file.stem}" for file in folder.glob("[a-z]*.py")} == {
        one.__name__ for one in VIEWS
    }
    drawing = {name for module in VIEWS for name in public(module)}
    assert drawing - called == set()


def test_slack_takes_all_of_it(shown: list[Exhibit]) -> None:
    for one in shown:
        if one.view is None:
            check_message([{**block, "block_id": f"x/{n}"} for n, block in enumerate(one.blocks)], one.text)
            check_message(None, Rendered(one.text, one.blocks).in_words, text_most=UPDATE_TEXT)
        else:
            check_view(one.view)


def test_it_is_what_the_types_of_slack_allow(shown: list[Exhibit], types: dict[str, Any]) -> None:
    def judge(name: str) -> Draft7Validator:
        return Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": types["definitions"]})

    block, views = judge("KnownBlock"), {"modal": judge("ModalView"), "home": judge("HomeView")}
    wrong = [
        (one.room, one.title, error.message[:300])
        for one in shown
        for error in (
            views[one.view["type"]].iter_errors(one.view)
            if one.view
            else (problem for each in one.blocks for problem in block.iter_errors(each))
        )
    ]
    assert wrong == []


#: What comes from the configuration, from a database or is typed stays as it is: names, states, commands.
KEPT = re.compile(
    r"`[^`]*`|<[^>]*>|small erasure|system teardown|unit file|GNU tar|Example CRM Ltd|Alice Support|GDPR 4711|table\.column"
    r"|countersign [a-z-]+|PostgreSQL version|example\.com|order_lines\.order_id|CREATE INDEX CONCURRENTLY [^)]*\)"
    r"|idle in transaction|docs/[a-z-]+\.md|CSV UTF-8|ALTER TABLE|mysqld\.sock"
)


def said(node: Any) -> Iterator[str]:
    """Every text that somebody reads, the questions behind buttons included."""
    if isinstance(node, list | tuple):
        for part in node:
            yield from said(part)
    if isinstance(node, dict):
        if node.get("type") in ("plain_text", "mrkdwn"):
            yield str(node["text"])
        for part in node.values():
            yield from said(part)


@pytest.mark.parametrize(
    ("language", "foreign"),
    [
        ("en", re.compile(r"[\u3000-\u9fff\uff00-\uffef]")),
        ("zh-CN", re.compile(r"[A-Za-z][\w-]*(?:[ ,.]+[A-Za-z][\w-]*)+")),
    ],
)
def test_nothing_mixes_two_languages(language: str, foreign: re.Pattern[str]) -> None:
    mixed = [
        (one.room, one.title, found[0])
        for one in gallery.exhibits(language)
        for text in (one.text, *said(list(one.blocks)), *said(dict(one.view or {})))
        if (found := foreign.search(KEPT.sub("", text)))
    ]
    assert mixed == []


BAD = [
    ("an unknown field", {"type": "section", "text": {"type": "plain_text", "text": "a"}, "colour": "red"}),
    ("a header in mrkdwn", {"type": "header", "text": {"type": "mrkdwn", "text": "a"}}),
    ("a button without a text", {"type": "actions", "elements": [{"type": "button", "action_id": "a"}]}),
    ("a kind that does not exist", {"type": "banner", "text": {"type": "plain_text", "text": "a"}}),
]


@pytest.mark.parametrize("block", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_the_types_refuse_what_slack_would(block: dict[str, Any], types: dict[str, Any]) -> None:
    schema = {"$ref": "#/definitions/KnownBlock", "definitions": types["definitions"]}
    assert not Draft7Validator(schema).is_valid(block)


def test_each_exhibit_can_be_told_from_the_others(shown: list[Exhibit]) -> None:
    names = Counter((one.room, one.title) for one in shown)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(one.shown() for one in shown)
