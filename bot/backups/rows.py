"""Rows of an archive as they are read, and checksums over them that do not depend on their order. Pure."""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Literal

from bot.backups.cells import row_encoder
from bot.errors import NotOurs
from bot.model.backups import Cell, Column, Value
from bot.model.csv_lines import Block, first_width, split, write_row

#: What a sum is over: since version 3 of the format the lines as they stand, before it the framed cells.
Over = Literal["lines", "cells"]

_READ = 256 * 1024
_WIDTH = struct.Struct(">I").pack
_PRESENT = struct.Struct(">BQ").pack
_SHORT = [_PRESENT(1, length).decode("ascii") for length in range(128)]


def read_lines(stream: IO[bytes], width: int | None) -> Iterator[Block]:
    """The lines of a CSV of one width, as they stand; None: the first line says how wide they are.

    Raises:
        NotOurs: anything we would not have written.
    """
    buffer, want, more = b"", _READ, True
    while more:
        raw = stream.read(want)
        more = bool(raw)
        buffer += raw
        width = first_width(buffer) if width is None else width
        lines = [] if width is None else split(buffer, width)
        if lines:
            taken = sum(map(len, lines))
            _require_utf8(buffer[:taken])
            buffer = buffer[taken:]
            yield lines
        # A line larger than the buffer: double what is read, so that it is not scanned over and over.
        want = _READ if lines else max(_READ, len(buffer))
    if buffer:
        raise NotOurs("backups.damaged")


def _require_utf8(data: bytes) -> None:
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            raise NotOurs("backups.damaged") from None


def _framed(cells: Sequence[Cell]) -> bytes:
    """A row as bytes that no other row has: how many cells; each 0, or 1, its length and itself in UTF-8."""
    try:
        # Short ASCII cells, nearly all there are: one text, encoded in one go.
        text = "".join(["\0" if cell is None else _SHORT[len(cell)] + cell for cell in cells])
    except IndexError:
        text = "\x80"
    if text.isascii():
        return _WIDTH(len(cells)) + text.encode("ascii")
    parts = [_WIDTH(len(cells))]
    for cell in cells:
        if cell is None:
            parts.append(b"\0")
        else:
            raw = cell.encode()
            parts.append(_PRESENT(1, len(raw)))
            parts.append(raw)
    return b"".join(parts)


class RowSum:
    """Count and sum of SHA-256 over rows of encoded cells, modulo 2^256. Duplicates count, order does not."""

    def __init__(self, over: Over) -> None:
        self.over = over
        self.rows = 0
        self._sum = 0

    def add(self, cells: Sequence[Cell]) -> None:
        """Count one row."""
        if self.over == "lines":
            self.add_lines([write_row(cells).encode()])
        else:
            self._count([_framed(cells)])

    def add_lines(self, lines: Block) -> None:
        """Count rows by their lines; only for a sum over lines."""
        assert self.over == "lines"
        self._count(lines)

    def _count(self, texts: Sequence[bytes]) -> None:
        hashed, number = hashlib.sha256, int.from_bytes
        self.rows += len(texts)
        self._sum += sum([number(hashed(text).digest(), "big") for text in texts])

    @property
    def sum(self) -> str:
        """64 hex digits."""
        return f"{self._sum % 2**256:064x}"


def sum_rows(over: Over, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> RowSum:
    """Count and sum of rows as they stand in a database, to compare with a ``TableSummary``.

    Raises:
        CannotProve: a value has no exact encoding.
    """
    encode = row_encoder([column.codec for column in columns])
    total = RowSum(over)
    for row in rows:
        total.add(encode(row))
    return total
