"""One-time codes: which of them is good, what it uses up, and when too many were wrong. Pure."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pyotp import TOTP

from bot.model.proofs import plain

STEP = 30
#: A phone's clock may be one step off, either way.
SLACK = (-1, 0, 1)
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
#: For so long a letter whose code was used up, but whose vote a crash prevented, may be taken up again.
RESUME = timedelta(minutes=5)
RECOVERY_CODES = 10


class Said(StrEnum):
    """What a code is worth."""

    GOOD = "good"
    RECOVERED = "recovered"
    WRONG = "wrong"
    USED = "used"
    LOCKED = "locked"
    LOCKED_NOW = "locked-now"


@dataclass(frozen=True)
class Secret:
    """What one person's codes are made of. ``recovery``: (salt, hash) of each recovery code, in hex."""

    key: str
    generation: int
    recovery: tuple[tuple[str, str], ...]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Secret":
        """What ``dataclasses.asdict`` made of it, after JSON."""
        return cls(data["key"], data["generation"], tuple((salt, kept) for salt, kept in data["recovery"]))


@dataclass(frozen=True)
class Tally:
    """What one person's codes were used for. ``version`` grows with every change and never shrinks.

    ``last_step``: no code of this time step or an earlier one is good any more. ``last_letter`` and
    ``last_at``: the letter that used it. ``used``: places of the recovery codes that are gone.
    """

    version: int = 0
    generation: int = 0
    last_step: int = 0
    last_letter: str = ""
    last_at: int = 0
    failures: int = 0
    locked_until: int = 0
    used: tuple[int, ...] = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Tally":
        """What ``dataclasses.asdict`` made of it, after JSON."""
        return cls(**{**data, "used": tuple(data["used"])})


def newer(one: Tally, other: Tally) -> Tally:
    """The one that knows more."""
    return one if one.version >= other.version else other


def check(secret: Secret, tally: Tally, typed: str, letter: str, now: datetime) -> tuple[Said, Tally]:
    """Whether what was typed is good, and the tally afterwards.

    Args:
        secret: the person's.
        tally: what was used so far.
        typed: six digits, or a recovery code.
        letter: the fingerprint of everything the letter says; the same letter may come again after a crash.
        now: the time.
    """
    moment = int(now.timestamp())
    resumed = letter and tally.last_letter == letter
    if resumed and 0 <= moment - tally.last_at <= RESUME.total_seconds():
        return Said.GOOD, tally
    if moment < tally.locked_until:
        return Said.LOCKED, tally
    after = replace(
        tally, version=tally.version + 1, failures=0, last_letter=letter, last_at=moment, locked_until=0
    )
    code = plain(typed)
    steps = _steps_of(secret.key, code, moment)
    fresh = [step for step in steps if step > tally.last_step]
    if fresh:
        return Said.GOOD, replace(after, last_step=fresh[0])
    place = _place_of(secret.recovery, code)
    if place is not None and place not in tally.used:
        return Said.RECOVERED, replace(after, used=(*tally.used, place))
    said = Said.USED if steps or place is not None else Said.WRONG
    return _failed(said, tally, moment)


def hashed(salt: str, code: str) -> str:
    """A recovery code as it is kept; it holds 80 bits of chance, so that nobody finds it by trying."""
    return hmac.digest(bytes.fromhex(salt), plain(code).encode(), hashlib.sha256).hex()


def _failed(said: Said, tally: Tally, moment: int) -> tuple[Said, Tally]:
    failures = tally.failures + 1
    if failures < MOST_FAILURES:
        return said, replace(tally, version=tally.version + 1, failures=failures)
    until = moment + int(LOCKED_FOR.total_seconds())
    return Said.LOCKED_NOW, replace(tally, version=tally.version + 1, failures=0, locked_until=until)


def _steps_of(key: str, code: str, moment: int) -> list[int]:
    """The time steps around now whose code this is, oldest first."""
    current, made = moment // STEP, TOTP(key)
    around = (current + away for away in SLACK)
    return [step for step in around if hmac.compare_digest(made.generate_otp(step).encode(), code.encode())]


def _place_of(recovery: Sequence[tuple[str, str]], code: str) -> int | None:
    found = None
    for place, (salt, kept) in enumerate(recovery):
        if hmac.compare_digest(hashed(salt, code), kept):
            found = place
    return found
