"""The tar in which attachments lie in a backup, read back: which member is which, and what is in it."""

import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import IO, TypeVar, cast

from bot.errors import CannotProve, NotOurs
from bot.targets.attachment_store import Kept
from bot.targets.ports import Reader, Source

COPY = 1024 * 1024
Entry = TypeVar("Entry", bound=Kept)


def prove(source: Source, stream: str, files: Sequence[Kept], names: Iterable[str]) -> None:
    """Return when the tar holds exactly these contents under these names.

    Raises:
        CannotProve: it does not.
    """
    found = 0
    for entry, content in members(source, stream, files, names):
        digest = hashlib.sha256()
        for data in content:
            digest.update(data)
        if digest.hexdigest() != entry.sha256:
            raise CannotProve("attached.not-copied")
        found += 1
    if found != len(files):
        raise CannotProve("attached.not-copied")


def members(
    source: Source, stream: str, files: Sequence[Entry], names: Iterable[str]
) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """Each attachment in the tar with its content, in the order of the entries.

    Raises:
        NotOurs: the tar holds something else.
    """
    with source.blob(f"{stream}.tar") as reading:
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", reading), mode="r|") as archive:
                for entry, name, info in zip(files, names, archive, strict=False):
                    if (info.name, info.size, info.isreg()) != (name, entry.size, True):
                        raise NotOurs("backups.damaged")
                    content = archive.extractfile(info)
                    assert content is not None
                    yield entry, _content(content)
        except tarfile.TarError:
            raise NotOurs("backups.damaged") from None
        _drain(reading)


def _content(member: IO[bytes]) -> Iterator[bytes]:
    """Read by somebody else, so what goes wrong there is told here."""
    try:
        yield from iter(partial(member.read, COPY), b"")
    except tarfile.TarError:
        raise NotOurs("backups.damaged") from None


def _drain(reading: Reader) -> None:
    """To the end of the stream: only then is it known that it is the one that was sealed."""
    while reading.read(COPY):
        pass
