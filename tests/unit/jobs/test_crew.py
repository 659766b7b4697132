"""The crew with a real target and a real store: what a crash, a lost store or a changed file leaves behind."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.errors import Broken, TargetDown
from bot.jobs.engine import Step
from bot.model.jobs import JobState
from bot.model.requests import Operation, State
from bot.store import tables as t
from tests.fakes.operations import make_bench
from tests.fakes.rooms import SETTINGS, House, config, rules_with
from tests.fakes.works import DyingCrew, Killed, Works, plainly

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers(id), text TEXT);
INSERT INTO customers VALUES (1, 'ada.lovelace@example.com', 'Ada'), (2, 'bob@example.com', 'Bob');
INSERT INTO notes VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three');
"""


@pytest.fixture
def works(house: House, tmp_path: Path) -> Works:
    folder = tmp_path / "crm"
    folder.mkdir()
    return Works(house, make_bench(folder, SCHEMA, label="{name}"))


def test_a_job_goes_from_the_gate_to_the_last_word(works: Works) -> None:
    request_id = works.approved()
    job = works.house.enqueue(request_id)
    step: Step = plainly
    works.crew().run(job, step)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert [row[0] for row in works.bench.ask("SELECT id FROM customers")] == [2]


def without_the_system(works: Works) -> None:
    others = {name: one for name, one in SETTINGS["targets"].items() if name != "crm"}
    rules = [rule for rule in SETTINGS["rules"] if rule["when"].get("target") != "crm"]
    works.house.configure(config(targets=others, rules=rules))


#: What an administrator may have changed while the worker lay dead.
CHANGES: dict[str, Callable[[Works], None]] = {
    "the system has left the configuration": without_the_system,
    "its address is not understood any more": lambda works: works.configure("oracle://crm"),
    "its address leads nowhere": lambda works: works.configure("sqlite:////nowhere/crm.db"),
    "another database lies there": lambda works: works.bench.sql("DROP TABLE notes; DROP TABLE customers;"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_after_a_crash_around_the_commit_doubt_never_costs_the_backup(works: Works, case: str) -> None:
    request_id, job = works.running()
    with pytest.raises(Killed):
        works.crew(DyingCrew).execute(job)
    assert [row[0] for row in works.bench.ask("SELECT id FROM customers")] == [2]
    kept = works.stored()
    CHANGES[case](works)

    assert works.crew().execute(job) == JobState.HELD
    works.crew().sweep()
    assert works.stored() == kept
    assert works.house.state(request_id) is State.HELD
    assert works.house.notes(request_id)[-2:] == ["note.hold", "note.hold-kept"]
    booked = works.house.rows("backups")
    assert [(row["id"], row["state"]) for row in booked] == [(works.house.job(job).backup_id, "kept")]
    assert works.bench.vault.verify(str(booked[0]["id"])).rows == 3

    with works.house.store.transact() as work:
        number = works.house.request(request_id).number or 0
        works.house.lifecycle.stop(work, number, works.house.actor("U0ALICE"), works.house.now)
    works.crew().sweep()
    assert works.house.state(request_id) is State.STOPPED
    assert works.stored() == kept


def test_what_stands_still_comes_back_by_the_number_of_its_request(works: Works) -> None:
    before = works.bench.dump()
    request_id, job = works.running()
    with pytest.raises(Killed):
        works.crew(DyingCrew).execute(job)
    without_the_system(works)
    assert works.crew().execute(job) == JobState.HELD
    works.configure()

    number = works.house.request(request_id).number
    back = works.house.file(operation=Operation.RESTORE, target=None, record=None, values=(), number=number)
    works.house.plan(back, works.crew().hands.plan(works.house.request(back)))
    works.house.vote(back, "U0DAN")
    works.house.wait(seconds=11)
    works.crew().run(works.house.enqueue(back), plainly)
    assert works.house.state(back) is State.SUCCEEDED
    assert works.bench.dump() == before


def lose(works: Works) -> None:
    shutil.rmtree(works.bench.path.parent / "backups")


def replace_by_a_file(works: Works) -> None:
    lose(works)
    (works.bench.path.parent / "backups").write_text("not a folder")


STEPS = ("step.lock", "step.compare", "step.copy", "step.seal", "step.test-restore")


@pytest.mark.parametrize("damage", [lose, replace_by_a_file])
@pytest.mark.parametrize("at", STEPS)
def test_a_store_that_goes_away_ends_the_request_and_deletes_nothing(
    works: Works, at: str, damage: Callable[[Works], None]
) -> None:
    before = works.bench.dump()
    request_id, job = works.running()
    state = works.crew(act=lambda name: damage(works) if name == at else None).execute(job)
    assert state == JobState.FAILED
    assert works.house.state(request_id) is State.FAILED
    assert str(works.house.request(request_id).outcome).startswith("backups.store_")
    assert works.bench.dump() == before


def test_a_backup_that_could_not_be_removed_goes_when_the_store_is_back(works: Works) -> None:
    before = works.bench.dump()
    request_id, job = works.running()
    folder = works.bench.path.parent / "backups"
    away = folder.with_name("away")

    def act(name: str) -> None:
        if name == "step.delete":
            folder.rename(away)
            number = works.house.request(request_id).number or 0
            with works.house.store.transact() as work:
                works.house.lifecycle.stop(work, number, works.house.actor("U0ALICE"), works.house.now)

    works.crew(act=act).execute(job)
    assert works.house.state(request_id) is State.STOPPED
    assert works.bench.dump() == before
    away.rename(folder)
    assert any(name.endswith(".key.age") for name in works.stored())
    works.crew().sweep()
    assert not any(name.endswith(".age") for name in works.stored())
    assert works.house.rows("backups") == []


@pytest.mark.parametrize("at", ["step.lock", "step.commit"])
def test_a_worker_that_slept_over_the_end_of_its_permit_stops(works: Works, at: str) -> None:
    before = works.bench.dump()
    request_id, job = works.running()
    slept = works.crew(act=lambda name: works.house.wait(days=2) if name == at else None)
    assert slept.execute(job) == JobState.FAILED
    assert works.house.request(request_id).outcome == "job.expired"
    assert works.bench.dump() == before
    assert not any(name.endswith(".age") for name in works.stored())


#: A child row appears after the approval: what the rule allowed, allows now, and what then happens.
ALLOWED = {
    "allowed then and now": (2, 2, JobState.COMMITTED),
    "allowed then, not any more": (2, 0, JobState.DRIFTED),
    "not allowed then, but now": (0, 2, JobState.DRIFTED),
    "not as many": (1, 2, JobState.DRIFTED),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_a_few_more_rows_go_only_when_the_rule_allowed_it_and_still_does(works: Works, case: str) -> None:
    then, today, state = ALLOWED[case]
    works.configure(rules=rules_with(drift={"rows": then}))
    _, job = works.running()
    works.bench.sql("INSERT INTO notes VALUES (8, 1, 'new'), (9, 1, 'newer')")
    works.configure(rules=rules_with(drift={"rows": today}))
    assert works.crew().execute(job) == state


def test_a_forged_allowance_in_the_books_counts_for_nothing(works: Works) -> None:
    _, job = works.running()
    works.bench.sql("INSERT INTO notes VALUES (9, 1, 'new')")
    with works.house.store.transact() as work:
        row = work.connection.execute(t.revisions.select()).mappings().first()
        assert row is not None
        rule = {**row["rule"], "drift_rows": 1000}
        work.connection.execute(update(t.revisions).values(rule=rule))
    before = works.bench.dump()
    assert works.crew().execute(job) == JobState.FAILED
    assert works.house.request(1).outcome == "outcome.not-what-was-approved"
    assert works.bench.dump() == before


GIVING_WAY = {
    "a deadlock once": (["target.deadlock"], State.SUCCEEDED),
    "a collision twice": (["target.collided"] * 2, State.SUCCEEDED),
    "a deadlock every time": (["target.deadlock"] * 3, State.FAILED),
    "a lock that is held is waited for once only": (["target.locked"], State.FAILED),
}


@pytest.mark.parametrize(("troubles", "end"), GIVING_WAY.values(), ids=GIVING_WAY.keys())
@pytest.mark.parametrize("step", ["step.lock", "step.delete"])
def test_who_gave_way_to_another_transaction_tries_again(
    works: Works, troubles: list[str], end: State, step: str
) -> None:
    waiting, rests = list(troubles), list[float]()

    def act(name: str) -> None:
        if name == step and waiting:
            raise TargetDown(waiting.pop(0), target="crm")

    request_id, job = works.running()
    crew = replace(works.crew(act=act), rest=rests.append)
    crew.execute(job)
    crew.tell(job)
    assert works.house.state(request_id) is end
    assert len(rests) == (0 if troubles == ["target.locked"] else min(len(troubles), 2))
    left = [1, 2] if end is State.FAILED else [2]
    assert [row[0] for row in works.bench.ask("SELECT id FROM customers ORDER BY id")] == left
    archives = [name for name in works.stored() if name.endswith(".age") and not name.endswith(".key.age")]
    assert len(archives) == (1 if end is State.SUCCEEDED else 0)


def test_a_stop_counts_between_two_goes(works: Works) -> None:
    def act(name: str) -> None:
        if name == "step.lock":
            raise TargetDown("target.deadlock", target="crm")

    def stop(_: float) -> None:
        with works.house.store.transact() as work:
            works.house.lifecycle.stop(work, 1, works.house.actor("U0ALICE"), works.house.now)

    request_id, job = works.running()
    replace(works.crew(act=act), rest=stop).execute(job)
    assert works.house.state(request_id) is State.STOPPED


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_a_target_that_is_away_for_a_moment_is_asked_again_what_became_of_the_commit(
    works: Works, committed: bool
) -> None:
    request_id, job = works.running()
    if committed:
        with pytest.raises(Killed):
            works.crew(DyingCrew).execute(job)
    else:

        def die(name: str) -> None:
            if name == "step.verify":
                raise Killed

        before = works.bench.path.read_bytes()
        with pytest.raises(Killed):
            works.crew(act=die).execute(job)
        works.bench.path.write_bytes(before)
    away = works.bench.path.with_name("away")
    works.bench.path.rename(away)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 3:
            away.rename(works.bench.path)

    crew = replace(works.crew(), rest=rest)
    assert crew.execute(job) == JobState.COMMITTED
    crew.tell(job)
    assert len(rests) == 3
    assert works.house.state(request_id) is State.SUCCEEDED
    assert [row[0] for row in works.bench.ask("SELECT id FROM customers")] == [2]


def test_what_nobody_can_tell_is_held_though_the_rows_look_as_if_we_had_done_it(works: Works) -> None:
    """Our transaction was ended while we stood still, and another one has deleted the same rows."""

    def act(name: str) -> None:
        if name == "step.verify":
            raise Broken("operations.ended", target="crm")

    request_id, job = works.running()
    works.crew(act=act).execute(job)
    assert works.house.state(request_id) is State.HELD
    assert any(name.endswith(".age") for name in works.stored())
