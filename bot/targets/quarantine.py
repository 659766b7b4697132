"""Where things are set aside: ``<allowed root>/.countersign-quarantine/<operation>/``, the worker's own.

It lies on the same file system, so that setting aside and putting back are renames: whole, instant, and
out of the reach of everybody who could write to the old place.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import CannotProve, TargetDown
from bot.targets import ground

FOLDER = ".countersign-quarantine"
_OPERATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Quarantine:
    """The quarantine of one allowed root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, operation: str) -> Path:
        """The folder of an operation, whether it is there or not."""
        if not _OPERATION.fullmatch(operation):
            raise CannotProve("files.operation-name")
        return self._root / FOLDER / operation

    @contextmanager
    def open(self, operation: str) -> Iterator[int]:
        """The folder of an operation, made if it is not there, gone afterwards if it is empty.

        Raises:
            CannotProve: what is there is not ours alone.
            TargetDown: it cannot be made.
        """
        path = str(self.place(operation))
        try:
            with ground.folder(str(self._root)) as root:
                self._make(root, FOLDER, path)
                with ground.inner(root, FOLDER, path) as quarantine:
                    self._make(quarantine, operation, path)
                    with ground.inner(quarantine, operation, path) as opened:
                        yield opened
        finally:
            self.close(operation)

    def has(self, operation: str, name: str) -> os.stat_result | None:
        """What is set aside under that name, without making anything."""
        try:
            with ground.folder(str(self.place(operation))) as opened:
                return ground.look(opened, name)
        except TargetDown as error:
            if error.key == "files.missing":
                return None
            raise

    def close(self, operation: str) -> None:
        """Remove the folder of an operation, and the quarantine, as far as they are empty."""
        for path in (self.place(operation), self._root / FOLDER):
            try:
                with ground.folder(str(path.parent)) as parent:
                    os.rmdir(path.name, dir_fd=parent)
                    ground.sync(parent)
            except (OSError, TargetDown):
                return

    @staticmethod
    def _make(parent: int, name: str, path: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            ground.sync(parent)
        except FileExistsError:
            pass
        except OSError as error:
            raise ground.refused(error, path) from None
        about = os.stat(name, dir_fd=parent, follow_symlinks=False)
        private = stat.S_ISDIR(about.st_mode) and about.st_mode & 0o777 == 0o700
        if not private or about.st_uid != os.geteuid():
            raise CannotProve("files.quarantine", path=path)
