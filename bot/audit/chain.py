"""The log as a chain: pure. Whoever holds the entries and a head can check them here, offline."""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.model.audit import (
    GENESIS,
    LOG_OPENED,
    Entry,
    SignedHead,
    entry_bytes,
    head_text,
    link,
    read_head,
)

__all__ = [
    "GENESIS",
    "LOG_OPENED",
    "Entry",
    "Finding",
    "Report",
    "SignedHead",
    "commitment",
    "entry_bytes",
    "head_bytes",
    "head_text",
    "key_in_log",
    "link",
    "read_head",
    "verify",
]

_KEY = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth saying: a catalogue key, and the entry it is about."""

    key: str
    seq: int
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a check of the log found. ``signed_until`` is the last entry that a good signature covers."""

    entries: int
    head: str | None
    signed_until: int | None
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not self.problems


def commitment(salt: bytes, text: str) -> str:
    """A value that commits to ``text`` without telling it: HMAC-SHA256 under a random salt, 64 hex digits.

    Once the salt is erased with the text, nobody can find the text by guessing.
    """
    return hmac.new(salt, unicodedata.normalize("NFC", text).encode(), hashlib.sha256).hexdigest()


def head_bytes(seq: int, digest: str) -> bytes:
    """What a signature of a head is over."""
    return f"countersign-audit-head-v1\n{seq}\n{digest}".encode()


def key_in_log(first: Entry | None) -> str | None:
    """The public key that the log's first entry carries, or None when it carries none."""
    if first is None:
        return None
    try:
        whole = json.loads(first.entry)
        key = whole["body"]["public_key"] if whole["kind"] == LOG_OPENED else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return key if isinstance(key, str) and _KEY.fullmatch(key) else None


def verify(
    entries: Sequence[Entry], heads: Sequence[SignedHead], public_key: str | None, head: str | None
) -> Report:
    """Check a whole log, from entry 0 on.

    Args:
        entries: as they came; their order is checked too.
        heads: the signed heads.
        public_key: as somebody trusted wrote it down; None takes the one in the log's first entry.
        head: ``seq:hash`` from a receipt or certificate, or None.

    Raises:
        BadInput: ``head`` is not ``seq:hash``.
    """
    wanted = None if head is None else read_head(head)
    problems = list(_order(entries))
    by_seq = {entry.seq: entry for entry in reversed(entries)}
    problems += _links(by_seq)
    last = max(by_seq, default=-1)
    logged = key_in_log(by_seq.get(0))
    problems += _opening(by_seq.get(0), logged, public_key)
    bad_heads, signed = _signatures(heads, by_seq, last, public_key or logged)
    problems += bad_heads
    if wanted is not None:
        problems += _held_against("audit.receipt", *wanted, by_seq, last)
    return Report(
        entries=len(entries),
        head=head_text(last, by_seq[last].hash) if by_seq else None,
        signed_until=signed,
        problems=tuple(problems),
        notes=_tail(signed, last),
    )


def _order(entries: Sequence[Entry]) -> Iterable[Finding]:
    present = {entry.seq for entry in entries}
    seen: set[int] = set()
    highest = -1
    for entry in entries:
        if entry.seq in seen:
            yield Finding("audit.duplicate", entry.seq)
            continue
        seen.add(entry.seq)
        if entry.seq < highest or entry.seq < 0:
            yield Finding("audit.reordered", entry.seq)
        highest = max(highest, entry.seq)
    for gap, following in _gaps(present):
        yield Finding("audit.missing", gap, {"last": following - 1, "n": following - gap})


def _gaps(present: set[int]) -> Iterable[tuple[int, int]]:
    expected = 0
    for seq in sorted(number for number in present if number >= 0):
        if seq > expected:
            yield expected, seq
        expected = seq + 1
    if expected == 0:
        yield 0, 1


def _links(by_seq: Mapping[int, Entry]) -> Iterable[Finding]:
    for seq in sorted(by_seq):
        entry = by_seq[seq]
        before = by_seq.get(seq - 1)
        expected = GENESIS if seq == 0 else before.hash if before else entry.prev
        if link(entry.prev, seq, entry.entry.encode(errors="surrogatepass")) != entry.hash:
            yield Finding("audit.changed", seq)
        elif entry.prev != expected:
            yield Finding("audit.unlinked", seq)


def _opening(first: Entry | None, logged: str | None, trusted: str | None) -> Iterable[Finding]:
    if first is not None and logged is None:
        yield Finding("audit.no-key", 0)
    elif logged is not None and trusted is not None and trusted != logged:
        yield Finding("audit.other-key", 0)


def _signatures(
    heads: Sequence[SignedHead], by_seq: Mapping[int, Entry], last: int, key: str | None
) -> tuple[list[Finding], int | None]:
    problems: list[Finding] = []
    good: set[int] = set()
    for head in heads:
        found = list(_held_against("audit.head", head.seq, head.hash, by_seq, last))
        if not _signed(head, key):
            problems.append(Finding("audit.signature", head.seq))
        elif found:
            problems += found
        elif head.seq in good:
            problems.append(Finding("audit.duplicate-head", head.seq))
        else:
            good.add(head.seq)
    return problems, max(good, default=None)


def _signed(head: SignedHead, key: str | None) -> bool:
    if key is None or not _KEY.fullmatch(key) or not _SIGNATURE.fullmatch(head.signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(
            bytes.fromhex(head.signature), head_bytes(head.seq, head.hash)
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def _held_against(
    source: str, seq: int, digest: str, by_seq: Mapping[int, Entry], last: int
) -> Iterable[Finding]:
    entry = by_seq.get(seq)
    if seq > last:
        yield Finding(f"{source}-cut", seq, {"last": last})
    elif entry is None:
        yield Finding(f"{source}-missing", seq)
    elif entry.hash != digest:
        yield Finding(f"{source}-differs", seq)


def _tail(signed: int | None, last: int) -> tuple[Finding, ...]:
    first = 0 if signed is None else signed + 1
    if first > last:
        return ()
    return (Finding("audit.unsigned", first, {"n": last - first + 1}),)
