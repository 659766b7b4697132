"""Where files may be touched at all: under the allowed roots, step by step, never through a link.

A path is only a wish. It is walked from ``/`` with one open per component, so that a link that somebody
puts in the way is met and refused, and everything after that goes through the open folder and not through
the path.
"""

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bot.errors import CannotProve, CountersignError, NotAllowed, TargetDown

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_SHALLOWEST = 2
_NOREPLACE = 1
_SAYS = {
    errno.ENOSPC: "files.full",
    errno.EDQUOT: "files.full",
    errno.ENOENT: "files.missing",
    errno.EXDEV: "files.other-disk",
    errno.EROFS: "files.read-only",
    errno.EBUSY: "files.busy",
}
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY}


def plain(path: str) -> PurePosixPath:
    """A path as it must be written: absolute, no dots, deep enough.

    Raises:
        CannotProve: it is not.
    """
    pure = PurePosixPath(path)
    if not pure.is_absolute() or os.path.normpath(path) != str(pure) or path.startswith("//"):
        raise CannotProve("files.not-plain", path=path)
    if len(pure.parts) <= _SHALLOWEST:
        raise CannotProve("files.too-shallow", path=path)
    return pure


class Ground:
    """The roots under which a target may be touched, and the places of everything else that must not be.

    Args:
        roots: the allowed roots; a path must lie strictly inside one.
        others: places of other holdings and other targets.
    """

    def __init__(self, roots: Sequence[str], others: Sequence[str] = ()) -> None:
        self._roots = [PurePosixPath(root) for root in roots]
        self._others = [PurePosixPath(other) for other in others]

    def root_of(self, path: str) -> Path:
        """The innermost allowed root of a path.

        Raises:
            NotAllowed: there is none.
            CannotProve: the path is no plain one, or another's place lies in it or around it.
        """
        pure = plain(path)
        inside = [root for root in self._roots if root in pure.parents]
        if not inside:
            raise NotAllowed("files.not-allowed", path=path)
        for other in self._others:
            if other == pure or pure in other.parents or other in pure.parents:
                raise CannotProve("files.another-inside", path=path)
        if ".countersign-quarantine" in pure.parts:
            raise CannotProve("files.another-inside", path=path)
        return Path(max(inside, key=lambda root: len(root.parts)))

    def require_free(self, path: str) -> None:
        """Return when ``path`` may be used and nothing stands there; its folder may still be missing.

        Raises:
            as ``parent``; CannotProve when something stands there.
        """
        self.root_of(path)
        above = str(Path(path).parent)
        try:
            with self.parent(path) as opened:
                if look(opened, PurePosixPath(path).name) is not None:
                    raise CannotProve("files.in-the-way", path=path)
        except TargetDown as error:
            if error.key != "files.missing":
                raise
            with self.parent(above):
                return

    def make_folder(self, path: str) -> None:
        """A folder for nobody else, unless it is there; errors as ``parent``."""
        try:
            with folder(path):
                return
        except TargetDown as error:
            if error.key != "files.missing":
                raise
        with self.parent(path) as opened:
            name = PurePosixPath(path).name
            if look(opened, name) is None:
                make(opened, name, path)
                sync(opened)

    @contextmanager
    def parent(self, path: str) -> Iterator[int]:
        """The open folder that holds ``path``.

        Raises:
            as ``root_of``; CannotProve when a link is on the way or a root could be changed by others.
        """
        root = self.root_of(path)
        with folder(str(root)) as opened:
            about = os.fstat(opened)
            if about.st_uid not in (0, os.geteuid()) or about.st_mode & 0o022:
                raise CannotProve("files.root-open", path=str(root))
        with folder(str(Path(path).parent)) as opened:
            yield opened


@contextmanager
def folder(path: str) -> Iterator[int]:
    """A folder opened step by step from ``/``.

    Raises:
        CannotProve: a component is a link or no folder.
        TargetDown: it is not there or may not be entered.
    """
    current = os.open("/", _STEP)
    try:
        for name in PurePosixPath(path).parts[1:]:
            try:
                following = os.open(name, _STEP, dir_fd=current)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise CannotProve("files.link-on-the-way", path=path) from None
                raise refused(error, path) from None
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


@contextmanager
def inner(parent: int, name: str, path: str) -> Iterator[int]:
    """A folder in an open folder, open for reading; errors as ``folder``."""
    try:
        opened = os.open(name, _READ, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise CannotProve("files.link-on-the-way", path=path) from None
        raise refused(error, path, parent, name) from None
    try:
        yield opened
    finally:
        os.close(opened)


def look(parent: int, name: str) -> os.stat_result | None:
    """What stands there, links not followed; None: nothing."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(error, name) from None


def make(parent: int, name: str, path: str) -> None:
    """A new folder for nobody else in an open folder; errors as ``move``."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        raise CannotProve("files.in-the-way", path=path) from None
    except OSError as error:
        raise refused(error, path) from None


def stands(path: str) -> bool:
    """Whether anything is there, by the path alone.

    Raises:
        CountersignError: it may not be looked at; that is not the same as being away.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise refused(error, path) from None
    return True


def require_no_mount(path: str, proc: Path = Path("/proc")) -> None:
    """Return when neither the path nor anything below it is a mount point.

    Raises:
        CannotProve: one is.
    """
    for line in (proc / "self" / "mountinfo").read_bytes().splitlines():
        point = line.split()[4].decode(errors="surrogateescape")
        for octal, plain_character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            point = point.replace(octal, plain_character)
        if point == path or point.startswith(f"{path}/"):
            raise CannotProve("files.mount", path=path)


def move(source: tuple[int, str], target: tuple[int, str], path: str) -> None:
    """Rename without replacing, and make it durable on both sides.

    Raises:
        CannotProve: something stands there already.
        TargetDown: the machine refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    (from_folder, from_name), (to_folder, to_name) = source, target
    names = (os.fsencode(from_name), os.fsencode(to_name))
    if libc.renameat2(from_folder, names[0], to_folder, names[1], _NOREPLACE):
        number = ctypes.get_errno()
        if number in _TAKEN:
            raise CannotProve("files.in-the-way", path=path)
        raise refused(OSError(number, os.strerror(number)), path, from_folder, from_name)
    for opened in {from_folder, to_folder}:
        sync(opened)


def sync(opened: int) -> None:
    """Make the names in a folder durable; a folder that was opened only as a step is opened for it."""
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=opened)
    try:
        os.fsync(readable)
    finally:
        os.close(readable)


def refused(error: OSError, path: str, parent: int | None = None, name: str = "") -> CountersignError:
    """What the machine says, in our words, with what an administrator needs to mend it."""
    number = error.errno or 0
    if number in _SAYS:
        return TargetDown(_SAYS[number], path=path)
    if number in (errno.EACCES, errno.EPERM):
        return _no_right(path, parent, name)
    return TargetDown("files.machine", path=path, code=errno.errorcode.get(number, str(number)))


def _no_right(path: str, parent: int | None, name: str) -> CountersignError:
    about = look(parent, name) if parent is not None and name else None
    if parent is None or about is None:
        return TargetDown("files.no-right", path=path)
    if stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode):
        marks = flags(parent, name)
        if marks:
            return TargetDown("files.immutable", path=path, marks=marks)
    mode = stat.filemode(about.st_mode)
    return TargetDown("files.no-right-to", path=path, owner=about.st_uid, mode=mode)


def flags(parent: int, name: str) -> str:
    """The attributes that forbid a change: ``i`` immutable, ``a`` append only; empty when there are none."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return ""
    try:
        return marks_of(opened)
    finally:
        os.close(opened)


def marks_at(step: int) -> str:
    """As ``flags``, of a folder that is open only as a step; empty when it may not be read."""
    return flags(step, ".")


def marks_of(opened: int) -> str:
    """As ``flags``, of something that is open for reading."""
    word = bytearray(8)
    try:
        fcntl.ioctl(opened, 0x80086601, word)  # FS_IOC_GETFLAGS
    except OSError:
        return ""
    number = int.from_bytes(word[:4], "little")
    return ("i" if number & 0x10 else "") + ("a" if number & 0x20 else "")
