"""The crew with a whole system in this process: a disk that fills up, another machine, people in a hurry."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.backups.storage.local import LocalStorage, LocalUpload
from bot.errors import StorageDown
from bot.model.requests import State
from bot.texts import say
from tests.fakes.rooms import House
from tests.fakes.site import Site, house_says


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    house = House(tmp_path)
    yield Site.build(house, tmp_path)
    house.close()


def test_there_and_back_and_gone(site: Site) -> None:
    before = site.contents()
    request_id = site.torn_down()
    assert not site.service.look().up
    site.put_back()
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    assert site.contents() == before


class FullUpload(LocalUpload):
    """The disk is full at a chosen write, which goes through by half, or when it is made durable."""

    def __init__(self, path: Path, store: "FullStorage") -> None:
        super().__init__(path)
        self._store = store

    def write(self, data: bytes, /) -> int:
        self._store.writes += 1
        if self._store.writes == self._store.full_at:
            super().write(data[: len(data) // 2])
            raise StorageDown("backups.store_full", path="store", reason=os.strerror(errno.ENOSPC))
        return super().write(data)

    def commit(self) -> None:
        self._store.commits += 1
        if self._store.commits == self._store.full_at_commit:
            raise StorageDown("backups.store_full", path="store", reason=os.strerror(errno.ENOSPC))
        super().commit()


class FullStorage(LocalStorage):
    def __init__(self, folder: Path, full_at: int = 0, full_at_commit: int = 0) -> None:
        super().__init__(folder)
        self.full_at, self.full_at_commit = full_at, full_at_commit
        self.writes = self.commits = 0

    def put_new(self, name: str) -> FullUpload:
        super().put_new(name).discard()
        return FullUpload(self._path(name), self)


def everything_runs_again(site: Site, before: tuple[object, ...], request_id: int, *why: str) -> None:
    """And no archive is left that looks whole."""
    request = site.house.request(request_id)
    assert request.state is State.FAILED, house_says(site.house, request_id)
    assert request.outcome in why
    assert {"full", "space"} & set(say(request.outcome, **request.outcome_params).replace(";", " ").split())
    assert "note.undone" in site.house.notes(request_id)
    assert site.contents() == before
    assert site.house.rows("backups") == []
    crew = site.crew()
    crew.sweep()
    assert crew.hands.vault.ids() == []
    left = [one.name for one in (site.folder / "backups").iterdir()]
    assert [name for name in left if name.endswith((".age", ".part"))] == []


FULL = [*((n, 0) for n in range(1, 9)), *((0, n) for n in (1, 2, 3))]


@pytest.mark.parametrize(("write", "commit"), FULL)
def test_a_full_backup_store_takes_nothing_aside_and_what_was_stopped_runs_again(
    site: Site, write: int, commit: int
) -> None:
    before = site.contents()
    site.storage = full = FullStorage(site.folder / "backups", write, commit)
    request_id = site.asked()
    site.go()
    assert full.writes >= write
    assert full.commits >= commit
    everything_runs_again(site, before, request_id, "backups.store_full")


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    place.mkdir(mode=0o700, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size},mode={place.stat().st_mode & 0o777:o}", "tmpfs", str(place)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk, and not everywhere")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", [40_000, 200_000, 320_000])
def test_a_backup_store_on_a_real_disk_that_is_too_small(site: Site, size: int) -> None:
    before = site.contents()
    with small_disk(site.folder / "backups", size):
        request_id = site.asked()
        site.go()
        everything_runs_again(site, before, request_id, "backups.store_full")


@pytest.mark.parametrize("room", [0, 20_000, 60_000])
def test_a_disk_of_the_system_without_room_for_the_test_restore(tmp_path: Path, room: int) -> None:
    house = House(tmp_path)
    try:
        with small_disk(tmp_path / "srv", 480_000 + room):
            site = Site.build(house, tmp_path)
            before, request_id = site.contents(), site.asked()
            site.go()
            everything_runs_again(site, before, request_id, "files.full", "target.full")
    finally:
        house.close()
