"""Backups in a local folder, mode 0700: written aside, fsynced, then linked to a name that is still free."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bot.backups.storage.names import check_name
from bot.errors import NotFound, Stale, StorageDown

_PART = ".part"
_PROBE = "check-probe"
_SENTENCES = {
    errno.ENOSPC: "backups.store_full",
    errno.EDQUOT: "backups.store_full",
    errno.EFBIG: "backups.store_full",
    errno.EROFS: "backups.store_read_only",
    errno.EACCES: "backups.store_denied",
    errno.EPERM: "backups.store_denied",
    errno.ENOENT: "backups.store_gone",
    errno.ENOTDIR: "backups.store_gone",
}


class LocalStorage:
    """A folder, made on first use.

    Raises:
        StorageDown: it cannot be made, or others may write to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _translated(folder):
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(folder.parent)
            if folder.stat().st_mode & 0o077:
                raise StorageDown("backups.store_open_to_others", path=str(folder))

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    def put_new(self, name: str) -> "LocalUpload":
        """Begin a new object; see the contract."""
        path = self._path(name)
        if self.exists(name):
            raise Stale("backups.exists", name=name)
        with _translated(self._folder):
            return LocalUpload(path)

    def open_read(self, name: str) -> IO[bytes]:
        """The bytes as a stream."""
        path = self._path(name)
        with _translated(self._folder), _missing(path):
            return open(  # noqa: PTH123 - a descriptor with its own flags
                os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"
            )

    def exists(self, name: str) -> bool:
        """Whether the name is there."""
        path = self._path(name)
        with _translated(self._folder):
            try:
                path.lstat()
            except FileNotFoundError:
                # An unmounted store has no backups to speak of, which is not the same as having none.
                self._folder.stat()
                return False
            return True

    def size(self, name: str) -> int:
        """Bytes."""
        path = self._path(name)
        with _translated(self._folder), _missing(path):
            return path.lstat().st_size

    def delete(self, name: str) -> None:
        """Remove the name durably."""
        path = self._path(name)
        with _translated(self._folder):
            path.unlink(missing_ok=True)
            sync_folder(self._folder)

    def list(self) -> "list[str]":
        """All names."""
        with _translated(self._folder):
            return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))

    def sweep(self) -> int:
        """Remove the parts of dead writers; a living one holds a lock on its part."""
        removed = 0
        with _translated(self._folder):
            for part in self._folder.iterdir():
                if part.name.startswith(".") and part.name.endswith(_PART):
                    removed += _remove_if_dead(part)
        return removed

    def try_out(self) -> None:
        """Begin to write, and leave no trace."""
        with self.put_new(_PROBE) as upload:
            upload.write(b"probe")

    def _path(self, name: str) -> Path:
        check_name(name)
        return self._folder / name


class LocalUpload:
    """A locked ``.part`` file beside its later name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_PART}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor: int | None = os.open(self._part, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``."""
        assert self._descriptor is not None
        view = memoryview(data)
        with _translated(self._path.parent):
            while view:
                view = view[os.write(self._descriptor, view) :]
        return len(data)

    def commit(self) -> None:
        """Durable, then visible."""
        assert self._descriptor is not None
        with _translated(self._path.parent):
            os.fsync(self._descriptor)
            # So that reading it back asks the disk, not the memory it was just written from.
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            try:
                os.link(self._part, self._path, follow_symlinks=False)
            except FileExistsError:
                raise Stale("backups.exists", name=self._path.name) from None
            self.discard()
            try:
                sync_folder(self._path.parent)
            except OSError:
                # A name that may not survive a power cut must not be seen as a backup.
                self._path.unlink(missing_ok=True)
                raise

    def discard(self) -> None:
        """Remove the part; a committed object has another name by now."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_dead(part: Path) -> bool:
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _missing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        path.parent.stat()
        raise NotFound("backups.not_there", name=path.name) from None


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        key = _SENTENCES.get(code, "backups.store_failed")
        raise StorageDown(key, path=str(folder), reason=os.strerror(code)) from None
