"""What is known of an account of a database server, whatever the server, and how a backup holds it. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from bot.errors import NotOurs


def sealed(body: Mapping[str, Any]) -> bytes:
    """What a backup holds of an account: its hash on a line, and what makes it again."""
    raw = json.dumps(body, sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw + b"\n"


def opened(raw: bytes) -> dict[str, Any]:
    """What ``sealed`` wrote.

    Raises:
        NotOurs: it is not what was written.
        ValueError: it is no JSON.
    """
    total, _, text = raw.partition(b"\n")
    if hashlib.sha256(text.removesuffix(b"\n")).hexdigest().encode() != total or text[-1:] != b"\n":
        raise NotOurs("backups.damaged")
    return dict(json.loads(text))


class Account(Protocol):
    """All that makes an account again."""

    @property
    def login(self) -> bool:
        """Whether it may log in."""

    @property
    def known_by(self) -> str:
        """What another account of the same name does not have; as secret as the backup."""

    @property
    def seen(self) -> Mapping[str, str]:
        """What a plan says of which one it is, and how it is; no secret, not even in a hash."""

    def dump(self) -> bytes:
        """For a backup."""
