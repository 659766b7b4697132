"""The files of rows in a backup: ``<stream>.tar`` and ``<stream>.entries.jsonl``, and back out of it.

Anybody can open the tar; what it gives back is proved against the entries, which have size, time and SHA-256.
"""

import hashlib
import os
import tarfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from bot.errors import CannotProve, CountersignError, NotOurs
from bot.targets import ground
from bot.targets.attachment_store import Met
from bot.targets.attachment_tar import members
from bot.targets.attachments import INDEX, FileRoot, forget, moved_to, read_index, write_index
from bot.targets.entries import Entry, entry_of, is_same
from bot.targets.ports import Sink, Source
from bot.targets.streams import lines

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: Seconds; longer than the kernel takes between two times that it writes down.
_TICK = 0.02


def copy(root: FileRoot, files: Sequence[Entry], sink: Sink, stream: str) -> tuple[Entry, ...]:
    """Write the files into the backup; they, with their checksums.

    Raises:
        CannotProve: one is not what was counted, or changed while it was read.
        TargetDown: one may not be read.
    """
    # From here on a change has another time than those before it, however coarse the clock.
    time.sleep(_TICK)
    copied: list[Entry] = []
    with root.opened() as opened, sink.blob(f"{stream}.tar") as out:
        archive = tarfile.open(  # noqa: SIM115 - after an error it must not write its end
            fileobj=cast("IO[bytes]", out), mode="w|", format=tarfile.PAX_FORMAT
        )
        copied.extend(_packed(archive, root, opened, entry) for entry in files)
        archive.close()
    with sink.blob(f"{stream}.entries.jsonl") as out:
        for entry in copied:
            out.write(entry.line())
    return tuple(copied)


def _packed(archive: tarfile.TarFile, root: FileRoot, opened: int, entry: Entry) -> Entry:
    try:
        with root.folder_of(opened, entry.path) as (parent, last):
            file = os.open(last, _FILE, dir_fd=parent)
    except PermissionError as error:
        raise ground.refused(error, root.path) from None
    except OSError:
        raise CannotProve("attached.changed", root=root.path) from None
    try:
        _require_same(root, entry, os.fstat(file))
        reading = _Hashing(file)
        try:
            archive.addfile(_info(entry), cast("IO[bytes]", reading))
        except _ShortError:
            raise CannotProve("attached.changed", root=root.path) from None
        _require_same(root, entry, os.fstat(file))
        return entry_of(entry.path, "file", os.fstat(file), sha256=reading.digest.hexdigest())
    finally:
        os.close(file)


def _require_same(root: FileRoot, entry: Entry, about: os.stat_result) -> None:
    if not is_same(entry, about):
        raise CannotProve("attached.changed", root=root.path)


def _info(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path)
    info.size, info.mode, info.uid, info.gid = entry.size, entry.mode, entry.uid, entry.gid
    seconds, nanoseconds = divmod(entry.mtime_ns, 10**9)
    info.mtime = seconds
    if entry.mtime_ns >= 0:
        info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"}
    return info


class _ShortError(Exception):
    """A file ended before its size."""


class _Hashing:
    def __init__(self, file: int) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, hashed as they pass."""
        data = b""
        while len(data) < size:
            more = os.read(self._file, size - len(data))
            if not more:
                raise _ShortError
            data += more
        self.digest.update(data)
        return data


def listed(source: Source, stream: str) -> tuple[Entry, ...]:
    """The entries of a stream."""
    with source.blob(f"{stream}.entries.jsonl") as reading:
        return tuple(Entry.of(line) for line in lines(reading))


def meet(root: FileRoot, files: Sequence[Entry]) -> Met:
    """The files of a backup beside what stands in their places.

    Raises:
        TargetDown: the root is not there, or something may not be read.
    """
    missing: list[Entry] = []
    identical = different = 0
    with root.opened() as opened:
        for entry in files:
            digest = _digest_at(root, opened, entry)
            if digest is None:
                missing.append(entry)
            elif digest == entry.sha256:
                identical += 1
            else:
                different += 1
    return Met(tuple(missing), identical, different)


def _digest_at(root: FileRoot, opened: int, entry: Entry) -> str | None:
    """SHA-256 of the file in that place; None: nothing is there; empty: something else is."""
    try:
        with root.folder_of(opened, entry.path) as (parent, last):
            about = ground.look(parent, last)
            if about is None:
                return None
            if about.st_size != entry.size:
                return ""
            file = os.open(last, _FILE, dir_fd=parent)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise ground.refused(error, root.path) from None
    except OSError:
        return ""
    with os.fdopen(file, "rb") as content:
        try:
            return hashlib.file_digest(content, "sha256").hexdigest()
        except OSError:
            return ""


def place(
    root: FileRoot,
    operation: str,
    source: Source,
    stream: str,
    files: Sequence[Entry],
    wanted: Collection[str],
) -> int:
    """Bring files out of a backup into their places, all or none; how many belong to somebody else now.

    Raises:
        CannotProve: something stands in a place. ``unplace`` takes back what came by then.
        TargetDown: the disk is full, or the machine refuses.
    """
    if not wanted:
        return 0
    unplace(root, operation)
    foreign = 0
    with root.opened() as opened, root.quarantine.open(operation) as box:
        staged: list[Entry] = []
        for entry, content in members(source, stream, files, [entry.path for entry in files]):
            if entry.path in wanted:
                about = _staged(root, box, str(len(staged)), entry, content)
                foreign += (about.st_uid, about.st_gid) != (entry.uid, entry.gid)
                staged.append(moved_to(entry, about))
        if len(staged) != len(wanted):
            raise NotOurs("backups.damaged")
        write_index(box, staged)
        for number, entry in enumerate(staged):
            with _made_folder(root, opened, entry.path) as (parent, last):
                ground.move((box, str(number)), (parent, last), root.path)
    return foreign


def _staged(root: FileRoot, box: int, name: str, entry: Entry, content: Iterator[bytes]) -> os.stat_result:
    digest = hashlib.sha256()
    try:
        file = os.open(name, _NEW, 0o600, dir_fd=box)
        try:
            for data in content:
                digest.update(data)
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
            with suppress(PermissionError):
                os.fchown(file, entry.uid, entry.gid)
            os.fchmod(file, entry.mode)
            os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))
            os.fsync(file)
            about = os.fstat(file)
        finally:
            os.close(file)
    except OSError as error:
        raise ground.refused(error, root.path) from None
    if digest.hexdigest() != entry.sha256:
        raise NotOurs("backups.damaged")
    return about


@contextmanager
def _made_folder(root: FileRoot, opened: int, name: str) -> Iterator[tuple[int, str]]:
    """The folder of a file; what is missing of it is made like the folder around it."""
    steps = name.split("/")[:-1]
    for depth in range(1, len(steps) + 1):
        path = "/".join(steps[:depth])
        try:
            with root.folder_of(opened, path) as (parent, last):
                if ground.look(parent, last) is None:
                    around = os.fstat(parent)
                    ground.make(parent, last, root.path)
                    with suppress(PermissionError):
                        os.chown(last, around.st_uid, around.st_gid, dir_fd=parent, follow_symlinks=False)
                    os.chmod(last, around.st_mode & 0o7777, dir_fd=parent)
                    ground.sync(parent)
        except OSError:
            raise CannotProve("attached.in-the-way", root=root.path) from None
    try:
        with root.folder_of(opened, name) as found:
            yield found
    except (FileNotFoundError, NotADirectoryError):
        raise CannotProve("attached.in-the-way", root=root.path) from None


def unplace(root: FileRoot, operation: str) -> None:
    """Take away again what ``place`` brought; what is not exactly that stays. Again: no harm.

    Raises:
        TargetDown: the machine refuses; another go goes on.
    """
    if not _has_box(root, operation):
        return
    with root.opened() as opened, root.quarantine.open(operation) as box:
        known = read_index(box) if ground.look(box, INDEX) is not None else []
        for number, entry in enumerate(known):
            if ground.look(box, str(number)) is None:
                _taken_back(root, opened, box, str(number), entry)
        # Copies of ours, out of the backup.
        for name in _names(box):
            if name.isdigit():
                os.unlink(name, dir_fd=box)
        forget(box)


def _taken_back(root: FileRoot, opened: int, box: int, number: str, entry: Entry) -> None:
    with (
        suppress(FileNotFoundError, NotADirectoryError),
        root.folder_of(opened, entry.path) as (parent, last),
    ):
        about = ground.look(parent, last)
        if about is None or not is_same(entry, about):
            return
        ground.move((parent, last), (box, number), root.path)
        moved = ground.look(box, number)
        if moved is None or not is_same(entry, moved):
            # Exchanged between two looks: it goes back to where it was.
            with suppress(CountersignError):
                ground.move((box, number), (parent, last), root.path)


def settled(root: FileRoot, operation: str) -> None:
    """The files that ``place`` brought stay: forget how to take them back. Again: no harm."""
    if not _has_box(root, operation):
        return
    with root.quarantine.open(operation) as box:
        forget(box)


def _has_box(root: FileRoot, operation: str) -> bool:
    try:
        with ground.folder(str(root.quarantine.place(operation))):
            return True
    except CountersignError as error:
        if error.key == "files.missing":
            return False
        raise


def _names(box: int) -> list[str]:
    return os.listdir(box)
