"""Objects of rows in a backup: ``<stream>.tar`` and ``<stream>.entries.jsonl``, and back out of it.

In the tar they have numbers for names: what an object is called may lead anywhere, and need not be a name of
a file at all. Content passes through piece by piece.
"""

import hashlib
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import IO, Protocol, cast

from bot.errors import CannotProve, NotOurs
from bot.targets.attachment_tar import members, prove
from bot.targets.object_entries import ObjectEntry, member
from bot.targets.ports import Sink, Source
from bot.targets.s3 import Bucket, Head, put_arguments
from bot.targets.streams import lines


class Place(Protocol):
    """What of an ``ObjectStore`` is needed here."""

    bucket: Bucket

    @property
    def path(self) -> str:
        """How people know it."""

    def key_of(self, name: str) -> str:
        """The whole key behind a name."""

    def write_note(self, operation: str, entries: Sequence[ObjectEntry]) -> None:
        """Make durable which objects an operation is about."""


def with_tags(entry: ObjectEntry, tags: Mapping[str, str]) -> ObjectEntry:
    """The same with its tags."""
    return replace(entry, tags=dict(tags))


def copy(place: Place, files: Sequence[ObjectEntry], sink: Sink, stream: str) -> tuple[ObjectEntry, ...]:
    """See ``AttachmentStore.copy``."""
    copied: list[ObjectEntry] = []
    with sink.blob(f"{stream}.tar") as out:
        archive = tarfile.open(  # noqa: SIM115 - after an error it must not write its end
            fileobj=cast("IO[bytes]", out), mode="w|", format=tarfile.PAX_FORMAT
        )
        for number, entry in enumerate(files):
            copied.append(_packed(archive, place, entry, number))
        archive.close()
    with sink.blob(f"{stream}.entries.jsonl") as out:
        for entry in copied:
            out.write(entry.line())
    return tuple(copied)


def _packed(archive: tarfile.TarFile, place: Place, entry: ObjectEntry, number: int) -> ObjectEntry:
    info = tarfile.TarInfo(member(number))
    info.size, info.mode = entry.size, 0o600
    with place.bucket.read(place.key_of(entry.path), entry.etag) as (head, more):
        if not same_version(entry, head):
            raise CannotProve("attached.changed", root=place.path)
        reading = _Hashing(more, entry.size)
        try:
            archive.addfile(info, cast("IO[bytes]", reading))
        except _ShortError:
            raise CannotProve("attached.changed", root=place.path) from None
    return replace(entry, sha256=reading.digest.hexdigest())


def same_version(entry: ObjectEntry, head: Head) -> bool:
    """Whether it is the object that was written down, by everything the store says of it."""
    return (entry.size, entry.etag, entry.modified, entry.version) == (
        head.size,
        head.etag,
        head.modified.isoformat(),
        head.version,
    )


class _ShortError(Exception):
    """An object ended before its size."""


class _Hashing:
    """Reads exactly as much as is asked for, never past the size, hashing it as it passes."""

    def __init__(self, more: "_More", size: int) -> None:
        self._more = more
        self._held = b""
        self._left = size
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        while len(self._held) < size:
            data = self._more()
            self._left -= len(data)
            if not data or self._left < 0:
                raise _ShortError
            self._held += data
        given, self._held = self._held[:size], self._held[size:]
        self.digest.update(given)
        return given


class _More(Protocol):
    def __call__(self) -> bytes: ...


def listed(source: Source, stream: str) -> tuple[ObjectEntry, ...]:
    """The entries of a stream."""
    with source.blob(f"{stream}.entries.jsonl") as reading:
        return tuple(ObjectEntry.of(line) for line in lines(reading))


def prove_all(source: Source, stream: str, files: Sequence[ObjectEntry]) -> None:
    """See ``AttachmentStore.prove``."""
    if listed(source, stream) != tuple(files):
        raise CannotProve("attached.not-copied")
    prove(source, stream, files, map(member, range(len(files))))


def meeting(place: Place, entry: ObjectEntry, going: Mapping[str, ObjectEntry]) -> str:
    """How an object of a backup meets what stands in its place; what is ``going`` counts as gone."""
    head = place.bucket.head(place.key_of(entry.path))
    if head is None or (entry.path in going and same_version(going[entry.path], head)):
        return "missing"
    return "identical" if is_identical(place, entry, head) else "different"


def is_identical(place: Place, entry: ObjectEntry, head: Head) -> bool:
    """Whether an object has the content that was backed up."""
    if head.size != entry.size:
        return False
    digest = hashlib.sha256()
    try:
        with place.bucket.read(place.key_of(entry.path), head.etag) as (_, more):
            while data := more():
                digest.update(data)
    except CannotProve:
        return False
    return digest.hexdigest() == entry.sha256


def place(store: Place, operation: str, source: Source, stream: str, wanted: Collection[str]) -> None:
    """See ``AttachmentStore.place``."""
    files = listed(source, stream)
    coming = [entry for entry in files if entry.path in wanted]
    if len(coming) != len(wanted):
        raise NotOurs("backups.damaged")
    store.write_note(operation, coming)
    for entry, content in members(source, stream, files, map(member, range(len(files)))):
        if entry.path in wanted:
            about = put_arguments(entry.headers, entry.metadata, entry.tags, entry.storage)
            checked = _checked(entry, content)
            store.bucket.put_new(store.key_of(entry.path), entry.size, checked, **about)


def _checked(entry: ObjectEntry, content: Iterator[bytes]) -> Iterator[bytes]:
    """The content, which must be what it was by its end: an object appears only when it is whole."""
    digest = hashlib.sha256()
    for data in content:
        digest.update(data)
        yield data
    if digest.hexdigest() != entry.sha256:
        raise NotOurs("backups.damaged")


def take_back(store: Place, entry: ObjectEntry, since: datetime) -> None:
    """Remove an object that came back since then; an older one, or one with other content, is not ours."""
    key = store.key_of(entry.path)
    head = store.bucket.head(key)
    if head is not None and head.modified >= since and is_identical(store, entry, head):
        store.bucket.delete(key, head.etag)
