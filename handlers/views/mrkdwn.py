"""Text for Slack: nothing that came from outside can ping, link, format or hide. Pure.

Foreign text (labels, values, reasons, names of tables) is shown as code: inside backticks Slack knows no
mentions, links or emphasis. Escaping still happens, because previews and other clients read the raw text.
"""

import html
import re
import unicodedata
from datetime import datetime

from bot.texts import number

#: The two joiners (200c, 200d) stay: names in Persian and Hindi are written with them, and so are many emoji.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]"
)
_SPACE = re.compile(r"\s+")
_SHOUTS = re.compile(r"[@\uff20](?=channel|here|everyone)", re.IGNORECASE)
#: A backtick would end the code; this looks like one and ends nothing.
_TICK = "\u02cb"


def escape(text: str) -> str:
    """``&``, ``<`` and ``>`` as Slack wants them, ``@channel`` and its kin broken."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SHOUTS.sub("@\u2060", text)


def tame(text: str, limit: int) -> str:
    """One line without steering or control characters, at most ``limit`` characters; a cut is said aloud."""
    text = _SPACE.sub(" ", text)
    text = _HIDDEN.sub("", text)
    text = "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text).strip()
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last of them saying how many are missing."""
    if len(text) <= limit:
        return text
    tail = f"… (+{len(text) - limit})"
    kept = max(0, limit - len(tail))
    return f"{text[:kept]}… (+{len(text) - kept})"[:limit]


def cut_lines(text: str, limit: int) -> str:
    """Whole lines as far as they fit, then a line that says how many are missing."""
    if len(text) <= limit:
        return text
    lines = text.split("\n")
    room = limit - 20
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    if not kept:
        return cut(text, limit)
    return "\n".join([*kept, f"… (+{len(lines) - len(kept)})"])


def safe(text: str, limit: int = 200) -> str:
    """Foreign text as plain words inside a sentence of ours: no emphasis, no code, no mention."""
    tamed = tame(text, limit).replace("`", _TICK)
    return escape(re.sub(r"(?<!\w)([*_~])|([*_~])(?!\w)", "\u2060\\g<0>\u2060", tamed))


def code(text: str, limit: int = 200) -> str:
    """Foreign text between backticks."""
    return f"`{escape(tame(text, limit).replace('`', _TICK)) or ' '}`"


def statement(text: str, limit: int = 500) -> str:
    """A statement that people paste: in a block where it holds backticks, which inside other code end it."""
    if "`" not in text or "```" in text:
        return code(text, limit)
    return f"```{escape(tame(text, limit))}```"


def plain(text: str) -> str:
    """What a text of ours says, for where Slack does not draw it: no marks, foreign text as it stood.

    Danger: it undoes ``safe`` and ``code``; what comes out must never go into a message.
    """
    blocks = text.split("```")
    blocks[::2] = [_without_code(part) for part in blocks[::2]]
    return html.unescape("".join(blocks).replace("\u2060", ""))


def _without_code(text: str) -> str:
    parts = text.split("`")
    parts[::2] = [_undrawn(part) for part in parts[::2]]
    return "".join(parts)


def _undrawn(part: str) -> str:
    """Outside code: mentions and moments in words, our own emphasis away. Foreign marks stand by a joiner."""
    part = re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", part)
    part = re.sub(r"<[@#]([^>|]*)>", r"\1", part)
    return re.sub(r"(?<![\w\u2060])\*(?!\u2060)|(?<!\u2060)\*(?![\w\u2060])", "", part)


def user(user_id: str) -> str:
    """A mention of one person, or the bare word when it is no Slack id."""
    return f"<@{user_id}>" if re.fullmatch(r"[UW][A-Z0-9]+", user_id) else safe(user_id)


def channel(channel_id: str) -> str:
    """A link to a channel."""
    return f"<#{channel_id}>" if re.fullmatch(r"[CDG][A-Z0-9]+", channel_id) else safe(channel_id)


def moment(at: datetime, *, seconds: bool = False) -> str:
    """A point in time, shown by Slack in the reader's own zone."""
    fallback = at.strftime("%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC")
    clock = "{time_secs}" if seconds else "{time}"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {clock}|{fallback}>"


def size(count: int, language: str) -> str:
    """Bytes for people: 1.5 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{number(amount, language, places=0 if unit == 'B' else 1)} {unit}"
        amount /= 1000
    raise AssertionError
