"""Whether a worker can read, move, remove and bring back something, asked before anything is stopped.

A right that is missing would otherwise be met half way, or past the point of no return. What the kernel says
counts, not the mode: it knows groups, lists of rights, attributes and file systems that only read.
"""

import os
import stat
from functools import cache
from pathlib import Path

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets import ground
from bot.targets.quarantine import FOLDER

#: Capabilities: to give a file to others, and to change and remove what is not ours.
_CHOWN, _FOWNER = 1 << 0, 1 << 3
_CHANGE = os.W_OK | os.X_OK


def require_folder(parent: int, name: str, place: str) -> None:
    """Return when a folder and all that is in it can be backed up, set aside, removed and brought back.

    Raises:
        TargetDown: something may not be read or changed, or is immutable.
        CannotProve: something belongs to somebody whom only root can make its owner again.
    """
    with ground.inner(parent, name, place) as opened:
        about = os.fstat(opened)
        _require_mine(about, place)
        _require_unmarked(ground.marks_of(opened), place)
        _require_access(parent, name, os.R_OK | _CHANGE, place)
        for below in sorted(os.listdir(opened)):  # noqa: PTH208 - a folder by its descriptor
            _require_below(opened, about, below, f"{place}/{below}")


def require_file(parent: int, name: str, place: str, wanted: int = os.R_OK) -> None:
    """Return when a file can be read (``wanted``: or more), and brought back as it is; raises as above."""
    about = ground.look(parent, name)
    if about is None:
        return
    _require_mine(about, place)
    _require_unmarked(ground.flags(parent, name), place)
    _require_access(parent, name, wanted, place)


def require_leaf(parent: int, name: str, place: str) -> None:
    """Return when a file or a link can be read and brought back as it is; raises as ``require_folder``."""
    about = ground.look(parent, name)
    if about is not None and stat.S_ISLNK(about.st_mode):
        # Where it leads, and whether to anything, is not asked.
        _require_mine(about, place)
    else:
        require_file(parent, name, place)


def require_move(parent: int, name: str, root: Path, place: str) -> None:
    """Return when ``name`` may leave its open folder for the quarantine under ``root``, and come back.

    Raises:
        TargetDown: one of the folders may not be changed.
    """
    above = place.rpartition("/")[0]
    _require_unmarked(ground.marks_at(parent), above)
    _require_access(parent, ".", _CHANGE, above)
    about = ground.look(parent, name)
    if about is not None:
        _require_removable(os.fstat(parent), about, place)
    with ground.folder(str(root)) as opened:
        if ground.look(opened, FOLDER) is None:
            _require_unmarked(ground.marks_at(opened), str(root))
            _require_access(opened, ".", _CHANGE, str(root))


def _require_below(parent: int, above: os.stat_result, name: str, place: str) -> None:
    about = ground.look(parent, name)
    if about is None:
        return
    _require_removable(above, about, place)
    if stat.S_ISDIR(about.st_mode):
        require_folder(parent, name, place)
    elif stat.S_ISREG(about.st_mode):
        require_file(parent, name, place)
    else:
        _require_mine(about, place)


def _require_access(parent: int, name: str, wanted: int, place: str) -> None:
    if os.access(name, wanted, dir_fd=parent, effective_ids=True):
        return
    if os.fstatvfs(parent).f_flag & os.ST_RDONLY:
        raise TargetDown("files.read-only", path=place)
    raise _denied(ground.look(parent, name), place)


def _require_removable(above: os.stat_result, about: os.stat_result, place: str) -> None:
    """In a sticky folder (mode 1777) only the owners of a thing and of the folder remove it."""
    sticky = above.st_mode & stat.S_ISVTX and os.geteuid() not in (above.st_uid, about.st_uid)
    if sticky and not _holds(_FOWNER):
        raise _denied(about, place)


def _require_mine(about: os.stat_result, place: str) -> None:
    if _holds(_CHOWN | _FOWNER):
        return
    if about.st_uid != os.geteuid() or about.st_gid not in (os.getegid(), *os.getgroups()):
        raise CannotProve("files.not-mine", path=place, owner=about.st_uid, group=about.st_gid)


def _holds(wanted: int) -> bool:
    """Whether the kernel lets us do that to what is not ours: root may lack it, and others may hold it."""
    return _capabilities(os.geteuid()) & wanted == wanted


@cache
def _capabilities(_: int) -> int:
    """Those of the user that we are; read once for each."""
    for line in Path("/proc/self/status").read_bytes().splitlines():
        if line.startswith(b"CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _require_unmarked(marks: str, place: str) -> None:
    if marks:
        raise CannotProve("files.marked", path=place, marks=marks)


def _denied(about: os.stat_result | None, place: str) -> CountersignError:
    if about is None:
        return TargetDown("files.no-right", path=place)
    return TargetDown("files.no-right-to", path=place, owner=about.st_uid, mode=stat.filemode(about.st_mode))
