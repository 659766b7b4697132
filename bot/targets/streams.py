"""Small helpers over the streams of a backup."""

from collections.abc import Iterator

from bot.targets.ports import Reader

_COPY = 256 * 1024


def chunks(stream: Reader) -> Iterator[bytes]:
    """All of it."""
    while data := stream.read(_COPY):
        yield data


def lines(stream: Reader) -> Iterator[bytes]:
    """All of it, line by line."""
    rest = b""
    for chunk in chunks(stream):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
