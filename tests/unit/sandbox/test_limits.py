"""Every limit of a message or a form, at its edge and one beyond."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox.slack.elements import ELEMENTS
from bot.sandbox.slack.limits import BLOCKS, check_message, check_metadata, check_view
from bot.sandbox.slack.workspace import ApiError
from tests.unit.sandbox.live_app import button, field, modal, section


def code_of(blocks: Any, text: str = "t", **more: int) -> str:
    try:
        check_message(blocks, text, **more)
    except ApiError as refusal:
        return refusal.code
    return "ok"


def view_code(view: Any) -> str:
    try:
        check_view(view)
    except ApiError as refusal:
        return refusal.code
    return "ok"


def actions(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "actions", "elements": list(elements)}]


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def confirmed(title: int = 1, text: int = 1, yes: int = 1, no: int = 1) -> list[dict[str, Any]]:
    dialog = {"title": plain("a" * title), "text": plain("a" * text)}
    return actions(
        {**button("a"), "confirm": {**dialog, "confirm": plain("y" * yes), "deny": plain("n" * no)}}
    )


def select(count: int, text: int = 1, value: int = 1) -> list[dict[str, Any]]:
    options = [{"text": plain("o" * text), "value": "v" * value}] * count
    return actions({"type": "static_select", "action_id": "s", "options": options})


def chosen(description: int = 1, initial: str = "v", label: int | None = None) -> list[dict[str, Any]]:
    option = {"text": plain("o"), "value": "v", "description": plain("d" * description)}
    element = {
        "type": "static_select",
        "action_id": "s",
        "initial_option": {**option, "value": initial},
    }
    if label is None:
        return actions({**element, "options": [option]})
    return actions({**element, "option_groups": [{"label": plain("l" * label), "options": [option]}]})


def fields(count: int, size: int = 1) -> list[dict[str, Any]]:
    return [{"type": "section", "fields": [plain("f" * size)] * count}]


def context(count: int) -> list[dict[str, Any]]:
    return [{"type": "context", "elements": [plain("c")] * count}]


def plan(count: int, status: str = "complete") -> list[dict[str, Any]]:
    task = {"type": "task_card", "task_id": "1", "title": "t", "status": status}
    return [{"type": "plan", "title": "p", "tasks": [task] * count}]


def header(size: int) -> list[dict[str, Any]]:
    return [{"type": "header", "text": plain("h" * size)}]


RICH = {
    "type": "rich_text",
    "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "r"}]}],
}

AT_THE_EDGE = {
    "50 blocks": [{"type": "divider"}] * 50,
    "a section of 3000": [section("s" * 3000)],
    "10 fields": fields(10),
    "a field of 2000": fields(1, 2000),
    "a header of 150": header(150),
    "25 buttons": actions(*(button(f"a{number}") for number in range(25))),
    "a label of 75": actions(button("a", "b" * 75)),
    "a value of 2000": actions(button("a", value="v" * 2000)),
    "an action id of 255": actions(button("a" * 255)),
    "a confirmation of 100, 300, 30, 30": confirmed(100, 300, 30, 30),
    "100 options of 75 and 150": select(100, 75, 150),
    "an option described in 75, and chosen": chosen(75),
    "a group of options called by 75": chosen(label=75),
    "a label of 75 for those who hear it": actions({**button("a"), "accessibility_label": "b" * 75}),
    "10 context elements": context(10),
    "50 tasks": plan(50),
    "rich text": [RICH],
    "the same action id in two blocks": [*actions(button("a")), *actions(button("a"))],
    "13200 characters in all": [section("s" * 3000)] * 4 + [section("s" * 1200)],
}
BEYOND = {
    "51 blocks": [{"type": "divider"}] * 51,
    "a section of 3001": [section("s" * 3001)],
    "an empty section": [section("")],
    "11 fields": fields(11),
    "a field of 2001": fields(1, 2001),
    "a header of 151": header(151),
    "a header in mrkdwn": [{"type": "header", "text": {"type": "mrkdwn", "text": "h"}}],
    "26 buttons": actions(*(button(f"a{number}") for number in range(26))),
    "no buttons": actions(),
    "an option described in 76": chosen(76),
    "chosen what is not offered": chosen(initial="w"),
    "chosen what no group offers": chosen(initial="w", label=1),
    "a group of options called by 76": chosen(label=76),
    "a label of 76 for those who hear it": actions({**button("a"), "accessibility_label": "b" * 76}),
    "a label of 76": actions(button("a", "b" * 76)),
    "a label in mrkdwn": actions({**button("a"), "text": {"type": "mrkdwn", "text": "b"}}),
    "a value of 2001": actions(button("a", value="v" * 2001)),
    "an action id of 256": actions(button("a" * 256)),
    "an unknown style": actions({**button("a"), "style": "warning"}),
    "an action id twice in a block": actions(button("a"), button("a")),
    "a block id twice": [{**section("s"), "block_id": "b"}, {**section("s"), "block_id": "b"}],
    "a confirmation title of 101": confirmed(title=101),
    "a confirmation text of 301": confirmed(text=301),
    "a confirming label of 31": confirmed(yes=31),
    "a denying label of 31": confirmed(no=31),
    "101 options": select(101),
    "an option of 76": select(1, 76),
    "an option value of 151": select(1, 1, 151),
    "11 context elements": context(11),
    "51 tasks": plan(51),
    "a task that is completed instead of complete": plan(1, "completed"),
    "plan and task_card together": [
        *plan(1),
        {"type": "task_card", "task_id": "1", "title": "t", "status": "error"},
    ],
    "an unknown block": [{"type": "sektion"}],
    "an unknown element": actions({"type": "knob", "action_id": "a"}),
    "an input element among actions": actions({"type": "plain_text_input", "action_id": "a"}),
    "an unknown property": [{**section("s"), "colour": "red"}],
    "a bad label deep in a container": [
        {"type": "container", "title": plain("c"), "child_blocks": actions(button("a", "b" * 76))}
    ],
    "blocks that are no list": {"type": "section"},
    "a block that is no object": ["section"],
}


@pytest.mark.parametrize("name", AT_THE_EDGE)
def test_passes(name: str) -> None:
    assert code_of(AT_THE_EDGE[name]) == "ok"


@pytest.mark.parametrize("name", BEYOND)
def test_is_refused(name: str) -> None:
    assert code_of(BEYOND[name]) == "invalid_blocks"


def test_legal_blocks_with_too_much_text_together_are_refused_as_a_whole() -> None:
    assert code_of([section("s" * 3000)] * 4 + [section("s" * 1201)]) == "msg_blocks_too_long"


def test_the_refusal_points_at_the_place() -> None:
    with pytest.raises(ApiError) as refusal:
        check_message([section("ok"), *actions(button("a", "b" * 76))], "t")
    lines = refusal.value.more["response_metadata"]["messages"]
    assert lines == ["[ERROR] must be less than 76 characters [json-pointer:/blocks/1/elements/0/text/text]"]


def test_the_text_of_an_update_ends_at_4000() -> None:
    assert code_of(None, "t" * 4000, text_most=4000) == "ok"
    assert code_of(None, "t" * 4001, text_most=4000) == "msg_too_long"


VIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "a title of 24": ({"title": plain("t" * 24)}, "ok"),
    "a title of 25": ({"title": plain("t" * 25)}, "invalid_arguments"),
    "a submit of 25": ({"submit": plain("t" * 25)}, "invalid_arguments"),
    "a close of 25": ({"close": plain("t" * 25)}, "invalid_arguments"),
    "100 blocks": ({"blocks": [section("s")] * 100}, "ok"),
    "101 blocks": ({"blocks": [section("s")] * 101}, "invalid_arguments"),
    "private metadata of 3000": ({"private_metadata": "m" * 3000}, "ok"),
    "private metadata of 3001": ({"private_metadata": "m" * 3001}, "invalid_arguments"),
    "a callback id of 256": ({"callback_id": "c" * 256}, "invalid_arguments"),
    "an unknown kind of view": ({"type": "dialog"}, "invalid_arguments"),
    "an initial value beyond max_length": (
        {"blocks": [field("f", max_length=3, initial_value="long")]},
        "invalid_arguments",
    ),
    "a placeholder of 151": ({"blocks": [field("f", placeholder=plain("p" * 151))]}, "invalid_arguments"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_form_with(name: str) -> None:
    change, expected = VIEWS[name]
    assert view_code({**modal(section("s")), **change}) == expected


def test_a_form_with_inputs_needs_a_submit_button() -> None:
    form = modal(field("f"))
    del form["submit"]
    assert view_code(form) == "invalid_arguments"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"event_type": "request", "event_payload": {"subject": "card:42"}}, "ok"),
        ({"event_type": "request"}, "invalid_metadata_schema"),
        ({"event_type": "request", "event_payload": {}, "colour": 1}, "invalid_metadata_format"),
        ("request", "invalid_metadata_format"),
        ({"event_type": "request", "event_payload": {"a": "x" * 17_000}}, "metadata_too_large"),
    ],
)
def test_metadata(metadata: Any, expected: str) -> None:
    code = "ok"
    try:
        check_metadata(metadata)
    except ApiError as refusal:
        code = refusal.code
    assert code == expected


KINDS = st.sampled_from([*BLOCKS, *ELEMENTS, "plain_text", "mrkdwn", "modal", "home", "rich_text_section"])
KEYS = st.sampled_from(
    [
        *("type", "text", "elements", "element", "accessory", "fields", "label", "title", "tasks", "rows"),
        *("options", "option_groups", "confirm", "blocks", "hint", "child_blocks", "action_id", "block_id"),
        *("placeholder", "value", "max_length", "initial_value", "details", "status", "url", "style"),
    ]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=60)
@given(JUNK | st.lists(JUNK, max_size=3))
def test_whatever_is_sent_as_blocks_is_judged_and_nothing_breaks(junk: Any) -> None:
    assert code_of(junk) in ("ok", "invalid_blocks", "msg_blocks_too_long")


@settings(max_examples=60)
@given(st.dictionaries(KEYS, JUNK) | JUNK)
def test_whatever_is_sent_as_a_form_is_judged_and_nothing_breaks(junk: Any) -> None:
    assert view_code(junk) in ("ok", "invalid_arguments")
