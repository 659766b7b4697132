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


class Adding:
    """Reads through, and adds up what passes."""

    def __init__(self, source: Reader) -> None:
        self.digest = hashlib.sha256()
        self._source = source

    def read(self, size: int, /) -> bytes:
        """See ``Reader``."""
        data = self._source.read(size)
        self.digest.update(data)
        return data


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
