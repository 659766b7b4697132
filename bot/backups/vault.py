"""What the operations use: seal a backup, open it, name it, shred it."""

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

from bot.backups import reference, shelf
from bot.backups.age import open_decrypted
from bot.backups.ids import is_backup_id
from bot.backups.keyfile import KeyFile
from bot.backups.keys import MasterKey
from bot.backups.sealing import Sealing
from bot.backups.storage.base import Storage
from bot.backups.unarchive import read_manifest, read_stream, read_tables
from bot.errors import NotOurs, Refused
from bot.model.backups import Manifest, ReferencePayload, SealedBackup, Table
from bot.texts import say

__all__ = ["OpenedBackup", "Sealing", "Vault", "any_backup_exists"]

_COPY = 1024 * 1024
_REFERENCE = "reference"


def any_backup_exists(storage: Storage) -> bool:
    """Whether a master key is already in use here; asked before one is made."""
    return any(name.endswith(shelf.KEY) for name in storage.list())


class Vault:
    """All backups of one store under one master key, for one Slack workspace."""

    def __init__(self, storage: Storage, master: MasterKey, workspace: str) -> None:
        self._storage = storage
        self._master = master
        self._workspace = workspace
        self._is_ours = False

    def sealing(self, backup_id: str) -> Sealing:
        """``with vault.sealing(id) as sealing: sealing.table(…); sealed = sealing.finish(extra)``.

        Raises:
            NotOurs: the store was sealed with another master key.
            Stale: on entering, when the id was used before.
        """
        if not self._is_ours:
            self.check_master()
        return Sealing(self._storage, self._master, backup_id)

    def open(
        self, backup_id: str, sha256: str | None = None, known: Manifest | None = None
    ) -> "OpenedBackup":
        """A backup whose every byte has been checked: ciphertext, tags, members, counts, sums.

        Args:
            backup_id: its id.
            sha256: of the archive, when a reference or a record names it; else the key file's word counts.
            known: the manifest of that archive, by whoever has just checked it all against the manifest. Then
                only the ciphertext is checked, by its hash.

        Raises:
            NotFound: there is none of that id.
            Refused: it was shredded.
            NotOurs: damaged, of another master key, or not the archive that ``sha256`` names.
            StorageDown: the store cannot be read.
        """
        shelf.require(self._storage, backup_id)
        key = shelf.read_key(self._storage, self._master, backup_id)
        if sha256 is not None and key.sha256 != sha256:
            raise NotOurs("backups.not_that_archive", id=backup_id)
        shelf.check_hash(self._storage, key)
        return OpenedBackup(self._storage, key, known or self._manifest(key))

    def verify(self, backup_id: str) -> Manifest:
        """Read and check everything once; raises as ``open``."""
        shelf.require(self._storage, backup_id)
        return self._manifest(shelf.read_key(self._storage, self._master, backup_id))

    def reference(self, sealed: SealedBackup) -> str:
        """A new token for this backup; no two are alike, all open."""
        payload = ReferencePayload(sealed.backup_id, sealed.sha256, self._workspace)
        return reference.seal(
            self._master.derive(_REFERENCE), self._master.key_id, payload, secrets.token_bytes(12)
        )

    def unseal(self, text: str) -> ReferencePayload:
        """What a token names, as pasted by a person.

        Raises:
            BadInput: not a reference, cut or altered, or of another master key.
            NotAllowed: of another workspace.
        """
        key = self._master.derive(_REFERENCE)
        return reference.unseal(key, self._master.key_id, reference.clean(text), self._workspace)

    def shred(self, backup_id: str) -> None:
        """Delete the key file, then the rest; a note stays, so that the id is not used again. Again: no harm.

        Raises:
            NotFound: there never was such a backup.
        """
        try:
            shelf.require(self._storage, backup_id)
        except (Refused, NotOurs) as error:
            if error.key not in ("backups.shredded", "backups.archive_missing"):
                if is_backup_id(backup_id):
                    self._storage.delete(backup_id + shelf.ARCHIVE)  # What was never finished of it.
                raise
        self._storage.delete(backup_id + shelf.KEY)
        self._storage.delete(backup_id + shelf.ARCHIVE)
        # The README is the trace until the note is there: a crash must not turn shredded into unknown.
        if not self._storage.exists(backup_id + shelf.TOMBSTONE):
            with self._storage.put_new(backup_id + shelf.TOMBSTONE) as note:
                note.write(say("backups.tombstone", id=backup_id).encode() + b"\n")
                note.commit()
        self._storage.delete(backup_id + shelf.README)

    def ids(self) -> list[str]:
        """The backups that can be opened, oldest day first."""
        names = set(self._storage.list())
        keys = [name.removesuffix(shelf.KEY) for name in names if name.endswith(shelf.KEY)]
        return sorted(one for one in keys if one + shelf.ARCHIVE in names)

    def check_master(self) -> None:
        """Open the newest key file, for the start of a worker.

        Raises:
            NotOurs: the store was sealed with another master key.
        """
        for backup_id in self.ids()[-1:]:
            shelf.read_key(self._storage, self._master, backup_id)
        self._is_ours = True

    def sweep(self, running: Collection[str] = ()) -> int:
        """Remove what killed attempts left, except ids in ``running``; how many things went.

        An archive without a key file is nobody's: the key file is written last.
        """
        removed = self._storage.sweep()
        names = set(self._storage.list())
        for name in sorted(names):
            backup_id = name.removesuffix(shelf.ARCHIVE)
            if name.endswith(shelf.KEY) or backup_id == name or backup_id in running:
                continue
            if backup_id + shelf.KEY not in names:
                self.shred(backup_id)
                removed += 1
        return removed

    def _manifest(self, key: KeyFile) -> Manifest:
        with shelf.plain_archive(self._storage, key) as plain:
            manifest = read_manifest(plain)
        if manifest.backup_id != key.backup_id:
            raise NotOurs("backups.damaged")
        return manifest


class OpenedBackup:
    """A checked backup. A context manager; its key is dropped at the end."""

    def __init__(self, storage: Storage, key: KeyFile, manifest: Manifest) -> None:
        self._storage = storage
        self._key: KeyFile | None = key
        self.manifest = manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._key = None

    def tables(self) -> Iterator[Table]:
        """The tables in the order of the manifest, rows decoded as they are read; may be called again.

        The rows are not added up again: the hash of the whole says that they are those that were.

        Raises:
            NotOurs: the archive changed since it was opened; known only at the end, so take it to its end.
        """
        assert self._key is not None
        with shelf.plain_archive(self._storage, self._key) as plain:
            yield from read_tables(plain, self.manifest, sums=False)

    @contextmanager
    def blob(self, name: str) -> Iterator["StreamReading"]:
        """A stream from its beginning; as often as wanted.

        Raises:
            NotOurs: there is none, or the archive changed since it was opened; known only at the stream's
            end.
        """
        assert self._key is not None
        with self._storage.open_read(self._key.backup_id + shelf.ARCHIVE) as stored:
            plain = open_decrypted(stored, [self._key.identity])
            yield StreamReading(read_stream(plain, self.manifest, name))

    def copy_tar(self, out: IO[bytes]) -> None:
        """Write the decrypted tar to ``out``."""
        assert self._key is not None
        with shelf.plain_archive(self._storage, self._key) as plain:
            while data := plain.read(_COPY):
                out.write(data)


class StreamReading:
    """A stream as something to read from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, at least one; nothing at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
