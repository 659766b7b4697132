"""Reading an archive in one pass, and checking every part of it against the manifest at its end."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import IO, TypeVar, cast

import zstandard

from bot.backups import manifest as manifests
from bot.backups import tarball
from bot.backups.archive import MANIFEST, README
from bot.backups.cells import codec, row_decoder
from bot.backups.frames import Frame
from bot.backups.readme import FORMAT_LINE
from bot.backups.rows import Over, RowSum, read_lines
from bot.errors import NotOurs
from bot.model.backups import (
    EncodedStream,
    EncodedTable,
    Manifest,
    Member,
    StreamSummary,
    Table,
    TableSummary,
    Value,
)
from bot.model.csv_lines import Block, TextRows, cells_of, first_width

_MANIFEST_LIMIT = 64 * 1024 * 1024
_PART_NAME = re.compile(
    r"(?P<folder>rows/(?!\.)[A-Za-z0-9_.%~-]{1,150}|nullified/[1-9][0-9]{0,8})/(?P<part>[0-9]{5,9})\.csv\.zst"
)
_STREAM_NAME = re.compile(r"(?P<folder>streams/(?!\.)[A-Za-z0-9_.%~-]{1,150})/(?P<part>[0-9]{5,9})\.zst")
_T = TypeVar("_T")


def read_manifest(stream: IO[bytes]) -> Manifest:
    """The manifest, after everything in the archive has been read and checked against it.

    Raises:
        NotOurs: damaged, unknown version, or anything differs from the manifest.
    """
    reader = ArchiveReader(stream)
    for _ in reader.entries():
        pass
    assert reader.manifest is not None
    return reader.manifest


def read_tables(stream: IO[bytes], manifest: Manifest, *, sums: bool = True) -> Iterator[Table]:
    """The tables with decoded rows, from an archive whose manifest is already at hand.

    Take the iterator to its end: only then is it known that this was the same archive.

    Args:
        stream: the archive.
        manifest: what it must hold.
        sums: add the rows up. Without: the caller makes sure that every byte is one that was checked before.

    Raises:
        NotOurs: as ``read_manifest``, or the archive is not the one of ``manifest``.
    """
    reader = ArchiveReader(stream, sums=sums)
    expected = iter(manifest.tables)
    for table in reader.tables():
        summary = next(expected, None)
        if summary is None or [column.name for column in summary.columns] != list(table.header):
            raise NotOurs("backups.damaged")
        yield Table(summary, _decoded(summary, table))
    if reader.manifest != manifest:
        raise NotOurs("backups.damaged")


def read_stream(stream: IO[bytes], manifest: Manifest, name: str) -> Iterator[bytes]:
    """The bytes of one stream, from an archive whose checked manifest is already at hand.

    They are the manifest's bytes only if the iterator comes to its end.

    Raises:
        NotOurs: there is no such stream, or the archive is not the one of ``manifest``.
    """
    wanted = manifest.stream(name)
    reader = ArchiveReader(stream)
    for entry in reader.entries():
        if isinstance(entry, EncodedStream) and wanted is not None and entry.folder == wanted.folder:
            yield from entry.chunks
            reader.require_read(wanted, manifest)
            return
    raise NotOurs("backups.no_stream")


def _decoded(summary: TableSummary, table: EncodedTable) -> Iterable[tuple[Value, ...]]:
    codecs = [column.codec for column in summary.columns]
    if set(codecs) == {"text-1"}:
        return table.rows
    return map(row_decoder(codecs), table.rows)


class ArchiveReader:
    """Reads one archive in one pass: iterate ``entries()`` to its end, then ``manifest`` is there and agrees.

    Rows that come out before that are not to be trusted yet.
    """

    def __init__(self, stream: IO[bytes], *, sums: bool = True) -> None:
        self._files = tarball.read_members(stream)
        self._sums = sums
        self._over: Over = "lines"
        self._seen: list[Member] = []
        self._read: list[_TableReader] = []
        self._streams: list[_StreamReader] = []
        self._next: tarball.MemberFile | None = None
        self.manifest: Manifest | None = None

    def tables(self) -> Iterator[EncodedTable]:
        """The tables in order, as ``entries``."""
        return (entry for entry in self.entries() if isinstance(entry, EncodedTable))

    def entries(self) -> Iterator[EncodedTable | EncodedStream]:
        """Tables and streams in order; what is not taken of one is read and checked all the same.

        Raises:
            NotOurs: damaged, unknown version, or anything differs from the manifest at the end.
        """
        first = self._file()
        if first.name != README:
            raise NotOurs("backups.damaged")
        # Sums are added up while the manifest, which comes last, is not there yet; it has to say the same.
        self._over = "lines" if first.read().decode("utf-8", "replace").endswith(FORMAT_LINE) else "cells"
        self._done(first)
        self._next = self._file()
        while self._next.name != MANIFEST:
            if self._next.name.startswith("streams/"):
                stream = _StreamReader(self._next.name, self._open_frame)
                self._streams.append(stream)
                chunks = stream.chunks()
                yield EncodedStream(stream.folder, chunks)
                for _ in chunks:
                    pass
                continue
            reader = _TableReader(self._next.name, self._open_part, self._over if self._sums else None)
            self._read.append(reader)
            blocks = reader.blocks()
            yield EncodedTable(reader.folder, reader.header, _text_rows(blocks, len(reader.header)))
            for _ in blocks:
                pass
        self.manifest = self._checked(self._next)

    def require_read(self, stream: StreamSummary, manifest: Manifest) -> None:
        """Return when the stream just read, and every member up to here, is as a manifest says.

        Raises:
            NotOurs: it is not.
        """
        if self._streams[-1].facts != _facts(stream):
            raise NotOurs("backups.damaged")
        if self._seen != list(manifest.members[: len(self._seen)]):
            raise NotOurs("backups.damaged")

    def _file(self) -> tarball.MemberFile:
        file = next(self._files, None)
        if file is None:
            raise NotOurs("backups.damaged")
        return file

    def _done(self, file: tarball.MemberFile) -> None:
        file.finish()
        self._seen.append(Member(file.name, file.size, file.sha256))

    def _open_part(self, name: str, width: int | None) -> Iterator[Block] | None:
        """The lines of the next part when it has that name."""
        file = self._next
        take = partial(read_lines, width=width)
        return self._plain(file, take) if file is not None and file.name == name else None

    def _open_frame(self, name: str) -> tuple[Frame, Iterator[bytes]] | None:
        """The next part when it has that name, and its plain bytes."""
        file = self._next
        if file is None or file.name != name:
            return None
        frame = Frame(file)
        return frame, self._framed(file, frame)

    def _framed(self, file: tarball.MemberFile, frame: Frame) -> Iterator[bytes]:
        yield from frame.chunks()
        self._done(file)
        self._next = self._file()

    def _plain(self, file: tarball.MemberFile, take: Callable[[IO[bytes]], Iterator[_T]]) -> Iterator[_T]:
        source = cast("IO[bytes]", file)
        try:
            with zstandard.ZstdDecompressor().stream_reader(
                source, read_across_frames=True, closefd=False
            ) as plain:
                yield from take(plain)
        except zstandard.ZstdError:
            raise NotOurs("backups.damaged") from None
        self._done(file)
        self._next = self._file()

    def _checked(self, file: tarball.MemberFile) -> Manifest:
        if file.size > _MANIFEST_LIMIT:
            raise NotOurs("backups.damaged")
        manifest = manifests.load(file.read())
        file.finish()
        if next(self._files, None) is not None:
            raise NotOurs("backups.damaged")
        wanted = [(t.folder, [c.name for c in t.columns], t.rows, t.parts) for t in manifest.tables]
        found = [(t.folder, list(t.header), t.count, t.parts) for t in self._read]
        if any(t.over != self._over for t in manifest.tables):
            raise NotOurs("backups.damaged")
        if self._sums and [t.sum for t in manifest.tables] != [t.sum for t in self._read]:
            raise NotOurs("backups.damaged")
        if [one.facts for one in self._streams] != list(map(_facts, manifest.streams)):
            raise NotOurs("backups.damaged")
        if list(manifest.members) != self._seen or wanted != found:
            raise NotOurs("backups.damaged")
        _check_names(manifest)
        return manifest


def _check_names(manifest: Manifest) -> None:
    """No table or stream twice, no two in one folder, every kind where it belongs, every codec known."""
    tables = manifest.tables
    names = {(table.kind, table.name) for table in tables}
    folders = {table.folder.lower() for table in tables}
    if not len(names) == len(folders) == len(tables):
        raise NotOurs("backups.damaged")
    places = {stream.folder.lower() for stream in manifest.streams}
    if not len(places) == len({stream.name for stream in manifest.streams}) == len(manifest.streams):
        raise NotOurs("backups.damaged")
    for table in tables:
        if not table.folder.startswith(f"{table.kind}/"):
            raise NotOurs("backups.damaged")
        for column in table.columns:
            codec(column.codec)


def _facts(stream: StreamSummary) -> tuple[str, int, str | None, int]:
    return (stream.folder, stream.size, stream.sha256, stream.parts)


class _StreamReader:
    """The parts of one stream, in a row.

    Its plain bytes are held to the checksums in its frames, or, of a backup of before, which has none, to one
    SHA-256 over all of them.
    """

    def __init__(self, name: str, open_part: Callable[[str], tuple[Frame, Iterator[bytes]] | None]) -> None:
        found = _STREAM_NAME.fullmatch(name)
        if found is None:
            raise NotOurs("backups.damaged")
        self.folder = found["folder"]
        self._open = open_part
        self._parts = 0
        self._size = 0
        self._checked = 0
        self._hash = hashlib.sha256()

    @property
    def facts(self) -> tuple[str, int, str | None, int]:
        """Folder, size, hash and parts, as the manifest must have them; no hash if every frame is checked."""
        hashed = None if self._checked == self._parts else self._hash.hexdigest()
        return (self.folder, self._size, hashed, self._parts)

    def chunks(self) -> Iterator[bytes]:
        """The plain bytes, those without a checksum hashed as they pass."""
        while (part := self._open(f"{self.folder}/{self._parts + 1:05d}.zst")) is not None:
            frame, chunks = part
            self._parts += 1
            for chunk in chunks:
                self._size += len(chunk)
                if not frame.checked:
                    self._hash.update(chunk)
                yield chunk
            self._checked += frame.checked
        if not self._parts:
            raise NotOurs("backups.damaged")


def _text_rows(blocks: Iterator[Block], width: int) -> TextRows:
    return TextRows(lambda: cells_of(blocks, width), lambda: blocks)


class _TableReader:
    """The parts of one table, in a row; ``over``: what is added up, if anything."""

    def __init__(
        self, name: str, open_part: Callable[[str, int | None], Iterator[Block] | None], over: Over | None
    ) -> None:
        found = _PART_NAME.fullmatch(name)
        if found is None:
            raise NotOurs("backups.damaged")
        self.folder = found["folder"]
        self.parts = 0
        self.count = 0
        self._total = RowSum(over) if over else None
        self._open = open_part
        self._lines = self._part()
        self._first: Block = next(self._lines, [])
        head = next(cells_of([self._first[:1]], first_width(self._first[0]) or 0)) if self._first else ()
        self.header = tuple(cell for cell in head if cell is not None)
        if not head or len(self.header) != len(head):
            raise NotOurs("backups.damaged")

    @property
    def sum(self) -> str:
        """Of the rows that were read."""
        return self._total.sum if self._total else ""

    def blocks(self) -> Iterator[Block]:
        """The rows as they stand, added up as they pass."""
        for lines in chain([self._first[1:]], self._lines):
            self.count += len(lines)
            if self._total is not None and self._total.over == "lines":
                self._total.add_lines(lines)
            elif self._total is not None:
                for cells in cells_of([lines], len(self.header)):
                    self._total.add(cells)
            yield lines

    def _part(self) -> Iterator[Block]:
        width: int | None = None
        while lines := self._open(f"{self.folder}/{self.parts + 1:05d}.csv.zst", width):
            self.parts += 1
            for block in lines:
                width = width or first_width(block[0])
                yield block
        if not self.parts:
            raise NotOurs("backups.damaged")
