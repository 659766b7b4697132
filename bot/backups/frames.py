"""One zstd frame out of a member: whole, alone in it, and with or without a checksum of its plain bytes."""

from collections.abc import Iterator
from typing import Protocol

import zstandard

from bot.errors import NotOurs

#: Bytes of the longest header of a frame; of that of a block.
_HEADER, _BLOCK_HEADER = 18, 3
_CHECKSUM = 4
#: A block of one byte, over and over.
_REPEATED = 1


class Bytes(Protocol):
    """A member of the tar."""

    def read(self, size: int, /) -> bytes:
        """At most so many; nothing at the end."""


class Frame:
    """The only frame of a member, read once. ``checked`` is known from the first piece on."""

    def __init__(self, member: Bytes) -> None:
        self.checked = False
        self._member = member
        self._ahead = b""

    def chunks(self) -> Iterator[bytes]:
        """The plain bytes; with a checksum they are what was compressed if this comes to its end.

        Raises:
            NotOurs: not a frame, cut off, followed by something, or another checksum.
        """
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            # An empty piece would read as the end.
            yield from filter(None, self._blocks(frame))
        except zstandard.ZstdError:
            raise NotOurs("backups.damaged") from None
        if not frame.eof or frame.unused_data or self._ahead or self._member.read(1):
            raise NotOurs("backups.damaged")

    def _blocks(self, frame: "zstandard.ZstdDecompressionObj") -> Iterator[bytes]:
        # A block at a time, 128 KiB at most: of larger steps, sixteen thousand bytes may say half a gigabyte.
        self._ahead = self._member.read(_HEADER)
        self.checked = zstandard.get_frame_parameters(self._ahead).has_checksum
        yield frame.decompress(self._take(zstandard.frame_header_size(self._ahead)))
        is_last = False
        while not is_last:
            header = self._take(_BLOCK_HEADER)
            about = int.from_bytes(header, "little")
            is_last, kind, length = bool(about & 1), about >> 1 & 3, about >> 3
            yield frame.decompress(header + self._take(1 if kind == _REPEATED else length))
        if self.checked:
            yield frame.decompress(self._take(_CHECKSUM))

    def _take(self, size: int) -> bytes:
        """Exactly so many.

        Raises:
            NotOurs: there are fewer.
        """
        missing = size - len(self._ahead)
        data = self._ahead + (self._member.read(missing) if missing > 0 else b"")
        self._ahead = data[size:]
        if len(data) < size:
            raise NotOurs("backups.damaged")
        return data[:size]
