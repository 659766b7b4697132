"""Removing exactly what was written down, through open folders, from the leaves up.

A name counts only with its inode: what took a name since, and what was never written down, is reported and
stays where it is. A folder goes when it is empty.
"""

import os
import stat
from collections.abc import Iterable

from bot.errors import TargetDown
from bot.targets import ground
from bot.targets.entries import Entry
from bot.targets.system import Removal


def remove(parent: int, name: str, entries: Iterable[Entry], place: str) -> Removal:
    """Remove the folder ``name`` of an open folder as far as its entries say; nothing when it is not there.

    Raises:
        TargetDown: something cannot be removed; what went before is gone.
    """
    known = {entry.path: entry for entry in entries}
    work = _Removing(known, place)
    about = ground.look(parent, name)
    if about is None:
        return Removal(0, 0, ())
    if not work.is_it(".", about):
        return Removal(0, 0, (".",))
    with ground.inner(parent, name, place) as opened:
        work.empty(opened, "")
    work.folder(parent, name, ".")
    ground.sync(parent)
    return Removal(work.removed, work.size, tuple(work.left))


def clear(parent: int, name: str, place: str) -> None:
    """Remove scratch of our own, whatever is in it."""
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
            clear(opened, below, place)
    os.rmdir(name, dir_fd=parent)


class _Removing:
    def __init__(self, known: dict[str, Entry], place: str) -> None:
        self.removed = 0
        self.size = 0
        self.left: list[str] = []
        self._known = known
        self._place = place

    def is_it(self, path: str, about: os.stat_result) -> bool:
        entry = self._known.get(path)
        return entry is not None and (entry.device, entry.inode) == (about.st_dev, about.st_ino)

    def empty(self, opened: int, above: str) -> None:
        for name in sorted(os.listdir(opened)):
            path = f"{above}{name}"
            about = os.stat(name, dir_fd=opened, follow_symlinks=False)
            if not self.is_it(path, about):
                self.left.append(path)
            elif stat.S_ISDIR(about.st_mode):
                with ground.inner(opened, name, self._full(path)) as below:
                    self.empty(below, f"{path}/")
                self.folder(opened, name, path)
            else:
                self._leaf(opened, name, path)
        ground.sync(opened)

    def folder(self, parent: int, name: str, path: str) -> None:
        if any(path == "." or left.startswith(f"{path}/") for left in self.left):
            return
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError as error:
            raise self._said(error, parent, name, path) from None
        self.removed += 1

    def _leaf(self, parent: int, name: str, path: str) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except OSError as error:
            raise self._said(error, parent, name, path) from None
        self.removed += 1
        self.size += self._known[path].size

    def _said(self, error: OSError, parent: int, name: str, path: str) -> Exception:
        said = ground.refused(error, self._full(path), parent, name)
        marks = ground.marks_of(parent)
        if said.key in ("files.no-right", "files.no-right-to") and marks:
            # The folder forbids it, not the file.
            return TargetDown("files.immutable", path=self._full(path).rpartition("/")[0], marks=marks)
        return said

    def _full(self, path: str) -> str:
        return f"{self._place}/{path}"
