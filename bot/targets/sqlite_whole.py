"""A whole SQLite database as a holding: the file with its log, index of the log and journal.

In the backup: ``<name>.sqlite`` (one file, made by the backup API) and ``<name>.database.json`` (its tables
with rows and sums). Copies that are only for looking at lie in the quarantine, in the worker's own folder.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from bot.errors import CannotProve, Stale, TargetDown
from bot.targets import copies, csv_members, ground, processes, removal, rights
from bot.targets.ports import Sink, Source
from bot.targets.quarantine import Quarantine
from bot.targets.reporting import Report, report_of
from bot.targets.sqlite_csv import tables
from bot.targets.sqlite_errors import translated
from bot.targets.sqlite_facts import DatabaseFacts, connected, facts, own
from bot.targets.streams import Counting, chunks
from bot.targets.system import NeedsNobody, Removal, Survey, Users, Whereabouts
from bot.targets.whereabouts import require_one

#: The database last on the way back and first on the way out: nobody opens it without its log.
_BESIDE = ("-wal", "-shm", "-journal")
_COPY = 1024 * 1024
_PAGES = 4096


class SqliteHolding(csv_members.MayHoldCsv, NeedsNobody):
    """One database file.

    Args:
        name: its name in the configuration.
        path: where it is.
        roots: the allowed roots.
        others: places of everything else.
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
        """See ``Holding``."""
        self.survey()

    def survey(self) -> Survey:
        """See ``Holding``."""
        with self._ground.parent(self._path) as parent:
            about = self._file(parent)
            known = (about.st_dev, about.st_ino)
            ground.require_no_mount(self._path)
            rights.require_move(parent, self._base, self._ground.root_of(self._path), self._path)
            for name in self._names(parent):
                place = str(PurePosixPath(self._path).with_name(name))
                rights.require_file(parent, name, place, os.R_OK | os.W_OK)
            room = os.fstatvfs(parent)
        return Survey(
            name=self._name,
            kind="database",
            place=self._path,
            identity={"path": self._path, "device": str(about.st_dev), "inode": str(about.st_ino)},
            items=self._rows(known),
            size=about.st_size,
            free=room.f_bavail * room.f_frsize,
            warnings=(),
        )

    def users(self, operation: str) -> Users:
        """See ``Holding``."""
        both = (self._path, self._file_aside(operation))
        places = {f"{one}{suffix}" for one in both for suffix in ("", *_BESIDE)}
        inodes = set()
        for place in places:
            with suppress(OSError):
                about = Path(place).lstat()
                inodes.add((about.st_dev, about.st_ino))
        return processes.users(lambda number, path: number in inodes or path in places)

    def copy(self, sink: Sink) -> Mapping[str, Any]:
        """See ``Holding``."""
        with self._ground.parent(self._path) as parent:
            about = self._file(parent)
            ground.require_no_mount(self._path)
        with self._scratch("copy-" + hashlib.sha256(self._path.encode()).hexdigest()[:12], "copy") as place:
            report = report_of(sink)
            report.begin("reading")
            self._back_up(place, (about.st_dev, about.st_ino))
            report.begin("comparing")
            found = facts(place, self._name, report=report)
            report.begin("copying", found.size)
            known = replace(found, inode=about.st_ino, device=about.st_dev, uid=about.st_uid)
            known = replace(known, mode=stat.S_IMODE(about.st_mode), gid=about.st_gid)
            with sink.blob(f"{self._name}.database.json") as out:
                out.write(known.dump())
            with place.open("rb") as file, sink.blob(f"{self._name}.sqlite") as out:
                while data := file.read(_COPY):
                    out.write(data)
            listed = csv_members.write(sink, self._name, tables(place, self._name)) if self._csv else []
        told = {"kind": "database", "tables": len(found.tables), "rows": found.rows, "size": found.size}
        return {**told, **({"csv": [one.plain() for one in listed]} if self._csv else {})}

    def rehearse(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        with self._scratch(operation, f"rehearsal-{self._name}") as place:
            self._unpack(place, source)
            if self._csv:
                csv_members.require_proven(source, self._name, self._path, tables(place, self._name))

    def set_aside(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        now = self.whereabouts(operation)
        require_one(now, self._path)
        if now == "in-place":
            self._checkpoint(wanted)
        with self._folder(operation) as folder:
            with self._ground.parent(self._path) as parent:
                for name in self._names(parent):
                    if name == self._base:
                        self._require_same(parent, wanted)
                    ground.move((parent, name), (folder, name), self._path)
            self._require_same(folder, wanted)
        aside, report = self._file_aside(operation), report_of(source)
        if not facts(aside, self._name, check=False, report=report).same_rows(wanted):
            raise CannotProve("files.changed-since", path=self._path)

    def put_back(self, operation: str) -> None:
        """See ``Holding``."""
        now = self.whereabouts(operation)
        if now != "in-place":
            require_one(now, self._path)
            with self._folder(operation) as folder, self._ground.parent(self._path) as parent:
                for name in reversed(self._names(folder)):
                    ground.move((folder, name), (parent, name), self._path)
        self._clear(operation)

    def whereabouts(self, operation: str) -> Whereabouts:
        """See ``Holding``."""
        here, there = ground.stands(self._path), ground.stands(str(self._file_aside(operation)))
        if here:
            return "both" if there else "in-place"
        return "set-aside" if there else "gone"

    def verify(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        wanted = self._known(source)
        if self.whereabouts(operation) != "set-aside":
            raise CannotProve("files.not-set-aside", path=self._path)
        with self._folder(operation) as folder:
            self._require_same(folder, wanted)
            names = set(os.listdir(folder)) - set(self._names(folder))  # noqa: PTH208 - by its descriptor
        aside = self._file_aside(operation)
        if names:
            raise CannotProve("files.touched-aside", path=str(aside.parent / min(names)))
        self._require_rows(aside, wanted, report_of(source))

    def remove(self, operation: str, source: Source) -> Removal:
        """See ``Holding``."""
        wanted = self._known(source)
        now = self.whereabouts(operation)
        if now == "gone":
            self._clear(operation)
            return Removal(0, 0, ())
        if now == "in-place":
            raise CannotProve("files.not-set-aside", path=self._path)
        seen = self.users(operation).users
        if seen:
            raise Stale("files.in-use", path=self._path, program=seen[0].name, pid=seen[0].pid, n=len(seen))
        removed = size = 0
        with self._folder(operation) as folder:
            self._require_same(folder, wanted)
            self._require_rows(self._file_aside(operation), wanted, report_of(source))
            # The database last: while it is there, the removal is not finished.
            for name in reversed(self._names(folder)):
                size += os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
                try:
                    os.unlink(name, dir_fd=folder)
                except OSError as error:
                    raise ground.refused(error, self._path, folder, name) from None
                removed += 1
            ground.sync(folder)
            left = tuple(sorted(os.listdir(folder)))  # noqa: PTH208 - a folder by its descriptor
        self._clear(operation)
        return Removal(removed, size, left)

    @property
    def home(self) -> str:
        """See ``Holding``."""
        return self._path

    def destination(self, into: str = "") -> str:
        """See ``Holding``."""
        return into or self._path

    def require_room(self, into: str = "") -> None:
        """See ``Holding``."""
        for suffix in ("", *_BESIDE):
            self._ground.require_free((into or self._path) + suffix)

    def prepare(self, operation: str, source: Source, into: str = "") -> None:
        """See ``Holding``."""
        with self._prepared(operation, into) as (folder, above):
            removal.clear(folder, self._ready, self._path)
            ground.make(folder, self._ready, self._path)
            place = above / self._ready / "database"
            self._unpack(place, source)
            own(place, self._known(source))

    def appear(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        target = into or self._path
        base = PurePosixPath(target).name
        if into:
            self._ground.make_folder(str(PurePosixPath(target).parent))
        with self._prepared(operation, into) as (folder, above), self._ground.parent(target) as parent:
            is_ready = (above / self._ready / "database").exists()
            is_there = any(ground.look(parent, base + suffix) is not None for suffix in ("", *_BESIDE))
            if is_ready is is_there:
                raise CannotProve("files.in-the-way" if is_there else "files.is-gone", path=target)
            if is_ready:
                with ground.inner(folder, self._ready, target) as ready:
                    ground.move((ready, "database"), (parent, base), target)
            removal.clear(folder, self._ready, target)

    def discard(self, operation: str, into: str = "") -> None:
        """See ``Holding``."""
        with self._prepared(operation, into) as (folder, _):
            removal.clear(folder, self._ready, into or self._path)

    def bring_out(self, operation: str, source: Source) -> None:
        """See ``Holding``."""
        with self._prepared(operation, "") as (folder, _):
            if copies.marked(folder, self._name) is None:
                self.require_room()
                self.prepare(operation, source)
                with ground.inner(folder, self._ready, self._path) as ready:
                    copies.mark(folder, self._name, copies.known(ready, "database"))
            self.appear(operation)

    def withdraw(self, operation: str) -> None:
        """See ``Holding``."""
        if not self._quarantine().place(operation).is_dir():
            return
        with self._quarantine().open(operation) as folder:
            known = copies.marked(folder, self._name)
            if known is not None and Path(self._path).parent.is_dir():
                self._take_away(folder, known)
            removal.clear(folder, copies.used(self._name), self._path)
            removal.clear(folder, self._ready, self._path)
            copies.forget(folder, self._name)

    def _take_away(self, folder: int, known: copies.Known) -> None:
        """A copy in the place, with what was written beside it, into the quarantine."""
        with self._ground.parent(self._path) as parent:
            used = copies.used(self._name)
            if copies.known(parent, self._base) not in (None, known):
                raise CannotProve("files.in-the-way", path=self._path)
            removal.clear(folder, used, self._path)
            ground.make(folder, used, self._path)
            with ground.inner(folder, used, self._path) as taken:
                for name in self._names(parent):
                    ground.move((parent, name), (taken, name), self._path)

    @property
    def _ready(self) -> str:
        return f"restore-{self._name}"

    @contextmanager
    def _prepared(self, operation: str, into: str) -> Iterator[tuple[int, Path]]:
        """The folder beside the place in which a restore is prepared."""
        quarantine = Quarantine(self._ground.root_of(into or self._path))
        with quarantine.open(operation) as folder:
            yield folder, quarantine.place(operation)

    def _back_up(self, place: Path, known: tuple[int, int]) -> None:
        with (
            connected(Path(self._path), self._name, only=known) as origin,
            connected(place, self._name, "rwc") as copy,
            translated(self._name),
        ):
            origin.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode = DELETE")

    def _checkpoint(self, wanted: DatabaseFacts) -> None:
        """Fold the log into the database, so that the file is whole by itself."""
        known = (wanted.device, wanted.inode)
        with connected(Path(self._path), self._name, only=known) as connection, translated(self._name):
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise CannotProve("database.in-use", target=self._name)

    def _rows(self, known: tuple[int, int]) -> int:
        with connected(Path(self._path), self._name, only=known) as connection, translated(self._name):
            names = [
                row[0].decode("utf-8", "surrogateescape").replace('"', '""')
                for row in connection.execute(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
                )
            ]
            return sum(
                connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - quoted
                for name in names
            )

    def _unpack(self, place: Path, source: Source) -> None:
        wanted = self._known(source)
        try:
            with place.open("xb") as file, source.blob(f"{self._name}.sqlite") as stream:
                hashing = Counting(file)
                for chunk in chunks(stream):
                    hashing.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ground.refused(error, self._path) from None
        if hashing.digest.hexdigest() != wanted.sha256:
            raise CannotProve("files.not-the-same", path=self._path)
        (report := report_of(source)).begin("comparing")
        if not facts(place, self._name, report=report).same_rows(wanted):
            raise CannotProve("files.not-the-same", path=self._path)

    def _known(self, source: Source) -> DatabaseFacts:
        with source.blob(f"{self._name}.database.json") as stream:
            return DatabaseFacts.of(b"".join(chunks(stream)))

    def _file(self, parent: int) -> os.stat_result:
        about = ground.look(parent, self._base)
        if about is None:
            raise TargetDown("files.missing", path=self._path)
        if not stat.S_ISREG(about.st_mode):
            raise CannotProve("files.link-on-the-way", path=self._path)
        return about

    def _names(self, folder: int) -> list[str]:
        """The files of the database that are there, the database itself first."""
        names = [self._base + suffix for suffix in ("", *_BESIDE)]
        return [name for name in names if ground.look(folder, name) is not None]

    def _require_same(self, folder: int, wanted: DatabaseFacts) -> None:
        about = ground.look(folder, self._base)
        if about is None or (about.st_dev, about.st_ino) != (wanted.device, wanted.inode):
            raise CannotProve("files.another-folder", path=self._path)

    def _require_rows(self, aside: Path, wanted: DatabaseFacts, report: Report) -> None:
        report.begin("comparing")
        if not facts(aside, self._name, check=False, report=report).same_rows(wanted):
            raise CannotProve("files.touched-aside", path=str(aside))

    def _file_aside(self, operation: str) -> Path:
        return self._quarantine().place(operation) / self._name / self._base

    def _quarantine(self) -> Quarantine:
        return Quarantine(self._ground.root_of(self._path))

    @contextmanager
    def _folder(self, operation: str) -> Iterator[int]:
        """The folder of this database in the quarantine."""
        with self._quarantine().open(operation) as above:
            if ground.look(above, self._name) is None:
                ground.make(above, self._name, self._path)
                ground.sync(above)
            with ground.inner(above, self._name, self._path) as folder:
                yield folder

    def _clear(self, operation: str) -> None:
        """The folder in the quarantine, as far as it is empty."""
        quarantine = self._quarantine()
        place = quarantine.place(operation)
        if not place.exists():
            return
        with ground.folder(str(place)) as above:
            if ground.look(above, self._name) is not None and not any((place / self._name).iterdir()):
                os.rmdir(self._name, dir_fd=above)
                ground.sync(above)
        quarantine.close(operation)

    @contextmanager
    def _scratch(self, operation: str, name: str) -> Iterator[Path]:
        """A place for one file in the worker's own folder; it is gone afterwards."""
        quarantine = Quarantine(self._ground.root_of(self._path))
        with quarantine.open(operation) as folder:
            removal.clear(folder, name, self._path)
            ground.make(folder, name, self._path)
            try:
                yield quarantine.place(operation) / name / "database"
            finally:
                removal.clear(folder, name, self._path)
