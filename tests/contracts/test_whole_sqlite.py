"""A whole SQLite database as a holding: with log and journal, while somebody holds it, and back again."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import CannotProve, CountersignError, Stale
from bot.sandbox import crm
from bot.targets.sqlite_whole import SqliteHolding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.systems import restored

OP = "teardown-7"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "srv"
    place.mkdir(mode=0o755)
    return place


def planted(root: Path, *, wal: bool = True) -> Path:
    path = root / "crm.db"
    crm.create(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        connection.execute("CREATE VIRTUAL TABLE search USING fts5(body)")
        connection.execute("INSERT INTO search VALUES ('Ada')")
        connection.execute('CREATE TABLE "odd""name" (x)')
        connection.execute('INSERT INTO "odd""name" VALUES (CAST(x\'ff\' AS TEXT)), (NULL), (-0.0)')
        connection.commit()
    path.chmod(0o640)
    return path


def holding(root: Path) -> SqliteHolding:
    return SqliteHolding("crm-db", str(root / "crm.db"), [str(root)])


def copied(one: SqliteHolding) -> MemoryBackup:
    backup = MemoryBackup()
    one.copy(backup)
    return backup.sealed()


@pytest.mark.parametrize("wal", [True, False], ids=["with a log", "with a journal"])
def test_the_whole_way_there_and_back(root: Path, wal: bool) -> None:
    path = planted(root, wal=wal)
    before, one = crm.contents(path), holding(root)
    rows = one.survey().items
    assert rows > sum(map(len, before.values()))
    backup = copied(one)
    assert set(root.iterdir()) == {path}
    one.rehearse(OP, backup)
    for _ in range(2):
        one.set_aside(OP, backup)
    assert [entry.name for entry in root.iterdir()] == [".countersign-quarantine"]
    assert one.whereabouts(OP) == "set-aside"
    for _ in range(2):
        one.put_back(OP)
    assert set(root.iterdir()) == {path}
    assert crm.contents(path) == before
    one.set_aside(OP, backup)
    assert one.remove(OP, backup).left == ()
    assert list(root.iterdir()) == []
    assert one.remove(OP, backup).removed == 0
    restored(one, OP, backup)
    assert crm.contents(path) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert set(root.iterdir()) == {path}
    with pytest.raises(CannotProve, match="in-the-way"):
        restored(one, OP, backup)
    restored(one, OP, backup, str(root / "copy.db"))
    assert crm.contents(root / "copy.db") == before


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("UPDATE users SET name = 'changed by the program' WHERE id = 1")
connection.execute("BEGIN"); connection.execute("SELECT count(*) FROM users").fetchone()
print("ready", flush=True); sys.stdin.readline()
connection.execute("COMMIT"); print("idle", flush=True); sys.stdin.read()
"""


def test_a_program_that_reads_it_is_named_and_its_newest_rows_are_backed_up(root: Path) -> None:
    path = planted(root)
    one = holding(root)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert {(user.pid, user.how) for user in one.users(OP).users} >= {(child.pid, "open")}
        before = crm.contents(path)
        assert before["users"][0][1] == "changed by the program"
        backup = copied(one)
        with pytest.raises(CannotProve, match=r"database\.in-use"):
            one.set_aside(OP, backup)
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"idle\n"
        one.set_aside(OP, backup)
        with pytest.raises(Stale, match="in-use") as caught:
            one.remove(OP, backup)
        assert caught.value.params["pid"] == child.pid
        child.communicate(b"")
    one.put_back(OP)
    assert crm.contents(path) == before


def test_killed_between_two_renames_is_taken_up(root: Path) -> None:
    path = planted(root)
    one = holding(root)
    before, backup = crm.contents(path), copied(one)
    for suffix in ("-wal", "-shm"):
        (root / f"crm.db{suffix}").write_bytes(b"")
    aside = root / ".countersign-quarantine" / OP / "crm-db"
    aside.mkdir(parents=True, mode=0o700)
    for folder in (aside.parent, aside.parent.parent):
        folder.chmod(0o700)
    path.rename(aside / "crm.db")
    one.set_aside(OP, backup)
    assert [entry.name for entry in root.iterdir()] == [".countersign-quarantine"]
    one.put_back(OP)
    assert crm.contents(path) == before


def test_a_row_written_after_the_backup_is_noticed(root: Path) -> None:
    path = planted(root)
    one = holding(root)
    backup = copied(one)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE users SET name = 'late' WHERE id = 2")
        connection.commit()
    with pytest.raises(CannotProve, match="changed-since"):
        one.set_aside(OP, backup)
    one.put_back(OP)
    assert crm.contents(path)["users"][1][1] == "late"


def test_a_damaged_database_is_no_backup(root: Path) -> None:
    path = planted(root, wal=False)
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 3 + 200] = os.urandom(200)
    path.write_bytes(data)
    with pytest.raises(CountersignError) as caught:
        copied(holding(root))
    assert caught.value.key in ("database.damaged", "target.damaged")
    assert set(root.iterdir()) == {path}


def test_a_backup_with_a_byte_changed_fails_its_rehearsal(root: Path) -> None:
    planted(root)
    one = holding(root)
    backup = copied(one)
    data = bytearray(backup.streams["crm-db.sqlite"])
    data[-5] ^= 1
    backup.streams["crm-db.sqlite"] = bytes(data)
    with pytest.raises(CannotProve, match="not-the-same"):
        one.rehearse(OP, backup)
    assert [entry.name for entry in root.iterdir()] == ["crm.db"]


def test_another_file_in_its_place_is_not_touched(root: Path) -> None:
    path = planted(root)
    one = holding(root)
    backup = copied(one)
    path.rename(root / "moved.db")
    crm.create(path)
    with pytest.raises(CannotProve, match="another-folder"):
        one.set_aside(OP, backup)
    path.unlink()
    path.symlink_to(root / "moved.db")
    for attempt in (one.survey, lambda: one.set_aside(OP, backup)):
        with pytest.raises(CannotProve):
            attempt()
    assert path.is_symlink()
