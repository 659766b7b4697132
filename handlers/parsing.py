"""What people type, understood; how its words are told apart is in ``handlers.words``. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import BadInput
from handlers.words import clauses, first_word, halves, lines_of_values, plain, split_once, values

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
class Named:
    """One name and a reason: ``freeze crm -- smoke``."""

    name: str = ""
    reason: str = ""
    expected: int | None = None


@dataclass(frozen=True)
class Undo:
    """``/countersign undo`` or ``clear`` as typed: the number of a restore, or of a teardown."""

    number: int
    reason: str = ""
    expected: int | None = None
    heir: str = ""


def undo(text: str) -> Undo:
    """``<number> [reassign <heir>] [expect <number>] -- <reason>``; the reason may be missing.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = halves(plain(text))
    typed, rest = first_word(head)
    rest, said = _clauses(f" {rest}" if rest else "")
    found = _NUMBER.fullmatch(typed)
    if found is None or rest.strip():
        raise BadInput("usage.undo")
    return Undo(int(found[1]), reason, _expectation(said), _heir(said))


def clear(text: str) -> Undo:
    """``<number> [expect <number>] -- <reason>``; the reason may be missing.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = halves(plain(text))
    typed, rest = first_word(head)
    rest, said = _clauses(f" {rest}" if rest else "")
    found = _NUMBER.fullmatch(typed)
    if found is None or rest.strip() or _heir(said):
        raise BadInput("usage.clear")
    return Undo(int(found[1]), reason, _expectation(said))


def deletion(text: str) -> Deletion:
    """``<target> <record-type> <value>[,<value>…] [reassign <heir>] [expect <number>] -- <reason>``.

    Any part may be missing, and the two in brackets may change places.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = halves(plain(text))
    target, rest = first_word(head)
    record, rest = first_word(rest)
    rest, said = _clauses(rest)
    return Deletion(target, record, values(rest), reason, _expectation(said), _heir(said))


def teardown(text: str) -> Named:
    """``<target> [expect <number>] -- <reason>``; the reason may follow without dashes.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = halves(plain(text))
    name, rest = first_word(head)
    if not reason:
        return Named(name, rest)
    rest, said = _clauses(f" {rest}" if rest else "")
    if rest.strip() or "reassign" in said:
        raise BadInput("parse.teardown", text=rest.strip() or "reassign")
    return Named(name, reason, _expectation(said))


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


def named(text: str) -> Named:
    """``<name> -- <reason>``; the reason may follow without dashes.

    Raises:
        BadInput: a character that cannot be read.
    """
    head, reason = halves(plain(text))
    name, rest = first_word(head)
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
    word, rest = split_once(text)
    return word.lower(), rest


def _clauses(text: str) -> tuple[str, Mapping[str, str]]:
    """The values, and what stands behind each keyword, none of them twice."""
    rest, found = clauses(text, _CLAUSE)
    said: dict[str, str] = {}
    for word, behind in found:
        if word in said:
            raise BadInput(f"parse.{word}")
        said[word] = behind
    return rest, said


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
    found = values(typed)
    if len(found) != 1:
        raise BadInput("parse.reassign")
    return found[0]
