"""The rows of a table of MariaDB or MySQL as lines of INSERT, and what they add up to, seen in one pass.

Not by ``mariadb-dump``: it writes a float with six digits. Numbers, dates and their like are written by the
server; texts and bytes come as they lie in the table. Texts of ASCII signs in one line are in quotes; other
texts and bytes are in hexadecimal signs, so that no character set changes them.

Whatever is done for each value in Python is done a million times: what can be is done for many at once.
"""
# ruff: noqa: S608 - every name goes through quote()

import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from struct import unpack

from bot.targets.mysql_admin import Server
from bot.targets.mysql_rows import (
    COMMA,
    JSON,
    NUMBERED,
    PLAIN,
    Sums,
    batches,
    columns,
    hash_of,
    literal,
    too_large,
)
from bot.targets.mysql_sql import KINDS, quote
from bot.targets.mysql_wire import Column
from bot.targets.ports import Writer

#: Bytes of one INSERT, unless one row is longer.
_LONGEST = 500_000
#: Character sets of which a text with as many bytes as signs is one of ASCII.
_ASCII_INSIDE = frozenset({"utf8mb4", "utf8mb3", "utf8"})
#: What a text in quotes has another sign for, and what would break the line.
_ESCAPED = {b"\\": b"\\\\", b"'": b"\\'", b"\0": b"\\0", b"\x1a": b"\\Z"}
_SPECIAL = (*_ESCAPED, b"\n")
_NOTHING = b"NULL"


class Written(Sums):
    """Sums of a new seed over rows that are written meanwhile."""

    def __init__(self, out: Writer) -> None:
        super().__init__(f"{PLAIN}{secrets.token_hex(16)}")
        self._out = out

    def of(self, server: Server, database: str, table: str) -> tuple[int, str]:
        """See ``Sums``; and all rows of the table, as lines with one INSERT each.

        Raises:
            CannotProve: a row is longer than a packet.
        """
        kept = sorted(columns(server, database, table), key=lambda one: _is_wide(one[1]))
        narrow = [_narrow(name, kind) for name, kind, _ in kept if not _is_wide(kind)]
        wide = [one for one in kept if _is_wide(one[1])]
        together = [f"CONCAT({COMMA.join(narrow)})"] if narrow else []
        writing = [*(_as_it_is for _ in together), *(_writing(kind, charset) for _, kind, charset in wide)]
        lines = _Lines(self._out, table, [name for name, *_ in kept])
        longest = int(server.ask("SELECT @@max_allowed_packet")[0][0]) - lines.beside
        rows = summed = 0
        asked = [hash_of(kept, self.seed), *together, *map(_raw, wide)]
        for hashes, *cells in batches(server, database, table, asked):
            if None in hashes or (together and None in cells[0]):
                raise too_large(database, table)
            written = [write(column) for write, column in zip(writing, cells, strict=True)]
            found = [b",".join(row) for row in zip(*written, strict=True)]
            if max(map(len, found)) > longest:
                raise too_large(database, table)
            rows += len(found)
            summed += _added(hashes)
            lines.add(found)
        lines.end()
        return rows, str(summed)


class _Lines:
    """Rows as INSERT takes them, as many to a line as fit."""

    def __init__(self, out: Writer, table: str, names: Sequence[str]) -> None:
        self._out = out
        self._head = f"INSERT INTO {quote(table)} ({', '.join(map(quote, names))}) VALUES (".encode()
        self._rows: list[bytes] = []
        self._size = 0
        #: Bytes that a line has beside the values of one row, and of what a server adds to it.
        self.beside = len(self._head) + 3

    def add(self, rows: Sequence[bytes]) -> None:
        self._rows += rows
        self._size += sum(map(len, rows))
        while self._size > _LONGEST and len(self._rows) > 1:
            self._write(max(1, bisect_right(list(accumulate(map(len, self._rows))), _LONGEST)))

    def end(self) -> None:
        if self._rows:
            self._write(len(self._rows))

    def _write(self, number: int) -> None:
        rows = self._rows[:number]
        self._rows = self._rows[number:]
        self._size -= sum(map(len, rows))
        self._out.write(self._head + b"),(".join(rows) + b");\n")


def _added(hashes: Column) -> int:
    """The sum of numbers of 64 bits, each of which is 16 hexadecimal digits. Pure."""
    digits = b"".join(one for one in hashes if one is not None).decode()
    return sum(unpack(f">{len(hashes)}Q", bytes.fromhex(digits)))


def _is_wide(kind: str) -> bool:
    """Whether a value may be long, and hold any sign; such ones come as they lie in the table. Pure."""
    return kind not in NUMBERED and KINDS[kind] in ("text", "bytes", "json")


def _raw(column: tuple[str, str, str]) -> str:
    """The expression of a wide value as it lies there. Pure."""
    name, kind, charset = column
    # The connection takes this set as it is; a text in another one would be converted.
    plainly = KINDS[kind] != "text" or charset == "utf8mb4"
    return quote(name) if plainly else f"CAST({quote(name)} AS BINARY)"


def _narrow(name: str, kind: str) -> str:
    """The expression that writes a number, a date or their like as INSERT takes it. Pure."""
    # A year 0 is 0000 as a text only.
    numeric = KINDS[kind] == "whole" and kind != "year"
    return f"COALESCE({quote(name)}, 'NULL')" if numeric else literal(name, kind)


def _writing(kind: str, charset: str) -> Callable[[Column], Sequence[bytes]]:
    """What writes the values of a wide column as INSERT takes them. Pure."""
    if kind == JSON:
        return _as_json
    return _as_texts if charset in _ASCII_INSIDE else _as_bytes


def _as_it_is(values: Column) -> Sequence[bytes]:
    return [one for one in values if one is not None]


def _as_texts(values: Column) -> Sequence[bytes]:
    whole = b"".join(_as_it_is(values))
    if whole.isascii() and not any(sign in whole for sign in _SPECIAL):
        return [_NOTHING if value is None else b"'%b'" % value for value in values]
    return list(map(_as_text, values))


def _as_text(value: bytes | None) -> bytes:
    if value is None or not value.isascii() or b"\n" in value:
        return _as_byte(value)
    for sign, other in _ESCAPED.items():
        value = value.replace(sign, other)
    return b"'%b'" % value


def _as_bytes(values: Column) -> Sequence[bytes]:
    return list(map(_as_byte, values))


def _as_byte(value: bytes | None) -> bytes:
    return _NOTHING if value is None else b"X'%b'" % value.hex().encode()


def _as_json(values: Column) -> Sequence[bytes]:
    # Of bytes the server makes none.
    held = zip(values, _as_bytes(values), strict=True)
    return [b"CONVERT(%b USING utf8mb4)" % text if value is not None else text for value, text in held]
