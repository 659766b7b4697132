"""Writing an archive: a tar of zstd-compressed CSV parts with its manifest last, as a stream.

``bot.backups.unarchive`` reads it; the vault puts age around both.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

import zstandard

from bot.backups import manifest as manifests
from bot.backups import tarball
from bot.backups.cells import codec, row_encoder
from bot.backups.readme import readme
from bot.backups.rows import RowSum
from bot.errors import BadInput, NotOurs
from bot.model.backups import (
    Cell,
    Column,
    Kind,
    Manifest,
    Member,
    StreamSummary,
    TableSummary,
    Value,
)
from bot.model.csv_lines import Block, TextRows, write_row

#: Plain bytes after which a part ends: of a stream, and of a table, beside whose rows a worker holds other
#: things. The compressed part is held in memory because a tar needs sizes first.
PART = 16 * 1024 * 1024
ROWS = 2 * 1024 * 1024

README = "README.txt"
MANIFEST = "MANIFEST.json"
_LEVEL = 1
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
_BATCH = 64 * 1024
_NAME = 120
_TEXT = codec("text-1")


def folder_of(name: str, room: str = "rows") -> str:
    """``rows/`` and the table's name in a form any file system takes; different names, different forms."""
    raw = name.encode("utf-8", "surrogatepass")
    safe = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in raw)
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    if len(safe) > _NAME:
        safe = f"{safe[:_NAME]}~{hashlib.sha256(raw).hexdigest()[:16]}"
    return f"{room}/{safe or '%'}"


class ArchiveWriter:
    """Writes one archive into ``out``. Nothing is valid before ``finish``.

    Args:
        out: where the tar goes.
        backup_id: its id.
        part: plain bytes per part of a stream.
        rows: plain bytes per part of a table.
    """

    def __init__(self, out: IO[bytes], backup_id: str, part: int = PART, rows: int = ROWS) -> None:
        self._out = out
        self._backup_id = backup_id
        self._part = part
        self._rows = rows
        self._members: list[Member] = []
        self._tables: list[TableSummary] = []
        self._streams: list[StreamSummary] = []
        self._folders: set[str] = set()
        self._unfinished = 0
        self._add(README, readme(backup_id).encode())

    def table(
        self, kind: Kind, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]
    ) -> TableSummary:
        """Write one table as the rows come.

        Raises:
            BadInput: no column, two of one name, or the table was already written.
            CannotProve: a value has no exact encoding.
        """
        names = [_TEXT.encode(column.name) for column in columns]
        known = {(table.kind, table.name) for table in self._tables}
        if not names or len(set(names)) != len(names) or (kind, name) in known:
            raise BadInput("backups.table_twice")
        codecs = [column.codec for column in columns]
        encode = row_encoder(codecs)
        texts = set(codecs) == {_TEXT.name}
        blocks = rows.blocks() if texts and isinstance(rows, TextRows) else _blocks(map(encode, rows))
        folder = self._new_folder(kind, name)
        total = RowSum("lines")
        parts = 0
        self._unfinished += 1
        for parts, data in enumerate(_parts(write_row(names), blocks, total, self._rows), start=1):
            self._add(f"{folder}/{parts:05d}.csv.zst", data)
        self._unfinished -= 1
        summary = TableSummary(kind, name, folder, tuple(columns), total.rows, total.sum, parts, "lines")
        self._tables.append(summary)
        return summary

    @contextmanager
    def blob(self, name: str) -> Iterator["StreamWriter"]:
        """A stream of bytes, complete when it is left without an error.

        Raises:
            BadInput: the stream was already written.
        """
        if name in {stream.name for stream in self._streams}:
            raise BadInput("backups.stream_twice")
        folder = self._free(folder_of(name, "streams"))
        writer = StreamWriter(lambda part, data: self._add(f"{folder}/{part:05d}.zst", data), self._part)
        yield writer
        writer.close()
        self._streams.append(StreamSummary(name, folder, writer.size, writer.parts))

    def finish(self, extra: Mapping[str, object]) -> Manifest:
        """Write the manifest and the end of the tar.

        Raises:
            CannotProve: ``extra`` is not plain JSON.
            NotOurs: a table broke off.
        """
        if self._unfinished:
            raise NotOurs("backups.damaged")
        manifest = Manifest(
            self._backup_id, tuple(self._tables), tuple(self._members), dict(extra), tuple(self._streams)
        )
        self._add(MANIFEST, manifests.dump(manifest))
        tarball.write_end(self._out)
        return manifest

    def _new_folder(self, kind: Kind, name: str) -> str:
        if kind == "nullified":
            return f"nullified/{1 + sum(table.kind == kind for table in self._tables)}"
        return self._free(folder_of(name))

    def _free(self, plain: str) -> str:
        folder = plain
        number = 1
        while folder.lower() in self._folders:
            number += 1
            folder = f"{plain}~{number}"
        self._folders.add(folder.lower())
        return folder

    def _add(self, name: str, data: bytes | bytearray) -> None:
        self._members.append(Member(name, len(data), hashlib.sha256(data).hexdigest()))
        tarball.write_member(self._out, name, memoryview(data))


class StreamWriter:
    """Takes bytes of any length and hands on zstd frames of about ``limit`` plain bytes, numbered from 1.

    Each carries a checksum of its plain bytes. A thread of the zstd library compresses while the next bytes
    are read; it waits for nothing and writes nothing, so that an error ends the writer as if it were not
    there.
    """

    def __init__(self, add: Callable[[int, bytearray], None], limit: int) -> None:
        self.size = 0
        self.parts = 0
        self._add = add
        self._limit = limit
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=1, write_checksum=True)
        self._begin()

    def write(self, data: bytes, /) -> None:
        """Add at the end."""
        view = memoryview(data)
        while view:
            if self._room == 0:
                self._end()
                self._begin()
            piece = view[: self._room]
            view = view[len(piece) :]
            self._room -= len(piece)
            self.size += len(piece)
            self._data += self._zstd.compress(piece)

    def close(self) -> None:
        """The last part; an empty stream has one."""
        self._end()

    def _begin(self) -> None:
        self._room = self._limit
        self._data = bytearray()
        self._zstd = self._compressor.compressobj()

    def _end(self) -> None:
        self.parts += 1
        self._data += self._zstd.flush()
        self._add(self.parts, self._data)


def _blocks(rows: Iterable[Sequence[Cell]]) -> Iterator[Block]:
    lines: Block = []
    size = 0
    for cells in rows:
        line = write_row(cells).encode()
        lines.append(line)
        size += len(line)
        if size >= _BATCH:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _parts(header: str, blocks: Iterable[Block], total: RowSum, limit: int) -> Iterator[bytearray]:
    """Compressed parts of about ``limit`` plain bytes; the first begins with the header."""
    part = _Part()
    part.write([header.encode()])
    for lines in blocks:
        total.add_lines(lines)
        if part.plain + sum(map(len, lines)) < limit:
            part.write(lines)
            continue
        for line in lines:
            if part.plain >= limit:
                yield part.close()
                part = _Part()
            part.write([line])
    yield part.close()


class _Part:
    """One zstd frame in memory."""

    def __init__(self) -> None:
        self.plain = 0
        self._waiting: Block = []
        self._size = 0
        self._data = bytearray()
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL).compressobj()

    def write(self, lines: Block) -> None:
        size = sum(map(len, lines))
        self.plain += size
        self._size += size
        self._waiting += lines
        if self._size >= _BATCH:
            self._flush()

    def close(self) -> bytearray:
        self._flush()
        self._data += self._zstd.flush()
        return self._data

    def _flush(self) -> None:
        self._data += self._zstd.compress(b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0
