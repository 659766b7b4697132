"""What an approval by one-time code is made of, before it is a vote."""

from dataclasses import dataclass
from datetime import datetime

from bot.model.requests import Proof

#: What a letter is about: a code for a vote, codes for the first time, a new phone confirmed or called off.
CODE, ENROL, CHANGE, CANCEL = "code", "enrol", "change", "cancel"


@dataclass(frozen=True)
class Intent:
    """One person's wish to approve one revision: no vote until that person's code was checked."""

    request_id: int
    revision: int
    user: str
    proof: Proof
    at: datetime
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Letter:
    """Something that only the worker can open: what a person typed into a form with a code.

    ``kind``: one of the four above. ``channel``: where to answer.
    """

    id: str
    kind: str
    user: str
    request_id: int | None
    channel: str
    blob: str
    created_at: datetime


def plain(typed: str) -> str:
    """What was typed, without the spaces and dashes that people put into it."""
    return "".join(letter for letter in typed.upper() if letter.isalnum())


def is_plausible(typed: str) -> bool:
    """Whether it has the form of a code: six digits, or a recovery code."""
    code = plain(typed)
    return code.isascii() and ((len(code) == 6 and code.isdigit()) or len(code) == 16)
