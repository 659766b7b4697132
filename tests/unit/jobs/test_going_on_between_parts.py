"""What stands still between two parts goes on when somebody says so, and only with everything asked again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import CountersignError
from bot.jobs.dispatch import Dispatcher
from bot.model.jobs import JobKind, JobState
from bot.model.people import RosterFacts
from bot.model.requests import Choice, Operation, State
from bot.store.ports import RosterPort
from handlers.views import request_card
from tests.fakes.operations import make_bench
from tests.fakes.rooms import House
from tests.fakes.site import Alone
from tests.fakes.works import DyingCrew, Killed, Works, plainly
from tests.unit.jobs.test_segments import (
    ROWS,
    SCHEMA,
    THREE,
    after_part,
    at_segment,
    customers,
    fail,
    freeze,
    kept,
    limited,
    stop,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


@pytest.fixture
def works(house: House, tmp_path: Path) -> Works:
    folder = tmp_path / "crm"
    folder.mkdir()
    made = Works(house, make_bench(folder, SCHEMA, label="{name}"))
    limited(made)
    return made


def held(works: Works, after: int = 1) -> int:
    """A deletion of three parts that stands still because the database was locked."""
    request_id, job = works.running(values=THREE)
    works.crew(after_part(after, lambda: fail(works))).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    return request_id


def go_on(works: Works, number: int = 1, user: str = "U0ALICE") -> None:
    house = works.house
    with house.store.transact() as work:
        house.lifecycle.go_on(work, number, house.actor(user), house.now)


def due(works: Works, roster: RosterFacts | None = None) -> list[str]:
    """What the sweep puts into the queue, after it has asked who is who."""
    house, queued = works.house, list[str]()
    dispatcher = Dispatcher(
        house.store,
        house.ground,
        works.crew().hands.plan,
        lambda _, job, __: queued.append(job),
        None,
        Alone(),
    )
    for _ in range(2):
        dispatcher.start_due(house.clock)
        dispatcher.end_grace(house.clock)
        for question in RosterPort(house.store).questions():
            RosterPort(house.store).answer(question.nonce, roster or house.roster(), house.now)
    dispatcher.close()
    return queued


def refused(works: Works, key: str, user: str = "U0ALICE") -> None:
    with pytest.raises(CountersignError) as caught:
        go_on(works, user=user)
    assert caught.value.key == key
    assert due(works) == []


def buttons(works: Works, request_id: int) -> set[str]:
    """What can be pressed on the card."""
    blocks = request_card.render(works.house.view(request_id), "en").blocks
    return {
        str(one["action_id"]) for block in blocks for one in block.get("elements") or () if "action_id" in one
    }


@pytest.mark.parametrize("after", [1, 2])
def test_it_goes_on_where_it_stood_and_nothing_is_done_twice(works: Works, after: int) -> None:
    request_id = held(works, after)
    assert due(works) == [], "nobody has asked"
    assert {"go-on", "stop"} <= buttons(works, request_id)
    go_on(works)
    (job,) = due(works)
    assert works.house.job(job).kind is JobKind.REST
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert works.house.request(request_id).outcome == "outcome.done"
    assert customers(works) == [4]
    facts = works.house.job(job).facts
    assert (facts["rows"], facts["segments_done"]) == (ROWS, 3)
    assert sorted(kept(works)) == [2, 3, 3]
    assert due(works) == []
    assert buttons(works, request_id) == set()


def test_one_reference_brings_back_the_parts_of_both_jobs(works: Works) -> None:
    before = works.bench.dump()
    held(works)
    go_on(works)
    works.crew().run(due(works)[0], plainly)
    house = works.house
    back = house.file(operation=Operation.RESTORE, target=None, record=None, values=(), number=1)
    house.plan(back, works.crew().hands.plan(house.request(back)))
    house.vote(back, "U0DAN")
    house.wait(seconds=11)
    (job,) = due(works)
    # The way back stands still as well, and goes on as well.
    works.crew(after_part(1, lambda: fail(works))).run(job, plainly)
    assert house.state(back) is State.HELD
    go_on(works, 2)
    works.crew().run(due(works)[0], plainly)
    assert house.state(back) is State.SUCCEEDED
    assert works.bench.dump() == before


def lose_a_vote(works: Works) -> None:
    with works.house.store.transact() as work:
        work.votes.drop(1, 1, "U0CAROL")


def deny(works: Works) -> None:
    works.house.vote(1, "U0BOB", Choice.DENY)


#: What happened meanwhile, and the refusal of whoever presses.
MEANWHILE: dict[str, tuple[Callable[[Works], None], str]] = {
    "the system is frozen": (freeze, "go-on.frozen"),
    "a vote is gone": (lose_a_vote, "go-on.votes"),
    "somebody is against it": (deny, "go-on.votes"),
    "somebody was faster": (go_on, "go-on.already"),
    "it was stopped": (stop, "go-on.nothing"),
}


@pytest.mark.parametrize("case", MEANWHILE)
def test_what_does_not_go_on_says_why(works: Works, case: str) -> None:
    act, key = MEANWHILE[case]
    held(works)
    act(works)
    with pytest.raises(CountersignError) as caught:
        go_on(works)
    assert caught.value.key == key
    assert customers(works) == [2, 3, 4]


def test_whoever_may_not_ask_for_it_may_not_let_it_go_on(works: Works) -> None:
    held(works)
    refused(works, "filing.no-role", user="U0DAN")


def test_what_nobody_knows_about_does_not_go_on(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    with pytest.raises(Killed):
        works.crew(DyingCrew).run(job, plainly)
    with works.house.store.transact() as work:
        work.jobs.save(
            job, JobState.COMMITTING, state=JobState.HELD, facts={"segments_done": 1, "segments": 3}
        )
        request = works.house.ground.lock(work, request_id)
        works.house.ground.change(work, request, "hold", works.house.now)
    refused(works, "go-on.nothing")


def test_a_role_that_is_lost_by_then_is_seen_at_the_gate(works: Works) -> None:
    request_id = held(works)
    go_on(works)
    (job,) = due(works, works.house.roster(flags={"U0CAROL": {"is_deactivated": True}}))
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    assert works.house.job(job).state is JobState.TURNED_AWAY
    assert "note.rest-needs-votes" in works.house.notes(request_id)
    assert customers(works) == [2, 3, 4]
    # The ballot is open while it stands still; then it goes on.
    assert due(works) == []
    works.house.vote(request_id, "U0BOB")
    go_on(works)
    works.crew().run(due(works)[0], plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert works.house.job(works.house.rows("jobs")[-1]["id"]).facts["rows"] == ROWS


def test_a_policy_that_allows_it_no_more_is_seen_at_the_gate(works: Works) -> None:
    request_id = held(works)
    go_on(works)
    (job,) = due(works)
    limited(works)
    works.house.configure(works.house.settings.model_copy(update={"rules": works.house.settings.rules[1:]}))
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    assert "note.rest-policy-says-no" in works.house.notes(request_id)
    assert customers(works) == [2, 3, 4]


def test_a_stop_while_it_waits_for_its_worker_counts(works: Works) -> None:
    request_id = held(works)
    go_on(works)
    (job,) = due(works)
    stop(works)
    works.crew().run(job, plainly)
    assert works.house.request(request_id).outcome == "outcome.stopped-part-way.delete-records"
    assert customers(works) == [2, 3, 4]


def test_it_can_stand_still_again_and_go_on_again(works: Works) -> None:
    request_id = held(works)
    works.bench.sql("INSERT INTO notes VALUES (9, 2, 'new')")
    go_on(works)
    works.crew().run(due(works)[0], plainly)
    assert works.house.state(request_id) is State.HELD
    assert "drift.segment" in works.house.notes(request_id)
    assert customers(works) == [2, 3, 4]
    works.bench.sql("DELETE FROM notes WHERE id = 9")
    go_on(works)
    works.crew().run(due(works)[0], plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert sorted(kept(works)) == [2, 3, 3]


def test_days_later_it_has_a_day_of_its_own(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    works.crew(after_part(1, lambda: works.house.wait(days=3))).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    go_on(works)
    works.house.wait(hours=2)
    assert due(works) == [], "whoever presses means now"
    go_on(works)
    works.crew().run(due(works)[0], plainly)
    assert works.house.state(request_id) is State.SUCCEEDED


@pytest.mark.parametrize("step", ["step.lock", "step.test-restore", "step.commit"])
def test_a_crash_after_it_went_on_loses_and_repeats_nothing(works: Works, step: str) -> None:
    def die() -> None:
        raise Killed

    request_id = held(works)
    go_on(works)
    (job,) = due(works)
    with pytest.raises(Killed):
        works.crew(act=at_segment(1, step, die)).run(job, plainly)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert works.house.job(job).facts["rows"] == ROWS
    assert sorted(kept(works)) == [2, 3, 3]


def test_its_pace_begins_anew(works: Works) -> None:
    limited(works, pace=1)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        works.house.wait(seconds=seconds)

    request_id, job = works.running(values=THREE)
    replace(works.crew(after_part(1, lambda: fail(works))), rest=rest).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    rests.clear()
    go_on(works)
    replace(works.crew(), rest=rest).run(due(works)[0], plainly)
    assert customers(works) == [4]
    # The two rows of the second part, and not also the three of the job before.
    assert sum(rests) == 2


# pause


def pause(works: Works, user: str = "U0DAN") -> None:
    house = works.house
    with house.store.transact() as work:
        house.lifecycle.pause(work, 1, house.actor(user), house.now)


@pytest.mark.parametrize("part", [1, 2])
def test_a_pause_stands_still_after_the_part_under_way_and_goes_on_where_it_stood(
    works: Works, part: int
) -> None:
    request_id, job = works.running(values=THREE)
    works.crew(act=at_segment(part, "step.copy", lambda: pause(works))).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    assert works.house.job(job).facts["segments_done"] == part
    notes = works.house.notes(request_id)
    assert notes.index("note.pause-asked") < notes.index("job.paused")
    assert {"go-on", "stop"} <= buttons(works, request_id)
    assert "pause" not in buttons(works, request_id)
    go_on(works)
    (rest,) = due(works)
    works.crew().run(rest, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED, "a pause does not go over to the next job"
    assert customers(works) == [4]
    assert works.house.job(rest).facts["rows"] == ROWS


def test_a_pause_ends_a_wait_for_the_pace(works: Works) -> None:
    limited(works, pace=1)
    request_id, job = works.running(values=THREE)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 2:
            pause(works)

    replace(works.crew(), rest=rest).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    assert len(rests) == 2


def test_a_pause_survives_a_crash(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    with pytest.raises(Killed):
        works.crew(DyingCrew, at_segment(1, "step.commit", lambda: pause(works))).run(job, plainly)
    works.crew().run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    assert works.house.job(job).facts["segments_done"] == 1


def pausing_is_refused(works: Works, key: str, user: str = "U0DAN") -> None:
    with pytest.raises(CountersignError) as caught:
        pause(works, user)
    assert caught.value.key == key


def test_only_what_runs_in_parts_and_has_one_left_is_paused_and_only_once(works: Works) -> None:
    request_id, job = works.running(values=THREE)
    asked: list[str] = []

    def look(name: str) -> None:
        if name != "step.copy":
            return
        asked.append(name)
        if len(asked) == 1:
            assert "pause" in buttons(works, request_id)
            pausing_is_refused(works, "brake.no-role", "U0FRANK")
        if len(asked) == 3:
            assert "pause" not in buttons(works, request_id)
            pausing_is_refused(works, "pause.last-part")

    works.crew(act=look).run(job, plainly)
    assert works.house.state(request_id) is State.SUCCEEDED
    assert len(asked) == 3
    pausing_is_refused(works, "pause.not-running")


def test_a_second_pause_is_told_of_the_first(works: Works) -> None:
    request_id, job = works.running(values=THREE)

    def twice() -> None:
        pause(works)
        pausing_is_refused(works, "pause.already")

    works.crew(act=at_segment(1, "step.copy", twice)).run(job, plainly)
    assert works.house.state(request_id) is State.HELD
    pausing_is_refused(works, "pause.not-running")


def test_what_goes_in_one_piece_is_not_paused(works: Works) -> None:
    _, job = works.running(values=THREE[:1])
    works.crew(act=at_segment(1, "step.copy", lambda: pausing_is_refused(works, "pause.one-piece"))).run(
        job, plainly
    )
    assert customers(works) != [4]
