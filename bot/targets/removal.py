"""Removing exactly what was written down, through open folders, from the leaves up.

A name counts only with its inode, its size and its time: what took a name since, what was changed and what
was never written down is reported and stays. Nobody else can reach the bin, a folder beside the one that is
removed: each thing is first moved there, looked at where it cannot be exchanged any more, and only then
removed, or moved back. A folder goes when it is empty.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets import ground
from bot.targets.entries import Entry, is_same
from bot.targets.reporting import SILENT, Report
from bot.targets.system import Removal

_IN_HAND = "in-hand"


def bin_of(name: str) -> str:
    """The name of the bin beside a folder that is removed; it is there while something in it is left."""
    return f"{name}.removing"


def remove(parent: int, name: str, entries: Iterable[Entry], place: str, report: Report = SILENT) -> Removal:
    """Remove the folder ``name`` of an open folder as far as its entries say; nothing when it is not there.

    Raises:
        TargetDown: something cannot be removed; what went before is gone.
    """
    known = {entry.path: entry for entry in entries}
    about = ground.look(parent, name)
    if about is not None and not is_same(known["."], about):
        return Removal(0, 0, (".",))
    if about is None and ground.look(parent, bin_of(name)) is None:
        return Removal(0, 0, ())
    if ground.look(parent, bin_of(name)) is None:
        ground.make(parent, bin_of(name), place)
    with ground.inner(parent, bin_of(name), place) as bin_folder:
        work = _Removing(known, place, bin_folder, report)
        work.clear_bin()
        if about is not None:
            with ground.inner(parent, name, place) as opened:
                work.empty(opened, "")
            work.folder(parent, name, ".")
    with suppress(OSError):
        # What could not be moved back stays in it.
        os.rmdir(bin_of(name), dir_fd=parent)
    ground.sync(parent)
    return Removal(work.removed, work.size, tuple(work.left))


def clear(parent: int, name: str, place: str) -> None:
    """Remove scratch of our own, whatever is in it; nothing when it is not there.

    Raises:
        TargetDown: something of it cannot be removed.
    """
    try:
        _clear(parent, name, place)
    except OSError as error:
        raise ground.refused(error, place, parent, name) from None


def _clear(parent: int, name: str, place: str) -> None:
    about = ground.look(parent, name)
    if about is None:
        return
    if not stat.S_ISDIR(about.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    with ground.inner(parent, name, place) as opened:
        # Scratch keeps the rights of what it copies; its own folder must not forbid clearing it.
        os.fchmod(opened, 0o700)
        for below in os.listdir(opened):  # noqa: PTH208 - a folder by its descriptor
            _clear(opened, below, place)
    os.rmdir(name, dir_fd=parent)


class _Removing:
    def __init__(self, known: dict[str, Entry], place: str, bin_folder: int, report: Report) -> None:
        self.removed = 0
        self.size = 0
        self.left: list[str] = []
        self._known = known
        self._place = place
        self._bin = bin_folder
        self._report = report

    def is_it(self, path: str, about: os.stat_result) -> bool:
        entry = self._known.get(path)
        return entry is not None and is_same(entry, about)

    def clear_bin(self) -> None:
        """What a crash left in the bin goes if it was written down, under whatever name."""
        for name in sorted(os.listdir(self._bin)):  # noqa: PTH208 - a folder by its descriptor
            about = os.stat(name, dir_fd=self._bin, follow_symlinks=False)
            found = next((one for one in self._known.values() if is_same(one, about)), None)
            if found is None or found.type == "folder":
                os.rename(name, f"stranger-{about.st_ino}", src_dir_fd=self._bin, dst_dir_fd=self._bin)
                self.left.append(name)
                continue
            os.unlink(name, dir_fd=self._bin)
            self._count(found)

    def empty(self, opened: int, above: str) -> None:
        for name in sorted(os.listdir(opened)):
            path = f"{above}{name}"
            about = ground.look(opened, name)
            if about is None:
                continue
            if not self.is_it(path, about):
                self.left.append(path)
            elif stat.S_ISDIR(about.st_mode):
                self._below(opened, name, path)
            else:
                self._leaf(opened, name, path)
        ground.sync(opened)

    def _below(self, opened: int, name: str, path: str) -> None:
        try:
            with ground.inner(opened, name, self._full(path)) as below:
                if not self.is_it(path, os.fstat(below)):
                    self.left.append(path)
                    return
                self.empty(below, f"{path}/")
        except CannotProve:
            # Exchanged for a link between two looks.
            self.left.append(path)
            return
        self.folder(opened, name, path)

    def folder(self, parent: int, name: str, path: str) -> None:
        if any(path == "." or left.startswith(f"{path}/") for left in self.left):
            return
        try:
            os.rmdir(name, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            self.left.append(path)
            return
        except OSError as error:
            raise self._said(error, parent, name, path) from None
        self.removed += 1
        self._report.add("files")

    def _leaf(self, parent: int, name: str, path: str) -> None:
        try:
            os.rename(name, _IN_HAND, src_dir_fd=parent, dst_dir_fd=self._bin)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._said(error, parent, name, path) from None
        if not self.is_it(path, os.stat(_IN_HAND, dir_fd=self._bin, follow_symlinks=False)):
            self.left.append(path)
            self._move_back(parent, name, path)
            return
        os.unlink(_IN_HAND, dir_fd=self._bin)
        self._count(self._known[path])

    def _move_back(self, parent: int, name: str, path: str) -> None:
        """Whatever was exchanged for it meanwhile; when its name is taken again it stays in the bin."""
        try:
            ground.move((self._bin, _IN_HAND), (parent, name), self._full(path))
        except CountersignError:
            about = os.stat(_IN_HAND, dir_fd=self._bin, follow_symlinks=False)
            os.rename(_IN_HAND, f"stranger-{about.st_ino}", src_dir_fd=self._bin, dst_dir_fd=self._bin)

    def _count(self, entry: Entry) -> None:
        self.removed += 1
        self.size += entry.size
        self._report.add("files")

    def _said(self, error: OSError, parent: int, name: str, path: str) -> Exception:
        said = ground.refused(error, self._full(path), parent, name)
        marks = ground.marks_of(parent)
        if said.key in ("files.no-right", "files.no-right-to") and marks:
            # The folder forbids it, not the file.
            return TargetDown("files.immutable", path=self._full(path).rpartition("/")[0], marks=marks)
        return said

    def _full(self, path: str) -> str:
        return f"{self._place}/{path}"
