"""What the audit log is made of, and how one entry is bound to the one before it."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.errors import BadInput, CannotProve

#: What the first entry names as the hash before it.
GENESIS = "0" * 64
#: The kind of the first entry; its body carries the public key that checks every signed head.
LOG_OPENED = "log-opened"

_VERSION = "countersign-audit-v1"
_EXACT = 2**53 - 1
_LONGEST_TEXT = 200
_DEEPEST = 6
_HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Entry:
    """One line of the log. ``entry`` is the canonical JSON exactly as it was hashed."""

    seq: int
    prev: str
    hash: str
    entry: str


@dataclass(frozen=True)
class SignedHead:
    """The worker's word that the log had this hash at this entry. ``signature`` is 128 hex digits."""

    seq: int
    hash: str
    signature: str


def entry_bytes(kind: str, at: datetime, request_id: int | None, body: Mapping[str, object]) -> bytes:
    """The canonical JSON of one entry: sorted keys, no spaces, NFC, UTF-8.

    ``body`` holds Slack ids, names from the configuration, counts, keyed hashes and commitments; never a
    personal value.

    Raises:
        CannotProve: a float, a huge number, a long text, or anything else that does not belong in the log.
    """
    if at.tzinfo is None:
        raise CannotProve("audit.body", kind=kind)
    moment = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    whole = {"at": moment, "body": body, "kind": kind, "request": request_id}
    try:
        return json.dumps(
            _canonical(whole, kind, 0), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        raise CannotProve("audit.body", kind=kind) from None


def _canonical(value: object, kind: str, depth: int) -> object:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) <= _EXACT:
        return int(value)
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return unicodedata.normalize("NFC", value)
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_canonical(item, kind, depth + 1) for item in value]
    if depth < _DEEPEST and isinstance(value, Mapping):
        return _canonical_mapping(value, kind, depth)
    raise CannotProve("audit.body", kind=kind)


def _canonical_mapping(value: Mapping[object, object], kind: str, depth: int) -> dict[str, object]:
    result: dict[str, object] = {}
    for name, item in value.items():
        plain = _canonical(name, kind, depth) if isinstance(name, str) else None
        if not isinstance(plain, str) or plain in result:
            raise CannotProve("audit.body", kind=kind)
        result[plain] = _canonical(item, kind, depth + 1)
    return result


def link(prev: str, seq: int, entry: bytes) -> str:
    """The hash of one entry, 64 hex digits: sha256 over version, number, hash before it and entry.

    The first three hold no newline, so no two different inputs give the same bytes.
    """
    return hashlib.sha256(f"{_VERSION}\n{seq}\n{prev}\n".encode() + entry).hexdigest()


def head_text(seq: int, digest: str) -> str:
    """How a head is written for people: ``seq:hash``."""
    return f"{seq}:{digest}"


def read_head(text: str) -> tuple[int, str]:
    """The number and the hash of ``seq:hash``.

    Raises:
        BadInput: it is something else.
    """
    found = _HEAD.fullmatch(text.strip().strip("`"))
    if found is None:
        raise BadInput("audit.head-form")
    return int(found[1]), found[2]
