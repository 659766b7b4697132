"""What a message looks like in a terminal."""

from typing import Any

import pytest

from bot.sandbox.mrkdwn import mrkdwn, rich_text
from bot.sandbox.people import seeded
from bot.sandbox.render import Renderer
from bot.sandbox.slack.core import View
from bot.sandbox.slack.workspace import Message
from tests.unit.sandbox.live_app import button, field, modal, section

WORKSPACE = seeded().workspace

READ = {
    "a person": ("<@U0ALICE> asks", "@alice asks"),
    "somebody unknown": ("<@U0NOBODY>", "@U0NOBODY"),
    "a group": ("<!subteam^S0DBA>", "@dba"),
    "a channel": ("<#C0DELETIONS>", "#deletions"),
    "everybody": ("<!channel>", "@channel"),
    "a customer who is called like that": ("&lt;!channel&gt;", "<!channel>"),
    "a link with a label": ("<https://a.example|the way>", "the way"),
    "an address": ("<mailto:ada@example.com|ada@example.com>", "ada@example.com"),
    "bold, italic, struck": ("*b* _i_ ~s~", "b i s"),
    "stars in a sum": ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
    "code keeps its stars": ("`*cs1.abc*`", "*cs1.abc*"),
    "a block of code": ("```\na\nb\n```", "a\nb"),
    "an emoji": (":white_check_mark: :no_such_sign:", "✅ :no_such_sign:"),
    "a time": ("12:30:45", "12:30:45"),
    "a date": ("<!date^1700000000^{date}|14 Nov>", "14 Nov"),
    "entities once": ("&amp;lt;", "&lt;"),
}


@pytest.mark.parametrize("name", READ)
def test_mrkdwn(name: str) -> None:
    source, expected = READ[name]
    assert mrkdwn(source, WORKSPACE).plain == expected


def message(**more: Any) -> Message:
    return Message(
        **{"channel": "C0DELETIONS", "ts": "1.000002", "user": "U0COUNTERSIGN", "bot_id": "B0", **more}
    )


def test_a_card_shows_everything_a_person_decides_on() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Request #42"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Rows*\n17"}] * 2},
        {"type": "divider"},
        {
            "type": "plan",
            "title": "Steps",
            "tasks": [
                {"task_id": "1", "title": "Back up", "status": "complete"},
                {"task_id": "2", "title": "Delete", "status": "pending"},
            ],
        },
        {"type": "alert", "level": "warning", "text": {"type": "plain_text", "text": "Careful"}},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "by <@U0ALICE>"}]},
        {"type": "actions", "elements": [button("approve", "Approve"), button("deny", "Deny")]},
        {**section("More"), "accessory": button("show", "Show")},
    ]
    shown = Renderer(WORKSPACE).text(message(blocks=blocks, reactions={"x": ["U0COUNTERSIGN", "U0BOB"]}))
    for part in (
        "Countersign  app",
        "Request #42",
        "✔ Back up",
        "○ Delete",
        "Careful",
        "by @alice",
        "[ Approve ]  [ Deny ]",
        "[ Show ]",
        "❌ 2 (countersign, bob)",
    ):
        assert part in shown


def test_a_reply_is_indented_and_an_ephemeral_says_whose_it_is() -> None:
    renderer = Renderer(WORKSPACE)
    assert renderer.text(message(text="plan", thread_ts="1.000001")).startswith("    ↳ Countersign")
    assert "(only frank can see this)" in renderer.text(message(text="no", only_for="U0FRANK"))
    assert "(edited)" in renderer.text(message(text="t", edited_ts="2.000000"))


def test_a_form_shows_labels_values_choices_and_buttons() -> None:
    choice = {
        "type": "static_select",
        "action_id": "s",
        "options": [{"text": {"type": "plain_text", "text": "customer"}, "value": "customer"}],
    }
    body = modal(
        field("Reason", initial_value="GDPR"), {**field("Type"), "element": choice}, title="Delete records"
    )
    shown = Renderer(WORKSPACE).text(View("V1", "U0ALICE", body, "h", "V1"))
    for part in ("Delete records", "Reason", "[ GDPR ]", "[ customer ]", "[ Send ]"):
        assert part in shown


def test_an_unknown_block_is_named_and_a_table_is_lined_up() -> None:
    rows = [[{"type": "raw_text", "text": "table"}, {"type": "raw_text", "text": "rows"}]] * 2
    shown = Renderer(WORKSPACE).text(message(blocks=[{"type": "table", "rows": rows}, {"type": "carousel"}]))
    assert shown.count("table") == 2
    assert "a carousel block" in shown


def test_rich_text_of_every_kind() -> None:
    leaves = [
        {"type": "text", "text": "hi "},
        {"type": "user", "user_id": "U0BOB"},
        {"type": "emoji", "name": "x"},
        {"type": "link", "url": "https://a.example"},
    ]
    block = {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": leaves},
            {"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": leaves[:1]}]},
        ],
    }
    assert rich_text(block, WORKSPACE).plain == "hi @bob❌https://a.example\n• hi "
