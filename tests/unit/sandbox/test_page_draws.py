"""Whatever the bot sends, the page draws: nothing is left out, nothing is shown as another thing than in Slack."""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import gallery

pytestmark = pytest.mark.xdist_group("page")

ROOT = Path(__file__).resolve().parents[3]
DRAWER = Path(__file__).with_name("draw.jsx")
#: What `src/blocks.jsx`, `src/elements.jsx` and `src/form.jsx` draw.
DRAWN = {"header", "section", "context", "divider", "rich_text", "image", "actions", "input"}
DRAWN_ELEMENTS = {"button", "static_select", "file_input", "overflow", "plain_text_input"}
TEXTS = {"plain_text", "mrkdwn"}
WHOLE = {"modal", "home"}
Block = dict[str, Any]


@pytest.fixture(scope="module")
def drawer(page_sources: Path) -> Path:
    """A program that draws blocks."""
    (page_sources / "src" / "draw.jsx").write_text(DRAWER.read_text(encoding="utf-8"), encoding="utf-8")
    build = (page_sources / "build.mjs").read_text(encoding="utf-8")
    build = build.replace('page: "src/main.jsx"', 'draw: "src/draw.jsx"').replace(
        'format: "iife"', 'format: "cjs", platform: "node"'
    )
    (page_sources / "draw.mjs").write_text(build, encoding="utf-8")
    subprocess.run(["node", "draw.mjs", "drawn"], cwd=page_sources, check=True, capture_output=True)
    # The package says that .js is a module; this is not one.
    return (page_sources / "drawn" / "draw.js").rename(page_sources / "drawn" / "draw.cjs")


def draw(drawer: Path, blocks: list[Block]) -> list[str]:
    done = subprocess.run(
        ["node", str(drawer)], input=json.dumps(blocks), check=True, capture_output=True, text=True
    )
    drawn: list[str] = json.loads(done.stdout)
    return drawn


def read(markup: str, between: str = "") -> str:
    """What a person reads of it; ``between`` stands where tags were."""
    return html.unescape(re.sub(r"<[^>]*>", between, markup)).replace("\u2060", "")


def words(node: Any) -> set[str]:
    """Long plain words of the texts in a block, those that no markup can change."""
    found = set()
    if isinstance(node, list):
        return {word for one in node for word in words(one)}
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "text" and isinstance(value, str):
                bare = re.sub(r"<[^>]*>|&\w+;", " ", value)
                found |= set(re.findall(r"(?<![\w.@-])[A-Za-z]{5,}(?![\w.@-])", bare))
            elif key not in ("confirm", "value", "action_id"):
                found |= words(value)
    return found


def everything() -> list[Block]:
    """Each block that the bot can show, once; a form is one piece."""
    blocks: list[Block] = []
    for one in gallery.exhibits("en"):
        blocks += [dict(one.view)] if one.view and one.view["type"] == "modal" else one.shown()
    return list({json.dumps(block, sort_keys=True): block for block in blocks}.values())


def test_every_message_and_form_is_drawn_with_all_its_words(drawer: Path) -> None:
    blocks = everything()
    drawn = draw(drawer, blocks)
    assert len(blocks) > 100
    assert [block for block, markup in zip(blocks, drawn, strict=True) if "undrawn" in markup] == []
    lost = [
        (block, missing)
        for block, markup in zip(blocks, drawn, strict=True)
        if (missing := words(block) - set(re.findall(r"[A-Za-z]+", read(markup, " "))))
        or not (read(markup) or block["type"] == "divider")
    ]
    assert lost == []


def test_no_kind_of_block_is_sent_that_the_page_does_not_draw() -> None:
    sent = {
        kind
        for path in (ROOT / "handlers").rglob("*.py")
        for kind in re.findall(r'"type": "(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert {"header", "section", "button", "input"} <= sent
    assert sent - DRAWN - DRAWN_ELEMENTS - TEXTS - WHOLE == set()


@pytest.mark.parametrize("kind", sorted(DRAWN - {"actions", "input"}))
def test_what_is_left_to_the_renderer_is_not_drawn_as_nothing(drawer: Path, kind: str) -> None:
    leaf = {"type": "rich_text_section", "elements": [{"type": "text", "text": "Ada"}]}
    plain = {"type": "plain_text", "text": "Ada"}
    shapes: dict[str, Block] = {
        "header": {"text": plain},
        "section": {"text": plain},
        "context": {"elements": [plain]},
        "divider": {},
        "rich_text": {"elements": [leaf]},
        "image": {"image_url": "data:,", "alt_text": "Ada", "title": plain},
    }
    (markup,) = draw(drawer, [{"type": kind, **shapes[kind]}])
    assert "Ada" in markup or kind == "divider"
    assert "divider" in markup or kind != "divider"


@pytest.mark.parametrize("kind", ["markdown", "table", "plan", "video", "a_block_of_the_future"])
def test_what_cannot_be_drawn_is_said_and_never_left_out(drawer: Path, kind: str) -> None:
    (markup,) = draw(drawer, [{"type": kind, "text": "Ada"}])
    assert 'class="undrawn"' in markup


def test_an_unknown_element_is_said_too(drawer: Path) -> None:
    (markup,) = draw(drawer, [{"type": "actions", "elements": [{"type": "datepicker", "action_id": "a"}]}])
    assert 'class="undrawn"' in markup


ESCAPED = [
    ("a customer called channel", "*Was:* &lt;!channel&gt;", "Was: <!channel>"),
    ("the same in backticks", "`&lt;!channel&gt;`", "<!channel>"),
    ("a mention that was typed", "&lt;@U0BOB&gt;", "<@U0BOB>"),
    ("an entity that was typed", "&amp;lt;b&amp;gt;", "&lt;b&gt;"),
    ("a tag", "&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
    ("a link that was typed", "&lt;https://example.com|money&gt;", "<https://example.com|money>"),
]


@pytest.mark.parametrize(("text", "shown"), [case[1:] for case in ESCAPED], ids=[case[0] for case in ESCAPED])
def test_escaped_text_stays_text(drawer: Path, text: str, shown: str) -> None:
    (markup,) = draw(drawer, [{"type": "section", "text": {"type": "mrkdwn", "text": text}}])
    assert read(markup).replace(" ", "") == shown.replace(" ", "")
    assert not re.search(r"broadcast|mention|<a |<script|slack_user", markup)


def test_a_real_mention_is_one(drawer: Path) -> None:
    (markup,) = draw(drawer, [{"type": "section", "text": {"type": "mrkdwn", "text": "by <@U0BOB>"}}])
    assert '<span class="mention">@bob</span>' in markup


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "vbscript:x"])
def test_only_the_web_and_mail_are_links(drawer: Path, address: str) -> None:
    blocks: list[Block] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"<{address}|here>"}},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "link", "url": address, "text": "here"}]}]},
    ]  # fmt: skip
    for markup in draw(drawer, blocks):
        assert "href" not in markup
