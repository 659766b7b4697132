"""What a place of attachments promises, whether it is a folder or a bucket, and what is found there.

One suite, ``tests/contracts/test_attachments.py``, holds every implementation to it. Names come out of rows,
so they are wishes; no sentence carries one.

An operation is named by whoever asks; it has at most one note in each place, which is durable before anything
moves, so that whoever finds it after a crash can finish or undo it and needs nothing else.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.targets.ports import Sink, Source, Told


class Kept(Protocol):
    """An attachment as it is written down in a backup."""

    @property
    def path(self) -> str:
        """Its name under the place."""

    @property
    def size(self) -> int:
        """Its bytes."""

    @property
    def sha256(self) -> str:
        """Of its content; empty as long as nobody has read it."""


@dataclass(frozen=True)
class Found:
    """The attachments behind some names: those that can go, how many are not there, and how many must stay.

    ``odd``: no plain name, no ordinary file, another name elsewhere (hard link), or on another disk.
    ``told``: what else people should know before they agree.
    """

    files: tuple[Any, ...]
    missing: int
    odd: int
    told: tuple[Told, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all that can go."""
        return sum(entry.size for entry in self.files)


@dataclass(frozen=True)
class Met:
    """The attachments of a backup beside the live ones."""

    missing: tuple[Any, ...]
    identical: int
    different: int


@dataclass(frozen=True)
class Attached:
    """The attachments of rows that go, in one place. ``names``: the keyed hash of theirs.

    ``missing``, ``odd`` and ``shared`` with rows that stay: how many do not go. ``stream``: where they lie in
    the backup.
    """

    store: "AttachmentStore"
    files: tuple[Any, ...]
    names: str
    missing: int = 0
    odd: int = 0
    shared: int = 0
    stream: str = ""
    told: tuple[Told, ...] = ()


@dataclass(frozen=True)
class Words:
    """Which sentences are true of a kind of place."""

    odd: str
    left: str
    step: str


@dataclass(frozen=True)
class Health:
    """What ``inspect`` saw: nothing wrong, or sentences; ``fatal``: nothing could be deleted like this."""

    told: tuple[Told, ...] = ()
    fatal: tuple[Told, ...] = field(default=())


class AttachmentStore(Protocol):
    """One place of attachments. Nothing is opened before a method asks for it.

    Every method raises ``TargetDown`` when the place is not there, cannot be reached or forbids something.
    """

    words: Words

    @property
    def path(self) -> str:
        """How people know it, and how plans and backups name it."""

    @property
    def identity(self) -> str:
        """Which place it is, for hashes: what people read may not say it all."""

    def look(self, names: Iterable[str]) -> Found:
        """What stands under these names, each counted once. Reads only, and no contents.

        Raises:
            NotAllowed: somebody holds one of them, so that it must not go.
        """

    def copy(self, files: Sequence[Any], sink: Sink, stream: str) -> tuple[Any, ...]:
        """Write attachments into a backup; they, with their checksums.

        Raises:
            CannotProve: one is not what was counted, or changed while it was read.
        """

    def prove(self, source: Source, stream: str, files: Sequence[Any]) -> None:
        """Return when the backup gives back exactly these.

        Raises:
            CannotProve: it does not.
        """

    def set_aside(self, operation: str, files: Sequence[Any]) -> None:
        """The last thing before COMMIT: they are as they were copied, and can go whatever happens now.

        Raises:
            CannotProve: one of them is not what was copied any more.
        """

    def put_back(self, operation: str) -> None:
        """It was not committed: everything is as before; again, or when nothing is set aside: no harm.

        Raises:
            CannotProve: something else stands in a place by now; the rest is back.
        """

    def remove(self, operation: str) -> int:
        """It was committed: they go for ever; how many had to stay because they changed. Again: no harm.

        Raises:
            NotOurs: the note is not one of ours.
        """

    def waiting(self) -> list[str]:
        """The operations that have a note here."""

    def meet(self, source: Source, stream: str, backup: str, only: Collection[str] | None = None) -> Met:
        """The attachments of a backup beside what stands in their places. Reads only.

        ``backup``: the operation of a deletion that was committed; what it has not removed yet counts as
        gone. Empty: it is not known to be. ``only``: these paths alone.
        """

    def place(self, operation: str, source: Source, stream: str, wanted: Collection[str], backup: str) -> int:
        """Bring attachments back, all or none, over nothing; how many belong to somebody else now.

        Raises:
            CannotProve: something stands in a place. ``unplace`` takes back what came by then.
        """

    def unplace(self, operation: str) -> None:
        """Take away again what ``place`` brought; what is not exactly that stays. Again: no harm."""

    def settled(self, operation: str) -> None:
        """What ``place`` brought stays: forget how to take it back. Again: no harm."""

    def inspect(self) -> Health:
        """Whether a deletion and its restore could be done here; leaves no trace."""


Opener = Callable[[str], AttachmentStore]
