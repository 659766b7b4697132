"""Making one backup: rows in, three durable files out, read back before anyone hears of it."""

import hashlib
import io
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, cast

from bot.backups import keyfile, shelf
from bot.backups.age import Encryptor, Identity
from bot.backups.archive import ArchiveWriter, StreamWriter
from bot.backups.ids import is_backup_id
from bot.backups.keyfile import KeyFile
from bot.backups.keys import MasterKey
from bot.backups.readme import readme
from bot.backups.storage.base import Storage, Upload
from bot.backups.unarchive import read_tables
from bot.errors import BadInput, CountersignError, NotOurs, Stale
from bot.model.backups import Column, Kind, Manifest, SealedBackup, Table, TableSummary, Value

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Sealing:
    """One attempt. Use as a context manager; leaving it without ``finish`` removes every trace of it."""

    def __init__(self, storage: Storage, master: MasterKey, backup_id: str) -> None:
        if not is_backup_id(backup_id):
            raise BadInput("backups.bad_name")
        self._storage = storage
        self._master = master
        self._id = backup_id
        self._identity = Identity(secrets.token_bytes(32))
        self._written: list[str] = []
        self._manifest: Manifest | None = None
        self._sealed: SealedBackup | None = None

    def __enter__(self) -> Self:
        """Begin the archive.

        Raises:
            Stale: the id was used before, shredded or not.
            StorageDown: the store cannot be written.
        """
        if any(self._storage.exists(self._id + suffix) for suffix in shelf.SUFFIXES):
            raise Stale("backups.exists", name=self._id)
        self._upload = self._storage.put_new(self._id + shelf.ARCHIVE)
        try:
            self._hashed = _Hashed(self._upload)
            self._age = Encryptor(
                cast("IO[bytes]", self._hashed), [self._identity.recipient], secrets.token_bytes
            )
            self._archive = ArchiveWriter(cast("IO[bytes]", self._age), self._id)
        except BaseException:
            self._upload.discard()
            raise
        return self

    def table(
        self, kind: Kind, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]
    ) -> TableSummary:
        """Archive one table while its rows come; what it adds up to.

        Raises:
            BadInput: no columns, or the table was already written.
            CannotProve: a value has no exact encoding.
            StorageDown: the store cannot be written.
        """
        return self._archive.table(kind, name, columns, rows)

    def blob(self, name: str) -> AbstractContextManager[StreamWriter]:
        """A new stream: ``with sealing.blob("files.tar") as out: out.write(…)``; one at a time.

        Raises:
            BadInput: the stream was already written.
            StorageDown: the store cannot be written.
        """
        return self._archive.blob(name)

    def finish(self, extra: Mapping[str, object]) -> SealedBackup:
        """Seal, make durable, read everything back from the store with the master key, and only then return.

        Raises: as ``close`` and ``read_back``.
        """
        self.close(extra)
        return self.read_back(_leave)

    def close(self, extra: Mapping[str, object]) -> None:
        """Seal and make durable. Nothing may rely on it before ``read_back``.

        Args:
            extra: plain JSON for the manifest.

        Raises:
            CannotProve: ``extra`` is not plain JSON.
            StorageDown: the store cannot be written.
        """
        assert self._manifest is None
        manifest = self._archive.finish(extra)
        self._age.close()
        self._upload.commit()
        self._written.append(self._id + shelf.ARCHIVE)
        self._put(shelf.README, readme(self._id).encode())
        self._put(shelf.KEY, self._key_file())
        self._manifest = manifest

    def read_back(self, take: Callable[[Manifest, Iterator[Table]], None]) -> SealedBackup:
        """Read everything back from the store with the master key, and check it; only then is there a backup.

        Args:
            take: gets the manifest, and the tables as they come out of the store. What it does with them
                holds only if this returns.

        Raises:
            StorageDown: the store cannot be read.
            NotOurs: what was read back is not what was written.
            CountersignError: ``take`` raised it.
        """
        assert self._manifest is not None
        assert self._sealed is None
        key = shelf.read_key(self._storage, self._master, self._id)
        if key.sha256 != self._hashed.sha256:
            raise NotOurs("backups.read_back")
        with shelf.plain_archive(self._storage, key) as plain:
            tables = read_tables(plain, self._manifest)
            take(self._manifest, tables)
            _leave(self._manifest, tables)
        self._sealed = SealedBackup(
            self._id, self._hashed.sha256, self._hashed.size, self._master.key_id, self._manifest
        )
        return self._sealed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._sealed is not None:
            return
        self._age.abandon()
        self._upload.discard()
        for name in reversed(self._written):
            # The error on its way out says more than one about the clean-up; ``Vault.sweep`` comes later.
            with suppress(*([CountersignError] if error is not None else [])):
                self._storage.delete(name)

    def _put(self, suffix: str, data: bytes) -> None:
        with self._storage.put_new(self._id + suffix) as upload:
            upload.write(data)
            upload.commit()
        self._written.append(self._id + suffix)

    def _key_file(self) -> bytes:
        plain = keyfile.dump(KeyFile(self._identity, self._id, self._hashed.sha256), self._master)
        out = io.BytesIO()
        with Encryptor(out, [self._master.recipient], secrets.token_bytes) as age:
            age.write(plain)
        return out.getvalue()


def _leave(manifest: Manifest, tables: Iterator[Table]) -> None:  # noqa: ARG001 - the signature of ``take``
    """Let everything be read to its end."""
    for _ in tables:
        pass


class _Hashed(io.RawIOBase):
    """Counts and hashes what goes into the store."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        raw = bytes(data)
        self._upload.write(raw)
        self._hash.update(raw)
        self.size += len(raw)
        return len(raw)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
