"""Files that rows name go and come back with the rows, and no name leads anybody anywhere else."""

import os
import resource
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import CannotProve, CountersignError, StorageDown, TargetDown
from bot.model.plans import Plan
from bot.operations import attached
from bot.operations.gate import Drifted
from bot.targets.folder_store import FolderStore
from tests.fakes.operations import Bench, RecordingGate, make_bench
from tests.unit.operations.link_bench import Make

SCHEMA = """
CREATE TABLE customers (id integer PRIMARY KEY, name text);
CREATE TABLE documents (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id), path text);
CREATE TABLE logos (id integer PRIMARY KEY, path text);
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO documents VALUES (1, 1, 'a/contract.pdf'), (2, 1, 'a/photo.jpg'), (3, 2, 'b/contract.pdf'), (4, 1, NULL);
"""
WHEN = 1_600_000_000_123_456_789


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    for name, content in (
        ("a/contract.pdf", b"signed\0\xff" * 1000),
        ("a/photo.jpg", b""),
        ("b/contract.pdf", b"Bob's"),
    ):
        write(root / name, content)
    return root


def files_in(root: Path) -> list[dict[str, str]]:
    return [{"column": name, "file": str(root)} for name in ("documents.path", "logos.path")]


@pytest.fixture
def bench(tmp_path: Path, root: Path) -> Bench:
    return make_bench(tmp_path, SCHEMA, label="{name}", attachments=files_in(root))


@pytest.fixture
def any_bench(make: Make, root: Path) -> Bench:
    """The same on each engine."""
    return make(
        SCHEMA,
        table="customers",
        find_by=("id",),
        label="{name}",
        policies={},
        soft=(),
        attachments=files_in(root),
    )


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o640)
    os.utime(path, ns=(WHEN, WHEN))


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder, to the byte."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        mode = stat.filemode(about.st_mode)
        content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        when = about.st_mtime_ns if stat.S_ISREG(about.st_mode) else 0
        found[str(path.relative_to(root))] = (mode, about.st_uid, about.st_gid, when, content)
    return found


def warned(plan: Plan) -> dict[str, int]:
    return {told.key: int(told.params["n"]) for told in plan.warnings if told.key.startswith("told.files")}


def test_the_files_of_the_rows_go_and_come_back_with_them(any_bench: Bench, root: Path) -> None:
    rows, files = any_bench.dump(), tree(root)
    plan, _ = any_bench.plan("1")
    assert [(one.root, one.files, one.size) for one in plan.files] == [(str(root), 2, 8000)]
    assert Plan.from_data(plan.to_data()) == plan
    outcome = any_bench.delete("1")
    assert outcome.problem is None
    assert set(tree(root)) == {"a", "b", "b/contract.pdf"}
    restored, _ = any_bench.plan_restore(outcome)
    assert [(one.root, one.files, one.size) for one in restored.files] == [(str(root), 2, 8000)]
    any_bench.restore(outcome)
    assert (any_bench.dump(), tree(root)) == (rows, files)


def test_a_plan_without_attachments_keeps_its_form(tmp_path: Path) -> None:
    plan, _ = make_bench(tmp_path, SCHEMA).plan("1")
    assert "files" not in plan.to_data()
    assert not [step for step in plan.steps if "files" in step]


STRANGE: dict[str, str] = {
    "steps back": "../secret",
    "steps back inside": "a/../../secret",
    "an absolute path": "/etc/passwd",
    "an empty part": "a//photo.jpg",
    "a dot": "./a/photo.jpg",
    "a slash at the end": "a/photo.jpg/",
    "the quarantine": ".countersign-quarantine/x/1",
    "a name that is too long": "x" * 300,
    "a folder": "a",
    "a file as a folder": "b/contract.pdf/x",
    "a link": "link",
    "a link to a folder": "door/secret",
    "a pipe": "pipe",
    "a socket": "socket",
    "a file with another name": "twice",
    "a device": "../../../../../../../../dev/null",
}


@pytest.mark.parametrize("name", STRANGE.values(), ids=STRANGE)
def test_a_name_that_is_no_ordinary_file_leads_nowhere(
    bench: Bench, root: Path, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside"
    write(outside / "secret", b"not yours")
    write(tmp_path / "secret", b"not yours")
    (root / "link").symlink_to(outside / "secret")
    (root / "door").symlink_to(outside)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(root)
        listening.bind("socket")
        os.chdir(here)
    write(root / "once", b"two names")
    os.link(root / "once", root / "twice")
    bench.sql(f"UPDATE documents SET path = '{name}' WHERE id = 1")
    files, others = tree(root), tree(outside)
    plan, _ = bench.plan("1")
    assert warned(plan) == {"told.files-odd": 1}
    outcome = bench.delete("1")
    assert tree(root) == {path: what for path, what in files.items() if path != "a/photo.jpg"}
    bench.restore(outcome)
    assert (tree(root), tree(outside)) == (files, others)
    assert (tmp_path / "secret").read_bytes() == b"not yours"


GOOD = {
    "line break": "a/x\ny",
    "other scripts": "合同/文档 🎉.pdf",
    "quotes": "a/'\"\\ *?",
    "leading dash": "-rf",
    "hidden": ".a",
}


@pytest.mark.parametrize("name", GOOD.values(), ids=GOOD)
def test_a_strange_but_plain_name_goes_and_comes_back(bench: Bench, root: Path, name: str) -> None:
    write(root / name, name.encode())
    bench.sql(f"""UPDATE documents SET path = '{name.replace("'", "''")}' WHERE id = 1""")
    rows, files = bench.dump(), tree(root)
    outcome = bench.delete("1")
    assert not (root / name).exists()
    bench.restore(outcome)
    assert (bench.dump(), tree(root)) == (rows, files)


@pytest.mark.parametrize(
    "sharing",
    [
        "UPDATE documents SET path = 'a/contract.pdf' WHERE id = 3",
        "INSERT INTO logos VALUES (1, 'a/contract.pdf')",
    ],
    ids=["the same column", "another column"],
)
def test_a_file_that_rows_outside_name_too_stays(any_bench: Bench, root: Path, sharing: str) -> None:
    any_bench.sql(sharing)
    files = tree(root)
    assert warned(any_bench.plan("1")[0]) == {"told.files-shared": 1}
    outcome = any_bench.delete("1")
    assert tree(root) == {path: what for path, what in files.items() if path != "a/photo.jpg"}
    any_bench.restore(outcome)
    assert tree(root) == files


def test_two_rows_that_go_and_name_one_file_share_it_with_nobody(bench: Bench, root: Path) -> None:
    bench.sql("UPDATE documents SET path = 'a/contract.pdf' WHERE id = 2")
    files = tree(root)
    (part,) = bench.plan("1")[0].files
    assert part.files == 1
    outcome = bench.delete("1")
    assert not (root / "a/contract.pdf").exists()
    bench.restore(outcome)
    assert tree(root) == files


def test_a_missing_file_is_told_and_holds_nobody_up(any_bench: Bench, root: Path) -> None:
    (root / "a/photo.jpg").unlink()
    files = tree(root)
    assert warned(any_bench.plan("1")[0]) == {"told.files-missing": 1}
    any_bench.restore(any_bench.delete("1"))
    assert tree(root) == files


def test_without_its_folder_nothing_is_planned(bench: Bench, root: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(TargetDown):
        bench.plan("1")


def test_what_stands_before_a_name_is_taken_away(tmp_path: Path, root: Path) -> None:
    one = {"column": "documents.path", "file": str(root), "prefix": "/media/"}
    bench = make_bench(tmp_path, SCHEMA.replace("'a/contract", "'/media/a/contract"), attachments=[one])
    plan, _ = bench.plan("1")
    assert [part.files for part in plan.files] == [1]
    assert warned(plan) == {"told.files-odd": 1}


# Between plan and run, and while it runs.


def became_a_link(path: Path) -> None:
    path.rename(path.parent.parent / "moved")
    path.symlink_to(path.parent.parent / "moved")


BETWEEN: dict[str, Callable[[Path], object]] = {
    "a file is gone": lambda root: (root / "a/photo.jpg").unlink(),
    "a file has grown": lambda root: write(root / "a/photo.jpg", b"more"),
    "a file became a link": lambda root: became_a_link(root / "a/photo.jpg"),
    "a folder became a link": lambda root: became_a_link(root / "a"),
    "a file has another name now": lambda root: os.link(root / "a/photo.jpg", root / "c"),
}


@pytest.mark.parametrize("change", BETWEEN.values(), ids=BETWEEN)
def test_other_files_than_approved_are_another_plan(
    bench: Bench, root: Path, change: Callable[[Path], object]
) -> None:
    order, rows = bench.order("1"), bench.dump()
    change(root)
    files = tree(root)
    with pytest.raises(Drifted) as caught:
        bench.run(order)
    assert [told.key for told in caught.value.drift.differences] == ["drift.files"]
    assert (bench.dump(), tree(root)) == (rows, files)


@pytest.mark.parametrize("moment", ["step.seal", "step.delete", "step.files-aside"])
@pytest.mark.parametrize("change", BETWEEN.values(), ids=BETWEEN)
def test_what_changes_after_it_was_copied_undoes_everything(
    bench: Bench, root: Path, moment: str, change: Callable[[Path], object]
) -> None:
    order, rows = bench.order("1"), bench.dump()
    files: dict[str, tuple[object, ...]] = {}

    def changing() -> None:
        change(root)
        files.update(tree(root))

    with pytest.raises(CannotProve) as caught:
        bench.run(order, RecordingGate(on={moment: changing}))
    assert caught.value.key == "attached.changed"
    assert (bench.dump(), tree(root)) == (rows, files)
    assert bench.vault.ids() == []


def test_the_same_size_and_time_but_other_bytes_is_noticed(bench: Bench, root: Path) -> None:
    order = bench.order("1")
    name = root / "a/contract.pdf"

    def forged() -> None:
        other = root / "other"
        write(other, name.read_bytes()[::-1])
        other.rename(name)

    with pytest.raises(CannotProve):
        bench.run(order, RecordingGate(on={"step.delete": forged}))
    assert name.exists()


@pytest.mark.parametrize("moment", ["leave step.files-aside", "step.commit", "committing"])
def test_a_stop_after_the_files_were_set_aside_puts_them_back(bench: Bench, root: Path, moment: str) -> None:
    rows, files = bench.dump(), tree(root)
    with pytest.raises(CountersignError):
        bench.run(bench.order("1"), RecordingGate(halt_at=moment))
    assert (bench.dump(), tree(root)) == (rows, files)
    assert bench.vault.ids() == []


def test_a_stranger_in_the_place_of_a_file_that_goes_back_is_not_overwritten(
    bench: Bench, root: Path
) -> None:
    order, rows = bench.order("1"), bench.dump()
    gate = RecordingGate(
        halt_at="committing", on={"step.commit": lambda: write(root / "a/photo.jpg", b"new")}
    )
    with pytest.raises(CannotProve) as caught:
        bench.run(order, gate)
    assert caught.value.key == "attached.stuck"
    assert bench.dump() == rows
    assert (root / "a/photo.jpg").read_bytes() == b"new"
    assert bench.vault.ids() == [order.backup_id]
    (root / "a/photo.jpg").unlink()
    attached.put_back(order.backup_id, [FolderStore(str(root))])
    assert (root / "a/photo.jpg").read_bytes() == b""
    assert FolderStore(str(root)).waiting() == []


def test_what_somebody_wrote_to_a_file_set_aside_is_kept_and_told(bench: Bench, root: Path) -> None:
    with (root / "a/photo.jpg").open("ab") as still_open:

        def wrote() -> None:
            still_open.write(b"late")
            still_open.flush()

        order = bench.order("1")
        outcome = bench.run(order, RecordingGate(on={"leave step.commit": wrote}))
    assert outcome.problem is not None
    assert (outcome.problem.key, outcome.problem.params["n"]) == ("attached.left", 1)
    (kept,) = [path for path in root.rglob("[0-9]") if path.is_file()]
    assert kept.read_bytes() == b"late"


def test_files_go_also_when_the_rows_could_not_be_looked_at_afterwards(bench: Bench, root: Path) -> None:
    """COMMIT has happened: files that stayed aside would be seen by nobody."""
    aside = bench.path.with_suffix(".away")

    def vanish() -> None:
        bench.path.rename(aside)

    outcome = bench.run(bench.order("1"), RecordingGate(on={"step.verify": vanish}))
    assert outcome.problem is not None
    assert outcome.problem.key == "operations.no-look"
    assert FolderStore(str(root)).waiting() == []


def test_whoever_comes_again_after_a_crash_does_no_harm(bench: Bench, root: Path) -> None:
    outcome = bench.delete("1")
    backup, files = outcome.backup.backup_id, tree(root)
    for _ in range(2):
        assert attached.remove(backup, [FolderStore(str(root))]) is None
        attached.put_back(backup, [FolderStore(str(root))])
        attached.unplace(backup, [FolderStore(str(root))])
        attached.placed(backup, [FolderStore(str(root))])
    assert tree(root) == files


def test_the_sweep_removes_only_what_is_surely_over(bench: Bench, root: Path) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    order = bench.order("1")
    with pytest.raises(KeyboardInterrupt):
        bench.run(order, RecordingGate(on={"step.files-remove": die}))
    attached.clean([FolderStore(str(root))], lambda _: False, lambda _: False)
    assert FolderStore(str(root)).waiting() == [order.backup_id]
    attached.clean([FolderStore(str(root))], lambda backup: backup == order.backup_id, lambda _: False)
    assert set(tree(root)) == {"a", "b", "b/contract.pdf"}


def test_a_full_disk_while_the_backup_is_written_changes_nothing(bench: Bench, root: Path) -> None:
    rows, order = bench.dump(), bench.order("1")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    write(root / "a/contract.pdf", os.urandom(8000))
    files = tree(root)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    gate = RecordingGate(
        on={
            "step.copy": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1])),
        }
    )
    try:
        with pytest.raises(StorageDown):
            bench.run(order, gate)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (bench.dump(), tree(root)) == (rows, files)
    assert bench.vault.ids() == []


# The way back.


def test_a_file_born_later_under_the_same_name_is_not_overwritten(bench: Bench, root: Path) -> None:
    outcome = bench.delete("1")
    write(root / "a/photo.jpg", b"another one")
    rows, files = bench.dump(), tree(root)
    with pytest.raises(CannotProve) as caught:
        bench.plan_restore(outcome)
    assert (caught.value.key, caught.value.params["n"]) == ("attached.different", 1)
    assert (bench.dump(), tree(root)) == (rows, files)


def test_a_file_that_is_there_already_and_identical_is_told(bench: Bench, root: Path) -> None:
    files = tree(root)
    outcome = bench.delete("1")
    write(root / "a/photo.jpg", b"")
    assert warned(bench.plan_restore(outcome)[0]) == {"told.files-there": 1}
    bench.restore(outcome)
    assert tree(root) == files


@pytest.mark.parametrize("moment", ["leave step.insert", "step.commit", "committing"])
def test_a_restore_that_is_not_committed_takes_its_files_away_again(
    bench: Bench, root: Path, moment: str
) -> None:
    outcome = bench.delete("1")
    rows, files = bench.dump(), tree(root)
    with pytest.raises(CountersignError):
        bench.restore(outcome, RecordingGate(halt_at=moment))
    assert (bench.dump(), tree(root)) == (rows, files)
    bench.restore(outcome)
    assert len(tree(root)) == 5


def test_a_folder_that_is_gone_is_made_again(bench: Bench, root: Path) -> None:
    files = tree(root)
    outcome = bench.delete("1")
    (root / "a").rmdir()
    bench.restore(outcome)
    assert tree(root) == files


def test_a_link_in_place_of_the_folder_leads_no_file_out(bench: Bench, root: Path, tmp_path: Path) -> None:
    outcome = bench.delete("1")
    (root / "a").rmdir()
    (tmp_path / "outside").mkdir()
    (root / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(CannotProve):
        bench.restore(outcome)
    assert tree(tmp_path / "outside") == {}


def test_files_of_a_folder_that_is_configured_no_more_stay_in_the_backup(bench: Bench, root: Path) -> None:
    outcome = bench.delete("1")
    with (
        bench.vault.open(outcome.backup.backup_id) as opened,
        pytest.raises(CannotProve) as caught,
    ):
        attached.meet(opened, (), "crm", b"key")
    assert caught.value.key == "attached.not-configured"
