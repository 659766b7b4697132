"""The worker's secrets in files: the master key, and plain 32-byte keys for the audit log.

A secret file is a regular file of the worker's own user, mode 0600 or tighter, never a link.
"""

import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.backups.age import Identity
from bot.backups.durable import sync_folder, write_durably
from bot.errors import Broken, NotOurs

_LIMIT = 4096
_PURPOSE = "countersign/1/"


class MasterKey:
    """The age identity that opens every key file. It cannot be printed, pickled or copied."""

    __slots__ = ("identity", "key_id")

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        #: Short and public: 16 hex digits.
        self.key_id: str = hashlib.sha256(f"{_PURPOSE}key-id{identity.recipient}".encode()).hexdigest()[:16]

    @property
    def recipient(self) -> str:
        """``age1…``: encrypts to this key, opens nothing."""
        return self.identity.recipient

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """A key of its own for one purpose, the same every time."""
        kdf = HKDF(SHA256(), length, None, (_PURPOSE + purpose).encode())
        return kdf.derive(self.identity.secret_bytes())

    def __repr__(self) -> str:
        return f"<MasterKey {self.key_id}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a secret key is not pickled or copied"
        raise TypeError(msg)


def load_or_create(path: Path, any_backup_exists: bool) -> tuple[MasterKey, bool]:
    """The master key, and whether it was made just now.

    Raises:
        Broken: the file is missing though backups exist, or cannot be read or made.
        NotOurs: it is a link, belongs to or can be read by others, or holds no age identity.
    """
    if any_backup_exists and not _exists(path):
        raise Broken("backups.master_missing", path=str(path))
    fresh = Identity(secrets.token_bytes(32))
    text = (
        "# Countersign master key: opens every backup. Keep a copy elsewhere; without it none opens.\n"
        f"# public key: {fresh.recipient}\n{fresh.secret_text()}\n"
    )
    created = _create(path, text)
    return load(path), created


def load(path: Path) -> MasterKey:
    """The master key from its file; raises as ``load_or_create``."""
    lines = [line.strip() for line in _read(path).splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    try:
        (key,) = keys
        return MasterKey(Identity.parse(key))
    except (ValueError, NotOurs):
        # Neither the line nor what was wrong with it may hang on the error.
        raise NotOurs("backups.master_malformed", path=str(path)) from None


def load_or_create_secret(path: Path) -> bytes:
    """32 secret bytes, made on the first call. The file holds them as 64 hex digits and a line end.

    Raises:
        Broken: the file cannot be read or made.
        NotOurs: it is a link, belongs to or can be read by others, or is malformed.
    """
    _create(path, secrets.token_hex(32) + "\n")
    text = _read(path)
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise NotOurs("backups.secret_malformed", path=str(path)) from None
    if len(secret) != 32 or text != secret.hex() + "\n":
        raise NotOurs("backups.secret_malformed", path=str(path))
    return secret


def is_there(path: Path) -> bool:
    """Whether a secret file, good or bad, lies there."""
    return _exists(path)


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(path, error) from None
    return True


def _create(path: Path, text: str) -> bool:
    """Write a new secret file that is whole the moment it is visible; False when there is one already."""
    if _exists(path):
        return False
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            write_durably(part, text.encode())
            os.link(part, path, follow_symlinks=False)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unreadable(path, error) from None
    return True


def _read(path: Path) -> str:
    try:
        # Not blocking: a named pipe in its place must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise NotOurs("backups.secret_link", path=str(path)) from None
        raise _unreadable(path, error) from None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise NotOurs("backups.secret_link", path=str(path))
        if state.st_mode & 0o077 or state.st_uid not in (0, os.geteuid()):
            raise NotOurs("backups.secret_readable", path=str(path))
        raw = os.read(descriptor, _LIMIT + 1)
    finally:
        os.close(descriptor)
    try:
        return raw.decode("ascii") if len(raw) <= _LIMIT else ""
    except UnicodeDecodeError:
        return ""


def _unreadable(path: Path, error: OSError) -> Broken:
    return Broken("backups.secret_unreadable", path=str(path), reason=os.strerror(error.errno or 0))
