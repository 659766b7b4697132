"""Every state with every event: the table is the law, and an illegal move changes nothing."""

import itertools
from pathlib import Path

import pytest

from bot.approvals.picture import page
from bot.approvals.states import JOB, REQUEST, move, move_job
from bot.errors import Stale
from bot.model.jobs import JobState
from bot.model.requests import CLOSED, State
from tests.fakes.rooms import House, snapshot

EVENTS = sorted({event for moves in REQUEST.values() for event in moves})
JOB_EVENTS = sorted({event for moves in JOB.values() for event in moves})
DOCS = Path(__file__).parents[3] / "docs"


def test_every_state_has_its_moves() -> None:
    assert set(REQUEST) == set(State)
    assert set(JOB) == set(JobState)
    assert {state for state, moves in REQUEST.items() if not moves} == CLOSED


@pytest.mark.parametrize(("state", "event"), [*itertools.product(State, [*EVENTS, "", "PLANNED"])])
def test_a_move_is_in_the_table_or_it_raises(state: State, event: str) -> None:
    if event in REQUEST[state]:
        assert move(state, event) is REQUEST[state][event]
    else:
        with pytest.raises(Stale) as refused:
            move(state, event)
        assert refused.value.params == {"state": str(state)}


@pytest.mark.parametrize(("state", "event"), [*itertools.product(JobState, [*JOB_EVENTS, "", "start"])])
def test_a_move_of_a_job_is_in_the_table_or_it_raises(state: JobState, event: str) -> None:
    if event in JOB[state]:
        assert move_job(state, event) is JOB[state][event]
    else:
        with pytest.raises(Stale):
            move_job(state, event)


def test_every_state_can_be_reached_and_every_open_one_can_end() -> None:
    reached, ends = {State.PLANNING}, set(CLOSED)
    for _ in State:
        reached |= {after for state in reached for after in REQUEST[state].values()}
        ends |= {state for state, moves in REQUEST.items() if ends & set(moves.values())}
    assert reached == set(State) == ends


def test_no_path_to_running_misses_the_approvals() -> None:
    into = {
        (state, event)
        for state, moves in REQUEST.items()
        for event, after in moves.items()
        if after is State.RUNNING
    }
    # A purge, and the rest of what stands between two parts, have a permit of their own; putting back takes nothing away.
    assert into == {
        (State.APPROVED, "start"),
        (State.SET_ASIDE, "purge"),
        (State.SET_ASIDE, "put-back"),
        (State.HELD, "put-back"),
        (State.HELD, "purge"),
        (State.HELD, "go-on"),
    }
    assert {state for state, moves in REQUEST.items() if State.APPROVED in moves.values()} == {State.PENDING}
    assert {event for event, after in REQUEST[State.PENDING].items() if after is State.APPROVED} == {
        "approve"
    }


def test_every_illegal_move_leaves_the_whole_database_as_it_was(house: House) -> None:
    request_id = house.pending()
    before = snapshot(house)
    for state in State:
        legal = REQUEST[state]
        with house.store.transact() as work:
            request = house.ground.lock(work, request_id)
            work.requests.save(request_id, request.state, state=state)
            placed = work.requests.get(request_id)
            assert placed is not None
            for event in EVENTS:
                if event not in legal:
                    with pytest.raises(Stale), work.savepoint():
                        house.ground.change(work, placed, event, house.now)
            work.requests.save(request_id, state, state=State.PENDING)
    assert snapshot(house) == before


def test_a_move_from_a_state_that_is_no_longer_true_changes_nothing(house: House) -> None:
    request_id = house.pending()
    old = house.request(request_id)
    with house.store.transact() as work:
        house.ground.change(work, old, "cancel", house.now)
    before = snapshot(house)
    with pytest.raises(Stale), house.store.transact() as work:
        house.ground.change(work, old, "approve", house.now)
    assert snapshot(house) == before


def test_the_picture_in_the_docs_is_the_table() -> None:
    assert (DOCS / "states.md").read_text(encoding="utf-8") == page()
