"""Tickets, secrets and recovery codes: how they are made, and what a ticket lets in. Pure."""

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.proofs import plain
from bot.proofs.codes import RECOVERY_CODES, Said, Secret, Tally, check, hashed

LIFE = timedelta(hours=1)
MOST_TRIES = 3
MOST_MISSES = 5
Entropy = Callable[[int], bytes]


class Entry(StrEnum):
    """What a ticket and a first code are worth."""

    GOOD = "good"
    WRONG_TICKET = "wrong-ticket"
    WRONG_CODE = "wrong-code"
    VOID = "void"
    LATE = "late"


@dataclass(frozen=True)
class Ticket:
    """The right to bring one secret into use, once and soon.

    ``tries``: wrong tickets typed so far; ``misses``: wrong codes beside the right ticket.
    """

    id: str
    salt: str
    hash: str
    until: int
    secret: Secret
    tries: int = 0
    misses: int = 0


@dataclass(frozen=True)
class Handed:
    """What is handed over outside Slack: shown once, and kept nowhere in the clear."""

    ticket: str
    key: str
    recovery: tuple[str, ...]


def issue(entropy: Entropy, now: datetime) -> tuple[Ticket, Handed]:
    """A new ticket with a new secret."""
    words = [_word(entropy(10)) for _ in range(RECOVERY_CODES + 1)]
    handed = Handed(grouped(words[0]), _word(entropy(20)), tuple(map(grouped, words[1:])))
    salts = [entropy(16).hex() for _ in words]
    recovery = tuple((salt, hashed(salt, word)) for salt, word in zip(salts[1:], words[1:], strict=True))
    until = int((now + LIFE).timestamp())
    secret = Secret(handed.key, 0, recovery)
    return Ticket(entropy(8).hex(), salts[0], _ticket_hash(salts[0], words[0]), until, secret), handed


def redeem(ticket: Ticket, typed: str, code: str, now: datetime) -> tuple[Entry, Ticket, Tally]:
    """What was typed into the form of an enrolment; the ticket afterwards; the tally of the first code."""
    moment = int(now.timestamp())
    if moment >= ticket.until:
        return Entry.LATE, ticket, Tally()
    if not hmac.compare_digest(_ticket_hash(ticket.salt, plain(typed)), ticket.hash):
        after = replace(ticket, tries=ticket.tries + 1)
        return (Entry.VOID if after.tries >= MOST_TRIES else Entry.WRONG_TICKET), after, Tally()
    said, tally = check(replace(ticket.secret, recovery=()), Tally(), code, "", now)
    if said is not Said.GOOD:
        after = replace(ticket, misses=ticket.misses + 1)
        return (Entry.VOID if after.misses >= MOST_MISSES else Entry.WRONG_CODE), after, Tally()
    return Entry.GOOD, ticket, tally


def grouped(word: str) -> str:
    """In fours, as people type it."""
    return "-".join(word[start : start + 4] for start in range(0, len(word), 4))


def _word(chance: bytes) -> str:
    return b32encode(chance).decode()


def _ticket_hash(salt: str, word: str) -> str:
    return hmac.digest(bytes.fromhex(salt), word.encode(), hashlib.sha256).hex()
