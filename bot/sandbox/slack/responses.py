"""Answers that do not come by a method: an ack with a text, a ``response_url``. The caller holds the lock."""

from collections.abc import Mapping
from typing import Any

from bot.sandbox.slack.core import Core, Happening
from bot.sandbox.slack.methods_chat import publish, with_ids
from bot.sandbox.slack.workspace import Json, Message

#: Where blocks hold text, and where they hold more blocks or elements; in reading order.
LEAVES = ("title", "subtitle", "text", "alt_text", "label", "hint")
BRANCHES = (
    *("fields", "elements", "element", "accessory", "tasks", "details", "output"),
    *("child_blocks", "blocks", "rows"),
)


def respond(core: Core, key: str, body: Json) -> str:
    """Use a response address once; gives an error code, or an empty text."""
    address = core.replies.get(key)
    if address is None:
        return "invalid_url"
    if not address["left"]:
        return "used_url"
    address["left"] -= 1
    old = _original(core, address)
    if body.get("delete_original") and old is not None:
        _forget(core, old)
    elif body.get("replace_original") and old is not None:
        old.text, old.blocks = str(body.get("text", "")), with_ids(core, body.get("blocks") or [])
        core.tell(Happening("updated", old.channel, old.only_for or old.user, message=old))
    else:
        answer_in(core, address["user"], address["channel"], body)
    return ""


def answer_in(core: Core, user: str, channel: str, body: Mapping[str, Any]) -> None:
    """Show an answer in the channel: private unless it says ``in_channel``."""
    if not body.get("text") and not body.get("blocks"):
        return
    private = body.get("response_type") != "in_channel"
    app = core.workspace.users[core.workspace.app_user]
    message = Message(
        channel,
        core.stamp(),
        app.id,
        text=str(body.get("text", "")),
        blocks=with_ids(core, list(body.get("blocks") or [])),
        bot_id=app.bot_id,
        only_for=user if private else "",
    )
    publish(core, message)


def shown_text(message: Message) -> str:
    """All text of a message, from blocks when it has any, in reading order."""
    return "\n".join(texts_of(message.blocks)) if message.blocks else message.text


def texts_of(node: Any) -> list[str]:
    """Every text in a tree of blocks, in order."""
    if isinstance(node, list):
        return [text for item in node for text in texts_of(item)]
    if not isinstance(node, Mapping):
        return []
    found: list[str] = []
    for key in LEAVES:
        value = node.get(key)
        if isinstance(value, str):
            found.append(value)
        else:
            found += texts_of(value)
    for key in BRANCHES:
        found += texts_of(node.get(key))
    return found


def _original(core: Core, address: Json) -> Message | None:
    for message in core.workspace.ephemerals:
        if message.ts == address["ts"]:
            return message
    return core.workspace.messages.get(address["channel"], {}).get(address["ts"])


def _forget(core: Core, message: Message) -> None:
    if message.only_for:
        core.workspace.ephemerals.remove(message)
    else:
        core.workspace.remove(message)
    core.tell(Happening("deleted", message.channel, message.only_for or message.user, message=message))
