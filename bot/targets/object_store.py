"""A bucket as a place of attachments: what is found there, and the note by which objects go after COMMIT.

An object cannot be moved, and a copy of it set aside would be one more copy of what shall go. So nothing
moves: before COMMIT a sealed note says which objects go, by mark, time and version. Only after COMMIT are
they removed, each on the condition that it is still the one that was copied. ``object_copies`` writes them
into a backup and brings them back.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from bot.buckets.client import Address
from bot.errors import CannotProve, NotAllowed, TargetDown
from bot.targets import object_copies
from bot.targets.attachment_store import Found, Health, Met, Words
from bot.targets.object_copies import same_version
from bot.targets.object_entries import FOLDER, ObjectEntry, is_plain, sealed, unsealed
from bot.targets.ports import Sink, Source, Told
from bot.targets.s3 import Bucket, Facts, Head

_AT_ONCE = 8
#: Kinds of storage that give nothing back before somebody has asked for it hours ago.
_ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")
_PROBE = ".probe"
_NOBODYS = '"00000000000000000000000000000000"'
Item = TypeVar("Item")
Result = TypeVar("Result")


class ObjectStore:
    """See ``AttachmentStore``.

    Args:
        address: the bucket, and the prefix under which the rows' names lead.
        key: seals the notes; the worker's alone.
    """

    words = Words(odd="told.objects-odd", left="attached.objects-left", step="step.objects-noted")

    def __init__(self, address: Address, key: bytes) -> None:
        self.bucket = Bucket(address)
        self._key = key

    @property
    def path(self) -> str:
        """See ``AttachmentStore``."""
        return self.bucket.address.name

    @property
    def identity(self) -> str:
        """See ``AttachmentStore``."""
        return f"{self.path} at {self.bucket.address.endpoint or 'Amazon S3'}"

    def key_of(self, name: str) -> str:
        """The whole key behind a name."""
        return f"{self.bucket.address.prefix}{name}"

    def look(self, names: Iterable[str]) -> Found:
        """See ``AttachmentStore``."""
        facts = self.bucket.facts()
        wanted = sorted(set(names))
        plain = [name for name in wanted if is_plain(self.bucket.address.prefix, name)]
        seen = each(lambda name: self._seen(name, facts), plain)
        found = [one for one in seen if one is not None]
        entries = tuple(entry for entry, _, _ in found)
        return Found(
            entries,
            len(plain) - len(found),
            len(wanted) - len(plain),
            self._told(
                facts,
                len(entries),
                [until for _, until, _ in found if until is not None],
                sum(bare for _, _, bare in found),
            ),
        )

    def _seen(self, name: str, facts: Facts) -> tuple[ObjectEntry, datetime | None, bool] | None:
        """An object as it is written down, until when it is locked, and whether marks would get lost."""
        head = self.bucket.head(self.key_of(name))
        if head is None:
            return None
        if head.held or (facts.locks and self.bucket.is_held(self.key_of(name))):
            raise NotAllowed("objects.held", root=self.path)
        if head.storage in _ARCHIVES:
            raise TargetDown("objects.archived", root=self.path)
        # A count of tags comes only to whoever may read them: none is no answer.
        tags = self.bucket.tags(self.key_of(name))
        entry = entry_of(name, head)
        bare = tags is None or (entry.headers, entry.metadata) != (head.headers, head.metadata)
        return object_copies.with_tags(entry, tags or {}), head.locked_until, bare

    def _told(self, facts: Facts, n: int, locked: Sequence[datetime], bare: int) -> tuple[Told, ...]:
        told: list[Told] = []
        if n and facts.versions and facts.days is not None:
            told.append(("told.objects-versions-days", {"root": self.path, "n": n, "days": facts.days}))
        elif n and facts.versions:
            told.append(("told.objects-versions", {"root": self.path, "n": n}))
        if locked:
            until = max(locked).date().isoformat()
            told.append(("told.objects-locked", {"root": self.path, "n": len(locked), "until": until}))
        if bare:
            told.append(("told.objects-bare", {"root": self.path, "n": bare}))
        return tuple(told)

    def copy(self, files: Sequence[ObjectEntry], sink: Sink, stream: str) -> tuple[ObjectEntry, ...]:
        """See ``AttachmentStore``."""
        return object_copies.copy(self, files, sink, stream)

    def prove(self, source: Source, stream: str, files: Sequence[ObjectEntry]) -> None:
        """See ``AttachmentStore``."""
        object_copies.prove_all(source, stream, files)

    def set_aside(self, operation: str, files: Sequence[ObjectEntry]) -> None:
        """See ``AttachmentStore``."""
        if not files:
            return
        self._try_rights(operation)
        self.write_note(operation, files)
        if not all(each(self._is_still, files)):
            raise CannotProve("attached.changed", root=self.path)

    def _is_still(self, entry: ObjectEntry) -> bool:
        head = self.bucket.head(self.key_of(entry.path))
        return head is not None and not head.held and same_version(entry, head)

    def put_back(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        self.forget(operation)

    def remove(self, operation: str) -> int:
        """See ``AttachmentStore``."""
        note = self.read_note(operation)
        if note is None:
            return 0
        left = sum(not gone for gone in each(self._is_gone, note[0]))
        # What changed is in its own place, as somebody left it: nothing of it is ours to come back to.
        self.forget(operation)
        return left

    def _is_gone(self, entry: ObjectEntry) -> bool:
        for _ in range(2):
            head = self.bucket.head(self.key_of(entry.path))
            if head is None:
                return True
            if not same_version(entry, head):
                return False
            if self.bucket.delete(self.key_of(entry.path), entry.etag):
                return True
        return False

    def waiting(self) -> list[str]:
        """See ``AttachmentStore``."""
        names = (key.rpartition("/")[2] for key in self.bucket.keys(self._note("")))
        return sorted({name.removesuffix(_PROBE) for name in names})

    def meet(self, source: Source, stream: str, backup: str, only: Collection[str] | None = None) -> Met:
        """See ``AttachmentStore``."""
        self.bucket.facts()
        note = self.read_note(backup) if backup else None
        going = {entry.path: entry for entry in note[0]} if note is not None else {}
        listed = object_copies.listed(source, stream)
        entries = [one for one in listed if only is None or one.path in only]
        states = each(lambda entry: object_copies.meeting(self, entry, going), entries)
        missing = [entry for entry, state in zip(entries, states, strict=True) if state == "missing"]
        return Met(tuple(missing), states.count("identical"), states.count("different"))

    def place(self, operation: str, source: Source, stream: str, wanted: Collection[str], backup: str) -> int:
        """See ``AttachmentStore``."""
        if wanted:
            # What the deletion has still to remove would be taken for what comes back.
            if backup:
                self.remove(backup)
            self.unplace(operation)
            object_copies.place(self, operation, source, stream, wanted)
        return 0

    def unplace(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        note = self.read_note(operation)
        if note is not None:
            entries, since = note
            each(lambda entry: object_copies.take_back(self, entry, since), entries)
            self.forget(operation)

    def settled(self, operation: str) -> None:
        """See ``AttachmentStore``."""
        self.forget(operation)

    def inspect(self) -> Health:
        """See ``AttachmentStore``."""
        self.bucket.facts()
        self.waiting()
        told: list[Told] = []
        if not self._try_rights("check"):
            told.append(("objects.no-condition", {"root": self.path}))
        return Health(told=tuple(told))

    def _try_rights(self, operation: str) -> bool:
        """Write something and remove it: may we? Whether the store minds on what condition."""
        probe = self._note(f"{operation}{_PROBE}")
        self.bucket.write(probe, b"")
        minds = not self.bucket.delete(probe, _NOBODYS)
        self.bucket.drop(probe)
        return minds

    # Notes.

    def write_note(self, operation: str, entries: Iterable[ObjectEntry]) -> None:
        """Make durable which objects an operation is about."""
        self.bucket.write(self._note(operation), sealed(self._key, self.identity, operation, entries))

    def read_note(self, operation: str) -> tuple[Sequence[ObjectEntry], datetime] | None:
        """The objects of an operation and the store's time when that was noted; None: there is no note.

        Raises:
            NotOurs: it is not one of ours.
        """
        found = self.bucket.small(self._note(operation))
        if found is None:
            return None
        note, when = found
        return unsealed(self._key, self.identity, operation, note), when

    def forget(self, operation: str) -> None:
        """Remove the note of an operation, and whatever else a crash has left of it here."""
        for key in (self._note(operation), self._note(f"{operation}{_PROBE}")):
            # Where versions are kept, removing what is not there would leave a mark of it for ever.
            if self.bucket.head(key) is not None:
                self.bucket.drop(key)

    def _note(self, operation: str) -> str:
        return self.key_of(f"{FOLDER}/{operation}")


def each(act: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The same for each, some at once, in their order; the first error is raised."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(act, items))


def entry_of(name: str, head: Head) -> ObjectEntry:
    """An object, as it is written down; without what a PUT could not bring back."""
    return ObjectEntry(
        path=name,
        size=head.size,
        etag=head.etag,
        modified=head.modified.isoformat(),
        version=head.version,
        storage=head.storage,
        headers={key: value for key, value in head.headers.items() if value.isascii()},
        metadata={key: value for key, value in head.metadata.items() if (key + value).isascii()},
    )
