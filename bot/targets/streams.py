"""Small helpers over the streams of a backup."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.targets.ports import Reader, Writer

_COPY = 256 * 1024


class Counting:
    """Writes through, and remembers how much and what."""

    def __init__(self, out: Writer) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._out = out

    def write(self, data: bytes, /) -> None:
        """See ``Writer``."""
        self._out.write(data)
        self.size += len(data)
        self.digest.update(data)

    def facts(self) -> Mapping[str, Any]:
        """As a manifest has them."""
        return {"size": self.size, "sha256": self.digest.hexdigest()}


class Whole:
    """Reads through, and knows whether it was read to its end, where a backup says that its bytes are right.

    ``sha256``: what a backup of before says of them besides; empty if nothing.
    """

    def __init__(self, source: Reader, sha256: str) -> None:
        self._source = source
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """See ``Reader``."""
        data = self._source.read(size)
        self._ended = not data
        if self._sha256:
            self._digest.update(data)
        return data

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, and adds up."""
        return self._ended and self._sha256 in ("", self._digest.hexdigest())


def chunks(stream: Reader) -> Iterator[bytes]:
    """All of it."""
    while data := stream.read(_COPY):
        yield data


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces as larger ones."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _COPY:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield b"".join(waiting)


def lines(stream: Reader) -> Iterator[bytes]:
    """All of it, line by line."""
    rest = b""
    for chunk in chunks(stream):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
