"""Reading an archive in one pass, and checking every part of it against the manifest at its end."""

import re
from collections.abc import Callable, Iterator
from typing import IO, cast

import zstandard

from bot.backups import manifest as manifests
from bot.backups import tarball
from bot.backups.archive import MANIFEST, README
from bot.backups.cells import codec
from bot.backups.rows import RowSum, read_rows
from bot.errors import NotOurs
from bot.model.backups import Cell, EncodedTable, Manifest, Member, Table, TableSummary, Value

_MANIFEST_LIMIT = 64 * 1024 * 1024
_PART_NAME = re.compile(
    r"(?P<folder>rows/(?!\.)[A-Za-z0-9_.%~-]{1,150}|nullified/[1-9][0-9]{0,8})/(?P<part>[0-9]{5,9})\.csv\.zst"
)
_Lines = Iterator[tuple[Cell, ...]]


def read_manifest(stream: IO[bytes]) -> Manifest:
    """The manifest, after everything in the archive has been read and checked against it.

    Raises:
        NotOurs: damaged, unknown version, or anything differs from the manifest.
    """
    reader = ArchiveReader(stream)
    for _ in reader.tables():
        pass
    assert reader.manifest is not None
    return reader.manifest


def read_tables(stream: IO[bytes], manifest: Manifest) -> Iterator[Table]:
    """The tables with decoded rows, from an archive whose checked manifest is already at hand.

    Take the iterator to its end: only then is it known that this was still the same archive.

    Raises:
        NotOurs: as ``read_manifest``, or the archive is not the one of ``manifest``.
    """
    reader = ArchiveReader(stream)
    expected = iter(manifest.tables)
    for table in reader.tables():
        summary = next(expected, None)
        if summary is None or [column.name for column in summary.columns] != list(table.header):
            raise NotOurs("backups.damaged")
        yield Table(summary, _decoded(summary, table.rows))
    if reader.manifest != manifest:
        raise NotOurs("backups.damaged")


def _decoded(summary: TableSummary, rows: _Lines) -> Iterator[tuple[Value, ...]]:
    decoders = [codec(column.codec).decode for column in summary.columns]
    for row in rows:
        yield tuple([decode(cell) for decode, cell in zip(decoders, row, strict=True)])


class ArchiveReader:
    """Reads one archive in one pass: iterate ``tables()`` to its end, then ``manifest`` is there and agrees.

    Rows that come out before that are not to be trusted yet.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._files = tarball.read_members(stream)
        self._seen: list[Member] = []
        self._read: list[_TableReader] = []
        self._next: tarball.MemberFile | None = None
        self.manifest: Manifest | None = None

    def tables(self) -> Iterator[EncodedTable]:
        """The tables in order; rows that are not taken are read and checked all the same.

        Raises:
            NotOurs: damaged, unknown version, or anything differs from the manifest at the end.
        """
        first = self._file()
        if first.name != README:
            raise NotOurs("backups.damaged")
        self._done(first)
        self._next = self._file()
        while self._next.name != MANIFEST:
            reader = _TableReader(self._next.name, self._open_part)
            self._read.append(reader)
            rows = reader.rows()
            yield EncodedTable(reader.folder, reader.header, rows)
            for _ in rows:
                pass
        self.manifest = self._checked(self._next)

    def _file(self) -> tarball.MemberFile:
        file = next(self._files, None)
        if file is None:
            raise NotOurs("backups.damaged")
        return file

    def _done(self, file: tarball.MemberFile) -> None:
        file.finish()
        self._seen.append(Member(file.name, file.size, file.sha256))

    def _open_part(self, name: str) -> _Lines | None:
        """The lines of the next part when it has that name."""
        file = self._next
        if file is None or file.name != name:
            return None
        return self._lines(file)

    def _lines(self, file: tarball.MemberFile) -> _Lines:
        source = cast("IO[bytes]", file)
        try:
            with zstandard.ZstdDecompressor().stream_reader(
                source, read_across_frames=True, closefd=False
            ) as plain:
                yield from read_rows(plain)
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
        wanted = [(t.folder, [c.name for c in t.columns], t.rows, t.sum, t.parts) for t in manifest.tables]
        found = [(t.folder, list(t.header), t.total.rows, t.total.sum, t.parts) for t in self._read]
        if list(manifest.members) != self._seen or wanted != found:
            raise NotOurs("backups.damaged")
        _check_names(manifest)
        return manifest


def _check_names(manifest: Manifest) -> None:
    """No table twice, no two in one folder, every kind where it belongs, every codec known."""
    tables = manifest.tables
    names = {(table.kind, table.name) for table in tables}
    folders = {table.folder.lower() for table in tables}
    if not len(names) == len(folders) == len(tables):
        raise NotOurs("backups.damaged")
    for table in tables:
        if not table.folder.startswith(f"{table.kind}/"):
            raise NotOurs("backups.damaged")
        for column in table.columns:
            codec(column.codec)


class _TableReader:
    """The parts of one table, in a row."""

    def __init__(self, name: str, open_part: Callable[[str], _Lines | None]) -> None:
        found = _PART_NAME.fullmatch(name)
        if found is None:
            raise NotOurs("backups.damaged")
        self.folder = found["folder"]
        self.parts = 0
        self.total = RowSum()
        self._open = open_part
        self._lines = self._part()
        head = next(self._lines, ())
        self.header = tuple(cell for cell in head if cell is not None)
        if not head or len(self.header) != len(head):
            raise NotOurs("backups.damaged")

    def rows(self) -> _Lines:
        for cells in self._lines:
            if len(cells) != len(self.header):
                raise NotOurs("backups.damaged")
            self.total.add(cells)
            yield cells

    def _part(self) -> _Lines:
        while lines := self._open(f"{self.folder}/{self.parts + 1:05d}.csv.zst"):
            self.parts += 1
            yield from lines
        if not self.parts:
            raise NotOurs("backups.damaged")
