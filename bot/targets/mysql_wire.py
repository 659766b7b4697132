"""The rows of a query of PyMySQL, taken off the wire many at a time; the driver takes them one by one.

The danger: two read from one socket. Whoever takes a result over reads it to its end, or the connection is
closed; before that nobody runs another statement on it. What does not follow the server's protocol to the
byte closes the connection, as the driver does.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any

from pymysql.constants import CR
from pymysql.err import OperationalError
from pymysql.protocol import MysqlPacket

_CHUNK = 256 * 1024
#: Three bytes of length and the packet's number, which counts up to 255 and begins again.
_HEAD = Struct("<I").unpack_from
_LENGTH = 0xFFFFFF
#: How a value's length is told that does not fit into one byte: in so many more.
_WIDTH = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_NULL = 0xFB
_ERROR = 0xFF
_END, _LONGEST_END = 0xFE, 8

#: The values of one column, each as the server sent it.
Column = Sequence[bytes | None]


class Incoming:
    """The rows of the unbuffered query that a connection has just begun."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        result = connection._result  # noqa: SLF001 - the driver has no other way in
        self._open = bool(result.unbuffered_active)
        self._columns = int(result.field_count or 0)
        # From here on the driver leaves the rest of it to us.
        result.unbuffered_active, result.connection = False, None
        self._number = connection._next_seq_id  # noqa: SLF001 - as above
        self._rest = b""
        #: The beginning of a row that fills more than one packet.
        self._long: list[bytes] = []

    def batch(self) -> list[Column]:
        """The next rows, column by column; nothing at the end.

        Raises:
            pymysql.Error: the server broke off, or is gone.
        """
        found: list[bytes | None] = []
        while self._open and not found:
            try:
                self._rest = self._split(self._rest + self._more(), found)
            except BaseException:
                self._open = False
                raise
        return [found[nth :: self._columns] for nth in range(self._columns)] if found else []

    def close(self) -> None:
        """Read what is left, and no more; of a closed connection nothing is left."""
        while self._connection.open and self.batch():
            pass

    def _more(self) -> bytes:
        missing = 0
        if len(self._rest) >= 4:
            missing = (_HEAD(self._rest, 0)[0] & _LENGTH) + 4 - len(self._rest)
        stream = self._connection._rfile  # noqa: SLF001 - as above
        if stream is None:
            raise self._lost()
        try:
            data: bytes = stream.read(missing) if missing > _CHUNK else stream.read1(_CHUNK)
        except BaseException as error:
            self._connection._force_close()  # noqa: SLF001 - as above
            if isinstance(error, OSError):
                raise OperationalError(CR.CR_SERVER_LOST, "lost while reading rows") from error
            raise
        if not data:
            raise self._lost()
        return data

    def _split(self, data: bytes, found: list[bytes | None]) -> bytes:
        """Put the values of all whole packets into ``found``; what is left behind them."""
        at, end = 0, len(data)
        while end - at >= 4:
            (head,) = _HEAD(data, at)
            start = at + 4
            at = start + (head & _LENGTH)
            if at > end:
                return data[start - 4 :]
            if head >> 24 != self._number:
                raise self._lost()
            self._number = (self._number + 1) & 0xFF
            if at - start == _LENGTH or self._long:
                self._long.append(data[start:at])
                if at - start < _LENGTH:
                    whole = b"".join(self._long)
                    self._long.clear()
                    self._row(whole, 0, len(whole), found)
            elif at > start and data[start] >= _END and self._ended(data[start:at]):
                return data[at:]
            else:
                self._row(data, start, at, found)
        return data[at:]

    def _row(self, data: bytes, at: int, end: int, found: list[bytes | None]) -> None:
        for _ in range(self._columns):
            # A value that is longer than its packet would take something of the next row with it.
            length = data[at] if at < end else _ERROR
            at += 1
            if length >= _NULL:
                if length == _NULL:
                    found.append(None)
                    continue
                width = _WIDTH.get(length)
                if width is None:
                    raise self._lost()
                length = int.from_bytes(data[at : at + width], "little")
                at += width
            found.append(data[at : at + length])
            at += length
        if at != end:
            raise self._lost()

    def _ended(self, packet: bytes) -> bool:
        """Whether it is the last of a result, or an error, which is raised, and no row."""
        if packet[0] == _ERROR:
            MysqlPacket(packet, self._connection.encoding).raise_for_error()
        if len(packet) > _LONGEST_END:
            return False
        self._open = False
        return True

    def _lost(self) -> OperationalError:
        self._connection._force_close()  # noqa: SLF001 - as above
        return OperationalError(CR.CR_SERVER_LOST, "what came is no row")
