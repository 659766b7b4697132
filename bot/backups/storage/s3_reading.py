"""One object of a bucket as a stream that goes on where its connection broke."""

import io
from typing import IO, TYPE_CHECKING, Any, cast

from bot.backups.storage.s3_wire import TakenError, Wire
from bot.errors import NotFound, StorageDown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BUFFER = 1024 * 1024
#: So many times in a row nothing may come before that is told.
_TRIES = 4


def open_object(wire: Wire, key: str, name: str) -> IO[bytes]:
    """The bytes of an object as it is now.

    Raises:
        NotFound: there is none.
        StorageDown: the store does not give it.
    """
    found = wire.ask("get_object", absent=True, Key=key)
    if found is None:
        wire.ask("head_bucket")
        raise NotFound("backups.not_there", name=name)
    return cast("IO[bytes]", io.BufferedReader(_Object(wire, key, found), _BUFFER))


class _Object(io.RawIOBase):
    """Always the object that was opened, by its mark."""

    def __init__(self, wire: Wire, key: str, found: Any) -> None:
        self._wire = wire
        self._key = key
        self._mark = str(found["ETag"])
        self._size = int(found["ContentLength"])
        self._body: Any = found["Body"]
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "ReadableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._next(min(len(view), self._size - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _next(self, wanted: int) -> bytes:
        """At least a byte, or nothing at the end."""
        if not wanted:
            return b""
        for left in reversed(range(_TRIES)):
            try:
                with self._wire.translated():
                    data = bytes(self._body.read(wanted))
                    if data:
                        return data
                self._open_again()
            except StorageDown:
                if not left:
                    raise
                self._body.close()
                self._body = io.BytesIO()
        raise self._cut()

    def _open_again(self) -> None:
        try:
            found = self._wire.ask(
                "get_object", absent=True, Key=self._key, IfMatch=self._mark, Range=f"bytes={self._at}-"
            )
        except TakenError:
            found = None
        # A store that does not know ranges would begin anew.
        if found is None or not found.get("ContentRange", "").startswith(f"bytes {self._at}-"):
            raise self._cut()
        self._body.close()
        self._body = found["Body"]

    def _cut(self) -> StorageDown:
        return StorageDown("backups.bucket_cut", path=self._wire.address.name)
