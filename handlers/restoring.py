"""What people type after ``/restore``, understood. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.errors import BadInput
from bot.model.choices import EVERYTHING, Mode, RestoreChoice
from handlers.words import clauses, first_word, halves, lines_of_values, plain, values

_NUMBER = re.compile(r"#?([0-9]{1,9})")
_CLAUSE = re.compile(r" (into|only|table|skip|overwrite)(?= |$)", re.IGNORECASE)


@dataclass(frozen=True)
class Restore:
    """``/restore`` as typed: a reference or a request's number; ``choice`` is what differs from all of it."""

    reference: str | None = None
    number: int | None = None
    into: str | None = None
    reason: str = ""
    choice: RestoreChoice = EVERYTHING

    @property
    def complete(self) -> bool:
        """Whether it can be filed as it stands."""
        return bool((self.reference or self.number) and self.reason)


def restore(text: str) -> Restore:
    """``<reference|#request> [into …] [only …|table …] [skip|overwrite] -- <reason>``.

    Any part may be missing, and the parts in brackets may change places.

    Raises:
        BadInput: what is there cannot be understood.
    """
    head, reason = halves(plain(text))
    named, rest = first_word(head)
    before, said = clauses(f" {rest}" if rest else "", _CLAUSE)
    if before:
        raise BadInput("parse.restore", text=before.strip())
    reference, number = backup_name(named)
    into = _word("into", said) or None
    return Restore(reference, number, into, reason, _choice(said))


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


def chosen(only: tuple[str, ...], table: str, mode: str) -> RestoreChoice:
    """The choice of a form or a command; no ``mode`` is all or nothing.

    Raises:
        BadInput: its parts do not go together.
    """
    made = RestoreChoice(only, table, Mode(mode) if mode else Mode.FAIL)
    if made.problem:
        raise BadInput(made.problem)
    return made


def choice_of(fields: Mapping[str, str]) -> RestoreChoice:
    """What of a backup is to come back, by the fields of a submitted form.

    Raises:
        BadInput: a field cannot be read, or they do not go together.
    """
    only = lines_of_values(fields.get("only", ""))
    return chosen(only, plain(fields.get("table", ""), slack=False), fields.get("mode", ""))


_Said = Sequence[tuple[str, str]]


def _choice(said: _Said) -> RestoreChoice:
    typed = _behind("only", said)
    only = values(typed) if typed else ()
    if typed == "":
        raise BadInput("parse.restore", text="only")
    modes = [(word, behind) for word, behind in said if word in ("skip", "overwrite")]
    if len(modes) > 1 or any(behind for _, behind in modes):
        raise BadInput("parse.restore", text=" ".join(f"{word} {behind}".strip() for word, behind in modes))
    return chosen(only, _word("table", said), modes[0][0] if modes else "")


def _word(keyword: str, said: _Said) -> str:
    """The one word behind a keyword; empty when it was not typed."""
    typed = _behind(keyword, said)
    if typed is None:
        return ""
    word, rest = first_word(typed)
    if not word or rest:
        raise BadInput("parse.restore", text=f"{keyword} {typed}".strip())
    return word


def _behind(keyword: str, said: _Said) -> str | None:
    """What stands behind a keyword; None when it was not typed."""
    found = [behind for word, behind in said if word == keyword]
    if len(found) > 1:
        raise BadInput("parse.restore", text=f"{keyword} {found[1]}".strip())
    return found[0] if found else None
