"""What people type, understood. Pure.

Slack hands over the text with links in angle brackets and ``&``, ``<``, ``>`` escaped; phones turn quotes
into curly ones and two hyphens into a dash. A dash begins the reason only where it follows a blank (or stands
first) outside quotes, so that hyphens and dashes inside names and addresses stay what they are.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
_COUNT = re.compile(r"[0-9]{1,12}")
#: What follows the values; anything else in this place would be a value with a blank, which has to be quoted.
_CLAUSE = re.compile(r" (expect|reassign)(?= |$)", re.IGNORECASE)
_NUMBER = re.compile(r"#?([0-9]{1,9})")


@dataclass(frozen=True)
class Deletion:
    """``/delete-records`` as typed. A part that is missing is empty."""

    target: str = ""
    record: str = ""
    values: tuple[str, ...] = ()
    reason: str = ""
    expected: int | None = None
    heir: str = ""

    @property
    def complete(self) -> bool:
        """Whether it can be filed as it stands."""
        return bool(self.target and self.record and self.values and self.reason)


@dataclass(frozen=True)
class Restore:
    """``/restore`` as typed: a reference or a request's number."""

    reference: str | None = None
    number: int | None = None
    into: str | None = None
    reason: str = ""

    @property
    def complete(self) -> bool:
        """Whether it can be filed as it stands."""
        return bool((self.reference or self.number) and self.reason)


@dataclass(frozen=True)
class Named:
    """One name and a reason: ``freeze crm -- smoke``."""

    name: str = ""
    reason: str = ""
    expected: int | None = None


def deletion(text: str) -> Deletion:
    """``<target> <record-type> <value>[,<value>…] [reassign <heir>] [expect <number>] -- <reason>``.

    Any part may be missing, and the two in brackets may change places.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = _halves(plain(text))
    target, rest = _first_word(head)
    record, rest = _first_word(rest)
    rest, said = _clauses(rest)
    return Deletion(target, record, _values(rest), reason, _expectation(said), _heir(said))


def teardown(text: str) -> Named:
    """``<target> [expect <number>] -- <reason>``; the reason may follow without dashes.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = _halves(plain(text))
    name, rest = _first_word(head)
    if not reason:
        return Named(name, rest)
    rest, said = _clauses(f" {rest}" if rest else "")
    if rest.strip() or "reassign" in said:
        raise BadInput("parse.teardown", text=rest.strip() or "reassign")
    return Named(name, reason, _expectation(said))


def restore(text: str) -> Restore:
    """``<reference|#request> [into <target or /folder>] -- <reason>``, any part of which may be missing.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = _halves(plain(text))
    named, rest = _first_word(head)
    into = None
    if rest:
        word, target = _first_word(rest)
        if word.lower() != "into" or not target or " " in target:
            raise BadInput("parse.restore", text=rest)
        into = target
    reference, number = backup_name(named)
    return Restore(reference, number, into, reason)


def count(text: str) -> int | None:
    """The number of a form's field: digits, or nothing.

    Raises:
        BadInput: anything else.
    """
    typed = plain(text, slack=False)
    if not typed:
        return None
    if not _COUNT.fullmatch(typed):
        raise BadInput("form.bad-expected")
    return int(typed)


def one_value(text: str) -> str:
    """The one value of a form's field, or nothing.

    Raises:
        BadInput: several, or one that cannot be read.
    """
    found = lines_of_values(text)
    if len(found) > 1:
        raise BadInput("form.one-heir", n=len(found))
    return found[0] if found else ""


def backup_name(text: str) -> tuple[str | None, int | None]:
    """A typed reference or number of a request: one of the two, or neither when nothing was typed.

    Raises:
        BadInput: it is neither.
    """
    word = text.strip().strip("`").strip()
    if not word:
        return None, None
    number = _NUMBER.fullmatch(word)
    if number:
        return None, int(number[1])
    if not word.startswith("cs1."):
        raise BadInput("parse.reference")
    return word, None


def named(text: str) -> Named:
    """``<name> -- <reason>``; the reason may follow without dashes.

    Raises:
        BadInput: a character that cannot be read.
    """
    head, reason = _halves(plain(text))
    name, rest = _first_word(head)
    return Named(name, reason or rest)


def number(text: str) -> int:
    """``42`` or ``#42``.

    Raises:
        BadInput: no number.
    """
    found = _NUMBER.fullmatch(plain(text))
    if found is None:
        raise BadInput("parse.number")
    return int(found[1])


def subcommand(text: str) -> tuple[str, str]:
    """The first word, lower case, and the rest untouched (still as Slack wrote it)."""
    parts = _BLANKS.split(_MARKS.sub("", text).strip(), maxsplit=1)
    return parts[0].lower(), parts[1] if len(parts) > 1 else ""


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


def _halves(text: str) -> tuple[str, str]:
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


def _first_word(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    end = _closing(text, 0)
    if end is not None:
        return text[1:end], text[end + 1 :].strip()
    word, _, rest = text.partition(" ")
    return word, rest.strip()


def _clauses(text: str) -> tuple[str, dict[str, str]]:
    """The values, and what stands behind each keyword outside quotes."""
    starts: list[re.Match[str]] = []
    place = 0
    while place < len(text):
        end = _closing(text, place) if place == 0 or text[place - 1] in " ," else None
        if end is not None:
            place = end + 1
            continue
        found = _CLAUSE.match(text, place)
        # After a comma it is one more value.
        if found is None or text[:place].rstrip().endswith(","):
            place += 1
            continue
        starts.append(found)
        place = found.end()
    if not starts:
        return text, {}
    said: dict[str, str] = {}
    ends = [*(one.start() for one in starts[1:]), len(text)]
    for one, stop in zip(starts, ends, strict=True):
        word = one[1].lower()
        if word in said:
            raise BadInput(f"parse.{word}")
        said[word] = text[one.end() : stop].strip()
    return text[: starts[0].start()].strip(), said


def _expectation(said: Mapping[str, str]) -> int | None:
    """The number behind ``expect``."""
    number = said.get("expect")
    if number is None:
        return None
    if not _COUNT.fullmatch(number):
        raise BadInput("parse.expect")
    return int(number)


def _heir(said: Mapping[str, str]) -> str:
    """The one value behind ``reassign``."""
    typed = said.get("reassign")
    if typed is None:
        return ""
    found = _values(typed)
    if len(found) != 1:
        raise BadInput("parse.reassign")
    return found[0]


def _values(text: str) -> tuple[str, ...]:
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
