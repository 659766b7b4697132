"""The few kinds of blocks that every Slack shows, and what a whole message looks like. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.views.mrkdwn import cut, cut_lines, escape

Block = dict[str, Any]

#: Slack's own limits, each a little below the documented number.
MAX_SECTION = 2900
MAX_HEADER = 150
MAX_BLOCKS = 48
MAX_TOTAL = 12_500
MAX_TEXT = 3900


@dataclass(frozen=True)
class Rendered:
    """A message: ``text`` for notifications and for clients without blocks.

    ``whole``: no block was left out or shortened to make all of them fit.
    """

    text: str
    blocks: tuple[Block, ...]
    whole: bool = True

    def stamped(self, subject: str) -> list[Block]:
        """The blocks with ids that name the subject and differ from every earlier version of the message."""
        mark = self.fingerprint[:10]
        return [
            {**block, "block_id": f"{subject}/{mark}/{number}"} for number, block in enumerate(self.blocks)
        ]

    @property
    def in_words(self) -> str:
        """All that the blocks say, without a button, for a Slack that does not take them."""
        said = [line for block in self.blocks for line in _said(block)]
        return cut_lines("\n".join(said), MAX_TEXT) if said else self.text

    @property
    def fingerprint(self) -> str:
        """The same for the same content."""
        return hashlib.sha256(json.dumps([self.text, self.blocks], sort_keys=True).encode()).hexdigest()


def message(text: str, blocks: Sequence[Block | None]) -> Rendered:
    """A message from the blocks that are there."""
    given = [block for block in blocks if block is not None]
    fitting = _fitting(list(given))
    return Rendered(cut(text, 2900), fitting, fitting == tuple(given))


def header(text: str) -> Block:
    """The title line; ``text`` is plain."""
    return {
        "type": "header",
        "text": {"type": "plain_text", "text": cut(text, MAX_HEADER), "emoji": True},
    }


def section(text: str | None) -> Block | None:
    """A paragraph; None stays None."""
    if not text:
        return None
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut_lines(text, MAX_SECTION)}}


def context(text: str | None) -> Block | None:
    """A small grey line; None stays None."""
    if not text:
        return None
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut_lines(text, MAX_SECTION)}]}


def actions(buttons: Sequence[Block]) -> Block | None:
    """A row of buttons, or None without any."""
    return {"type": "actions", "elements": list(buttons)} if buttons else None


def button(
    action: str, label: str, value: str, style: str | None = None, confirm: Mapping[str, str] | None = None
) -> Block:
    """A button. ``confirm`` holds title, text, confirm and deny of the question asked first."""
    made: Block = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": cut(label, 75), "emoji": True},
        "value": value,
    }
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = {
            "title": _plain(confirm["title"], 100),
            "text": _plain(confirm["text"], 300),
            "confirm": _plain(confirm["confirm"], 30),
            "deny": _plain(confirm["deny"], 30),
        }
    return made


def _fitting(blocks: list[Block]) -> tuple[Block, ...]:
    """The blocks within what one message may hold; the longest paragraphs give way, and say so."""
    blocks = blocks[:MAX_BLOCKS]
    while (surplus := sum(_weight(block) for block in blocks) - MAX_TOTAL) > 0:
        place = max(range(len(blocks)), key=lambda number: _weight(blocks[number]))
        longest = blocks[place]
        if longest["type"] != "section":
            break
        text = longest["text"]["text"]
        shorter = cut_lines(text, max(100, len(text) - max(surplus, 500)))
        blocks[place] = {**longest, "text": {**longest["text"], "text": shorter}}
    return tuple(blocks)


def _weight(block: Block) -> int:
    """How many characters a block shows, confirmations included."""
    return sum(len(text) for text in _texts(block))


def _said(block: Block) -> list[str]:
    parts = block["elements"] if block["type"] == "context" else [block.get("text", {})]
    kept = [part for part in parts if "text" in part]
    return [escape(part["text"]) if part["type"] == "plain_text" else part["text"] for part in kept]


def _texts(node: Any) -> list[str]:
    if isinstance(node, list | tuple):
        return [text for item in node for text in _texts(item)]
    if not isinstance(node, Mapping):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + [text for part in node.values() for text in _texts(part)]


def _plain(text: str, limit: int) -> dict[str, str]:
    return {"type": "plain_text", "text": cut(text, limit)}
