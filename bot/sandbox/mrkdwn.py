"""Slack's mrkdwn and rich text for a terminal, mentions resolved to names. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from rich.emoji import Emoji
from rich.text import Text

from bot.sandbox.slack.workspace import Workspace

TOKEN = re.compile(
    r"```(?P<pre>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<link>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>[^*\n]+)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^_\n]+)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^~\n]+)~(?![\w~])"
    r"|(?<!\w):(?P<emoji>[a-z0-9_+'-]+):(?::skin-tone-[2-6]:)?",
    re.DOTALL,
)
STYLES = {"bold": "bold", "italic": "italic", "strike": "strike"}
CODE = "bold cyan"
MENTION = "bold blue"
#: Slack's own names where rich has another, or none.
EMOJI = {
    "white_check_mark": "✅",
    "x": "❌",
    "heavy_check_mark": "✔",
    "warning": "⚠",
    "lock": "🔒",
    "unlock": "🔓",
    "hourglass_flowing_sand": "⏳",
    "octagonal_sign": "🛑",
    "rotating_light": "🚨",
    "+1": "👍",
    "-1": "👎",
    "thumbsup": "👍",
    "eyes": "👀",
    "information_source": "ℹ",  # noqa: RUF001 - the sign itself
    "snowflake": "❄",
    "package": "📦",
    "wastebasket": "🗑",
}


def mrkdwn(source: str, workspace: Workspace, style: str = "") -> Text:
    """The text as a person reads it; what cannot be read as markup stays as it is."""
    text, position = Text(style=style), 0
    for match in TOKEN.finditer(source):
        text.append(plain(source[position : match.start()]))
        text.append_text(_token(match, workspace))
        position = match.end()
    text.append(plain(source[position:]))
    return text


def plain(source: str) -> str:
    """The three entities that Slack knows, undone."""
    return source.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def emoji(name: str) -> str:
    """The sign for an emoji name, or the name in colons; a skin tone is told apart by a dot."""
    base, _, tone = name.partition("::")
    return _sign(base) + ("·" if tone else "")


def mention(code: str, workspace: Workspace) -> str:
    """What stands for ``@U…``, ``#C…``, ``!subteam^S…`` or ``!channel``."""
    code, _, label = code.partition("|")
    if code.startswith("!date^"):
        return label or code
    known = {
        "@": {user.id: f"@{user.name}" for user in workspace.users.values()},
        "#": {room.id: f"#{room.name}" for room in workspace.channels.values()},
        "!subteam^": {group.id: f"@{group.handle}" for group in workspace.groups.values()},
    }
    for prefix, names in known.items():
        if code.startswith(prefix):
            return names.get(code.removeprefix(prefix), label or code)
    return f"@{code[1:]}"


def rich_text(node: Any, workspace: Workspace) -> Text:
    """A ``rich_text`` block, or any part of one."""
    if isinstance(node, list):
        return Text().join(rich_text(item, workspace) for item in node)
    if not isinstance(node, Mapping) or "elements" not in node:
        return _leaf(node, workspace) if isinstance(node, Mapping) else Text()
    kind = node.get("type", "")
    parts = [rich_text(item, workspace) for item in node["elements"]]
    if kind == "rich_text":
        return Text("\n").join(parts)
    if kind == "rich_text_list":
        return Text("\n").join(Text("• ").append_text(part) for part in parts)
    if kind == "rich_text_quote":
        return Text("│ ", "dim").append_text(Text().join(parts))
    return Text(style=CODE if kind == "rich_text_preformatted" else "").join(parts)


def _leaf(node: Mapping[str, Any], workspace: Workspace) -> Text:
    marks = {
        "user": ("@", "user_id"),
        "usergroup": ("!subteam^", "usergroup_id"),
        "channel": ("#", "channel_id"),
    }
    kind = node.get("type", "")
    if kind in marks:
        prefix, key = marks[kind]
        return Text(mention(prefix + node[key], workspace), MENTION)
    if kind == "broadcast":
        return Text(f"@{node.get('range')}", MENTION)
    if kind == "emoji":
        return Text(emoji(node.get("name", "")))
    wanted = node.get("style") or {}
    style = " ".join(name for name in ("bold", "italic", "strike") if wanted.get(name))
    return Text(str(node.get("text") or node.get("url") or ""), CODE if wanted.get("code") else style)


def _token(match: re.Match[str], workspace: Workspace) -> Text:
    kind, inside = next((name, value) for name, value in match.groupdict().items() if value is not None)
    if kind in ("pre", "code"):
        return Text(plain(inside.strip("\n") if kind == "pre" else inside), CODE)
    if kind == "link":
        return _link(inside, workspace)
    if kind == "emoji":
        return Text(_sign(inside))
    return mrkdwn(inside, workspace, STYLES[kind])


def _link(inside: str, workspace: Workspace) -> Text:
    if inside[0] in "@#!":
        plain_date = inside.startswith("!date")
        return Text(plain(mention(inside, workspace)), "" if plain_date else MENTION)
    address, _, label = inside.partition("|")
    shown = plain(label or address.removeprefix("mailto:"))
    return Text(shown, "underline")


def _sign(name: str) -> str:
    if name in EMOJI:
        return EMOJI[name]
    return Emoji.replace(f":{name}:")
