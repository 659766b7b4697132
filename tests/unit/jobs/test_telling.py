"""What is told beside a long step: it is seen in the end, and it never costs the step anything."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.telling import Telling
from bot.model.meter import Reading
from bot.model.requests import State
from bot.targets.ports import Sink
from bot.targets.reporting import SILENT, WatchedSource, report_of
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.rooms import House
from tests.fakes.site import Site, house_says

AT_ONCE = (0.001, 0.0)
STILL = threading.Event()


def test_what_is_added_is_told_by_part_and_stage_until_the_step_is_over() -> None:
    told: list[Reading] = []
    seen = threading.Event()

    def tell(reading: Reading) -> None:
        told.append(reading)
        seen.set()

    telling = Telling(tell, *AT_ONCE)
    telling.measure("files", "copying", {"bytes": 1000, "files": 3})
    telling.add("bytes", 400)
    assert seen.wait(10)
    assert telling.now().units == {"bytes": (400, 1000)}
    telling.begin("removing")
    telling.add("files", 5)
    now = telling.now()
    assert (now.part, now.stage, now.units["files"]) == ("files", "removing", (3, 3))
    telling.measure("database", "comparing", {})
    telling.add("rows", 7)
    assert telling.now().units == {"rows": (7, 0)}
    telling.close()
    count = len(told)
    telling.add("rows", 7)
    assert len(told) == count


def test_from_many_threads_nothing_is_lost() -> None:
    telling = Telling(lambda _: None, *AT_ONCE)
    telling.measure("files", "removing", {"files": 8000})

    def add() -> None:
        for _ in range(1000):
            telling.add("files")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert telling.now().units["files"] == (8000, 8000)
    telling.close()


class Troubled(Gatekeeper):
    """Tells at once, and its telling fails or stands still."""

    told: ClassVar[list[tuple[str, Reading]]]
    trouble: Callable[[], object] = staticmethod(lambda: None)

    def _note(self, position: int, name: str, reading: Reading) -> None:
        self.told.append((name, reading))
        type(self).trouble()
        super()._note(position, name, reading)


def site_that_tells(tmp_path: Path, trouble: Callable[[], object]) -> tuple[Site, list[tuple[str, Reading]]]:
    told: list[tuple[str, Reading]] = []
    kind = type("Kind", (Troubled,), {"trouble": staticmethod(trouble), "told": told})
    site = Site.build(House(tmp_path), tmp_path)
    site.gatekeeper = partial(kind, pace=AT_ONCE)
    return site, told


def explode() -> None:
    raise RuntimeError


@pytest.mark.parametrize(
    ("case", "trouble"),
    [
        ("telling works", lambda: None),
        ("telling fails", explode),
        ("telling stands still", lambda: STILL.wait(600)),
    ],
)
def test_a_teardown_comes_to_its_end_whatever_becomes_of_what_is_told(
    tmp_path: Path, case: str, trouble: Callable[[], object]
) -> None:
    STILL.clear()
    site, told = site_that_tells(tmp_path, trouble)
    request_id = site.torn_down()
    site.grace_is_over()
    assert site.go() is State.SUCCEEDED, (case, house_says(site.house, request_id))
    assert site.files() == []
    assert all(
        name in ("step.back-up", "step.rehearse", "step.set-aside", "step.purge-check", "step.remove")
        for name, _ in told
    )
    STILL.set()
    assert told, "it is slow enough to be told of"
    if case == "telling works":
        with site.house.store.read() as work:
            kept = [step.progress for step in work.jobs.steps_of(request_id) if step.progress]
        assert kept, "what was told stands in the step"
        assert {one["part"] for one in kept} <= {"database", "uploads"}
    site.house.close()


def test_a_step_that_is_over_or_another_worker_s_is_not_written_to(tmp_path: Path) -> None:
    site, _ = site_that_tells(tmp_path, lambda: None)
    site.torn_down()
    reading = Reading("uploads", "copying", {"bytes": (1, 2)})
    with site.house.store.transact() as work:
        job = work.jobs.latest(1)
        assert job is not None
        assert not work.jobs.note_progress(job.id, 0, reading.to_data())
        assert not work.jobs.note_progress(job.id, 99, reading.to_data())
        assert all(step.progress is None or step.progress["part"] for step in work.jobs.steps(job.id))
    site.house.close()


def test_nobody_listens_where_nobody_is_told() -> None:
    backup: Sink = MemoryBackup()
    report_of(backup).add("bytes", 5)
    assert report_of(backup) is SILENT
    assert report_of(WatchedSource(MemoryBackup(), SILENT)) is SILENT
