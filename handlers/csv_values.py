"""A list of records out of a CSV file: one column, whose first row names it. Pure.

The rows are values like typed ones, only that each is looked for in the named column alone. Whatever is
doubtful (a second column, an empty row, a value twice) is refused with its row, as a spreadsheet counts.
"""

import csv
import io
from collections.abc import Collection

from bot.errors import BadInput
from bot.model.doors import MAX_ROWS
from bot.texts import listed
from handlers.words import MAX_VALUE

MAX_BYTES = 262_144

_SHOWN = 60


def read(content: bytes, columns: Collection[str], record: str) -> tuple[str, tuple[str, ...]]:
    """The column that the file names and its values; value ``n`` (from 0) stands in row ``n + 2``.

    Args:
        content: the file, UTF-8 with or without a byte order mark.
        columns: the columns by which this kind of record is found.
        record: what the configuration calls it.

    Raises:
        BadInput: the file is not such a list; no value of a row is told.
    """
    if len(content) > MAX_BYTES:
        raise BadInput("file.too-big", limit=MAX_BYTES // 1024)
    rows = _rows(_text(content))
    while rows and not _filled(rows[-1]):
        rows.pop()
    if not rows:
        raise BadInput("file.empty")
    column = _column(rows[0], columns, record)
    if len(rows) == 1:
        raise BadInput("file.empty")
    if len(rows) - 1 > MAX_ROWS:
        raise BadInput("file.many", n=len(rows) - 1, limit=MAX_ROWS)
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        value = _value(row, number)
        if value in seen:
            raise BadInput("file.twice", first=seen[value], second=number)
        seen[value] = number
    return column, tuple(seen)


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("file.not-text") from None
    if "\0" in text:
        raise BadInput("file.not-text")
    return text


def _rows(text: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise BadInput("file.broken", row=len(rows) + 1) from None
    return rows


def _column(header: list[str], columns: Collection[str], record: str) -> str:
    """The one column that the first row names."""
    known = listed(list(columns), "en")
    for name in map(str.strip, header):
        if name not in columns:
            raise BadInput("file.column", name=name[:_SHOWN] or "-", record=record, known=known)
    if len(header) != 1:
        raise BadInput("file.columns", n=len(header), known=known)
    return header[0].strip()


def _value(row: list[str], number: int) -> str:
    if not _filled(row):
        raise BadInput("file.blank", row=number)
    if len(row) != 1:
        raise BadInput("file.cells", row=number)
    if len(row[0]) > MAX_VALUE:
        raise BadInput("file.long", row=number, limit=MAX_VALUE)
    return row[0]


def _filled(row: list[str]) -> bool:
    return any(cell.strip() for cell in row)
