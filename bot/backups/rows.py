"""Rows as CSV of our own, and a checksum over rows that does not depend on their order. Pure.

A cell is nothing (NULL) or quoted; see ``docs/backup-format.md``.
"""

import codecs
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import IO, cast

from bot.backups.cells import row_encoder
from bot.errors import NotOurs
from bot.model.backups import Cell, Column, Value

_READ = 64 * 1024
_WIDTH = struct.Struct(">I").pack
_PRESENT = struct.Struct(">BQ").pack
_SHORT = [_PRESENT(1, length).decode("ascii") for length in range(128)]
#: The inside of a quoted cell; possessive, so that a cell cut by the end of the buffer costs one scan.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')


def write_row(cells: Sequence[Cell]) -> str:
    """One line, with its end."""
    if None not in cells:
        # Nearly every row has no quote in a cell either: one text, looked at once.
        text = '","'.join(cast("Sequence[str]", cells))
        if cells and text.count('"') == 2 * len(cells) - 2:
            return f'"{text}"\n'
    return ",".join(["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells]) + "\n"


def read_rows(stream: IO[bytes]) -> Iterator[tuple[Cell, ...]]:
    """The lines of a CSV as encoded cells, a line at a time; they may differ in length.

    Raises:
        NotOurs: anything this module would not have written.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    buffer, position, want, more = "", 0, _READ, True
    line = _line(1)
    while more:
        raw = stream.read(want)
        more = bool(raw)
        try:
            buffer = buffer[position:] + decoder.decode(raw, final=not more)
        except UnicodeDecodeError:
            raise NotOurs("backups.damaged") from None
        position = 0
        while True:
            # Nearly every line is as wide as the one before: the pattern takes it in one go.
            while found := line.match(buffer, position):
                start, position = found.span()
                cells = found.groups()
                yield cells if buffer.find('""', start, position) < 0 else _unquoted(cells)
            row, position = _slowly(buffer, position)
            if row is None:
                break
            line = _line(len(row))
            yield row
        # A line larger than the buffer: double what is read, so that it is not scanned over and over.
        want = _READ if position else max(_READ, len(buffer))
    if buffer[position:]:
        raise NotOurs("backups.damaged")


@lru_cache(maxsize=64)
def _line(width: int) -> re.Pattern[str]:
    """A line of that many cells; a group that took no part is NULL."""
    return re.compile(",".join([f"(?:{_QUOTED.pattern})?"] * width) + r"\n")


def _unquoted(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return tuple([cell.replace('""', '"') if cell is not None and '"' in cell else cell for cell in cells])


def _slowly(buffer: str, start: int) -> tuple[tuple[Cell, ...] | None, int]:
    """The next line of whatever width and the position after it; None when its end is not there yet."""
    row: list[Cell] = []
    position, size = start, len(buffer)
    while position < size:
        cell: Cell = None
        if buffer[position] == '"':
            found = _QUOTED.match(buffer, position)
            if not found or found.end() == size:
                break
            cell, position = found[1].replace('""', '"'), found.end()
        row.append(cell)
        if buffer[position] == "\n":
            return tuple(row), position + 1
        if buffer[position] != ",":
            raise NotOurs("backups.damaged")
        position += 1
    return None, start


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

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, cells: Sequence[Cell]) -> None:
        """Count one row."""
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(_framed(cells)).digest(), "big")

    @property
    def sum(self) -> str:
        """64 hex digits."""
        return f"{self._sum % 2**256:064x}"


def sum_rows(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> RowSum:
    """Count and sum of rows as they stand in a database, to compare with a ``TableSummary``.

    Raises:
        CannotProve: a value has no exact encoding.
    """
    encode = row_encoder([column.codec for column in columns])
    total = RowSum()
    for row in rows:
        total.add(encode(row))
    return total
