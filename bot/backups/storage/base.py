"""Where backups lie: the contract that every store keeps; ``tests/contracts/test_storage.py`` attacks it.

* Names are flat: letters, digits, ``.``, ``-`` and ``_``, beginning with a letter or digit, at most 200
  characters. Any other name is BadInput, before anything is touched.
* A name is written once. ``put_new`` refuses a name that exists, and so does ``commit`` when another writer
  was faster; what was there stays as it was. Of two writers exactly one wins.
* Nothing is visible under its name before ``commit``, and all of it after; ``commit`` returns when the bytes
  and the name survive a power cut. Without ``commit`` no trace stays: not after an error, and not after
  ``kill -9`` once ``sweep`` has run.
* Memory use does not depend on the size.
* ``delete`` of what is not there does nothing. A deleted name may be written again; the vault never does.
  Where a store keeps versions all of them go. It ends what a killed writer has left under the name, too.
* A machine fault (full disk, read-only, no permission, no connection) is StorageDown, and so is a name that
  may not be deleted yet.
"""

from types import TracebackType
from typing import IO, Protocol, Self


class Upload(Protocol):
    """One new object on its way in. A context manager: leaving it without ``commit`` discards."""

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``; StorageDown when that is not possible."""

    def commit(self) -> None:
        """Make it durable and visible.

        Raises:
            Stale: the name was taken meanwhile.
            StorageDown: it could not be made durable; nothing is visible.
        """

    def discard(self) -> None:
        """Leave no trace; after ``commit`` it does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Storage(Protocol):
    """A flat, write-once store of named bytes."""

    @property
    def where(self) -> str:
        """Which store it is, as people know it."""

    def put_new(self, name: str) -> Upload:
        """Begin a new object.

        Raises:
            Stale: the name exists.
        """

    def open_read(self, name: str) -> IO[bytes]:
        """The bytes, as a stream to be closed; NotFound when there is no such name."""

    def exists(self, name: str) -> bool:
        """Whether the name is there."""

    def size(self, name: str) -> int:
        """Bytes; NotFound when there is no such name."""

    def delete(self, name: str) -> None:
        """Remove the name durably; nothing when it is not there."""

    def list(self) -> list[str]:
        """All names, sorted; nothing unfinished among them."""

    def sweep(self) -> int:
        """Remove what killed writers left behind, never what a living one is writing; how many.

        A store that cannot tell whether a writer lives waits until one has been silent for a day.
        """

    def try_out(self) -> None:
        """See that a backup could be written, and leave no trace; StorageDown when it could not."""
