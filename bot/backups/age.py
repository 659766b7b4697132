"""age version 1 files: 64 KiB ChaCha20-Poly1305 chunks behind the header of ``age_header``.

Pure: random bytes come from the caller, bytes go to and come from the file objects handed in.
"""

import io
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bot.backups.age_header import TAG, Entropy, Identity, Source, hkdf, open_header, write_header
from bot.errors import BadInput, NotOurs

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["CHUNK", "Encryptor", "Identity", "open_decrypted"]

#: Plain bytes of a chunk; in the file a chunk has 16 more.
CHUNK = 64 * 1024


class Encryptor(io.RawIOBase):
    """A writable file whose content is encrypted into ``out``. ``close`` writes the last chunk, not more.

    ``abandon`` closes it without the last chunk: what was written then never decrypts.
    """

    def __init__(self, out: IO[bytes], recipients: Sequence[str], entropy: Entropy) -> None:
        if not recipients:
            raise BadInput("backups.no_recipient")
        self._out = out
        self._pending = bytearray()
        self._sealed = bytearray(CHUNK + TAG)
        self._number = 0
        self._abandoned = False
        file_key, nonce = entropy(16), entropy(16)
        out.write(write_header(file_key, recipients, entropy) + nonce)
        self._cipher = ChaCha20Poly1305(hkdf(file_key, nonce, b"payload"))

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take all of ``data``; whole chunks go out as soon as it is known that more follows."""
        view = memoryview(data).cast("B")
        position = 0
        while position < len(view):
            if len(self._pending) == CHUNK:
                self._flush(last=False)
            if not self._pending and len(view) - position > CHUNK:
                self._emit(view[position : position + CHUNK], last=False)
                position += CHUNK
                continue
            taken = view[position : position + CHUNK - len(self._pending)]
            self._pending += taken
            position += len(taken)
        return len(view)

    def abandon(self) -> None:
        """Close without the last chunk."""
        self._abandoned = True
        self.close()

    def close(self) -> None:
        """Write the last chunk; closing again does nothing."""
        if not self.closed:
            try:
                if not self._abandoned:
                    self._flush(last=True)
            finally:
                super().close()

    def __del__(self) -> None:
        # RawIOBase would call close(), and a forgotten file must not look complete.
        self._abandoned = True

    def _flush(self, *, last: bool) -> None:
        self._emit(bytes(self._pending), last=last)
        self._pending.clear()

    def _emit(self, plain: bytes | memoryview, *, last: bool) -> None:
        sealed = memoryview(self._sealed)[: len(plain) + TAG]
        self._cipher.encrypt_into(_nonce(self._number, last=last), plain, None, sealed)
        self._out.write(sealed)
        self._number += 1


def open_decrypted(stream: IO[bytes], identities: Sequence[Identity]) -> io.BufferedReader:
    """A readable file of the plain text. Closing it leaves ``stream`` open.

    No byte is handed out before the tag of its chunk is checked, no end reported before the last chunk.

    Raises:
        NotOurs: here or while reading: bad header, no stanza for these identities, damaged, cut or extended.
    """
    source = Source(stream)
    file_key = open_header(source, identities)
    nonce = source.take(16)
    return io.BufferedReader(_Decryptor(source, hkdf(file_key, nonce, b"payload")), CHUNK)


class _Decryptor(io.RawIOBase):
    def __init__(self, source: Source, key: bytes) -> None:
        self._source = source
        self._cipher = ChaCha20Poly1305(key)
        self._number = 0
        self._done = False
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "ReadableBuffer", /) -> int:
        if not self._plain and not self._done:
            self._plain = memoryview(self._next_chunk())
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._plain))
        view[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _next_chunk(self) -> bytes:
        sealed = self._source.upto(CHUNK + TAG)
        after = self._source.upto(1)
        self._source.push_back(after)
        last = not after
        if last and len(sealed) == TAG and self._number:
            raise NotOurs("backups.damaged")
        try:
            plain = self._cipher.decrypt(_nonce(self._number, last=last), sealed, None)
        except (InvalidTag, ValueError):
            raise NotOurs("backups.damaged") from None
        self._number += 1
        self._done = last
        return plain


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")
