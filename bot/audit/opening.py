"""The worker's part of the log: opening it with its key, and signing what has been written since."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from bot.audit.chain import GENESIS, LOG_OPENED, Entry, SignedHead, key_in_log, link, read_head
from bot.audit.signing import public_key, sign_head
from bot.errors import NotOurs


class Log(Protocol):
    """What opening and signing need of the log in the store."""

    def append(self, kind: str, at: datetime, request_id: int | None, body: dict[str, object], /) -> str:
        """Add one entry."""

    @property
    def first_entry(self) -> Entry | None:
        """Entry 0."""

    def head(self) -> str | None:
        """The last entry, ``seq:hash``."""

    def last_head(self) -> SignedHead | None:
        """The newest signed head."""

    def entries(self, from_seq: int, /) -> list[Entry]:
        """All entries from there on."""

    def add_head(self, seq: int, digest: str, signature: str, at: datetime, /) -> None:
        """Keep a signature."""


def open_log(log: Log, key: str, now: datetime, others: Mapping[str, str] | None = None) -> None:
    """Write the first entry with the public key, once; afterwards only check that it is still the same key.

    ``others`` are public marks of further secrets that all workers on one database must share, by the name
    of their file.

    Raises:
        NotOurs: the log was opened with another key or secret, or by something else.
    """
    first = log.first_entry
    if first is None:
        log.append(LOG_OPENED, now, None, {"public_key": key, **({"marks": dict(others)} if others else {})})
        return
    if key_in_log(first) != key:
        raise NotOurs("audit.opened-by-another")
    marks = json.loads(first.entry)["body"].get("marks", {})
    for name, mark in (others or {}).items():
        if marks.get(name, mark) != mark:
            raise NotOurs("worker.other-keys", name=name)


def sign_log(log: Log, secret: bytes, now: datetime) -> str | None:
    """Sign the head if it is newer than the last signed one; returns the signed head, ``seq:hash``.

    Only what follows unbroken from the last signed head is signed: a signature never covers up a change.

    Raises:
        NotOurs: the log was opened with another key, or does not follow from its last signed head.
    """
    head = log.head()
    if head is None:
        return None
    if key_in_log(log.first_entry) != public_key(secret):
        raise NotOurs("audit.opened-by-another")
    signed = log.last_head()
    entries = log.entries(0 if signed is None else signed.seq)
    if not _follows(entries, signed):
        raise NotOurs("audit.broken", seq=0 if signed is None else signed.seq)
    seq, digest = read_head(head)
    if signed is None or signed.seq < seq:
        log.add_head(seq, digest, sign_head(secret, seq, digest), now)
    return head


def _follows(entries: list[Entry], signed: SignedHead | None) -> bool:
    if not entries or (signed is not None and (entries[0].seq, entries[0].hash) != (signed.seq, signed.hash)):
        return False
    seq, prev = entries[0].seq, entries[0].prev if signed else GENESIS
    for entry in entries:
        if (entry.seq, entry.prev) != (seq, prev) or link(prev, seq, entry.entry.encode()) != entry.hash:
            return False
        seq, prev = seq + 1, entry.hash
    return signed is not None or entries[0].seq == 0
