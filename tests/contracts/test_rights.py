"""A worker that is not root: what it may not touch is found while planning, or undone when it comes later."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.targets.files import FolderHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.system import Holding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.systems import restored
from tests.fakes.users import WORKER, as_worker, made_by_worker, refusal, shared_folder

OP = "t9"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def root() -> Iterator[Path]:
    with shared_folder() as folder:
        place = folder / "srv"
        for made in (place / "crm" / "uploads" / "deep", place / "data"):
            made.mkdir(parents=True)
        (place / "crm" / "uploads" / "deep" / "offer").write_text("an offer")
        (place / "crm" / "uploads" / "link").symlink_to("/etc/passwd")
        with closing(sqlite3.connect(place / "data" / "crm.db")) as connection:
            connection.execute("CREATE TABLE t (x)")
            connection.execute("INSERT INTO t VALUES ('a row')")
            connection.commit()
        for one in (place, *place.rglob("*")):
            os.chown(one, WORKER, WORKER, follow_symlinks=False)
        yield place


def uploads(root: Path) -> FolderHolding:
    return FolderHolding("uploads", str(root / "crm" / "uploads"), [str(root)])


def database(root: Path) -> SqliteHolding:
    return SqliteHolding("database", str(root / "data" / "crm.db"), [str(root)])


def copied(one: Holding) -> MemoryBackup:
    backup = MemoryBackup()
    one.copy(backup)
    return backup.sealed()


def whole_way(one: Holding) -> None:
    one.survey()
    backup = copied(one)
    one.rehearse(OP, backup)
    one.set_aside(OP, backup)
    one.verify(OP, backup)
    one.remove(OP, backup)
    restored(one, OP, backup)


@pytest.mark.parametrize("part", [uploads, database])
def test_what_is_the_workers_own_goes_and_comes_back(root: Path, part: Callable[[Path], Holding]) -> None:
    assert as_worker(lambda: whole_way(part(root))) == ("", "")
    assert (root / "crm" / "uploads" / "deep" / "offer").stat().st_uid == WORKER


def to_root(path: str, mode: int) -> Callable[[Path], Path]:
    def change(root: Path) -> Path:
        os.chown(root / path, 0, 0)
        (root / path).chmod(mode)
        return root / path

    return change


def with_mode(path: str, mode: int) -> Callable[[Path], Path]:
    def change(root: Path) -> Path:
        (root / path).chmod(mode)
        return root / path

    return change


def another_in_a_sticky_folder(root: Path) -> Path:
    folder = root / "crm" / "uploads" / "deep"
    to_root("crm/uploads/deep", 0o1777)(root)
    return to_root("crm/uploads/deep/offer", 0o666)(root) and folder


def a_pipe_of_another(root: Path) -> Path:
    os.mkfifo(root / "crm" / "uploads" / "pipe")
    return root / "crm" / "uploads" / "pipe"


PLANNED: dict[str, tuple[Callable[[Path], Holding], Callable[[Path], Path], str]] = {
    "a file that it may not read": (uploads, to_root("crm/uploads/deep/offer", 0o600), "not-mine"),
    "its own file without the right to read": (
        uploads,
        with_mode("crm/uploads/deep/offer", 0o200),
        "no-right-to",
    ),
    "its own folder that it may list but not enter": (
        uploads,
        with_mode("crm/uploads/deep", 0o600),
        "no-right",
    ),
    "its own folder that it may not change": (
        uploads,
        with_mode("crm/uploads/deep", 0o500),
        "no-right-to",
    ),
    "a file of another that everybody may read": (
        uploads,
        to_root("crm/uploads/deep/offer", 0o644),
        "not-mine",
    ),
    "a folder inside that is not its own": (uploads, to_root("crm/uploads/deep", 0o777), "not-mine"),
    "a folder that it may not list": (uploads, to_root("crm/uploads/deep", 0o711), "no-right-to"),
    "a sticky folder of another": (uploads, another_in_a_sticky_folder, "not-mine"),
    "a pipe of another": (uploads, a_pipe_of_another, "not-mine"),
    "the folder itself": (uploads, to_root("crm/uploads", 0o755), "not-mine"),
    "the folder around it": (uploads, to_root("crm", 0o755), "no-right-to"),
    "the allowed root": (uploads, to_root(".", 0o755), "no-right-to"),
    "a database that it may not read": (database, to_root("data/crm.db", 0o600), "not-mine"),
    "a database that it may only read": (
        database,
        with_mode("data/crm.db", 0o400),
        "no-right-to",
    ),
    "a database of another that everybody may write": (database, to_root("data/crm.db", 0o666), "not-mine"),
    "the folder around the database": (database, to_root("data", 0o755), "no-right-to"),
    "the allowed root of the database": (database, to_root(".", 0o755), "no-right-to"),
}


@pytest.mark.parametrize("case", PLANNED)
def test_a_missing_right_is_found_while_planning(root: Path, case: str) -> None:
    part, change, key = PLANNED[case]
    place = change(root)
    found, sentence = as_worker(lambda: part(root).survey())
    assert found == f"files.{key}", sentence
    assert str(place) in sentence
    assert "give it" in sentence or "give it the right" in sentence
    assert not (root / ".countersign-quarantine").exists()


LATER: dict[str, tuple[str, str, int, Callable[[Path], Holding]]] = {
    "before the backup": ("copy", "crm/uploads/deep/offer", 0o600, uploads),
    "before the test restore": ("rehearse", ".", 0o755, uploads),
    "before it is set aside": ("set_aside", "crm", 0o755, uploads),
    "the folder itself before it is set aside": ("set_aside", "crm/uploads", 0o755, uploads),
    "a database before the backup": ("copy", "data/crm.db", 0o600, database),
    "a database before it is set aside": ("set_aside", "data", 0o755, database),
}


@pytest.mark.parametrize("case", LATER)
def test_a_right_that_is_lost_after_the_approval_stops_it_and_nothing_has_moved(
    root: Path, case: str
) -> None:
    at, path, mode, part = LATER[case]
    backup, one = MemoryBackup(), part(root)
    before = sorted(str(path) for path in root.rglob("*"))
    if at != "copy":
        backup = made_by_worker(lambda: copied(one))
    to_root(path, mode)(root)
    steps: dict[str, Callable[[], object]] = {
        "copy": lambda: one.copy(backup),
        "rehearse": lambda: one.rehearse(OP, backup),
        "set_aside": lambda: one.set_aside(OP, backup),
    }
    found, sentence = as_worker(steps[at])
    assert found.split(".")[0] in ("files", "target"), sentence
    assert found in ("files.no-right", "files.no-right-to", "target.cannot-open", "target.read-only"), (
        sentence
    )
    assert as_worker(lambda: one.put_back(OP)) == ("", "")
    assert sorted(str(path) for path in root.rglob("*")) == before
    assert one.whereabouts(OP) == "in-place"


@pytest.mark.parametrize("part", [uploads, database])
def test_what_cannot_be_looked_at_is_not_called_gone(root: Path, part: Callable[[Path], Holding]) -> None:
    one = part(root)
    backup = made_by_worker(lambda: copied(one))
    assert as_worker(lambda: one.set_aside(OP, backup)) == ("", "")
    to_root(".", 0o700)(root)
    asked = (
        one.whereabouts,
        lambda op: one.remove(op, backup),
        lambda op: one.verify(op, backup),
        one.put_back,
    )
    for ask in asked:
        found, sentence = as_worker(lambda ask=ask: ask(OP))  # type: ignore[misc] # bound here
        assert found == "files.no-right", sentence


def chattr(mark: str, path: Path) -> bool:
    return not subprocess.run(["chattr", mark, path], capture_output=True, check=False).returncode


IMMUTABLE: dict[str, tuple[str, Callable[[Path], Holding]]] = {
    "a file": ("crm/uploads/deep/offer", uploads),
    "a folder": ("crm/uploads/deep", uploads),
    "the folder itself": ("crm/uploads", uploads),
    "the folder around it": ("crm", uploads),
    "the allowed root": (".", uploads),
    "the database": ("data/crm.db", database),
    "the folder around the database": ("data", database),
}


@pytest.mark.parametrize("mark", ["i", "a"])
@pytest.mark.parametrize("case", IMMUTABLE)
def test_what_is_immutable_is_found_while_planning_even_by_root(root: Path, case: str, mark: str) -> None:
    path, part = IMMUTABLE[case]
    asked = []
    for ask, owner in ((as_worker, WORKER), (refusal, 0)):
        for one in (root, *root.rglob("*")):
            os.chown(one, owner, owner, follow_symlinks=False)
        if not chattr(f"+{mark}", root / path):
            pytest.skip("this file system or user has no immutable files")
        asked.append(ask(lambda: part(root).survey()))
        chattr(f"-{mark}", root / path)
    for found, sentence in asked:
        assert found == "files.marked", sentence
        assert str(root / path) in sentence
        assert "chattr" in sentence
