"""The crew with a whole system in this process: a disk that fills up, another machine, people in a hurry."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.backups.storage.local import LocalStorage, LocalUpload
from bot.errors import CountersignError, Stale, StorageDown
from bot.jobs.gatekeeper import Gatekeeper
from bot.model.requests import Operation, State
from bot.operations.teardown import Host
from bot.schedules import sweeps
from bot.texts import say
from tests.fakes.rooms import START, House, race
from tests.fakes.site import HERE, Site, house_says
from tests.fakes.systems import FakeCheck


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


def test_what_replaces_it_must_answer_before_it_stops_and_before_it_goes(site: Site) -> None:
    answers: dict[str, bool] = {"crm-new: page": False, "crm-new: rows": True}
    site.around = lambda made: replace(
        made, successors=tuple(FakeCheck(name, partial(answers.get, name)) for name in answers)
    )
    before, request_id = site.contents(), site.asked()
    assert site.go() is State.FAILED
    request = site.house.request(request_id)
    assert (request.outcome, request.outcome_params["names"]) == (
        "teardown.successor-silent",
        "crm-new: page",
    )
    assert site.contents() == before
    answers["crm-new: page"] = True
    request_id = site.torn_down()
    answers["crm-new: rows"] = False
    site.grace_is_over()
    for _ in range(2):
        assert site.go() is State.SET_ASIDE
        assert site.house.request(request_id).outcome == "teardown.successor-silent"
        assert site.files()
        assert not site.service.look().up
        site.house.wait(minutes=11)
    assert site.house.notes(request_id).count("note.still-aside") == 1
    assert "note.going-back" not in site.house.notes(request_id), "nothing was taken back"
    # Nobody waters the approved condition down by taking it out of the configuration.
    del answers["crm-new: rows"]
    assert site.go() is State.SET_ASIDE
    site.house.wait(minutes=11)
    answers["crm-new: rows"] = True
    assert site.go() is State.SUCCEEDED, house_says(site.house, request_id)
    assert not site.files()


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


def everything_is_aside(site: Site, request_id: int) -> bool:
    places = site.srv / ".countersign-quarantine" / f"t{request_id}"
    return not (site.srv / "crm.db").exists() and {one.name for one in places.iterdir()} == {
        "database",
        "uploads",
    }


def freeze(site: Site) -> None:
    house = site.house
    with house.store.transact() as work:
        house.lifecycle.freeze(work, "crm", "wait", house.actor("U0BOB"), house.now)


def unfreeze(site: Site) -> None:
    house = site.house
    request_id = house.file(operation=Operation.UNFREEZE, record=None, values=())
    house.plan(request_id, site.crew().hands.plan(house.request(request_id)))
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=30)
    assert site.go() is not None
    assert house.state(request_id) is State.SUCCEEDED, house_says(house, request_id)


def test_frozen_during_grace_it_waits_and_goes_on_to_the_end_when_that_is_lifted(site: Site) -> None:
    request_id = site.torn_down()
    freeze(site)
    site.grace_is_over()
    for _ in range(3):
        assert site.due() == []
        site.house.wait(hours=2)
    assert site.house.state(request_id) is State.SET_ASIDE
    assert everything_is_aside(site, request_id)
    unfreeze(site)
    assert site.go() is State.SUCCEEDED, house_says(site.house, request_id)
    assert site.files() == []
    assert site.house.notes(request_id).count("note.purge-soon") == 1
    assert site.house.kinds().count("permit-taken") == 3, "the teardown, the unfreeze and the removal"


def test_the_notice_comes_once_in_time_and_says_until_when_and_how_to_put_back(site: Site) -> None:
    request_id = site.torn_down()
    until = site.house.request(request_id).grace_until
    assert until is not None
    for hours in range(0, 8 * 24, 8):
        site.house.now = START + timedelta(hours=hours)
        if site.house.now >= until:
            break
        assert site.due() == []
        noticed = site.house.request(request_id).noticed_at is not None
        assert noticed is (site.house.now >= until - sweeps.NOTICE)
    subjects = [one for one in site.house.subjects(request_id) if one.startswith("note:")]
    answers = [site.house.reading.private_text(one) for one in subjects]
    (notice,) = [one for one in answers if one is not None and one.key == "note.purge-soon"]
    assert notice.params["until"] == int(until.timestamp())
    assert "put" in say(notice.key, **notice.params).lower()
    (told,) = [user for user, key in site.house.private() if key == "purge.soon"]
    assert told == "U0ALICE"
    assert "put-back 1" in say("purge.soon", number=1, until=int(until.timestamp()))


class Stopper(Gatekeeper):
    """Somebody presses *Stop* at the beginning of a step."""

    answers: ClassVar[list[str]] = []

    def __init__(self, site: Site, at: str, *about: Any) -> None:
        super().__init__(*about)
        self._site, self._at = site, at

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        with super().step(name):
            if name == self._at:
                self.answers.append(stop(self._site))
            yield


def stop(site: Site) -> str:
    house = site.house
    try:
        with house.store.transact() as work:
            return house.lifecycle.stop(work, 1, house.actor("U0BOB"), house.now).key
    except CountersignError as error:
        return error.key


@pytest.mark.parametrize("at", ["step.remove", "step.residue", "step.certificate"])
def test_a_stop_after_the_point_of_no_return_is_answered_and_changes_nothing(site: Site, at: str) -> None:
    request_id = site.torn_down()
    site.grace_is_over()
    Stopper.answers.clear()
    site.gatekeeper = partial(Stopper, site, at)
    assert site.go() is State.SUCCEEDED, house_says(site.house, request_id)
    (answer,) = Stopper.answers
    assert answer in ("brake.too-late", "brake.too-late-now")
    assert "too late" in say(answer, number=1).lower()
    assert site.files() == []
    assert "job-halted" not in site.house.kinds()


def test_a_stop_before_the_point_of_no_return_keeps_everything_and_needs_new_votes(site: Site) -> None:
    before = site.contents()
    request_id = site.torn_down()
    site.grace_is_over()
    Stopper.answers.clear()
    site.gatekeeper = partial(Stopper, site, "step.purge-check")
    assert site.go() is State.SET_ASIDE, house_says(site.house, request_id)
    assert Stopper.answers == ["brake.halting"]
    assert everything_is_aside(site, request_id)
    site.gatekeeper = Gatekeeper
    site.house.wait(hours=3)
    assert site.due() == [], "the approvals are gone"
    site.put_back()
    assert site.go() is State.STOPPED
    assert site.contents() == before


def held_half_way(site: Site) -> int:
    """Something that was put there at the last moment keeps a part of it from going."""
    request_id = site.torn_down()
    site.grace_is_over()
    aside = site.srv / ".countersign-quarantine" / f"t{request_id}" / "uploads"

    class Late(Gatekeeper):
        def removing(self) -> None:
            super().removing()
            (aside / "stranger").write_text("nobody backed me up")

    site.gatekeeper = Late
    assert site.go() is State.HELD, house_says(site.house, request_id)
    site.gatekeeper = Gatekeeper
    (aside / "stranger").unlink()
    return request_id


def test_go_on_pressed_by_two_people_at_once_goes_on_once(site: Site) -> None:
    request_id = held_half_way(site)
    answers = race(
        partial(site.go_on, "U0ALICE"), partial(site.go_on, "U0ERIN"), partial(site.go_on, "U0ALICE")
    )
    refused = [one for one in answers if one is not None]
    assert [getattr(one, "key", one) for one in refused] == ["go-on.already"] * 2
    assert site.house.notes(request_id).count("note.go-on-asked") == 1
    (job,) = site.due()
    assert site.due() == []
    assert site.run(job) is State.SUCCEEDED, house_says(site.house, request_id)
    assert site.files() == []
    assert site.run(job) is State.SUCCEEDED, "a second run of the same job changes nothing"
    with pytest.raises(Stale, match=r"go-on\.nothing"):
        site.go_on()


def test_put_back_pressed_by_two_people_at_once_is_done_once(site: Site) -> None:
    before = site.contents()
    request_id = site.torn_down()
    answers = race(partial(site.put_back, "U0ERIN"), partial(site.put_back, "U0BOB"))
    assert sorted(getattr(one, "key", "") for one in answers) == ["", "put-back.already"]
    (job,) = site.due()
    assert site.due() == []
    assert site.run(job) is State.STOPPED, house_says(site.house, request_id)
    assert site.contents() == before


TWIN = Host("here", "another machine of the same name", "db1")
MOVED = Host("here", "the worker's new machine", "db2")


@pytest.mark.parametrize(
    ("other", "key"), [(TWIN, "teardown.another-host"), (MOVED, "teardown.moved-host")], ids=["twin", "moved"]
)
def test_a_worker_on_another_machine_neither_removes_nor_puts_back(site: Site, other: Host, key: str) -> None:
    before = site.contents()
    request_id = site.torn_down()
    site.host = other
    site.grace_is_over()
    assert site.go() is State.HELD, house_says(site.house, request_id)
    assert site.house.request(request_id).outcome == key
    assert everything_is_aside(site, request_id)
    assert site.house.request(request_id).outcome_params.get("there") in (None, "db1")
    site.put_back()
    assert site.go() is State.HELD
    assert site.house.request(request_id).outcome == key
    assert everything_is_aside(site, request_id)
    assert not (site.folder / "certificates").exists()
    site.host = HERE
    site.put_back()
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    assert site.contents() == before
