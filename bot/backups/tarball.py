"""The tar of an archive: plain ustar, regular files only, written and read in one pass. Pure.

Hand-made so that a reader takes what a writer of ours makes and nothing else: no links, no extensions.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from typing import IO

from bot.errors import NotOurs

_BLOCK = 512
_COPY = 1024 * 1024
_SMALL = 64 * 1024


def write_member(out: IO[bytes], name: str, data: memoryview) -> None:
    """One file with its header and padding. ``name`` is ASCII: folder at most 155, file at most 100 long."""
    out.write(_header(name, len(data)))
    for start in range(0, len(data), _COPY):
        out.write(data[start : start + _COPY])
    out.write(bytes(-len(data) % _BLOCK))


def write_end(out: IO[bytes]) -> None:
    """The two zero blocks."""
    out.write(bytes(2 * _BLOCK))


def read_members(stream: IO[bytes]) -> "Iterator[MemberFile]":
    """The files in order; what a caller leaves unread of one is read before the next. Then nothing but zeros.

    Raises:
        NotOurs: anything else than what ``write_member`` and ``write_end`` write.
    """
    while True:
        block = _exactly(stream, _BLOCK)
        if not any(block):
            break
        member = _parse(stream, block)
        yield member
        member.finish()
    if any(_exactly(stream, _BLOCK)):
        raise NotOurs("backups.damaged")
    while rest := stream.read(_COPY):
        if any(rest):
            raise NotOurs("backups.damaged")


class MemberFile:
    """One file while the stream stands at it. ``sha256`` is complete after ``finish``."""

    def __init__(self, stream: IO[bytes], name: str, size: int) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._left = size
        self._finished = False
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; empty at the end of the member."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = _exactly(self._stream, wanted)
        self._left -= wanted
        self._hash.update(data)
        return data

    def finish(self) -> None:
        """Read what is left, and the padding."""
        if self._finished:
            return
        while self._left:
            self.read(_SMALL)
        if any(_exactly(self._stream, -self.size % _BLOCK)):
            raise NotOurs("backups.damaged")
        self._finished = True

    @property
    def sha256(self) -> str:
        """Hex digits over what was read so far."""
        return self._hash.hexdigest()


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _parse(stream: IO[bytes], block: bytes) -> MemberFile:
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        again = _header(info.name, info.size)
    except (tarfile.HeaderError, ValueError):
        raise NotOurs("backups.damaged") from None
    if again != block:
        raise NotOurs("backups.damaged")
    return MemberFile(stream, info.name, info.size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise NotOurs("backups.damaged")
    return data
