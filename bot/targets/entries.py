"""A folder written down entry by entry, and compared with what was written down.

Links are noted, never followed. Names are text in which bytes that are not UTF-8 are lone surrogates, so that
every name can be written as JSON and found again.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

from bot.errors import CannotProve, NotOurs
from bot.targets import ground

Type = Literal["folder", "file", "link", "fifo", "socket"]
_TYPES: Mapping[int, Type] = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_DEEPEST = 200
#: Bytes of a path below the folder; the kernel and tar take 4,095.
_LONGEST = 4000
_COPY = 1024 * 1024
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: What a backup brings back; inode, device and the number of links belong to the place.
_CONTENT = ("path", "type", "mode", "uid", "gid", "size", "mtime_ns", "target", "sha256", "xattrs")
#: What tells that nobody has touched an entry since it was written down, without reading it again.
_MARKS = ("path", "type", "mode", "uid", "gid", "size", "mtime_ns", "target", "inode", "device")


@dataclass(frozen=True)
class Entry:
    """One thing in a folder; ``docs/backup-format.md`` tells each field."""

    path: str
    type: Type
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    inode: int
    device: int
    links: int
    target: str = ""
    sha256: str = ""
    xattrs: str = ""

    def line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Self:
        """What ``line`` wrote.

        Raises:
            NotOurs: it is not such a line.
        """
        try:
            return cls(**json.loads(line))
        except (TypeError, ValueError):
            raise NotOurs("backups.damaged") from None


def walk(parent: int, name: str, place: str, *, read: bool) -> Iterator[Entry]:
    """Every entry of a folder, itself first as ``.``, each folder before what it holds, names sorted.

    Args:
        parent: the open folder that holds it.
        name: its name there.
        place: its path, for sentences.
        read: whether contents and extended attributes are read and hashed.

    Raises:
        CannotProve: something that no backup brings back, or that changed while it was read.
        TargetDown: something may not be read.
    """
    with ground.inner(parent, name, place) as opened:
        about = os.fstat(opened)
        yield entry_of(".", "folder", about, xattrs=_xattrs(opened) if read else "")
        yield from _Walk(place, about.st_dev, read).into(opened, "", 0)


def leaf(parent: int, name: str, place: str, *, read: bool) -> Iterator[Entry]:
    """As ``walk``, of a single file or link.

    Raises:
        CannotProve: it is neither, or it changed while it was read.
        TargetDown: it may not be read.
    """
    work = _Walk(place.rpartition("/")[0], 0, read)
    about = work.look(parent, name, name)
    kind = _TYPES.get(stat.S_IFMT(about.st_mode))
    if kind not in ("file", "link"):
        raise CannotProve("files.not-a-file", path=place)
    yield replace(work.leaf(parent, name, name, kind, about), path=".")


def stamps(parent: int, name: str, place: str, above: str = ".") -> Iterator[tuple[str, int, int, int]]:
    """Every folder with its inode and the moment of its last change, which nobody can set.

    Whoever exchanges something for something else, if only for a moment, changes the folder that holds it.
    """
    with ground.inner(parent, name, place) as opened:
        about = os.fstat(opened)
        yield above, about.st_dev, about.st_ino, about.st_ctime_ns
        for below in sorted(os.listdir(opened)):  # noqa: PTH208 - a folder by its descriptor
            found = ground.look(opened, below)
            if found is not None and stat.S_ISDIR(found.st_mode):
                yield from stamps(opened, below, f"{place}/{below}", f"{above}/{below}")


class _Walk:
    def __init__(self, place: str, device: int, read: bool) -> None:
        self._place = place
        self._device = device
        self._read = read

    def into(self, opened: int, above: str, depth: int) -> Iterator[Entry]:
        if depth > _DEEPEST:
            raise CannotProve("files.too-deep", path=self._place, n=_DEEPEST)
        for name in sorted(os.listdir(opened)):
            path = f"{above}{name}"
            if len(path) * 4 > _LONGEST and len(os.fsencode(path)) > _LONGEST:
                raise CannotProve("files.too-long", path=self._place, n=_LONGEST)
            about = self.look(opened, name, path)
            kind = _TYPES.get(stat.S_IFMT(about.st_mode))
            if kind is None:
                raise CannotProve("files.device", path=self._full(path))
            if about.st_dev != self._device:
                raise CannotProve("files.mount", path=self._full(path))
            if kind == "folder":
                with ground.inner(opened, name, self._full(path)) as below:
                    self._unchanged(about, os.fstat(below), path)
                    yield entry_of(path, kind, about, xattrs=_xattrs(below) if self._read else "")
                    yield from self.into(below, f"{path}/", depth + 1)
            else:
                yield self.leaf(opened, name, path, kind, about)

    def look(self, opened: int, name: str, path: str) -> os.stat_result:
        try:
            return os.stat(name, dir_fd=opened, follow_symlinks=False)
        except FileNotFoundError:
            raise CannotProve("files.changing", path=self._full(path)) from None
        except OSError as error:
            raise ground.refused(error, self._full(path)) from None

    def leaf(self, opened: int, name: str, path: str, kind: Type, about: os.stat_result) -> Entry:
        if kind == "link":
            return entry_of(path, kind, about, target=self._aim(opened, name, path))
        if kind != "file" or not self._read:
            return entry_of(path, kind, about)
        try:
            file = os.open(name, _FILE, dir_fd=opened)
        except OSError as error:
            raise ground.refused(error, self._full(path), opened, name) from None
        try:
            self._unchanged(about, os.fstat(file), path)
            if marks := ground.marks_of(file):
                raise CannotProve("files.marked", path=self._full(path), marks=marks)
            digest = _digest(file)
            self._unchanged(about, os.fstat(file), path)
            return entry_of(path, kind, about, sha256=digest, xattrs=_xattrs(file))
        finally:
            os.close(file)

    def _aim(self, opened: int, name: str, path: str) -> str:
        try:
            return os.readlink(name, dir_fd=opened)
        except OSError:
            raise CannotProve("files.changing", path=self._full(path)) from None

    def _unchanged(self, before: os.stat_result, now: os.stat_result, path: str) -> None:
        if _same(before) != _same(now):
            raise CannotProve("files.changing", path=self._full(path))

    def _full(self, path: str) -> str:
        return f"{self._place}/{path}"


def dump(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The lines of ``entries.jsonl``."""
    return (entry.line() for entry in entries)


def same_content(wanted: Iterable[Entry], found: Iterable[Entry]) -> bool:
    """Whether a restored folder is the one that was written down; sockets are not restored."""
    return _fields(wanted, _CONTENT, sockets=False) == _fields(found, _CONTENT, sockets=False)


def untouched(wanted: Iterable[Entry], found: Iterable[Entry]) -> bool:
    """Whether a folder is the very one that was written down, by every entry's own marks."""
    return _fields(wanted, _MARKS, sockets=True) == _fields(found, _MARKS, sockets=True)


def difference(wanted: Iterable[Entry], found: Iterable[Entry]) -> str | None:
    """The first name that is new, missing or touched since it was written down; None when there is none.

    When a folder was changed does not count: a stranger who came and went leaves no other trace in it.
    """
    before = dict(_marked(wanted))
    for path, marks in _marked(found):
        if before.pop(path, None) != marks:
            return path
    return min(before, default=None)


def is_same(wanted: Entry, about: os.stat_result) -> bool:
    """Whether a thing is the very one that was written down, and holds what it held."""
    if (wanted.device, wanted.inode, wanted.type) != (
        about.st_dev,
        about.st_ino,
        _TYPES.get(stat.S_IFMT(about.st_mode)),
    ):
        return False
    if wanted.type not in ("file", "link"):
        return True
    return (wanted.size, wanted.mtime_ns) == (about.st_size, about.st_mtime_ns)


def leaving(entries: Iterable[Entry]) -> int:
    """How many files have another name outside the folder, under which their content stays."""
    inside: dict[int, tuple[int, int]] = {}
    for entry in entries:
        if entry.type == "file" and entry.links > 1:
            inside[entry.inode] = (inside.get(entry.inode, (0, 0))[0] + 1, entry.links)
    return sum(names < links for names, links in inside.values())


def _fields(entries: Iterable[Entry], names: tuple[str, ...], *, sockets: bool) -> list[tuple[object, ...]]:
    found = []
    for entry in entries:
        if entry.type != "socket" or sockets:
            # A folder's size is the file system's affair.
            values = [
                0 if (name, entry.type) == ("size", "folder") else getattr(entry, name) for name in names
            ]
            found.append(tuple(values))
    return found


def _marked(entries: Iterable[Entry]) -> Iterator[tuple[str, tuple[object, ...]]]:
    for entry in entries:
        folder = ("size", "mtime_ns") if entry.type == "folder" else ()
        yield entry.path, tuple(getattr(entry, name) for name in _MARKS if name not in folder)


def entry_of(
    path: str, kind: Type, about: os.stat_result, target: str = "", sha256: str = "", xattrs: str = ""
) -> Entry:
    """A thing as it is written down, with what its ``stat`` says."""
    return Entry(
        path=path,
        type=kind,
        mode=stat.S_IMODE(about.st_mode),
        uid=about.st_uid,
        gid=about.st_gid,
        size=about.st_size,
        mtime_ns=about.st_mtime_ns,
        inode=about.st_ino,
        device=about.st_dev,
        links=about.st_nlink,
        target=target,
        sha256=sha256,
        xattrs=xattrs,
    )


def _same(about: os.stat_result) -> tuple[int, ...]:
    return (about.st_dev, about.st_ino, about.st_mode, about.st_size, about.st_mtime_ns)


def _digest(file: int) -> str:
    total = hashlib.sha256()
    while data := os.read(file, _COPY):
        total.update(data)
    return total.hexdigest()


def _xattrs(opened: int) -> str:
    try:
        names = sorted(os.listxattr(opened))
    except OSError:
        return ""
    if not names:
        return ""
    total = hashlib.sha256()
    for name in names:
        for part in (os.fsencode(name), os.getxattr(opened, name)):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()
