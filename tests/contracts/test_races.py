"""Somebody who exchanges folders for links as fast as possible gets nothing from outside read, moved or removed."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pytest

from bot.errors import CountersignError
from bot.targets import removal
from bot.targets.entries import Entry
from bot.targets.files import FolderHolding
from bot.targets.ground import folder
from bot.targets.sqlite_facts import DatabaseFacts
from bot.targets.sqlite_whole import SqliteHolding
from tests.fakes.backup_streams import MemoryBackup

OP = "t4"
ROUNDS = 40
#: PLACE, the link's target, until it is ended: the thing is away, a link stands there, the thing is back.
SWAPPER = """
import os, random, sys, time
os.chdir(sys.argv[1])
place, victim = sys.argv[2:]
print("ready", flush=True)
while True:
    try:
        os.rename(place, "hidden.spare"); os.symlink(victim, place)
        time.sleep(random.random() * 0.003)
    except OSError:
        pass
    try: os.unlink(place)
    except OSError: pass
    try: os.rename("hidden.spare", place)
    except OSError: pass
    time.sleep(random.random() * 0.03)
"""
SECRET = b"a secret of somebody else"


@contextmanager
def swapping(above: Path, name: str, victim: Path) -> Iterator[None]:
    """Another process at it, until the end; then everything is in its place again."""
    with subprocess.Popen(
        [sys.executable, "-c", SWAPPER, above, name, victim], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "srv"
    (place / "crm" / "inner" / "deep").mkdir(parents=True)
    for name in ("one", "two", "three"):
        (place / "crm" / "inner" / "deep" / name).write_text(f"ours {name}")
    victim = tmp_path / "outside"
    (victim / "deep").mkdir(parents=True)
    for name in ("one", "two", "three"):
        (victim / "deep" / name).write_bytes(SECRET)
    place.chmod(0o755)
    return place


def kept(victim: Path) -> bool:
    return all((victim / "deep" / name).read_bytes() == SECRET for name in ("one", "two", "three"))


def test_a_folder_swapped_while_it_is_backed_up(root: Path) -> None:
    victim, one = root.parent / "outside", FolderHolding("crm", str(root / "crm"), [str(root)])
    with swapping(root / "crm", "inner", victim):
        for _ in range(ROUNDS):
            backup = MemoryBackup()
            with suppress(CountersignError):
                one.copy(backup)
            for name, stream in backup.streams.items():
                assert SECRET not in stream, name
    assert kept(victim)


def test_a_folder_swapped_while_it_is_set_aside_and_put_back(root: Path) -> None:
    victim, before = root.parent / "outside", (root.parent / "outside").stat().st_ino
    above = root / "theirs"
    above.mkdir()
    (root / "crm").rename(above / "crm")
    one = FolderHolding("crm", str(above / "crm"), [str(root)])
    backup = MemoryBackup()
    one.copy(backup)
    backup.sealed()
    aside = root / ".countersign-quarantine" / OP / "crm"
    with swapping(above, "crm", victim):
        for _ in range(ROUNDS):
            with suppress(CountersignError):
                one.set_aside(OP, backup)
                assert not aside.is_symlink()
            with suppress(CountersignError):
                one.put_back(OP)
            assert kept(victim)
            assert victim.stat().st_ino == before


def test_a_folder_swapped_by_somebody_inside_while_it_is_removed(root: Path) -> None:
    """Only a process that was in it before it was set aside can still reach it."""
    victim, place = root.parent / "outside", root / "crm"
    for n in range(300):
        (place / "inner" / f"{n}").write_text("ours")
        (victim / f"{n}").write_bytes(SECRET)
    one = FolderHolding("crm", str(place), [str(root)])
    backup = MemoryBackup()
    one.copy(backup)
    wanted = [Entry.of(line) for line in backup.streams["crm.entries.jsonl"].splitlines()]
    with swapping(place, "inner", victim), folder(str(root)) as parent:
        for _ in range(ROUNDS):
            with suppress(CountersignError):
                removal.remove(parent, "crm", wanted, str(place))
    assert kept(victim)
    assert len(list(victim.iterdir())) == 301
    assert all((victim / f"{n}").read_bytes() == SECRET for n in range(300))


class Accomplice(MemoryBackup):
    """Exchanges a folder for a link when the stream ``at`` begins, and puts it back when that is over."""

    def __init__(self, at: str, place: Path, victim: Path) -> None:
        super().__init__()
        self._at, self._place, self._victim = at, place, victim

    @contextmanager
    def blob(self, name: str) -> Iterator[BytesIO]:
        mine = name.endswith(self._at) and not self._reading
        hidden = self._place.with_name("hidden")
        if mine:
            time.sleep(0.05)
            self._place.rename(hidden)
            self._place.symlink_to(self._victim)
        try:
            with super().blob(name) as stream:
                yield stream
        finally:
            if mine:
                self._place.unlink()
                hidden.rename(self._place)


@pytest.mark.parametrize("inside", ["inner", "inner/deep", "."])
def test_exchanged_exactly_between_the_list_and_the_copy_nothing_is_sealed(root: Path, inside: str) -> None:
    place, victim = root / "crm" / inside, root.parent / "outside"
    if inside == "inner/deep":
        victim = victim / "deep"
    backup = Accomplice(".tar", place, victim)
    one = FolderHolding("crm", str(root / "crm"), [str(root)])
    with pytest.raises(CountersignError, match=r"changing|link-on-the-way"):
        one.copy(backup)
    assert "crm.tar" not in backup.streams
    assert kept(root.parent / "outside")


class Exchanged(SqliteHolding):
    """Its file is a link at the very moment at which SQLite opens it."""

    def __init__(self, place: Path, root: Path, victim: Path) -> None:
        super().__init__("database", str(place), [str(root)])
        self._place, self._victim = place, victim

    @contextmanager
    def exchanged(self) -> Iterator[None]:
        hidden = self._place.with_name("hidden")
        self._place.rename(hidden)
        self._place.symlink_to(self._victim)
        try:
            yield
        finally:
            self._place.unlink()
            hidden.rename(self._place)

    def _back_up(self, place: Path, known: tuple[int, int]) -> None:
        with self.exchanged():
            super()._back_up(place, known)

    def _checkpoint(self, wanted: DatabaseFacts) -> None:
        with self.exchanged():
            super()._checkpoint(wanted)

    def _rows(self, known: tuple[int, int]) -> int:
        with self.exchanged():
            return super()._rows(known)


def test_a_database_exchanged_for_a_link_is_neither_read_nor_written(root: Path) -> None:
    places = [root / "crm.db", root.parent / "victim.db"]
    for place in places:
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (x)")
            connection.execute("INSERT INTO t VALUES (?)", (place.name,))
            connection.commit()
    one = Exchanged(places[0], root, places[1])
    honest = MemoryBackup()
    SqliteHolding("database", str(places[0]), [str(root)]).copy(honest)
    backup, before = MemoryBackup(), places[1].read_bytes()
    for attempt in (one.survey, lambda: one.copy(backup), lambda: one.set_aside(OP, honest.sealed())):
        with pytest.raises(CountersignError, match="another-folder"):
            attempt()
    assert backup.streams == {}
    assert places[1].read_bytes() == before
    assert one.whereabouts(OP) == "in-place"


def test_a_log_that_is_a_link_is_not_followed(root: Path) -> None:
    place, victim = root / "crm.db", root.parent / "outside" / "deep" / "one"
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
    for suffix in ("-wal", "-shm"):
        Path(f"{place}{suffix}").symlink_to(victim)
    one = SqliteHolding("database", str(place), [str(root)])
    for attempt in (one.survey, lambda: one.copy(MemoryBackup())):
        with pytest.raises(CountersignError):
            attempt()
    assert kept(root.parent / "outside")


@contextmanager
def mounted(source: Path, place: Path) -> Iterator[None]:
    if subprocess.run(["mount", "--bind", source, place], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_mount_that_appears_below_is_met_at_every_step(root: Path) -> None:
    victim, place = root.parent / "outside", root / "crm" / "inner"
    one = FolderHolding("crm", str(root / "crm"), [str(root)])
    backup = MemoryBackup()
    one.copy(backup)
    backup.sealed()
    with mounted(victim, place):
        late = MemoryBackup()
        for attempt in (one.survey, lambda: one.copy(late), lambda: one.set_aside(OP, backup)):
            with pytest.raises(CountersignError, match="mount"):
                attempt()
        assert not any(SECRET in stream for stream in late.streams.values())
        assert one.whereabouts(OP) == "in-place"
    one.set_aside(OP, backup)
    aside = root / ".countersign-quarantine" / OP / "crm"
    with mounted(victim, aside / "inner"):
        for ask in (one.verify, one.remove):
            with pytest.raises(CountersignError, match="mount"):
                ask(OP, backup)
        assert kept(victim)
    assert kept(victim)
