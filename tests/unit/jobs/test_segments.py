"""A large set goes record by record: what one part did stays, what is left is untouched, all of it is backed up."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.errors import TargetDown
from bot.jobs.crew import Crew
from bot.model.choices import Mode, RestoreChoice
from bot.model.jobs import Job, JobState
from bot.model.requests import Operation, State
from bot.model.segments import progress
from bot.operations.conflicts import Conflict
from bot.schedules import sweeps
from tests.fakes.operations import make_bench
from tests.fakes.rooms import SETTINGS, House, config
from tests.fakes.works import DyingCrew, Killed, Works, plainly

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id), text TEXT);
CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id) ON DELETE SET NULL);
INSERT INTO customers VALUES (1, 'a@example.com', 'Ada'), (2, 'b@example.com', 'Bob'), (3, 'c@example.com', 'Cyd'),
    (4, 'd@example.com', 'Dan');
INSERT INTO notes VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three'), (4, 3, 'four'), (5, 3, 'five'), (6, 4, 'six');
INSERT INTO visits VALUES (1, 1), (2, 3), (3, 4);
"""
THREE = ("a@example.com", "b@example.com", "c@example.com")
ROWS = {"customers": 3, "notes": 5}


def limited(works: Works, above: int = 4, **more: Any) -> None:
    url = f"sqlite:///{works.bench.path}"
    known = SETTINGS["targets"]["crm"]
    records = {"customer": {**known["records"]["customer"], "label": "{name}"}}
    crm = {**known, "database": {"url": url}, "records": records, "segments": {"above": above, **more}}
    works.house.configure(config(targets={**SETTINGS["targets"], "crm": crm}))


@pytest.fixture
def works(house: House, tmp_path: Path) -> Works:
    folder = tmp_path / "crm"
    folder.mkdir()
    made = Works(house, make_bench(folder, SCHEMA, label="{name}"))
    limited(made)
    return made


def customers(works: Works) -> list[int]:
    return [row[0] for row in works.bench.ask("SELECT id FROM customers ORDER BY id")]


def kept(works: Works) -> list[int]:
    """Rows in each backup of our books that opens."""
    return [works.bench.vault.verify(str(row["id"])).rows for row in works.house.rows("backups")]


def test_many_rows_go_record_by_record_with_one_receipt_over_all_of_them(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    planned = works.house.view(request_id).revision
    assert planned is not None
    assert [part[0] for part in planned.plan["segments"]] == [3, 2, 3]
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert customers(works) == [4]
    assert works.bench.ask("SELECT id, customer FROM visits ORDER BY id") == [(1, None), (2, None), (3, 4)]
    facts = works.house.job(job).facts
    assert facts["rows"] == ROWS
    assert facts["nullified"] == {"visits.customer -> customers.id": 2}
    assert sorted(kept(works)) == [2, 3, 3]
    view = works.house.view(request_id)
    assert view.backup is not None
    assert view.backup.rows == 8
    assert len({str(row["keep_until"]) for row in works.house.rows("backups")}) == 1
    assert works.house.kinds().count("committed") == 3


@pytest.mark.parametrize(
    ("values", "above"), [(THREE[:1], 2), (THREE[:2], 5)], ids=["one record", "few rows"]
)
def test_few_rows_and_a_single_record_go_at_once(works: Works, values: tuple[str, ...], above: int) -> None:
    limited(works, above=above)
    request_id, job = works.running(values=values)
    revision = works.house.view(request_id).revision
    assert revision is not None
    assert "segments" not in revision.plan
    works.crew().run(job, plainly)
    assert len(customers(works)) == 4 - len(values)
    assert len(kept(works)) == 1


#: What ties records together, and in how many parts three of them then go; None: at once.
TIES = {
    "a row hangs off two of them": (
        "CREATE TABLE meets (a INTEGER REFERENCES customers(id), b INTEGER REFERENCES customers(id), id INTEGER"
        " PRIMARY KEY); INSERT INTO meets VALUES (1, 3, 1);",
        2,
    ),
    "a row of one is emptied for another": (
        "ALTER TABLE notes ADD about INTEGER REFERENCES customers(id) ON DELETE SET NULL;"
        " UPDATE notes SET about = 2 WHERE id = 1;",
        2,
    ),
    "all of them hang on one row": (
        "CREATE TABLE meets (a INTEGER REFERENCES customers(id), b INTEGER REFERENCES customers(id),"
        " c INTEGER REFERENCES customers(id), id INTEGER PRIMARY KEY); INSERT INTO meets VALUES (1, 2, 3, 1);",
        None,
    ),
    "a row that stays is emptied for two": (
        "ALTER TABLE visits ADD other INTEGER REFERENCES customers(id) ON DELETE SET NULL;"
        " UPDATE visits SET other = 2 WHERE id = 1;",
        3,
    ),
}


@pytest.mark.parametrize(("script", "parts"), TIES.values(), ids=TIES.keys())
def test_records_that_hang_together_go_together(works: Works, script: str, parts: int | None) -> None:
    works.bench.sql(script)
    request_id, job = works.running(values=THREE)
    revision = works.house.view(request_id).revision
    assert revision is not None
    assert (len(revision.plan["segments"]) if "segments" in revision.plan else None) == parts
    told = [key for key, _ in revision.plan["warnings"]]
    assert ("told.segments" in told, "told.one-piece" in told) == (parts is not None, parts is None)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert customers(works) == [4]


def at_segment(number: int, step: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Does something at a step of the segment with this number, once."""
    seen = [0]

    def meet(name: str) -> None:
        seen[0] += name == "step.lock"
        if name == step and seen[0] == number:
            seen[0] = 1000
            act()

    return meet


STEPS = ("step.lock", "step.copy", "step.test-restore", "step.delete", "step.commit", "step.verify")


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_anywhere_goes_on_where_it_was(works: Works, step: str, segment: int) -> None:
    def die() -> None:
        raise Killed

    request_id, job = works.running(values=THREE)
    with pytest.raises(Killed):
        works.crew(act=at_segment(segment, step, die)).run(job, plainly)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert customers(works) == [4]
    assert works.house.job(job).facts["rows"] == ROWS
    assert sorted(kept(works)) == [2, 3, 3]
    archives = [name for name in works.stored() if name.endswith(".age") and not name.endswith(".key.age")]
    assert len(archives) == 3


def test_a_crash_between_the_commit_and_our_note_counts_the_segment_once(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    for _ in THREE:
        with pytest.raises(Killed):
            works.crew(DyingCrew).run(job, plainly)
        state = works.house.job(job).state
        assert state is JobState.COMMITTING
        with pytest.raises(Killed):
            works.crew(OneStepCrew).run(job, plainly)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert works.house.job(job).facts["rows"] == ROWS
    assert sorted(kept(works)) == [2, 3, 3]


class OneStepCrew(Crew):
    """Finds out what became of the commit, and dies before it does anything else."""

    def _between(self, job: Job) -> None:
        raise Killed

    def tell(self, job_id: str) -> str:
        raise Killed


def after_part(number: int, act: Callable[[], None]) -> type[Crew]:
    """A crew around which something happens once, when so many parts are done and the next is not looked at."""
    acted: list[bool] = []

    class Between(Crew):
        def _between(self, job: Job) -> None:
            if not acted and progress(job.facts).done == number:
                acted.append(True)
                act()
            super()._between(job)

    return Between


def stop(works: Works, number: int = 1) -> None:
    with works.house.store.transact() as work:
        works.house.lifecycle.stop(work, number, works.house.actor("U0ALICE"), works.house.now)


def freeze(works: Works) -> None:
    with works.house.store.transact() as work:
        works.house.lifecycle.freeze(work, "crm", None, works.house.actor("U0ALICE"), works.house.now)


def fail(works: Works) -> None:
    raise TargetDown("target.locked", target="crm")


#: What happens in the second of three parts, how the request then stands, and what people read.
ENDS: dict[str, tuple[Callable[[Works], None], State, str]] = {
    "somebody presses stop": (stop, State.STOPPED, "outcome.stopped-part-way.delete-records"),
    "somebody freezes the system": (freeze, State.STOPPED, "outcome.stopped-part-way.delete-records"),
    "the database is locked": (fail, State.HELD, "outcome.part-way.delete-records"),
    "a row came after the vote": (
        lambda works: works.bench.sql("INSERT INTO notes VALUES (9, 2, 'new')"),
        State.HELD,
        "outcome.part-way.delete-records",
    ),
    "the record got another name": (
        lambda works: works.bench.sql("UPDATE customers SET name = 'Eve' WHERE id = 2"),
        State.HELD,
        "outcome.part-way.delete-records",
    ),
    "the record is gone": (
        lambda works: works.bench.sql(
            "DELETE FROM notes WHERE customer = 2; DELETE FROM customers WHERE id = 2"
        ),
        State.HELD,
        "outcome.part-way.delete-records",
    ),
    "the worker slept for days": (
        lambda works: works.house.wait(days=3),
        State.HELD,
        "outcome.part-way.delete-records",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_ends_between_two_parts_says_what_is_gone_and_leaves_the_rest(works: Works, case: str) -> None:
    act, state, outcome = ENDS[case]
    request_id, job = works.running(values=THREE)
    works.crew(after_part(1, lambda: act(works))).run(job, plainly)
    request = works.house.request(request_id)
    assert (request.state, request.outcome) == (state, outcome)
    assert request.outcome_params["done"] == 1
    assert request.outcome_params["rows"] == 3
    assert 3 in customers(works)
    assert 1 not in customers(works)
    assert kept(works) == [3]
    assert f"receipt:{request_id}" in works.house.subjects(request_id)
    works.crew().sweep()
    assert kept(works) == [3]
    if state is State.HELD:
        # Whoever closes it reads what is gone, and not that nobody knows.
        stop(works)
        assert works.house.request(request_id).outcome == "outcome.stopped-part-way.delete-records"


def test_no_more_rows_go_in_a_second_than_configured(works: Works) -> None:
    limited(works, pace=1)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        works.house.wait(seconds=seconds)

    _, job = works.running(values=THREE)
    replace(works.crew(), rest=rest).run(job, plainly)
    assert customers(works) == [4]
    # Three rows of the first part and two of the second before the last one begins.
    assert sum(rests) == 5
    assert max(rests) <= 1


def test_a_stop_counts_while_it_rests(works: Works) -> None:
    limited(works, pace=1)
    request_id, job = works.running(values=THREE)
    replace(works.crew(), rest=lambda _: stop(works)).run(job, plainly)
    assert works.house.state(request_id) is State.STOPPED
    assert customers(works) == [2, 3, 4]


def asked_back(works: Works, number: int = 1, **more: Any) -> tuple[int, str]:
    """A restore of that request, approved and past the gate."""
    house = works.house
    back = house.file(operation=Operation.RESTORE, target=None, record=None, values=(), number=number, **more)
    house.plan(back, works.crew().hands.plan(house.request(back)))
    house.vote(back, "U0DAN")
    house.wait(seconds=11)
    job = house.enqueue(back)
    assert house.take(job) == "go"
    return back, job


def gone(works: Works) -> dict[str, Any]:
    """Three records deleted part by part; the database before."""
    before = works.bench.dump()
    _, job = works.running(values=THREE)
    works.crew().run(job, plainly)
    return before


def test_all_parts_come_back_by_the_number_of_the_request(works: Works) -> None:
    before = gone(works)
    back, job = asked_back(works)
    revision = works.house.view(back).revision
    assert revision is not None
    assert [part[0] for part in revision.plan["segments"]] == [3, 2, 3]
    works.crew().run(job, plainly)
    assert works.house.state(back) is State.SUCCEEDED
    assert works.house.job(job).facts["rows"] == ROWS
    assert works.bench.dump() == before


BACK = ("step.lock", "step.unpack", "step.insert", "step.commit", "step.verify")


@pytest.mark.parametrize("segment", [1, 2, 3])
@pytest.mark.parametrize("step", BACK)
def test_a_crash_on_the_way_back_goes_on_where_it_was(works: Works, step: str, segment: int) -> None:
    def die() -> None:
        raise Killed

    before = gone(works)
    back, job = asked_back(works)
    with pytest.raises(Killed):
        works.crew(act=at_segment(segment, step, die)).run(job, plainly)
    works.crew().run(job, plainly)
    assert works.house.state(back) is State.SUCCEEDED
    assert works.bench.dump() == before


def test_what_came_back_before_a_stop_is_left_out_of_the_next_restore(works: Works) -> None:
    before = gone(works)
    back, job = asked_back(works)

    works.crew(after_part(2, lambda: stop(works, 2))).run(job, plainly)
    assert works.house.request(back).outcome == "outcome.stopped-part-way.restore"
    assert customers(works) == [2, 3, 4]
    again, job = asked_back(works)
    works.crew().run(job, plainly)
    assert works.house.state(again) is State.SUCCEEDED
    assert works.bench.dump() == before


def test_what_is_gone_after_a_stop_comes_back_by_the_same_number(works: Works) -> None:
    before = works.bench.dump()
    _, job = works.running(values=THREE)

    works.crew(after_part(2, lambda: stop(works))).run(job, plainly)
    assert customers(works) == [3, 4]
    back, job = asked_back(works)
    works.crew().run(job, plainly)
    assert works.house.state(back) is State.SUCCEEDED
    assert works.bench.dump() == before


def test_a_part_that_somebody_wrote_into_our_books_is_not_carried_out(works: Works) -> None:
    gone(works)
    before = works.bench.dump()
    back, job = asked_back(works)
    with works.house.store.transact() as work:
        place = f"request:{back}"
        text = str(work.erasable.get(place, "subject"))
        work.erasable.erase(place)
        work.erasable.put(place, "subject", text.replace('"crm"', '"hr"'), b"", works.house.now)
    works.crew().run(job, plainly)
    assert works.house.state(back) is State.FAILED
    assert works.bench.dump() == before


def test_what_was_stopped_half_way_counts_towards_the_cap_of_its_rule(works: Works) -> None:
    _, job = works.running(values=THREE)
    since = works.house.now - timedelta(hours=1)

    def used() -> list[int]:
        with works.house.store.read() as work:
            return [one.rows for one in work.usage.on("crm", since, waiting=False, but=0)]

    works.crew(after_part(2, lambda: stop(works))).run(job, plainly)
    assert works.house.state(1) is State.STOPPED
    assert used() == [8]
    works.house.wait(hours=2)
    since = works.house.now - timedelta(hours=1)
    assert used() == []


def test_what_is_in_the_way_of_one_part_can_be_left_out(works: Works) -> None:
    gone(works)
    works.bench.sql("INSERT INTO customers VALUES (1, 'new@example.com', 'Zoe')")
    with pytest.raises(Conflict) as refused:
        asked_back(works)
    assert refused.value.params["choices"] == "skip"
    back, job = asked_back(works, choice=RestoreChoice(mode=Mode.SKIP))
    works.crew().run(job, plainly)
    assert works.house.state(back) is State.SUCCEEDED
    assert works.bench.ask("SELECT id, name FROM customers ORDER BY id") == [
        (1, b"Zoe"),
        (2, b"Bob"),
        (3, b"Cyd"),
        (4, b"Dan"),
    ]


def test_no_part_is_shredded_while_a_restore_of_any_is_open(works: Works) -> None:
    house = works.house
    gone(works)
    house.wait(days=29, hours=23)
    back = house.file(operation=Operation.RESTORE, target=None, record=None, values=(), number=1)
    house.plan(back, works.crew().hands.plan(house.request(back)))
    house.wait(hours=2)
    sweeps.shred(house.store, house.ground, works.bench.vault, house.now)
    assert {row["state"] for row in house.rows("backups")} == {"kept"}
    with house.store.transact() as work:
        house.lifecycle.cancel(work, 2, house.actor("U0ALICE"), house.now)
    sweeps.shred(house.store, house.ground, works.bench.vault, house.now)
    assert {row["state"] for row in house.rows("backups")} == {"gone"}
