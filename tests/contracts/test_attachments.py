"""The contract of ``bot.targets.attachment_store``, against every kind of place: a folder, buckets of two kinds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.attachment_store import AttachmentStore
from bot.targets.folder_store import FolderStore
from bot.targets.object_store import ObjectStore
from tests.fakes.buckets import Pail

KEY = b"k" * 32
QUARANTINE = ".countersign-quarantine"


class Backup:
    """A backup as far as attachments know it: streams by name."""

    def __init__(self) -> None:
        self.streams: dict[str, bytes] = {}

    @contextmanager
    def blob(self, name: str) -> Iterator[BytesIO]:
        stream = BytesIO(self.streams.get(name, b""))
        yield stream
        self.streams.setdefault(name, stream.getvalue())


@dataclass
class Yard:
    """A place of attachments, and what its owner does there."""

    store: AttachmentStore
    put: Callable[[str, bytes], None]
    drop: Callable[[str], None]
    contents: Callable[[], dict[str, bytes]]
    nowhere: AttachmentStore

    def copied(self, *names: str) -> tuple[Backup, tuple[object, ...]]:
        backup = Backup()
        return backup, self.store.copy(self.store.look(names).files, backup, "s")


def folder(path: Path) -> Yard:
    path.mkdir()

    def put(name: str, content: bytes) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    def contents() -> dict[str, bytes]:
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}

    return Yard(
        FolderStore(str(path)),
        put,
        lambda name: (path / name).unlink(),
        contents,
        FolderStore(f"{path}/no/such"),
    )


def bucket(pail: Pail) -> Yard:
    def contents() -> dict[str, bytes]:
        return {key.removeprefix(pail.prefix): what[0] for key, what in pail.contents().items()}

    gone = Pail()
    gone.client.delete_bucket(Bucket=gone.name)
    return Yard(ObjectStore(pail.address, KEY), pail.put, pail.drop, contents, ObjectStore(gone.address, KEY))


YARDS: dict[str, Callable[[Path], Yard]] = {
    "folder": lambda path: folder(path / "uploads"),
    "bucket": lambda _: bucket(Pail("documents/")),
    "bucket with versions": lambda _: bucket(Pail(versions=True)),
}


@pytest.fixture(params=YARDS)
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Yard:
    made = YARDS[request.param](tmp_path)
    for name, content in THINGS.items():
        made.put(name, content)
    return made


THINGS = {"a/contract.pdf": b"signed\0\xff" * 1000, "a/empty": b"", "b/other": b"Bob's"}
GONE = {"b/other": b"Bob's"}
NAMES = ("a/contract.pdf", "a/empty")


def test_what_is_there_is_found_and_what_is_not_is_counted(yard: Yard) -> None:
    found = yard.store.look(
        [*NAMES, "a/empty", "a/none", "../a/empty", "a/../a/empty", f"{QUARANTINE}/x", ""]
    )
    assert [(one.path, one.size) for one in found.files] == [("a/contract.pdf", 8000), ("a/empty", 0)]
    assert (found.missing, found.odd, found.size) == (1, 4, 8000)
    assert yard.contents() == THINGS


GOOD = ["合同/文档 🎉.pdf", "a b+c%20%2F?x#y&=", "'\"\\ *<>|", "-rf", ".a", "~", "x" * 200]


@pytest.mark.parametrize("name", GOOD)
def test_a_strange_but_plain_name_goes_and_comes_back(yard: Yard, name: str) -> None:
    yard.put(name, name.encode())
    before = yard.contents()
    backup, files = yard.copied(name)
    yard.store.set_aside("op", files)
    assert yard.store.remove("op") == 0
    assert yard.contents() == THINGS
    assert yard.store.place("back-op", backup, "s", {name}, "op") == 0
    yard.store.settled("back-op")
    assert yard.contents() == before


def test_a_copy_is_proved_against_what_was_copied(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.prove(backup, "s", files)
    for stream, content in list(backup.streams.items()):
        for changed in (
            content[: len(content) // 2],
            content.replace(b"signed", b"forged", 1),
            content.replace(b"8000", b"8001", 1),
        ):
            if changed != content:
                backup.streams[stream] = changed
                with pytest.raises(CountersignError):
                    yard.store.prove(backup, "s", files)
        backup.streams[stream] = content
    yard.store.prove(backup, "s", files)


def test_set_aside_and_put_back_is_nothing_however_often(yard: Yard) -> None:
    _, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    assert yard.store.waiting() == ["op"]
    yard.store.put_back("op")
    yard.store.put_back("op")
    assert (yard.contents(), yard.store.waiting()) == (THINGS, [])
    assert yard.store.remove("op") == 0
    assert yard.contents() == THINGS


def test_set_aside_and_removed_they_are_gone_however_often(yard: Yard) -> None:
    _, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    assert yard.store.remove("op") == 0
    assert yard.store.remove("op") == 0
    yard.store.put_back("op")
    assert (yard.contents(), yard.store.waiting()) == (GONE, [])


@pytest.mark.parametrize("how", ["written", "gone"])
def test_what_changed_since_it_was_counted_is_not_copied(yard: Yard, how: str) -> None:
    found = yard.store.look(NAMES)
    yard.drop("a/contract.pdf") if how == "gone" else yard.put("a/contract.pdf", b"another")
    with pytest.raises(CannotProve, match=r"attached\.changed"):
        yard.store.copy(found.files, Backup(), "s")


@pytest.mark.parametrize("how", ["written", "gone"])
def test_what_changed_since_it_was_copied_is_not_set_aside(yard: Yard, how: str) -> None:
    _, files = yard.copied(*NAMES)
    yard.drop("a/contract.pdf") if how == "gone" else yard.put("a/contract.pdf", b"another")
    before = yard.contents()
    with pytest.raises(CannotProve, match=r"attached\.changed"):
        yard.store.set_aside("op", files)
    yard.store.put_back("op")
    assert (yard.contents(), yard.store.waiting()) == (before, [])


def test_they_come_back_as_they_were_and_over_nothing(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    yard.store.remove("op")
    yard.put("a/empty", b"")
    met = yard.store.meet(backup, "s", "op")
    assert ([one.path for one in met.missing], met.identical, met.different) == (["a/contract.pdf"], 1, 0)
    yard.put("a/empty", b"new")
    met = yard.store.meet(backup, "s", "op")
    assert (met.identical, met.different) == (0, 1)
    with pytest.raises(CannotProve, match=r"(attached|files)\.in-the-way"):
        yard.store.place("back-op", backup, "s", set(NAMES), "op")
    yard.store.unplace("back-op")
    yard.store.unplace("back-op")
    assert (yard.contents(), yard.store.waiting()) == ({**GONE, "a/empty": b"new"}, [])
    yard.drop("a/empty")
    yard.store.place("back-op", backup, "s", set(NAMES), "op")
    assert yard.contents().items() >= THINGS.items()
    yard.store.settled("back-op")
    yard.store.settled("back-op")
    yard.store.unplace("back-op")
    assert (yard.contents(), yard.store.waiting()) == (THINGS, [])


def test_what_came_back_is_taken_away_again_but_nothing_that_somebody_changed(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    yard.store.remove("op")
    yard.store.place("back-op", backup, "s", set(NAMES), "op")
    yard.put("a/empty", b"mine now")
    yard.store.unplace("back-op")
    assert yard.contents() == {**GONE, "a/empty": b"mine now"}


def test_what_a_deletion_has_not_removed_yet_comes_back_all_the_same(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    assert len(yard.store.meet(backup, "s", "op").missing) == 2
    yard.store.place("back-op", backup, "s", set(NAMES), "op")
    yard.store.settled("back-op")
    # Whoever finishes the deletion now comes too late.
    yard.store.remove("op")
    assert (yard.contents(), yard.store.waiting()) == (THINGS, [])


def test_a_removal_that_nobody_knows_to_be_committed_is_not_carried_out_by_a_restore(yard: Yard) -> None:
    """The rows may all be there: what a bucket holds is theirs; out of a folder it is away already."""
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    there = [name for name in NAMES if name in yard.contents()]
    met = yard.store.meet(backup, "s", "")
    assert met.identical == len(there)
    yard.store.place("back-op", backup, "s", {one.path for one in met.missing}, "")
    yard.store.settled("back-op")
    assert yard.contents().items() >= THINGS.items()
    assert yard.store.waiting() == ["op"]


def test_one_restore_takes_nothing_away_that_another_brought(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    yard.store.remove("op")
    yard.store.place("back-op-1", backup, "s", set(NAMES), "op")
    yard.store.unplace("back-op-2")
    yard.store.place("back-op-2", backup, "s", set(), "op")
    yard.store.unplace("back-op-2")
    assert yard.contents().items() >= THINGS.items()


def test_a_damaged_backup_brings_nothing_back(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    yard.store.set_aside("op", files)
    yard.store.remove("op")
    backup.streams["s.tar"] = backup.streams["s.tar"].replace(b"signed", b"forged", 1)
    with pytest.raises(CountersignError):
        yard.store.place("back-op", backup, "s", set(NAMES), "op")
    yard.store.unplace("back-op")
    assert (yard.contents(), yard.store.waiting()) == (GONE, [])


def test_a_place_that_is_not_there_is_said_and_not_taken_for_empty(yard: Yard) -> None:
    backup, files = yard.copied(*NAMES)
    for act in (
        lambda: yard.nowhere.look(NAMES),
        lambda: yard.nowhere.set_aside("op", files),
        lambda: yard.nowhere.meet(backup, "s", "op"),
        lambda: yard.nowhere.place("back-op", backup, "s", set(NAMES), "op"),
        yard.nowhere.inspect,
    ):
        with pytest.raises(TargetDown):
            act()


def test_inspecting_leaves_no_trace(yard: Yard) -> None:
    health = yard.store.inspect()
    assert (health.fatal, health.told) == ((), ())
    assert (yard.contents(), yard.store.waiting()) == (THINGS, [])
