"""One zstd frame out of a member: whole, alone in it, and with or without a checksum of its plain bytes."""

from collections.abc import Iterator
from typing import Protocol

import zstandard

from bot.errors import NotOurs

_READ = 16 * 1024
_PIECE = 256 * 1024


class Bytes(Protocol):
    """A member of the tar."""

    def read(self, size: int, /) -> bytes:
        """At most so many; nothing at the end."""


class Frame:
    """The only frame of a member, read once. ``checked`` is known from the first piece on."""

    def __init__(self, member: Bytes) -> None:
        self.checked = False
        self._member = member

    def chunks(self) -> Iterator[bytes]:
        """The plain bytes; with a checksum they are what was compressed if this comes to its end.

        Raises:
            NotOurs: not a frame, cut off, followed by something, or another checksum.
        """
        data = self._member.read(_READ)
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            self.checked = zstandard.get_frame_parameters(data).has_checksum
            while data:
                # A frame that has ended takes no more.
                plain = frame.decompress(data)
                for start in range(0, len(plain), _PIECE):
                    yield plain[start : start + _PIECE]
                if frame.unused_data:
                    raise NotOurs("backups.damaged")
                data = self._member.read(_READ)
        except zstandard.ZstdError:
            raise NotOurs("backups.damaged") from None
        if not frame.eof:
            raise NotOurs("backups.damaged")
