"""Backup ids. Pure."""

import re
from datetime import UTC, datetime

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 10
_ID = re.compile(rf"b[0-9]{{8}}-[{_LETTERS}]{{{_LENGTH}}}")


def backup_id(now: datetime, entropy: bytes) -> str:
    """``b20261123-7k2m9qx4tz``: the UTC date and ten characters (50 bits).

    Args:
        now: aware.
        entropy: at least 7 random bytes.

    Raises:
        ValueError: ``now`` is naive or ``entropy`` too short.
    """
    if now.tzinfo is None or len(entropy) * 8 < _LENGTH * 5:
        raise ValueError
    number = int.from_bytes(entropy, "big")
    tail = "".join(_LETTERS[number >> 5 * place & 31] for place in range(_LENGTH))
    return f"b{now.astimezone(UTC):%Y%m%d}-{tail}"


def is_backup_id(text: str) -> bool:
    """Whether ``text`` has exactly the form of an id."""
    return _ID.fullmatch(text) is not None
