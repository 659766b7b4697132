"""Objects written down: their lines in a backup, the note of an operation, and which names are plain.

Pure. A note lies in the bucket, where others may write as well. It is therefore sealed with a key that only
the worker has, over the place and the operation: nobody can have objects removed by writing one, or by
moving one.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from bot.errors import NotOurs

#: Under the prefix of the place; what lies below it is nobody's attachment.
FOLDER = ".countersign-quarantine"
_LONGEST = 1024
_DELETE = 0x7F


@dataclass(frozen=True)
class ObjectEntry:
    """One object; ``docs/backup-format.md`` tells each field."""

    path: str
    size: int
    etag: str
    modified: str
    version: str = ""
    sha256: str = ""
    storage: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """What ``line`` wrote.

        Raises:
            NotOurs: it is not such a line.
        """
        try:
            return cls(**json.loads(line))
        except (TypeError, ValueError):
            raise NotOurs("backups.damaged") from None


def member(number: int) -> str:
    """What the object of this number is called in the tar: its own name may lead anywhere."""
    return f"{number:08}"


def is_plain(prefix: str, name: str) -> bool:
    """Whether a name under a prefix is one that every store and every way there takes literally.

    Steps (``.`` and ``..``) are not: something on the way may walk them. Control characters cannot be listed.
    """
    try:
        length = len((prefix + name).encode())
    except UnicodeEncodeError:
        return False
    control = any(ord(letter) < ord(" ") or ord(letter) == _DELETE for letter in name)
    steps = {*(prefix + name).split("/")} & {".", ".."}
    return bool(name) and length <= _LONGEST and not control and not steps and not name.startswith(FOLDER)


def sealed(key: bytes, identity: str, operation: str, entries: Iterable[ObjectEntry]) -> bytes:
    """A note of these objects, which ``unsealed`` accepts under the same key, place and operation only."""
    body = b"".join(entry.line() for entry in entries)
    return _seal(key, identity, operation, body).encode() + b"\n" + body


def unsealed(key: bytes, identity: str, operation: str, note: bytes) -> Sequence[ObjectEntry]:
    """The objects of a note.

    Raises:
        NotOurs: it is not one of ours, or was altered.
    """
    seal, _, body = note.partition(b"\n")
    if not hmac.compare_digest(seal, _seal(key, identity, operation, body).encode()):
        raise NotOurs("objects.note")
    return [ObjectEntry.of(line) for line in body.splitlines()]


def _seal(key: bytes, identity: str, operation: str, body: bytes) -> str:
    bound = json.dumps(["countersign/1/objects", identity, operation]).encode() + b"\n" + body
    return hmac.new(key, bound, hashlib.sha256).hexdigest()
