"""Several workers over one database: a request is planned by one of them, and by the next when that one dies."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.approvals import execution
from bot.jobs.dispatch import Dispatcher
from bot.jobs.lock import SessionLock, become_a_worker
from bot.model.people import RosterFacts
from bot.model.requests import Request, State
from bot.store.ports import RosterPort
from tests.fakes.rooms import House, empty_postgresql, planned


class Planner:
    """Plans when it is let go, and counts."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.seen: list[int] = []

    def __call__(self, request: Request) -> execution.Planned:
        self.seen.append(request.id)
        self.begun.release()
        assert self.go.wait(30)
        return planned()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, url=empty_postgresql())
    yield house
    house.close()


def worker(house: House, plan: Planner) -> tuple[Dispatcher, SessionLock]:
    lock = become_a_worker(house.database, house.folder)
    assert isinstance(lock, SessionLock)
    return Dispatcher(house.store, house.ground, plan, lambda *_: None, None, lock), lock


def answer_all(house: House, roster: RosterFacts | None = None) -> None:
    port = RosterPort(house.store)
    for question in port.questions():
        port.answer(question.nonce, roster or house.roster(), house.now)


def look_up(house: House, dispatcher: Dispatcher, roster: RosterFacts | None = None) -> None:
    """Two questions: the second is about those whom the answer to the first named."""
    for _ in range(2):
        dispatcher.plan_waiting(house.clock)
        answer_all(house, roster)


def test_two_workers_plan_a_request_once(server: House) -> None:
    plan = Planner()
    (first, one), (second, two) = worker(server, plan), worker(server, plan)
    assert {one.name, two.name} == {"slot-0", "slot-1"}
    request_id = server.file()
    for dispatcher in (first, second):
        dispatcher.plan_waiting(server.clock)
    look_up(server, first)
    for dispatcher in (first, second, first, second):
        dispatcher.plan_waiting(server.clock)
    plan.go.set()
    first.close()
    second.close()
    assert plan.seen == [request_id]
    assert server.state(request_id) is State.PENDING
    assert server.request(request_id).revision == 1
    one.release()
    two.release()


def test_a_plan_that_died_with_its_worker_is_made_by_the_next(server: House) -> None:
    lost, plan = Planner(), Planner()
    first, one = worker(server, lost)
    request_id = server.file()
    look_up(server, first)
    first.plan_waiting(server.clock)
    assert lost.begun.acquire(timeout=30)
    second, two = worker(server, plan)
    second.plan_waiting(server.clock)
    assert plan.seen == []
    one.release()
    plan.go.set()
    second.plan_waiting(server.clock)
    second.close()
    assert server.state(request_id) is State.PENDING
    lost.go.set()
    first.close()
    assert server.request(request_id).revision == 1, "what the dead one thought of is dropped"
    two.release()


def test_the_dead_are_buried_and_the_living_are_not(server: House) -> None:
    (_, one), (_, two) = worker(server, Planner()), worker(server, Planner())
    assert not two.bury(one.name)
    assert not two.bury(two.name)
    assert not two.bury("local"), "a name that is no number of ours"
    one.release()
    assert two.bury("slot-0")
    third = SessionLock(server.database)
    assert third.name == "slot-2", "while its jobs are given away, nobody becomes the dead one"
    two.buried("slot-0")
    fourth = SessionLock(server.database)
    assert fourth.name == "slot-0"
    for lock in (two, third, fourth):
        lock.release()


UNFIT: dict[str, dict[str, Any]] = {
    "everybody who could approve has left": {"is_deactivated": True},
    "everybody who could approve is a guest": {"is_guest": True},
    "everybody who could approve is of another company": {"team": "T0OTHER"},
    "everybody who could approve is an app": {"is_bot": True},
}


@pytest.mark.parametrize("flags", UNFIT.values(), ids=UNFIT)
def test_a_request_that_nobody_can_approve_is_refused_at_once(server: House, flags: dict[str, Any]) -> None:
    """The members of the group are looked at one by one before anybody is asked to vote."""
    plan = Planner()
    plan.go.set()
    dispatcher, lock = worker(server, plan)
    request_id = server.file()
    holders = server.settings.roles["dba"].people(server.groups)
    roster = server.roster(flags=dict.fromkeys(holders, flags))
    look_up(server, dispatcher, roster)
    dispatcher.plan_waiting(server.clock)
    dispatcher.close()
    found = server.request(request_id)
    assert (found.state, found.outcome, found.number) == (State.REFUSED, "filing.unreachable", None)
    assert "dba" in str(found.outcome_params["missing"])
    lock.release()
