"""What every target of records promises, as an operation would use it. One suite, every implementation."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import BadInput, Broken, CountersignError, TargetDown
from bot.targets import open_target
from bot.targets.base import Edge, RecordTarget, Row, Session, Tally
from bot.texts import say
from tests.contracts.installations import CASCADE, EMPTY, KINDS, Installation, sqlite_installation


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with KINDS[request.param](tmp_path) as installation:
        yield installation


def edge(target: RecordTarget, label: str) -> Edge:
    with target.reading() as session:
        return next(one for one in session.catalogue().edges if one.label == label)


def test_the_catalogue_has_tables_keys_and_edges(place: Installation) -> None:
    with place.open().reading() as session:
        known = session.catalogue()
    # A server shows other databases as well.
    ours = {name: table for name, table in known.tables.items() if "." not in name}
    assert {name: table.key for name, table in ours.items()} == {
        "parents": ("id",),
        "children": ("a", "b"),
        "visits": ("id",),
        "loners": (),
    }
    about = {one.label: (one.action, one.indexed, one.sound) for one in known.edges if one.child in ours}
    assert about == {CASCADE: ("cascade", place.indexes_keys, True), EMPTY: ("set null", True, True)}


def test_opening_reads_nothing_and_identity_names_the_database(place: Installation) -> None:
    target = place.open()
    assert target.name == "crm"
    assert target.identity["database"]
    assert place.open().identity == target.identity
    for key, params in target.warnings:
        assert say(key, "en", **params)


def test_a_key_set_grows_round_by_round_and_each_key_counts_once(place: Installation) -> None:
    target = place.open()
    follow = edge(target, CASCADE)
    with target.reading() as session:
        session.prepare(["parents", "children", "visits"], [])
        assert session.seed("parents", place.said((1,), (2,), (404,), (1,))) == 2
        assert session.pointing(follow) == 3
        assert session.grow(follow, 0) == 3
        assert session.grow(follow, 0) == 0
        assert session.pointing(follow) == 0
        assert set(session.keys("children")) == {*place.said((1, "x"), (1, "y"), (2, "x"))}
        assert set(session.rows("children")) == {
            *place.said((1, "x", 1, "n"), (1, "y", 1, ""), (2, "x", 2, None))
        }
        assert list(session.keys("visits")) == []
        assert list(session.rows("visits")) == []
        assert session.size("children") == 4


def test_a_link_set_holds_keys_and_old_values_of_rows_that_stay(place: Installation) -> None:
    target = place.open()
    follow, empty = edge(target, CASCADE), edge(target, EMPTY)
    with target.reading() as session:
        session.prepare(["parents", "children"], [empty])
        session.seed("parents", place.said((1,)))
        session.grow(follow, 0)
        assert session.note(empty) == 2
        assert set(session.links(empty)) == {*place.said((1, "p1"), (4, "p1"))}


def test_what_is_forgotten_is_found_again_as_if_for_the_first_time(place: Installation) -> None:
    target = place.open()
    follow, empty = edge(target, CASCADE), edge(target, EMPTY)

    def walk(session: Session, parent: int) -> tuple[int, int, set[Row], set[Row]]:
        assert session.seed("parents", place.said((parent,))) == 1
        grown, noted = session.grow(follow, 0), session.note(empty)
        return grown, noted, set(session.keys("children")), set(session.links(empty))

    alone = []
    for parent in (1, 2):
        with target.reading() as session:
            session.prepare(["parents", "children"], [empty])
            alone.append(walk(session, parent))
    for opened in (target.reading, target.writing):
        with opened() as session:
            session.prepare(["parents", "children"], [empty])
            for parent in (1, 2, 1):
                assert walk(session, parent) == alone[parent - 1]
                session.forget()
                assert not list(session.keys("children"))


def test_finding_is_exact(place: Installation) -> None:
    with place.open().reading() as session:
        assert session.find("parents", "code", "p1", 5) == place.said((1,))
        assert session.find("parents", "id", "3", 5) == place.said((3,))
        assert session.find("children", "note", "", 5) == place.said((1, "y"))
        for text in ("P1", "p_", "%", "p1 ", "3.0", "03", " 3", "1e0", "'", "\0"):
            assert session.find("parents", "code", text, 5) == []
            assert session.find("parents", "id", text, 5) == []
        assert len(session.find("children", "a", "1", 1)) == 1


def test_a_reading_session_sees_one_snapshot_or_keeps_writers_out(place: Installation) -> None:
    with place.open().reading() as session:
        before = session.size("visits")
        with suppress(sqlite3.OperationalError):
            place.ask("INSERT INTO visits VALUES (9, NULL)")
        assert session.size("visits") == before


def test_staged_rows_come_back_as_they_were_and_meet_the_live_ones(place: Installation) -> None:
    rows = place.said((1, "x", 1, "n"), (1, "y", 1, "other"), (9, "x", 404, None))
    target = place.open()
    with target.reading() as session:
        assert session.stage("children", "children", ("a", "b", "parent", "note"), rows) == 3
        assert set(session.staged("children")) == set(rows)
        assert dict(session.pairs("children")) == {
            rows[0]: rows[0],
            rows[1]: place.said((1, "y", 1, ""))[0],
            rows[2]: None,
        }
        tally = session.tally("children")
        assert (tally.rows, tally.missing, tally.settled) == (3, 1, False)
        assert tally.identical <= 1
        assert session.orphans(edge(target, CASCADE), "children") == 1
    with target.reading() as session:
        session.stage("children", "children", ("a", "b", "parent", "note"), rows)
        assert session.stage("parents", "parents", ("id", "code", "name"), place.said((404, "p1", None))) == 1
        assert session.orphans(edge(target, CASCADE), "children") == 0
        assert session.tally("parents") == Tally(1, 1, 0)
        assert session.tally("parents").settled
        assert session.clashes("parents") == 1
        assert session.clashes("children") == 0


def test_deleting_and_emptying_counts_what_it_did_and_nothing_else(place: Installation) -> None:
    target = place.open()
    follow, empty = edge(target, CASCADE), edge(target, EMPTY)
    with target.writing() as session:
        session.seed("parents", place.said((1,)))
        session.grow(follow, 0)
        session.note(empty)
        session.stage("parents", "parents", ("id", "code", "name"), list(session.rows("parents")))
        before = session.changes()
        assert session.unlink(empty) == 2
        assert session.delete(["children"]) == {"children": 2}
        assert session.delete(["parents"]) == {"parents": 1}
        assert session.changes() - before == 5
        assert not session.dangling(["children", "visits"])
        assert session.left(follow, "parents") == session.left(empty, "parents") == 0
        session.extend()
        session.commit()
    assert place.ask("SELECT a, b FROM children ORDER BY a") == [(2, "x"), (3, "z")]
    assert place.ask("SELECT id, code FROM visits ORDER BY id") == [
        (1, None),
        (2, "p2"),
        (3, None),
        (4, None),
    ]


def test_what_the_database_would_cascade_by_itself_is_left_to_us(place: Installation) -> None:
    """A child that the key sets miss is not taken along in silence: it is left, or it is counted."""
    target = place.open()
    follow = edge(target, CASCADE)
    with target.writing() as session:
        session.seed("parents", place.said((1,)))
        session.stage("parents", "parents", ("id", "code", "name"), list(session.rows("parents")))
        before = session.changes()
        gone = session.delete(["parents"])
        assert gone == {"parents": 1}
        if session.changes() - before == 1:
            assert session.left(follow, "parents") == 2
            assert session.dangling(["children"]) == {CASCADE: 2}


def test_inserting_and_relinking_is_the_mirror(place: Installation) -> None:
    before = [place.ask(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("parents", "children", "visits")]
    place.ask("DELETE FROM children WHERE parent = 1")
    place.ask("DELETE FROM parents WHERE id = 1")
    place.ask("UPDATE visits SET code = NULL WHERE code = 'p1'")
    target = place.open()
    with target.writing() as session:
        session.stage(
            "parents", "parents", ("id", "code", "name"), place.said((1, "p1", "One"), (2, "p2", "Two"))
        )
        session.stage(
            "children",
            "children",
            ("a", "b", "parent", "note"),
            place.said((1, "x", 1, "n"), (1, "y", 1, "")),
        )
        session.stage(EMPTY, "visits", ("id", "code"), place.said((1, "p1"), (4, "p1"), (2, "p1")))
        mark = session.changes()
        assert session.insert(["parents"]) == {"parents": 1}
        assert session.insert(["children"]) == {"children": 2}
        assert session.relink(EMPTY, ("code",)) == 2
        assert session.changes() - mark == 5
        session.commit()
    assert [
        place.ask(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("parents", "children", "visits")
    ] == before


def test_without_a_commit_nothing_has_happened(place: Installation) -> None:
    target = place.open()
    with suppress(RuntimeError), target.writing() as session:
        session.seed("parents", place.said((3,)))
        session.delete(["parents"])
        raise RuntimeError
    with target.writing() as session:
        session.seed("parents", place.said((3,)))
        session.delete(["parents"])
        # Whatever makes room for rows may not end the transaction.
        session.stage("parents", "parents", ("id", "code", "name"), place.said((9, "p9", None)))
        session.note(edge(place.open(), EMPTY))
        session.insert(["parents"])
    assert place.ask("SELECT count(*) FROM parents") == [(3,)]


def test_a_second_writer_waits_a_bounded_time_and_is_told(place: Installation) -> None:
    with place.open().writing():
        started = time.monotonic()
        with pytest.raises(TargetDown) as caught, place.open(max_lock=0.5).writing():
            pass
        assert time.monotonic() - started < 5
    assert caught.value.key == "target.locked"
    with place.open().writing():
        pass


def test_a_second_writer_gets_the_lock_as_soon_as_the_first_is_done(place: Installation) -> None:
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with place.open().writing():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    threading.Timer(0.2, leave.set).start()
    with place.open().writing() as session:
        assert session.size("parents") == 3
    thread.join(10)


def test_a_writing_session_sees_what_was_committed_a_moment_before(place: Installation) -> None:
    target = place.open()
    place.ask("INSERT INTO visits VALUES (9, 'p1')")
    with target.writing() as session:
        session.seed("parents", place.said((1,)))
        assert session.pointing(edge(target, EMPTY)) == 3


def test_statements_stop_at_max_lock(place: Installation) -> None:
    place.ask(
        "INSERT INTO children WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
        " SELECT i, 'x', 3, 'n' FROM n"
    )
    target = place.open(max_lock=0.0)
    for session_of in (target.reading, target.writing):
        with pytest.raises(TargetDown) as caught, session_of() as session:
            session.seed("parents", place.said((3,)))
            session.grow(edge(place.open(), CASCADE), 0)
        assert caught.value.key == "target.too-slow"


def test_max_lock_is_checked_when_asked(place: Installation) -> None:
    with place.open(max_lock=0.0).writing() as session, pytest.raises(TargetDown) as caught:
        session.extend()
    assert caught.value.key == "target.lock-too-long"


def test_a_soft_link_is_narrowed_by_its_condition(place: Installation) -> None:
    link = Edge("children", ("note",), "parents", ("code",), "soft", where="note <> 'n' -- a comment")
    place.ask("UPDATE children SET note = 'p1' WHERE a = 3")
    with place.open().reading() as session:
        checked = session.check(link)
        assert not checked.indexed
        session.prepare(["parents", "children"], [])
        session.seed("parents", place.said((1,)))
        assert session.grow(checked, 0) == 1
        assert list(session.keys("children")) == place.said((3, "z"))
        with pytest.raises(BadInput):
            session.check(Edge("children", ("note",), "parents", ("code",), "soft", where="nonsense ="))


def test_every_transaction_has_a_name_of_its_own(place: Installation) -> None:
    names = set()
    for _ in range(3):
        with place.open().writing() as session:
            names.add(session.transaction())
    assert len(names) == 3


# --- bad URLs and bad files --------------------------------------------------------------------------------


def told(error: CountersignError) -> str:
    sentence = say(error.key, "en", **error.params)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    return sentence


@pytest.mark.parametrize(
    "url",
    [
        "oracle://scott:tiger@db/crm",
        "postgresql+asyncpg://u:secret@db/crm",
        "crm.db",
        "",
        "://",
        "file:///crm.db",
        "sqlite",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///crm.db?mode=ro",
        "sqlite:///crm\0.db",
        "postgresql://",
        "postgresql://u:secret@db",
        "postgresql://u:secret@db:port/crm",
        "postgresql://u:secret@db/crm?options=-csearch_path%3Devil",
        "postgresql://u:secret@db/crm?service=other",
        "postgresql://u:secret@db/crm?nonsense=1",
        "postgresql://u:secret@db/crm\0",
        "mysql://",
        "mysql://u:secret@db",
        "mysql://u:secret@db:port/crm",
        "mariadb://u:secret@db/crm?init_command=x",
        "mysql://u:secret@db/crm/more",
        "mysql://u:secret@db/crm?connect_timeout=soon",
        "mysql://u:secret@db/crm\0",
    ],
)
def test_a_url_that_is_not_understood_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        open_target("crm", url, timedelta(seconds=1))
    sentence = told(caught.value)
    assert "crm" in sentence
    assert "secret" not in sentence
    assert "tiger" not in sentence


def read_all(session: Session) -> None:
    for name in session.catalogue().tables:
        session.size(name)


def raised(target: RecordTarget) -> Broken:
    """What both kinds of session say about the file."""
    with pytest.raises(Broken) as reading, target.reading() as session:
        read_all(session)
    with pytest.raises(Broken), target.writing() as session:
        read_all(session)
    return reading.value


def broken(path: Path, target: RecordTarget) -> Broken:
    error = raised(target)
    assert path.name not in told(error)
    return error


@pytest.fixture
def lite(tmp_path: Path) -> tuple[Path, RecordTarget]:
    return tmp_path / "crm.db", sqlite_installation(tmp_path).open(max_lock=0.5)


def overwrite(path: Path, start: int, data: bytes) -> None:
    raw = bytearray(path.read_bytes())
    raw[start : start + len(data)] = data
    path.write_bytes(raw)


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "it is not there": (Path.unlink, "target.missing"),
    "it is a folder": (folder_instead, "target.not-a-database"),
    "it is empty": (lambda path: path.write_bytes(b""), "target.empty"),
    "it is another kind of file": (lambda path: path.write_bytes(b"PK\3\4" * 4096), "target.not-a-database"),
    "a page is overwritten": (lambda path: overwrite(path, 4096, b"\xff" * 8192), "target.damaged"),
    "it is cut off": (lambda path: os.truncate(path, 4096), "target.damaged"),
}


@pytest.mark.parametrize(("harm", "key"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_no_database_any_more_is_told(
    lite: tuple[Path, RecordTarget], harm: Callable[[Path], object], key: str
) -> None:
    path, target = lite
    harm(path)
    assert broken(path, target).key == key


def test_a_locked_database_is_told(lite: tuple[Path, RecordTarget]) -> None:
    path, target = lite
    with closing(sqlite3.connect(path)) as stranger:
        stranger.execute("BEGIN EXCLUSIVE")
        assert broken(path, target).key == "target.locked"


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of somebody without privileges, who we are for the time of the test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "key"),
    [
        (0o400, 0o700, "target.read-only"),
        (0o600, 0o500, "target.read-only"),
        (0o000, 0o700, "target.cannot-open"),
    ],
)
def test_a_file_without_rights_is_told(nobody: Path, file_mode: int, folder_mode: int, key: str) -> None:
    target = sqlite_installation(nobody).open(max_lock=0.5)
    (nobody / "crm.db").chmod(file_mode)
    nobody.chmod(folder_mode)
    assert raised(target).key == key


def test_a_folder_that_may_not_be_entered_is_told(nobody: Path) -> None:
    inside = nobody / "inside"
    inside.mkdir()
    target = sqlite_installation(inside).open(max_lock=0.5)
    inside.chmod(0o000)
    try:
        assert raised(target).key == "target.cannot-open"
    finally:
        inside.chmod(0o700)


def test_a_disk_that_is_full_changes_nothing(tmp_path: Path) -> None:
    """The journal may not grow: every write past the limit fails, as on a full disk."""
    place = sqlite_installation(tmp_path)
    place.ask(
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO children SELECT i, 'x', 3, hex(zeroblob(100)) FROM n"
    )
    before = place.ask("SELECT count(*) FROM children")
    script = f"""
import resource
from datetime import timedelta
from bot.errors import TargetDown
from bot.targets import open_target
target = open_target("crm", {place.url!r}, timedelta(seconds=30))
with target.reading() as session:
    follow = next(one for one in session.catalogue().edges if one.label == {CASCADE!r})
try:
    with target.writing() as session:
        session.seed("parents", [(3,)])
        session.grow(follow, 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        session.delete(["children"])
        session.commit()
except TargetDown as error:
    print(error.key)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() in ("target.full", "target.disk")
    assert place.ask("SELECT count(*) FROM children") == before
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65536


def test_what_a_killed_program_left_half_done_does_not_stop_a_plan(tmp_path: Path) -> None:
    place = sqlite_installation(tmp_path)
    place.ask(
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO children SELECT i, 'x', 3, hex(zeroblob(100)) FROM n"
    )
    script = f"""
import os, signal, sqlite3
c = sqlite3.connect({str(tmp_path / "crm.db")!r}, isolation_level=None)
c.execute("PRAGMA cache_size = 5")
c.execute("BEGIN IMMEDIATE")
c.execute("DELETE FROM children")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert (tmp_path / "crm.db-journal").exists()
    with place.open().reading() as session:
        assert session.size("children") == 19995
