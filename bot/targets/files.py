"""A folder of files as a holding; see ``bot.targets.system.Holding``.

In the backup: ``<name>.entries.jsonl`` (what there is) and ``<name>.tar`` (GNU tar, from that very list).
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets import copies, ground, processes, removal, rights, tar
from bot.targets import entries as listing
from bot.targets.entries import Entry, walk
from bot.targets.ports import Sink, Source, Told
from bot.targets.quarantine import Quarantine
from bot.targets.reporting import Report, counted, report_of
from bot.targets.streams import gathered, lines
from bot.targets.system import NeedsNobody, Removal, Survey, Users, Whereabouts
from bot.targets.whereabouts import require_one

#: Seconds; longer than the kernel takes between two times that it writes down.
_TICK = 0.02


class _Takes(Protocol):
    """Whoever is shown every entry on its way into the backup."""

    def add(self, entry: Entry) -> None:
        """One more."""


class FolderHolding(NeedsNobody):
    """One folder.

    Args:
        name: its name in the configuration.
        path: where it is.
        roots: the allowed roots.
        others: places of everything else that must not lie in it or around it.
    """

    def __init__(self, name: str, path: str, roots: Sequence[str], others: Sequence[str] = ()) -> None:
        self._name = name
        self._path = path
        self._base = PurePosixPath(path).name
        self._ground = ground.Ground(roots, others)

    @property
    def name(self) -> str:
        """See ``Holding``."""
        return self._name

    def require_free(self) -> None:
        """See ``Holding``; what could not be backed up is only found by looking at all of it."""
        self.survey()

    def survey(self) -> Survey:
        """See ``Holding``."""
        with self._ground.parent(self._path) as parent:
            about = ground.look(parent, self._base)
            if about is None:
                raise TargetDown("files.missing", path=self._path)
            ground.require_no_mount(self._path)
            tally = listing.Tally()
            for entry in self._walk(parent, self._base, self._path, read=False):
                tally.add(entry)
            rights.require_move(parent, self._base, self._ground.root_of(self._path), self._path)
            self._require_rights(parent)
            room = os.fstatvfs(parent)
        return Survey(
            name=self._name,
            kind="files",
            place=self._path,
            identity={"path": self._path, "device": str(about.st_dev), "inode": str(about.st_ino)},
            items=tally.items,
            size=tally.size,
            free=room.f_bavail * room.f_frsize,
            warnings=tuple(_warnings(self._name, tally)),
        )

    def users(self, operation: str) -> Users:
        """See ``Holding``."""
        places = (self._path, str(self._aside(operation)))
        inodes: set[tuple[int, int]] = set()
        for place in places:
            with self._there(place) as parent:
                if parent is not None:
                    name = PurePosixPath(place).name
                    inodes |= {(one.device, one.inode) for one in self._walk(parent, name, place, read=False)}

        def match(number: tuple[int, int], path: str) -> bool:
            return number in inodes or any(path == one or path.startswith(f"{one}/") for one in places)

        return processes.users(match)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._ground.parent(self._path) as parent:
            ground.require_no_mount(self._path)
            before = listing.moment(parent, self._base, self._path)
            # From here on a change has another time than those before it, however coarse the clock.
            time.sleep(_TICK)
            report = report_of(sink)
            report.begin("reading")
            tally, watch = listing.Tally(), listing.Watch()
            with tar.Names() as names, ground.inner(parent, self._base, self._path) as opened:
                with sink.blob(f"{self._name}.entries.jsonl") as out:
                    found = _told(
                        walk(parent, self._base, self._path, read=True), report, (tally, watch, names)
                    )
                    for some in gathered(listing.dump(found)):
                        out.write(some)
                with sink.blob(f"{self._name}.tar") as out:
                    report.begin("copying", names.size)
                    tar.pack(opened, names, out, self._path)
                    # tar goes by names: what a folder was exchanged for meanwhile must not be sealed.
                    ground.require_no_mount(self._path)
                    if before != listing.moment(parent, self._base, self._path):
                        raise CannotProve("files.changing", path=self._path)
                    self._require_still(parent, watch)
        return {"kind": "files", "entries": tally.entries, "items": tally.items, "size": tally.size}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        scratch = f"rehearsal-{self._name}"
        quarantine = self._quarantine()
        with quarantine.open(operation) as folder:
            try:
                self._unpack(folder, scratch, source)
            finally:
                removal.clear(folder, scratch, self._path)

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._entries(source)
        now = self.whereabouts(operation)
        require_one(now, self._path)
        with self._quarantine().open(operation) as folder:
            if now == "in-place":
                with self._ground.parent(self._path) as parent:
                    self._require_same(parent, self._base, wanted[0])
                    ground.require_no_mount(self._path)
                    ground.move((parent, self._base), (folder, self._name), self._path)
            self._require_same(folder, self._name, wanted[0])
            place = str(self._aside(operation))
            seen = counted(self._walk(folder, self._name, place, read=False), report_of(source), "files")
            if not listing.untouched(wanted, seen):
                raise CannotProve("files.changed-since", path=self._path)

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        now = self.whereabouts(operation)
        if now == "in-place":
            return
        require_one(now, self._path)
        quarantine = self._quarantine()
        with quarantine.open(operation) as folder, self._ground.parent(self._path) as parent:
            ground.move((folder, self._name), (parent, self._base), self._path)

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        aside = self._is_aside(operation)
        with self._there(self._path) as parent:
            here = parent is not None
        return _WHERE[here, aside]

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._entries(source)
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._path)
        with self._quarantine().open(operation) as folder:
            self._require_same(folder, self._name, wanted[0])
            place = str(self._aside(operation))
            ground.require_no_mount(place)
            seen = counted(self._walk(folder, self._name, place, read=False), report_of(source), "files")
            touched = listing.difference(wanted, seen)
        if touched is not None:
            raise CannotProve("files.touched-aside", path=f"{place}/{touched}")

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._entries(source)
        if not self._is_aside(operation):
            if self.whereabouts(operation) == "in-place":
                raise CannotProve("files.not-set-aside", path=self._path)
            return Removal(0, 0, ())
        seen = self.users(operation).users
        if seen:
            raise Stale("files.in-use", path=self._path, program=seen[0].name, pid=seen[0].pid, n=len(seen))
        ground.require_no_mount(str(self._aside(operation)))
        quarantine = self._quarantine()
        with quarantine.open(operation) as folder:
            place = str(self._aside(operation))
            return self._remove(folder, wanted, place, report_of(source))

    @property
    def home(self) -> str:
        """See ``Holding``."""
        return self._path

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return into or self._path

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        self._ground.require_free(into or self._path)

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        with self._prepared(operation, into) as folder:
            self._unpack(folder, self._scratch, source)

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        place = into or self._path
        base = PurePosixPath(place).name
        if into:
            self._ground.make_folder(str(PurePosixPath(place).parent))
        with self._prepared(operation, into) as folder, self._ground.parent(place) as parent:
            is_ready, is_there = (
                ground.look(folder, self._scratch) is not None,
                ground.look(parent, base) is not None,
            )
            if is_ready is is_there:
                raise CannotProve("files.in-the-way" if is_there else "files.is-gone", path=place)
            if is_ready:
                ground.move((folder, self._scratch), (parent, base), place)

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        with self._prepared(operation, into) as folder:
            removal.clear(folder, self._scratch, into or self._path)

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        with self._prepared(operation, "") as folder:
            if copies.marked(folder, self._name) is None:
                self.require_room()
                self._unpack(folder, self._scratch, source)
                copies.mark(folder, self._name, copies.known(folder, self._scratch))
            self.appear(operation)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        used = copies.used(self._name)
        with self._still(operation) as folder:
            if folder is None:
                return
            known = copies.marked(folder, self._name)
            with self._there(self._path) as parent:
                if known is not None and parent is not None:
                    if copies.known(parent, self._base) != known:
                        raise CannotProve("files.in-the-way", path=self._path)
                    removal.clear(folder, used, self._path)
                    ground.move((parent, self._base), (folder, used), self._path)
            for scratch in (used, self._scratch):
                removal.clear(folder, scratch, self._path)
            copies.forget(folder, self._name)

    def _require_still(self, parent: int, before: listing.Watch) -> None:
        """Return when nobody wrote into a file meanwhile, which leaves no trace in its folder."""
        now = listing.Watch()
        for entry in self._walk(parent, self._base, self._path, read=False):
            now.add(entry)
        if now.seen != before.seen:
            raise CannotProve("files.changing", path=f"{self._path}/{now.newest}")

    def _walk(self, parent: int, name: str, place: str, *, read: bool) -> Iterator[Entry]:
        return walk(parent, name, place, read=read)

    def _require_rights(self, parent: int) -> None:
        rights.require_folder(parent, self._base, self._path)

    def _remove(self, folder: int, wanted: Sequence[Entry], place: str, report: Report) -> Removal:
        return removal.remove(folder, self._name, wanted, place, report)

    @contextmanager
    def _still(self, operation: str) -> Iterator[int | None]:
        """The folder in the quarantine, if that is still there; it is not made."""
        quarantine = self._quarantine()
        if not quarantine.place(operation).is_dir():
            yield None
            return
        with quarantine.open(operation) as folder:
            yield folder

    @property
    def _scratch(self) -> str:
        return f"restore-{self._name}"

    @contextmanager
    def _prepared(self, operation: str, into: str) -> Iterator[int]:
        """The folder beside the place in which a restore is prepared."""
        quarantine = Quarantine(self._ground.root_of(into or self._path))
        with quarantine.open(operation) as folder:
            yield folder

    def _unpack(self, folder: int, scratch: str, source: Source) -> None:
        """Unpack into a new folder and compare with the list."""
        removal.clear(folder, scratch, self._path)
        ground.make(folder, scratch, self._path)
        with ground.inner(folder, scratch, self._path) as opened:
            with source.blob(f"{self._name}.tar") as stream:
                tar.unpack(opened, stream, self._path)
            ground.sync(opened)
        report = report_of(source)
        report.begin("comparing")
        found = counted(walk(folder, scratch, self._path, read=True), report, "files")
        with source.blob(f"{self._name}.entries.jsonl") as stream:
            same = listing.same_content(map(Entry.of, lines(stream)), found)
        if not same:
            raise CannotProve("files.not-the-same", path=self._path)

    def _entries(self, source: Source) -> list[Entry]:
        with source.blob(f"{self._name}.entries.jsonl") as stream:
            found = [Entry.of(line) for line in lines(stream)]
        if not found or found[0].path != ".":
            raise CannotProve("files.not-the-same", path=self._path)
        return found

    def _require_same(self, parent: int, name: str, wanted: Entry) -> None:
        about = ground.look(parent, name)
        if about is None or (about.st_dev, about.st_ino) != (wanted.device, wanted.inode):
            raise CannotProve("files.another-folder", path=self._path)

    def _quarantine(self) -> Quarantine:
        return Quarantine(self._ground.root_of(self._path))

    def _is_aside(self, operation: str) -> bool:
        """Set aside, if only a rest of it."""
        names = (self._name, removal.bin_of(self._name))
        return any(self._quarantine().has(operation, name) is not None for name in names)

    def _aside(self, operation: str) -> Path:
        return self._quarantine().place(operation) / self._name

    @contextmanager
    def _there(self, place: str) -> Iterator[int | None]:
        """The open folder that holds ``place``, if there is anything at ``place``."""
        try:
            with ground.folder(str(PurePosixPath(place).parent)) as parent:
                yield parent if ground.look(parent, PurePosixPath(place).name) is not None else None
        except TargetDown as error:
            if error.key != "files.missing":
                raise
            yield None


_WHERE: Mapping[tuple[bool, bool], Whereabouts] = {
    (True, False): "in-place",
    (False, True): "set-aside",
    (True, True): "both",
    (False, False): "gone",
}


def _told(found: Iterator[Entry], report: Report, others: Sequence[_Takes]) -> Iterator[Entry]:
    for entry in counted(found, report, "files"):
        report.add("bytes", entry.size if entry.type == "file" else 0)
        for other in others:
            other.add(entry)
        yield entry


def _warnings(name: str, tally: listing.Tally) -> Iterator[Told]:
    if tally.leaving:
        yield "files.told-leaving", {"name": name, "n": tally.leaving}
    if tally.sockets:
        yield "files.told-sockets", {"name": name, "n": tally.sockets}
