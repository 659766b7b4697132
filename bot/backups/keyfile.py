"""The plain text of ``<id>.key.age``: a backup's identity, bound to its archive by the master key. Pure."""

import hmac
import re
from dataclasses import dataclass

from bot.backups.age import Identity
from bot.backups.keys import MasterKey
from bot.errors import NotOurs

#: A key file is some 400 bytes; more is not ours.
LIMIT = 4096

_HEAD = "# countersign backup key 1"
_TEXT = re.compile(
    rf"{_HEAD}\n# backup (?P<id>\S+)\n# archive sha256 (?P<sha256>[0-9a-f]{{64}})\n"
    r"# seal (?P<seal>[0-9a-f]{64})\n(?P<secret>AGE-SECRET-KEY-1[0-9A-Z]+)\n",
    re.ASCII,
)


@dataclass(frozen=True)
class KeyFile:
    """One backup's identity and the SHA-256 (hex) of the archive it opens."""

    identity: Identity
    backup_id: str
    sha256: str


def dump(key: KeyFile, master: MasterKey) -> bytes:
    """The text, sealed by the master key."""
    return _text(key, _seal(key, master)).encode()


def load(raw: bytes, master: MasterKey) -> KeyFile:
    """The key in ``raw``.

    Raises:
        NotOurs: malformed, altered, or not sealed by this master key.
    """
    # The secret is in this text: nothing of it may hang on the error.
    found = _TEXT.fullmatch(raw.decode("ascii", "replace"))
    if found is None:
        raise NotOurs("backups.key_file")
    key = KeyFile(Identity.parse(found["secret"]), found["id"], found["sha256"])
    if not hmac.compare_digest(found["seal"], _seal(key, master)):
        raise NotOurs("backups.key_file")
    return key


def _text(key: KeyFile, seal: str | None) -> str:
    lines = [_HEAD, f"# backup {key.backup_id}", f"# archive sha256 {key.sha256}"]
    if seal is not None:
        lines.append(f"# seal {seal}")
    return "\n".join([*lines, key.identity.secret_text(), ""])


def _seal(key: KeyFile, master: MasterKey) -> str:
    return hmac.digest(master.derive("key-file"), _text(key, None).encode(), "sha256").hex()
