"""Rows as CSV of our own, and a checksum over rows that does not depend on their order. Pure.

A cell is nothing (NULL) or quoted; see ``docs/backup-format.md``.
"""

import codecs
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from bot.backups.cells import codec
from bot.errors import NotOurs
from bot.model.backups import Cell, Column, Value

_READ = 64 * 1024
#: The inside of a quoted cell; possessive, so that a cell cut by the end of the buffer costs one scan.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')


def write_row(cells: Sequence[Cell]) -> str:
    """One line, with its end."""
    return ",".join(["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells]) + "\n"


def read_rows(stream: IO[bytes]) -> Iterator[tuple[Cell, ...]]:
    """The lines of a CSV as encoded cells, a line at a time; they may differ in length.

    Raises:
        NotOurs: anything this module would not have written.
    """
    row: list[Cell] = []
    for cell, end in _tokens(stream):
        row.append(cell)
        if end == "\n":
            yield tuple(row)
            row.clear()
    if row:
        raise NotOurs("backups.damaged")


def _tokens(stream: IO[bytes]) -> Iterator[tuple[Cell, str]]:
    """Cells, each with the comma or line end after it."""
    buffer, position, want = "", 0, _READ
    decoder = codecs.getincrementaldecoder("utf-8")()
    more = True
    while more:
        raw = stream.read(want)
        more = bool(raw)
        try:
            buffer = buffer[position:] + decoder.decode(raw, final=not more)
        except UnicodeDecodeError:
            raise NotOurs("backups.damaged") from None
        position = 0
        for cell, end, after in _complete(buffer):
            yield cell, end
            position = after
        # A cell larger than the buffer: double what is read, so that it is not scanned over and over.
        want = _READ if position else max(_READ, len(buffer))
    if buffer[position:]:
        raise NotOurs("backups.damaged")


def _complete(buffer: str) -> Iterator[tuple[Cell, str, int]]:
    """The cells that end inside ``buffer``: cell, what follows, position after it."""
    position, size = 0, len(buffer)
    while position < size:
        cell: Cell = None
        if buffer[position] == '"':
            found = _QUOTED.match(buffer, position)
            if not found or found.end() == size:
                return
            cell, position = found[1].replace('""', '"'), found.end()
        end = buffer[position]
        if end not in ",\n":
            raise NotOurs("backups.damaged")
        position += 1
        yield cell, end, position


class RowSum:
    """Count and sum of SHA-256 over rows of encoded cells, modulo 2^256. Duplicates count, order does not."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, cells: Sequence[Cell]) -> None:
        """Count one row."""
        parts = [len(cells).to_bytes(4, "big")]
        for cell in cells:
            if cell is None:
                parts.append(b"\0")
            else:
                raw = cell.encode()
                parts.append(b"\1" + len(raw).to_bytes(8, "big") + raw)
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(b"".join(parts)).digest(), "big")

    @property
    def sum(self) -> str:
        """64 hex digits."""
        return f"{self._sum % 2**256:064x}"


def sum_rows(columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> RowSum:
    """Count and sum of rows as they stand in a database, to compare with a ``TableSummary``.

    Raises:
        CannotProve: a value has no exact encoding.
    """
    encoders = [codec(column.codec).encode for column in columns]
    total = RowSum()
    for row in rows:
        total.add([encode(value) for encode, value in zip(encoders, row, strict=True)])
    return total
