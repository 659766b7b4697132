"""A folder written down entry by entry, and compared with what was written down.

Links are noted, never followed. Names are text in which bytes that are not UTF-8 are lone surrogates, so that
every name can be written as JSON and found again.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from operator import attrgetter
from typing import Literal, NamedTuple, Self

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


_QUOTED = json.encoder.encode_basestring_ascii


class Entry(NamedTuple):
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
        """One line of JSON; written by hand, because there is one for every file."""
        return (
            f'{{"path":{_QUOTED(self.path)},"type":"{self.type}","mode":{self.mode},"uid":{self.uid},'
            f'"gid":{self.gid},"size":{self.size},"mtime_ns":{self.mtime_ns},"inode":{self.inode},'
            f'"device":{self.device},"links":{self.links},"target":{_QUOTED(self.target)},'
            f'"sha256":"{self.sha256}","xattrs":"{self.xattrs}"}}\n'
        ).encode("ascii")

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
    yield work.leaf(parent, name, name, kind, about)._replace(path=".")


def stamps(parent: int, name: str, place: str, above: str = ".") -> Iterator[tuple[str, int, int, int]]:
    """Every folder with its inode and the moment of its last change, which nobody can set.

    Whoever exchanges something for something else, if only for a moment, changes the folder that holds it.
    """
    with ground.inner(parent, name, place) as opened:
        about = os.fstat(opened)
        yield above, about.st_dev, about.st_ino, about.st_ctime_ns
        with os.scandir(opened) as found:
            folders = sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
        for below in folders:
            yield from stamps(opened, below, f"{place}/{below}", f"{above}/{below}")


def moment(parent: int, name: str, place: str) -> str:
    """All of the ``stamps`` as one digest: as long as it is the same, no folder was changed."""
    total = hashlib.sha256()
    for stamp in stamps(parent, name, place):
        total.update(repr(stamp).encode())
    return total.hexdigest()


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
                    self._unchanged(_same(about), os.fstat(below), path)
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
        known = _same(about)
        try:
            self._unchanged(known, os.fstat(file), path)
            if marks := ground.marks_of(file):
                raise CannotProve("files.marked", path=self._full(path), marks=marks)
            digest = _digest(file, about.st_size)
            self._unchanged(known, os.fstat(file), path)
            return entry_of(path, kind, about, sha256=digest, xattrs=_xattrs(file))
        finally:
            os.close(file)

    def _aim(self, opened: int, name: str, path: str) -> str:
        try:
            return os.readlink(name, dir_fd=opened)
        except OSError:
            raise CannotProve("files.changing", path=self._full(path)) from None

    def _unchanged(self, known: tuple[int, ...], now: os.stat_result, path: str) -> None:
        if known != _same(now):
            raise CannotProve("files.changing", path=self._full(path))

    def _full(self, path: str) -> str:
        return f"{self._place}/{path}"


def dump(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The lines of ``entries.jsonl``."""
    return (entry.line() for entry in entries)


def same_content(wanted: Iterable[Entry], found: Iterable[Entry]) -> bool:
    """Whether a restored folder is the one that was written down; sockets are not restored."""
    return _alike(_contents(wanted), _contents(found))


def untouched(wanted: Iterable[Entry], found: Iterable[Entry]) -> bool:
    """Whether a folder is the very one that was written down, by every entry's own marks."""
    return _alike(map(_marks, wanted), map(_marks, found))


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


class Watch:
    """Whether a folder is left alone while it is copied: all marks of its entries as one digest."""

    def __init__(self) -> None:
        self.newest = "."
        self._total = hashlib.sha256()
        self._time = -1

    def add(self, entry: Entry) -> None:
        """One more."""
        self._total.update(repr(_marks(entry)).encode("utf-8", "surrogateescape"))
        if entry.type == "file" and entry.mtime_ns > self._time:
            self.newest, self._time = entry.path, entry.mtime_ns

    @property
    def seen(self) -> bytes:
        """The digest over all of them."""
        return self._total.digest()


class Tally:
    """What the entries of a folder come to, taken one by one."""

    def __init__(self) -> None:
        self.entries = 0
        self.items = 0
        self.size = 0
        self.sockets = 0
        self._inside: dict[int, tuple[int, int]] = {}

    def add(self, entry: Entry) -> None:
        """One more."""
        self.entries += 1
        self.items += entry.type != "folder"
        self.sockets += entry.type == "socket"
        if entry.type == "file":
            self.size += entry.size
            if entry.links > 1:
                self._inside[entry.inode] = (self._inside.get(entry.inode, (0, 0))[0] + 1, entry.links)

    @property
    def leaving(self) -> int:
        """How many files have another name outside the folder, under which their content stays."""
        return sum(names < links for names, links in self._inside.values())


_content_of, _marks_of = attrgetter(*_CONTENT), attrgetter(*_MARKS)


def _contents(entries: Iterable[Entry]) -> Iterator[tuple[object, ...]]:
    return (_content_of(_sizeless(entry)) for entry in entries if entry.type != "socket")


def _marks(entry: Entry) -> tuple[object, ...]:
    marks: tuple[object, ...] = _marks_of(_sizeless(entry))
    return marks


def _sizeless(entry: Entry) -> Entry:
    """A folder's size is the file system's affair."""
    return entry._replace(size=0) if entry.type == "folder" else entry


def _alike(wanted: Iterable[object], found: Iterable[object]) -> bool:
    return all(one == other for one, other in zip_longest(wanted, found))


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


def _digest(file: int, size: int) -> str:
    total = hashlib.sha256()
    # One byte more than there is: what comes short of that is the end, and need not be asked for again.
    wanted, left = min(size + 1, _COPY), size
    while data := os.read(file, wanted):
        total.update(data)
        left -= len(data)
        if len(data) < wanted and not left:
            break
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
