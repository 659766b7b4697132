"""A folder of files as a holding, with the real tar, the real kernel and people who play tricks."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError, NotAllowed, Stale, TargetDown
from bot.targets.entries import Entry, same_content, walk
from bot.targets.files import FolderHolding
from bot.targets.ground import folder
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.systems import restored

OP = "teardown-42"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "srv"
    place.mkdir(mode=0o755)
    return place


def planted(root: Path) -> Path:
    place = root / "crm"
    (place / "uploads" / "empty").mkdir(parents=True)
    (place / "uploads" / "ada.txt").write_text("Ada")
    (place / "-rf \n*").write_bytes(b"\0\xff" * 9)
    (place / os.fsdecode(b"latin-\xe9")).write_text("é")
    os.link(place / "uploads" / "ada.txt", place / "second name")
    (place / "link").symlink_to("/etc/passwd")
    (place / "loop").symlink_to(".")
    os.mkfifo(place / "pipe")
    with (place / "sparse").open("wb") as file:
        file.seek(64 * 1024 * 1024)
        file.write(b"end")
    os.setxattr(place / "uploads", "user.note", b"kept")
    os.setxattr(place / "uploads" / "ada.txt", "user.origin", b"\0\1")
    (place / "uploads").chmod(0o2750)
    (place / "secret").write_text("x")
    (place / "secret").chmod(0o400)
    os.utime(place / "secret", ns=(5, 1_600_000_000_123_456_789))
    if os.geteuid() == 0:
        os.chown(place / "secret", 12345, 23456)
    return place


def holding(root: Path, name: str = "crm", others: tuple[str, ...] = ()) -> FolderHolding:
    return FolderHolding("uploads", str(root / name), [str(root)], others)


def written(place: Path) -> list[Entry]:
    with folder(str(place.parent)) as parent:
        return list(walk(parent, place.name, str(place), read=True))


def copied(one: FolderHolding) -> MemoryBackup:
    backup = MemoryBackup()
    one.copy(backup)
    return backup.sealed()


def aside(root: Path) -> Path:
    return root / ".countersign-quarantine" / OP / "uploads"


def test_the_backup_counts_what_the_plan_counted(root: Path) -> None:
    planted(root)
    assert holding(root).copy(MemoryBackup())["items"] == holding(root).survey().items


def test_the_whole_way_there_and_back(root: Path) -> None:
    place = planted(root)
    before, one = written(place), holding(root)
    found = one.survey()
    assert (found.items, found.kind) == (9, "files")
    backup = copied(one)
    assert len(backup.streams["uploads.tar"]) < 1024 * 1024  # the hole is not written out
    one.rehearse(OP, backup)
    assert not (root / ".countersign-quarantine").exists()
    for _ in range(2):
        one.set_aside(OP, backup)
    assert one.whereabouts(OP) == "set-aside"
    assert not place.exists()
    assert stat.S_IMODE(aside(root).parent.stat().st_mode) == 0o700
    for _ in range(2):
        one.put_back(OP)
    assert written(place) == before
    one.set_aside(OP, backup)
    done = one.remove(OP, backup)
    assert (done.removed, done.left) == (len(before), ())
    assert list(root.iterdir()) == []
    assert one.whereabouts(OP) == "gone"
    assert one.remove(OP, backup).removed == 0
    restored(one, OP, backup)
    assert one.home == str(place)
    assert same_content(before, written(place))
    assert (place / "second name").samefile(place / "uploads" / "ada.txt")
    assert (place / "sparse").stat().st_blocks < 1000
    assert list(root.iterdir()) == [place]
    with pytest.raises(CannotProve, match="in-the-way"):
        restored(one, OP, backup)
    restored(one, OP, backup, str(root / "elsewhere"))
    assert same_content(before, written(root / "elsewhere"))


NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
)
TREES = st.recursive(
    st.binary(max_size=40) | st.integers(0, 3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def grown(place: bytes, tree: object) -> None:
    if isinstance(tree, dict):
        Path(os.fsdecode(place)).mkdir()
        for name, inner in tree.items():
            grown(place + b"/" + name, inner)
    elif isinstance(tree, bytes):
        Path(os.fsdecode(place)).write_bytes(tree)
    elif tree == 0:
        os.mkfifo(place)
    else:
        Path(os.fsdecode(place)).symlink_to(("../..", "nowhere", "/etc")[int(str(tree)) - 1])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, TREES, max_size=5))
def test_any_tree_is_backed_up_removed_and_restored(root: Path, tree: dict[bytes, object]) -> None:
    place = root / "crm"
    grown(os.fsencode(place), tree)
    before, one = written(place), holding(root)
    backup = copied(one)
    one.rehearse(OP, backup)
    one.set_aside(OP, backup)
    assert one.remove(OP, backup).removed == len(before)
    restored(one, OP, backup)
    assert same_content(before, written(place))
    one.set_aside("cleanup", copied(one))
    one.remove("cleanup", copied_from_quarantine(one, root))
    assert list(root.iterdir()) == []


def copied_from_quarantine(one: FolderHolding, root: Path) -> MemoryBackup:
    backup = MemoryBackup()
    kept = root / ".countersign-quarantine" / "cleanup"
    with folder(str(kept)) as parent, backup.blob("uploads.entries.jsonl") as out:
        for entry in walk(parent, "uploads", "x", read=True):
            out.write(entry.line())
    return backup.sealed()


REFUSED = [
    ("no root allows it", "outside", (), "files.not-allowed"),
    ("the root itself", ".", (), "files.not-allowed"),
    ("dots on the way", "x/../crm", (), "files.not-plain"),
    ("another system inside", "crm", ("crm/uploads",), "files.another-inside"),
    ("inside another system", "crm/uploads", ("crm",), "files.another-inside"),
    ("the same place twice", "crm", ("crm",), "files.another-inside"),
    ("the quarantine", ".countersign-quarantine/x", (), "files.another-inside"),
    ("a link on the way", "alias/uploads", (), "files.link-on-the-way"),
    ("a link itself", "alias", (), "files.link-on-the-way"),
    ("a file", "crm/second name", (), "files.link-on-the-way"),
    ("nothing there", "crm/nothing", (), "files.missing"),
]


@pytest.mark.parametrize(("case", "name", "others", "key"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused_while_planning(root: Path, case: str, name: str, others: tuple[str, ...], key: str) -> None:
    planted(root)
    (root / "alias").symlink_to("crm")
    path = str(root.parent / "outside") if name == "outside" else f"{root}/{name}"
    one = FolderHolding("uploads", path, [str(root)], [f"{root}/{other}" for other in others])
    with pytest.raises(CountersignError) as caught:
        one.survey()
    assert caught.value.key == key


@pytest.mark.parametrize("path", ["/", "/etc", "//etc/x", "etc/x"])
def test_shallow_and_odd_paths_are_refused_whatever_the_roots(path: str) -> None:
    with pytest.raises(CannotProve):
        FolderHolding("x", path, ["/"]).survey()


def test_a_mount_point_is_refused() -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    deep = next((point for point in points if point.count("/") >= 2), None)
    if deep is None:
        pytest.skip("nothing is mounted below the first level here")
    with pytest.raises(CannotProve):
        FolderHolding("x", deep, [str(Path(deep).parent)]).survey()


def test_a_root_that_others_may_write_to_is_refused(root: Path) -> None:
    planted(root)
    root.chmod(0o777)
    with pytest.raises(CannotProve, match="root-open"):
        holding(root).survey()


def test_a_link_put_in_place_of_the_folder_is_never_followed(root: Path, tmp_path: Path) -> None:
    place = planted(root)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "ada.txt").write_text("precious")
    one = holding(root)
    backup = copied(one)
    place.rename(root / "moved")
    place.symlink_to(victim)
    with pytest.raises(CannotProve):
        one.set_aside(OP, backup)
    assert (victim / "ada.txt").read_text() == "precious"
    assert place.is_symlink()


@pytest.mark.parametrize("what", ["uploads", "second name"])
def test_a_link_or_a_stranger_inside_is_left_and_told(root: Path, tmp_path: Path, what: str) -> None:
    planted(root)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "ada.txt").write_text("precious")
    one = holding(root)
    backup = copied(one)
    one.set_aside(OP, backup)
    inside = aside(root) / what
    inside.rename(tmp_path / "taken away")
    inside.symlink_to(victim)
    (aside(root) / "new").write_text("nobody backed me up")
    done = one.remove(OP, backup)
    assert set(done.left) == {what, "new"}
    assert (victim / "ada.txt").read_text() == "precious"
    assert {one.name for one in aside(root).iterdir()} == {what, "new"}


def test_another_folder_of_the_same_name_is_not_touched(root: Path) -> None:
    place = planted(root)
    one = holding(root)
    backup = copied(one)
    place.rename(root / "moved")
    place.mkdir()
    with pytest.raises(CannotProve, match="another-folder"):
        one.set_aside(OP, backup)
    assert place.exists()


CHANGES = [
    ("a file grew", lambda place: (place / "uploads" / "ada.txt").write_text("Ada!")),
    ("a file is new", lambda place: (place / "new").write_text("")),
    ("a file is gone", lambda place: (place / "secret").unlink()),
    ("a mode changed", lambda place: (place / "secret").chmod(0o600)),
    ("a link points elsewhere", lambda place: ((place / "link").unlink(), (place / "link").symlink_to("x"))),
]


@pytest.mark.parametrize(("case", "change"), CHANGES, ids=[row[0] for row in CHANGES])
def test_what_changed_after_the_backup_is_noticed_and_put_back(root: Path, case: str, change: object) -> None:
    place = planted(root)
    one = holding(root)
    backup = copied(one)
    change(place)  # type: ignore[operator]  # a row of the table
    now = written(place)
    with pytest.raises(CannotProve, match="changed-since"):
        one.set_aside(OP, backup)
    assert one.whereabouts(OP) == "set-aside"
    one.put_back(OP)
    assert written(place) == now


class WrittenMeanwhile(MemoryBackup):
    """Somebody writes into a file after it was read and before it is packed; its folder does not change."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    @contextmanager
    def blob(self, name: str) -> Iterator[BytesIO]:
        if name.endswith(".tar"):
            with self._file.open("r+b") as opened:
                opened.write(b"B")
        with super().blob(name) as out:
            yield out


def test_a_file_that_is_written_while_it_is_copied_is_named_before_anything_is_sealed(root: Path) -> None:
    file = planted(root) / "uploads" / "ada.txt"
    with pytest.raises(CannotProve, match="changing") as no:
        holding(root).copy(WrittenMeanwhile(file))
    assert Path(str(no.value.params["path"])).samefile(file)


def test_something_in_the_place_stops_putting_back(root: Path) -> None:
    place = planted(root)
    one = holding(root)
    backup = copied(one)
    one.set_aside(OP, backup)
    place.mkdir()
    assert one.whereabouts(OP) == "both"
    with pytest.raises(CannotProve, match="is-both"):
        one.put_back(OP)
    place.rmdir()
    one.put_back(OP)


def test_nothing_is_removed_from_its_place(root: Path) -> None:
    planted(root)
    one = holding(root)
    with pytest.raises(CannotProve, match="not-set-aside"):
        one.remove(OP, copied(one))


def test_who_holds_on_is_named_before_and_after(root: Path) -> None:
    place = planted(root)
    one = holding(root)
    backup = copied(one)
    code = "import os,sys; f=open('uploads/ada.txt'); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        for step in ("in place", "set aside"):
            if step == "set aside":
                one.set_aside(OP, backup)
            seen = {(user.pid, user.how) for user in one.users(OP).users}
            assert {(child.pid, "open"), (child.pid, "folder")} <= seen
        with pytest.raises(Stale, match="in-use"):
            one.remove(OP, backup)
        assert aside(root).exists()
        child.communicate(b"")
    assert one.remove(OP, backup).left == ()


def test_an_immutable_file_is_said_before_anything_is_lost(root: Path) -> None:
    place = planted(root)
    if subprocess.run(["chattr", "+i", place / "secret"], capture_output=True, check=False).returncode:
        pytest.skip("this file system or user has no immutable files")
    try:
        with pytest.raises(CannotProve, match="marked"):
            copied(holding(root))
        subprocess.run(["chattr", "-i", place / "secret"], check=True)
        one = holding(root)
        backup = copied(one)
        one.set_aside(OP, backup)
        place = aside(root)
        subprocess.run(["chattr", "+i", place / "secret"], check=True)
        with pytest.raises(TargetDown, match="immutable") as caught:
            one.remove(OP, backup)
        assert caught.value.params["marks"] == "i"
    finally:
        subprocess.run(["chattr", "-i", place / "secret"], check=True)
    assert one.remove(OP, backup).left == ()


def test_a_backup_with_a_byte_changed_fails_its_rehearsal(root: Path) -> None:
    planted(root)
    one = holding(root)
    backup = copied(one)
    tar = backup.streams["uploads.tar"]
    backup.streams["uploads.tar"] = tar.replace(b"Ada", b"Eve", 1)
    with pytest.raises(CannotProve, match="not-the-same"):
        one.rehearse(OP, backup)
    assert [one.name for one in root.iterdir()] == ["crm"]


def test_sockets_are_told_and_go_with_the_rest(root: Path) -> None:
    place = root / "crm"
    place.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(place / "s"))
        one = holding(root)
        assert [told[0] for told in one.survey().warnings] == ["files.told-sockets"]
        backup = copied(one)
        one.rehearse(OP, backup)
        one.set_aside(OP, backup)
        assert one.remove(OP, backup).left == ()


def test_into_a_place_that_no_root_allows(root: Path, tmp_path: Path) -> None:
    planted(root)
    one = holding(root)
    with pytest.raises(NotAllowed):
        restored(one, OP, copied(one), str(tmp_path / "else" / "where"))
