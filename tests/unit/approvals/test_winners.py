"""Many at once: whatever collides ends as it would one after the other, with one winner, on both databases."""

import itertools
import json
from collections.abc import Callable, Hashable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from bot.approvals import states
from bot.errors import Halted, Refused
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.permit import Gate
from bot.model.doors import Answer
from bot.model.jobs import JobState
from bot.model.requests import CLOSED, Choice, State
from bot.schedules import sweeps
from bot.store import tables as t
from tests.fakes.rooms import House, race

Act = Callable[[House, int, str], Any]
ROUNDS = 6
ALL_AT_ONCE = 25


def braked(name: str, user: str, *what: Any) -> Act:
    def act(house: House, request_id: int, _job: str) -> Answer:
        with house.store.transact() as work:
            given = what or (house.request(request_id).number,)
            answer: Answer = getattr(house.lifecycle, name)(work, *given, house.actor(user), house.now)
            return answer

    return act


def expires(house: House, _request: int, _job: str) -> None:
    """By the clock of another process, which is a day and more ahead."""
    sweeps.expire(house.store, house.ground, house.now + timedelta(hours=30))


#: What may happen to an approved request whose job stands before the gate.
ACTS: dict[str, Act] = {
    "one more approves": lambda house, request_id, _: house.vote(request_id, "U0GINA"),
    "somebody denies": lambda house, request_id, _: house.deny(request_id, "U0GINA"),
    "an approver withdraws": lambda house, request_id, _: house.withdraw(request_id, "U0DAN"),
    "the requester cancels": braked("cancel", "U0ALICE"),
    "somebody stops it": braked("stop", "U0FRED"),
    "the system is frozen": braked("freeze", "U0FRED", "crm", None),
    "its time is over": expires,
    "the job asks for its permit": lambda house, _request, job: house.take(job),
}


def ready(house: House) -> tuple[int, str]:
    """A new request before the gate; whatever was there before is out of the way."""
    with house.store.transact() as work:
        work.connection.execute(update(t.targets).values(frozen_by=None, frozen_at=None))
        work.connection.execute(update(t.jobs).values(state="done"))
        work.connection.execute(
            update(t.requests).where(t.requests.c.state.not_in(list(CLOSED))).values(state="failed")
        )
    request_id = house.approved()
    return request_id, house.enqueue(request_id)


def end(house: House, request_id: int, job: str) -> Hashable:
    """Everything that somebody could notice of how it ended."""
    with house.store.read() as work:
        frozen = work.targets.frozen("crm") is not None
    votes = tuple(sorted((user, str(choice)) for user, choice in house.votes(request_id).items()))
    return house.state(request_id), tuple(house.permits(request_id)), house.job(job).state, votes, frozen


def attempt(act: Act, house: House, request_id: int, job: str) -> object:
    """No is a fine answer; a deadlock or a crash is none."""
    try:
        return act(house, request_id, job)
    except Refused as no:
        return no


def sound(house: House, request_id: int) -> None:
    """What holds however many there were."""
    request, permits, votes = house.request(request_id), house.permits(request_id), house.votes(request_id)
    with house.store.read() as work:
        active = [one for one in work.jobs.active_on("crm") if one.request_id == request_id]
    assert permits.count("ready") == int(request.state is State.APPROVED)
    assert len(active) == int(request.state is State.RUNNING)
    assert permits.count("consumed") <= 1
    if Choice.DENY in votes.values():
        assert request.state is State.DENIED or request.state in CLOSED
    told = State.PLANNING
    for entry in (json.loads(one.entry) for one in house.log()):
        event = entry["kind"].removeprefix("request-")
        if entry["request"] == request_id and event != entry["kind"] and event != "filed":
            told = states.move(told, event)
    assert told is request.state


@pytest.mark.parametrize("pair", list(itertools.combinations(ACTS, 2)), ids=" and ".join)
def test_two_at_once_end_as_one_after_the_other(house: House, pair: tuple[str, str]) -> None:
    serial = set()
    for order in (pair, pair[::-1]):
        request_id, job = ready(house)
        for name in order:
            attempt(ACTS[name], house, request_id, job)
        serial.add(end(house, request_id, job))
    for _ in range(ROUNDS):
        request_id, job = ready(house)
        said = race(*(partial(attempt, ACTS[name], house, request_id, job) for name in pair))
        assert not any(isinstance(one, Exception) and not isinstance(one, Refused) for one in said), said
        assert end(house, request_id, job) in serial or halts_itself(house, job)
        sound(house, request_id)


def halts_itself(house: House, job_id: str) -> bool:
    """A freeze that came while the gate opened has not seen the job; the job sees the freeze at its next step."""
    with pytest.raises(Halted) as halted:
        Gatekeeper(house.store, house.ground, house.clock, house.job(job_id)).check()
    return halted.value.key == "job.frozen"


def test_all_at_once_leave_the_books_sound(house: House) -> None:
    ends = set()
    for _ in range(ALL_AT_ONCE):
        request_id, job = ready(house)
        said = race(*(partial(attempt, act, house, request_id, job) for act in ACTS.values()))
        assert not any(isinstance(one, Exception) and not isinstance(one, Refused) for one in said), said
        sound(house, request_id)
        ends.add(house.state(request_id))
    assert ends


def test_many_clicks_and_reactions_at_once_give_one_permit_and_one_job(house: House) -> None:
    """sso-elevator 47, sentry 69252, bolt-js 822: a double click, or two at once, ran twice."""
    for _ in range(ALL_AT_ONCE):
        with house.store.transact() as work:
            work.connection.execute(update(t.jobs).values(state="done"))
        request_id = house.pending()
        place = house.ballot(request_id)
        people = ("U0DAN", "U0GINA", "U0BOB", "U0CAROL")
        clicks = [partial(house.vote, request_id, user, revision=1) for user in people]
        taps = [partial(house.react, place, user) for user in people]
        said = race(*clicks, *clicks, *taps)
        assert not any(isinstance(one, Exception) for one in said), said
        assert house.permits(request_id) == ["ready"]
        entries = [json.loads(one.entry) for one in house.log()]
        mine = [one["kind"] for one in entries if one["request"] == request_id]
        assert mine.count("request-approve") == 1
        assert mine.count("vote") == len(house.votes(request_id)) == len(people)
        house.wait(seconds=11)
        jobs = [house.enqueue(request_id) for _ in range(3)]
        gates = race(*(partial(house.take, job) for job in jobs * 2))
        assert gates.count(Gate.GO) == 2, "the job that has it may ask again"
        assert house.permits(request_id) == ["consumed"]
        assert [house.job(job).state for job in jobs].count(JobState.RUNNING) == 1
