"""Files that rows name: found under one root, copied, set aside, removed and brought back.

A name comes out of a row, so it is only a wish: it is walked from the root with one open per component, and
a link in the way ends the walk. No sentence carries a name, because a name is a value of a row.

Set aside means ``<root>/.countersign-quarantine/<operation>/<number>``, with ``index.jsonl`` beside it, which
is durable before the first file moves: whoever finds it after a crash can put everything back, or remove it,
and needs nothing else.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets import ground
from bot.targets.attachment_store import Found
from bot.targets.entries import Entry, entry_of, is_same
from bot.targets.quarantine import FOLDER, Quarantine

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_LONGEST = 255
#: Beside what is set aside: which number is which file.
INDEX = "index.jsonl"
_UNFINISHED = "index.new"


def is_plain(name: str) -> bool:
    """Whether a text is a path below a folder, in the one form it has: no dots, no empty parts."""
    parts = name.split("/")
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        return False
    return "\0" not in name and longest <= _LONGEST and not {"", ".", ".."} & {*parts} and parts[0] != FOLDER


class FileRoot:
    """One folder in which rows' files lie. Nothing is opened before a method asks for it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._quarantine = Quarantine(Path(path))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The root as an open folder.

        Raises:
            TargetDown: it is not there, or may not be entered.
            CannotProve: a link leads to it.
        """
        with ground.folder(self.path) as root:
            yield root

    @contextmanager
    def folder_of(self, root: int, name: str) -> Iterator[tuple[int, str]]:
        """The open folder that holds a plain ``name``, and its last part.

        Raises:
            FileNotFoundError: a folder on the way is not there.
            NotADirectoryError: something else is in the way, such as a link.
            TargetDown: a folder may not be entered.
        """
        *steps, last = name.split("/")
        current = os.dup(root)
        try:
            for step in steps:
                try:
                    following = os.open(step, _STEP, dir_fd=current)
                except PermissionError:
                    raise TargetDown("attached.no-right", root=self.path) from None
                os.close(current)
                current = following
            yield current, last
        finally:
            os.close(current)

    def look(self, names: Iterable[str]) -> Found:
        """What stands under these names, each counted once; contents are not read.

        Raises:
            TargetDown: the root is not there, or a file may not be read or moved.
        """
        files: list[Entry] = []
        missing = odd = 0
        with self.opened() as root:
            device = os.fstat(root).st_dev
            for name in sorted(set(names)):
                entry = self._one(root, name, device) if is_plain(name) else None
                if entry is not None:
                    files.append(entry)
                elif is_plain(name) and self._is_missing(root, name):
                    missing += 1
                else:
                    odd += 1
        return Found(tuple(files), missing, odd)

    def _is_missing(self, root: int, name: str) -> bool:
        try:
            with self.folder_of(root, name) as (parent, last):
                return ground.look(parent, last) is None
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False

    def _one(self, root: int, name: str, device: int) -> Entry | None:
        try:
            with self.folder_of(root, name) as (parent, last):
                about = ground.look(parent, last)
                if about is None or not _is_ordinary(about, device):
                    return None
                # The file may be read, its folder lets it go: asked before anybody votes.
                if not os.access(last, os.R_OK, dir_fd=parent, effective_ids=True):
                    raise TargetDown("attached.no-right", root=self.path)
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True):
                    raise TargetDown("attached.no-right", root=self.path)
                return entry_of(name, "file", about)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def set_aside(self, operation: str, files: Sequence[Entry]) -> None:
        """Move these files out of everybody's reach, all or none.

        Raises:
            CannotProve: one of them is not the file that was copied any more.
            TargetDown: the machine refuses. What has moved by then waits for ``put_back``.
        """
        if not files:
            return
        with self.opened() as root, self._quarantine.open(operation) as box:
            write_index(box, files)
            for number, entry in enumerate(files):
                self._aside(root, box, number, entry)

    def _aside(self, root: int, box: int, number: int, entry: Entry) -> None:
        try:
            with self.folder_of(root, entry.path) as (parent, last):
                about = ground.look(parent, last)
                if about is None or not is_same(entry, about) or about.st_nlink != 1:
                    raise CannotProve("attached.changed", root=self.path)
                ground.move((parent, last), (box, str(number)), self.path)
        except (FileNotFoundError, NotADirectoryError):
            raise CannotProve("attached.changed", root=self.path) from None
        # Nobody else can reach it here: what was exchanged between two looks shows now.
        about = ground.look(box, str(number))
        if about is None or not is_same(entry, about):
            raise CannotProve("attached.changed", root=self.path)

    def put_back(self, operation: str) -> None:
        """Move back whatever is set aside; again, or when nothing is: no harm.

        Raises:
            CannotProve: something else stands in a place by now, or its folder is gone; the rest is back.
        """
        with self._indexed(operation) as (box, files):
            if box is None:
                return
            stuck = 0
            with self.opened() as root:
                for number, entry in enumerate(files):
                    if ground.look(box, str(number)) is not None:
                        stuck += not self._back(root, box, number, entry)
            if stuck:
                place = str(self._quarantine.place(operation))
                raise CannotProve("attached.stuck", n=stuck, root=self.path, place=place)
            forget(box)

    def _back(self, root: int, box: int, number: int, entry: Entry) -> bool:
        try:
            with self.folder_of(root, entry.path) as (parent, last):
                ground.move((box, str(number)), (parent, last), self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except CannotProve:
            return False
        return True

    def remove(self, operation: str) -> int:
        """Remove what is set aside, for ever; how many had to stay because they changed meanwhile.

        Raises:
            TargetDown: the machine refuses; what is left waits for another go.
        """
        left = 0
        with self._indexed(operation) as (box, files):
            if box is None:
                return 0
            for number, entry in enumerate(files):
                about = ground.look(box, str(number))
                if about is None:
                    continue
                if not is_same(entry, about):
                    # Somebody had it open and wrote to it: that is in no backup.
                    left += 1
                    continue
                self._unlink(box, str(number))
            ground.sync(box)
            if not left:
                forget(box)
        return left

    def waiting(self) -> list[str]:
        """The operations that have something set aside here."""
        try:
            with ground.folder(f"{self.path}/{FOLDER}") as box:
                opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=box)
        except CountersignError as error:
            if error.key == "files.missing":
                return []
            raise
        try:
            return sorted(os.listdir(opened))  # noqa: PTH208 - a folder by its descriptor
        finally:
            os.close(opened)

    def _unlink(self, folder: int, name: str) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except OSError as error:
            raise ground.refused(error, self.path) from None

    @contextmanager
    def _indexed(self, operation: str) -> Iterator[tuple[int | None, list[Entry]]]:
        """The quarantine of an operation and its index; without an index there is nothing set aside."""
        if not self._exists(operation):
            yield None, []
            return
        with self._quarantine.open(operation) as box:
            yield box, read_index(box)

    def _exists(self, operation: str) -> bool:
        if self._quarantine.has(operation, INDEX) is not None:
            return True
        if self._quarantine.has(operation, _UNFINISHED) is not None:
            with self._quarantine.open(operation) as box:
                forget(box)
        self._quarantine.close(operation)
        return False

    @property
    def quarantine(self) -> Quarantine:
        """Where things of this root are set aside."""
        return self._quarantine


def moved_to(entry: Entry, about: os.stat_result) -> Entry:
    """The same file in another inode."""
    return entry._replace(inode=about.st_ino, device=about.st_dev)


def _is_ordinary(about: os.stat_result, device: int) -> bool:
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and about.st_dev == device


def write_index(box: int, files: Iterable[Entry]) -> None:
    """Make durable which number is which file.

    Raises:
        TargetDown: the disk is full, or the machine refuses.
    """
    try:
        opened = os.open(
            _UNFINISHED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=box
        )
        with os.fdopen(opened, "wb") as file:
            for entry in files:
                file.write(entry.line())
            file.flush()
            os.fsync(file.fileno())
        os.rename(_UNFINISHED, INDEX, src_dir_fd=box, dst_dir_fd=box)
    except OSError as error:
        raise ground.refused(error, FOLDER) from None
    ground.sync(box)


def read_index(box: int) -> list[Entry]:
    """What ``write_index`` wrote."""
    opened = os.open(INDEX, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=box)
    with os.fdopen(opened, "rb") as file:
        return [Entry.of(line) for line in file]


def forget(box: int) -> None:
    """Nothing is set aside in this box any more."""
    for name in (INDEX, _UNFINISHED):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=box)
    ground.sync(box)
