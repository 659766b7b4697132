"""A single file or link as a holding: as a folder is, without what only folders have.

In the backup: ``<name>.entries.jsonl`` with its one entry, called ``.``, and ``<name>.tar`` with it under its
own name.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.errors import CannotProve, TargetDown
from bot.targets import entries as listing
from bot.targets import ground, removal, rights, tar
from bot.targets.entries import Entry
from bot.targets.files import FolderHolding
from bot.targets.ports import Sink, Source
from bot.targets.reporting import Report, counted, report_of
from bot.targets.system import Removal


class FileHolding(FolderHolding):
    """One file or link; arguments as of ``FolderHolding``."""

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._ground.parent(self._path) as parent:
            found = list(self._walk(parent, self._base, self._path, read=True))
            before = ground.look(parent, self._base)
            with sink.blob(f"{self._name}.entries.jsonl") as out:
                for line in listing.dump(found):
                    out.write(line)
            with tar.Names() as names, sink.blob(f"{self._name}.tar") as out:
                names.add(found[0]._replace(path=self._base))
                tar.pack(parent, names, out, self._path)
            after = ground.look(parent, self._base)
        # tar goes by the name: what it was exchanged for meanwhile must not be sealed.
        if before is None or after is None or _moment(before) != _moment(after):
            raise CannotProve("files.changing", path=self._path)
        return {"kind": "files", "entries": 1, "size": found[0].size}

    def _walk(self, parent: int, name: str, place: str, *, read: bool) -> Iterator[Entry]:
        return listing.leaf(parent, name, place, read=read)

    def _require_rights(self, parent: int) -> None:
        rights.require_leaf(parent, self._base, self._path)

    def _unpack(self, folder: int, scratch: str, source: Source) -> None:
        """Unpack into a folder of its own, and take it out of there."""
        wanted, wrapped = self._entries(source), f"{scratch}.wrapped"
        for one in (scratch, wrapped):
            removal.clear(folder, one, self._path)
        ground.make(folder, wrapped, self._path)
        try:
            with ground.inner(folder, wrapped, self._path) as opened:
                with source.blob(f"{self._name}.tar") as stream:
                    tar.unpack(opened, stream, self._path)
                ground.move((opened, self._base), (folder, scratch), self._path)
        finally:
            removal.clear(folder, wrapped, self._path)
        report = report_of(source)
        report.begin("comparing")
        found = counted(self._walk(folder, scratch, self._path, read=True), report, "files")
        if not listing.same_content(wanted, found):
            raise CannotProve("files.not-the-same", path=self._path)

    def _remove(self, folder: int, wanted: Sequence[Entry], place: str, report: Report) -> Removal:
        about = ground.look(folder, self._name)
        if about is None:
            return Removal(0, 0, ())
        # Nobody else reaches the quarantine: what is looked at is what goes.
        if not listing.is_same(wanted[0], about):
            return Removal(0, 0, (self._base,))
        try:
            os.unlink(self._name, dir_fd=folder)
        except OSError as error:
            raise ground.refused(error, place, folder, self._name) from None
        ground.sync(folder)
        report.add("files")
        return Removal(1, about.st_size, ())


def is_folder(path: str) -> bool | None:
    """What stands there: a folder, a file or a link; None when nothing does.

    Raises:
        CountersignError: it may not be looked at.
    """
    folder, _, name = path.rpartition("/")
    try:
        with ground.folder(folder) as parent:
            about = ground.look(parent, name)
    except TargetDown as error:
        if error.key == "files.missing":
            return None
        raise
    return None if about is None else stat.S_ISDIR(about.st_mode)


def _moment(about: os.stat_result) -> tuple[int, ...]:
    return (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
