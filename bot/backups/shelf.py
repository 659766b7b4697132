"""One backup's files in a store: their names, whether they are all there, and checked ways to read them."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from bot.backups import keyfile
from bot.backups.age import open_decrypted
from bot.backups.ids import is_backup_id
from bot.backups.keyfile import KeyFile
from bot.backups.keys import MasterKey
from bot.backups.storage.base import Storage
from bot.errors import NotFound, NotOurs, Refused, StorageDown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_READ = 1024 * 1024
ARCHIVE, KEY, README, TOMBSTONE = ".age", ".key.age", ".README.txt", ".shredded.txt"
SUFFIXES = (KEY, ARCHIVE, README, TOMBSTONE)


def require(storage: Storage, backup_id: str) -> None:
    """Return when key file and archive are there.

    Raises:
        NotFound: no such backup.
        Refused: it was shredded.
        NotOurs: the archive was taken away without its key file.
    """
    if not is_backup_id(backup_id):
        raise NotFound("backups.unknown", path=storage.where)
    have = {suffix for suffix in SUFFIXES if storage.exists(backup_id + suffix)}
    if not have:
        raise NotFound("backups.unknown", path=storage.where)
    if KEY not in have:
        raise Refused("backups.shredded", id=backup_id)
    if ARCHIVE not in have:
        raise NotOurs("backups.archive_missing", id=backup_id)


def read_key(storage: Storage, master: MasterKey, backup_id: str) -> KeyFile:
    """The key file, decrypted and checked to be of this backup.

    Raises:
        NotOurs: another master key, damaged, or of another backup.
    """
    with storage.open_read(backup_id + KEY) as stream:
        plain = open_decrypted(cast("IO[bytes]", _Checked(stream)), [master.identity]).read(keyfile.LIMIT + 1)
    key = keyfile.load(plain, master)
    if key.backup_id != backup_id:
        raise NotOurs("backups.key_file")
    return key


def check_hash(storage: Storage, key: KeyFile) -> None:
    """Read the whole archive as it lies there; NotOurs when it is not the one the key file names."""
    with storage.open_read(key.backup_id + ARCHIVE) as stream:
        checked = _Checked(stream)
        while checked.read(_READ):
            pass
    checked.expect(key.sha256)


@contextmanager
def plain_archive(storage: Storage, key: KeyFile) -> Iterator[IO[bytes]]:
    """The decrypted archive as a stream; leaving after its end also checks the hash of what was decrypted.

    Raises:
        NotOurs: damaged, or the key is of another archive.
        StorageDown: the store stopped answering.
    """
    with storage.open_read(key.backup_id + ARCHIVE) as stream:
        checked = _Checked(stream)
        plain = open_decrypted(cast("IO[bytes]", checked), [key.identity])
        yield plain
        while plain.read(_READ):
            pass
    checked.expect(key.sha256)


class _Checked(io.RawIOBase):
    """A stream that is hashed as it is read and whose faults are ours."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "ReadableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._stream.read(len(view))
        except OSError:
            raise StorageDown("backups.store_reading") from None
        view[: len(data)] = data
        self._hash.update(data)
        return len(data)

    def expect(self, sha256: str) -> None:
        if self._hash.hexdigest() != sha256:
            raise NotOurs("backups.damaged")
