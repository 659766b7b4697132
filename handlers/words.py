"""The words of what people type: dashes, quotes, links, values between commas. Pure.

Slack hands over the text with links in angle brackets and ``&``, ``<``, ``>`` escaped; phones turn quotes
into curly ones and two hyphens into a dash. A dash begins the reason only where it follows a blank (or stands
first) outside quotes, so that hyphens and dashes inside names and addresses stay what they are.
"""

import re
import unicodedata
from collections.abc import Sequence

from bot.errors import BadInput

MAX_VALUE = 1000
MAX_TEXT = 8000

_LINK = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_BLANKS = re.compile("[\t\n\r\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
#: Marks that steer how text is laid out and never belong to an identifier; phones add them when copying.
_MARKS = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_HYPHENS = "-\u2010\u2011\u2212\ufe63\uff0d"
_DASHES = re.compile(f"(?:[{_HYPHENS}]{{2,}}|[{_HYPHENS}]*[\u2012-\u2015\u2e3a\u2e3b\ufe58]+[{_HYPHENS}]*)")
_CLOSING = {
    '"': '"\u201d\u201c',
    "\u201c": '\u201d\u201c"',
    "\u201d": '\u201d"',
    "\u201e": '\u201c\u201d"',
    "\u201f": '\u201d\u201c"',
    "\uff02": '\uff02"',
    "\u00ab": "\u00bb",
    "'": "'\u2019",
    "\u2018": "\u2019'",
    "\u2019": "\u2019'",
}
_SINGLE = frozenset("'\u2018\u2019")


def lines_of_values(text: str) -> tuple[str, ...]:
    """The values of a form: one per line, or separated by commas; a line with blanks is one value.

    Raises:
        BadInput: one is empty, too long or holds a character that cannot be read.
    """
    found: list[str] = []
    if len(text) > MAX_TEXT:
        raise BadInput("parse.too-long", limit=MAX_TEXT, length=len(text))
    for line in text.splitlines():
        cleaned = plain(line, slack=False)
        if cleaned:
            found.extend(_pieces(cleaned, blanks=True))
    return _checked(found)


def quoted(value: str) -> str:
    """A value as it can be typed again: in quotes where a comma, a blank or a quote would part it."""
    if value and not set(value) & set(" ,") and value[0] not in _CLOSING:
        return value
    return f"\u201c{value}\u201d" if '"' in value else f'"{value}"'


def plain(text: str, *, slack: bool = True) -> str:
    """Text as the person meant it: links undone, escapes undone, every blank one space, no steering marks.

    ``slack`` is false for the text of a form's field, which Slack neither escapes nor links.

    Raises:
        BadInput: a control character, half a character, or more than anybody types.
    """
    if len(text) > MAX_TEXT:
        raise BadInput("parse.too-long", limit=MAX_TEXT, length=len(text))
    if slack:
        text = _LINK.sub(_shown, text)
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    text = _BLANKS.sub(" ", _MARKS.sub("", text)).strip()
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cs"):
            raise BadInput("parse.control", code=f"U+{ord(sign):04X}")
    return text


def split_once(text: str) -> tuple[str, str]:
    """The first word and the rest, both as Slack wrote them."""
    parts = _BLANKS.split(_MARKS.sub("", text).strip(), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _shown(link: re.Match[str]) -> str:
    goal, label = link[1], link[2]
    if goal.startswith("mailto:"):
        return goal.removeprefix("mailto:").split("?", 1)[0]
    if goal.startswith(("@", "#")):
        return goal[1:]
    if goal.startswith("!"):
        return label or f"@{goal[1:]}"
    if goal.startswith("tel:"):
        return label or goal.removeprefix("tel:")
    if "://" in goal:
        return label or goal
    return link[0]


def halves(text: str) -> tuple[str, str]:
    """What stands before the dash, and the reason after it."""
    place = 0
    while place < len(text):
        begins = place == 0 or text[place - 1] in " ,"
        if begins:
            end = _closing(text, place)
            if end is not None:
                place = end + 1
                continue
            dash = _DASHES.match(text, place)
            if dash and (place == 0 or text[place - 1] == " "):
                return text[:place].strip(), _unquoted(text[dash.end() :].strip())
        place += 1
    return text, ""


def _closing(text: str, place: int) -> int | None:
    """Where the quote that opens at ``place`` ends, or None when there is none."""
    closing = _CLOSING.get(text[place])
    if closing is None:
        return None
    for end in range(place + 1, len(text)):
        if text[end] in closing and (end + 1 == len(text) or text[end + 1] in " ,"):
            return end
    if text[place] in _SINGLE:
        return None
    raise BadInput("parse.quote")


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and _closing_at_end(text) else text


def _closing_at_end(text: str) -> bool:
    closing = _CLOSING.get(text[0])
    return closing is not None and text[-1] in closing and not any(s in closing for s in text[1:-1])


def first_word(text: str) -> tuple[str, str]:
    """The first word, out of its quotes if it stands in some, and the rest."""
    if not text:
        return "", ""
    end = _closing(text, 0)
    if end is not None:
        return text[1:end], text[end + 1 :].strip()
    word, _, rest = text.partition(" ")
    return word, rest.strip()


def clauses(text: str, known: re.Pattern[str]) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the first keyword outside quotes, and what stands behind each of them.

    ``known`` matches a blank and a keyword, which is its first group.
    """
    starts: list[re.Match[str]] = []
    place = 0
    while place < len(text):
        end = _closing(text, place) if place == 0 or text[place - 1] in " ," else None
        if end is not None:
            place = end + 1
            continue
        found = known.match(text, place)
        # After a comma it is one more value.
        if found is None or text[:place].rstrip().endswith(","):
            place += 1
            continue
        starts.append(found)
        place = found.end()
    if not starts:
        return text, []
    ends = [*(one.start() for one in starts[1:]), len(text)]
    said = [(one[1].lower(), text[one.end() : stop].strip()) for one, stop in zip(starts, ends, strict=True)]
    return text[: starts[0].start()].strip(), said


def values(text: str) -> tuple[str, ...]:
    """The values between commas; one with blanks has to stand in quotes.

    Raises:
        BadInput: it does not, or one is empty or too long.
    """
    return _checked(_pieces(text, blanks=False)) if text else ()


def _pieces(text: str, *, blanks: bool) -> list[str]:
    """Values between commas; ``blanks`` says whether one without quotes may hold spaces."""
    found: list[str] = []
    rest = text
    while True:
        rest = rest.strip()
        end = _closing(rest, 0) if rest else None
        if end is not None:
            found.append(rest[1:end])
            rest = rest[end + 1 :].strip()
            if rest and rest[0] != ",":
                raise BadInput("parse.spaces", text=rest)
            comma = rest
        else:
            piece, comma, after = rest.partition(",")
            piece = piece.strip()
            if " " in piece and not blanks:
                raise BadInput("parse.spaces", text=piece)
            found.append(piece)
            comma += after
        if not comma:
            return found
        rest = comma[1:]


def _checked(values: Sequence[str]) -> tuple[str, ...]:
    for value in values:
        if not value.strip():
            raise BadInput("parse.empty-value")
        if len(value) > MAX_VALUE:
            raise BadInput("parse.long-value", limit=MAX_VALUE, length=len(value))
    return tuple(dict.fromkeys(values))
