"""Files of a job that a crash cut off and that a person stopped: the sweep brings them where their rows are."""

from pathlib import Path

import pytest

from bot.jobs.crew import Crew
from bot.model.requests import Operation, State
from tests.fakes.operations import make_bench
from tests.fakes.rooms import SETTINGS, House
from tests.fakes.works import Killed, Works
from tests.unit.jobs.test_crew import SCHEMA


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "uploads"
    root.mkdir()
    for name in ("one", "two", "three"):
        (root / name).write_text(f"the file {name}")
    return root


@pytest.fixture
def works(house: House, tmp_path: Path, root: Path) -> Works:
    folder = tmp_path / "crm"
    folder.mkdir()
    works = Works(house, make_bench(folder, SCHEMA, label="{name}"))
    crm = {
        **SETTINGS["targets"]["crm"],
        "database": {"url": f"sqlite:///{works.bench.path}"},
        "attachments": [{"column": "notes.text", "file": str(root)}],
    }
    works.configure(targets={**SETTINGS["targets"], "crm": crm})
    return works


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def dies_at(works: Works, step: str) -> Crew:
    def die(name: str) -> None:
        if name == step:
            raise Killed

    return works.crew(act=die)


def stop(works: Works, request_id: int) -> None:
    with works.house.store.transact() as work:
        number = works.house.request(request_id).number or 0
        works.house.lifecycle.stop(work, number, works.house.actor("U0ALICE"), works.house.now)
    assert works.house.state(request_id) is State.STOPPED


def test_a_deletion_stopped_after_a_crash_gets_its_files_back(works: Works, root: Path) -> None:
    before = works.bench.dump()
    request_id, job = works.running()
    with pytest.raises(Killed):
        dies_at(works, "step.commit").execute(job)
    works.crew().sweep()
    assert names(root) > {"three"}
    stop(works, request_id)
    works.crew().sweep()
    assert (works.bench.dump(), names(root)) == (before, {"one", "two", "three"})


def test_a_restore_stopped_after_a_crash_takes_its_files_away_again(works: Works, root: Path) -> None:
    first, job = works.running()
    works.crew().execute(job)
    works.crew().tell(job)
    assert names(root) == {"three"}
    gone, number = works.bench.dump(), works.house.request(first).number
    back = works.house.file(operation=Operation.RESTORE, target=None, record=None, values=(), number=number)
    works.house.plan(back, works.crew().hands.plan(works.house.request(back)))
    works.house.vote(back, "U0DAN")
    works.house.wait(seconds=11)
    job = works.house.enqueue(back)
    assert works.house.take(job) == "go"
    with pytest.raises(Killed):
        dies_at(works, "step.commit").execute(job)
    works.crew().sweep()
    assert (root / "one").exists()
    stop(works, back)
    works.crew().sweep()
    assert (works.bench.dump(), names(root)) == (gone, {"three"})
