"""The canary: the worker's own gate on the real database, with what must never run."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from bot.approvals import workers
from bot.approvals.ground import Ground
from bot.errors import BooksDown
from bot.jobs import canary, permit
from bot.jobs.canary import LACKS, TARGET, Proven, Take
from bot.jobs.permit import Gate
from bot.model.jobs import Canary, JobState
from bot.store.unit_of_work import Work
from tests.fakes.rooms import House, config, race, snapshot


def prove(house: House, take: Take = permit.take) -> Proven:
    return canary.prove(house.store, house.settings, take, house.now)


def blind_to(*cases: str) -> Take:
    """The real gate, asked about the whole case instead of these: what a bug in one of its checks amounts to."""

    def take(ground: Ground, work: Work, job_id: str, now: datetime) -> Gate:
        return Gate.GO if next(seen) in cases else permit.take(ground, work, job_id, now)

    seen = iter([*LACKS, "whole"])
    return take


def test_the_real_gate_refuses_every_case_and_lets_the_whole_one_through(house: House) -> None:
    assert prove(house) == Proven(Canary.REFUSED)


@pytest.mark.parametrize("case", LACKS)
def test_a_gate_that_is_blind_to_one_thing_is_found_out_by_that_case(house: House, case: str) -> None:
    assert prove(house, blind_to(case)) == Proven(Canary.LET_THROUGH, (case,))


def test_a_gate_that_is_open_lets_everything_through(house: House) -> None:
    assert prove(house, lambda *_: Gate.GO) == Proven(Canary.LET_THROUGH, tuple(LACKS))


def test_a_gate_that_says_no_and_starts_the_job_all_the_same_is_found_out(house: House) -> None:
    def take(_: Ground, work: Work, job_id: str, __: datetime) -> Gate:
        work.jobs.save(job_id, JobState.QUEUED, state=JobState.RUNNING)
        return Gate.NO

    assert prove(house, take) == Proven(Canary.LET_THROUGH, tuple(LACKS))


def test_a_gate_that_says_no_to_everything_proves_nothing(house: House) -> None:
    assert prove(house, lambda *_: Gate.NO) == Proven(Canary.UNCLEAR, ("whole",))


def test_a_gate_that_breaks_proves_nothing(house: House) -> None:
    def take(*_: object) -> Gate:
        raise ZeroDivisionError

    assert prove(house, take) == Proven(Canary.UNCLEAR, ("error",))


def test_a_database_that_is_gone_is_no_verdict(house: House) -> None:
    def take(*_: object) -> Gate:
        raise BooksDown("store.unreachable")

    with pytest.raises(BooksDown):
        prove(house, take)


@pytest.mark.parametrize("take", [permit.take, lambda *_: Gate.GO], ids=["shut", "open"])
def test_nothing_of_it_is_left(house: House, take: Take) -> None:
    house.running()
    house.pending()
    before = snapshot(house)
    prove(house, take)
    assert snapshot(house) == before
    assert TARGET not in json.dumps(before, default=str)


def test_the_numbers_that_people_read_and_the_head_of_the_log_go_on_as_if_nothing_had_been(
    house: House,
) -> None:
    first = house.pending()
    head = len(house.log())
    prove(house)
    second = house.pending()
    assert (house.request(first).number, house.request(second).number) == (1, 2)
    assert second == first + 1
    assert house.log()[head].seq == head


def test_two_workers_may_prove_their_gates_at_once_while_people_vote(house: House) -> None:
    request_id = house.pending()
    bodies: list[Callable[[], object]] = [lambda: prove(house)] * 3
    found = race(*bodies, lambda: house.vote(request_id, "U0DAN"), lambda: house.vote(request_id, "U0CAROL"))
    assert found[:3] == [Proven(Canary.REFUSED)] * 3
    assert house.permits(request_id) == ["ready"]


@pytest.mark.parametrize("operation", ["restore", "unfreeze"])
def test_it_does_not_lean_on_the_rules_of_the_file(house: House, operation: str) -> None:
    """Nobody could ever delete anything here; the gate is proved all the same."""
    rule = {"name": "only", "when": {"operation": operation}, "request": ["dba"], "approve": ["1 of dba"]}
    house.configure(config(rules=[rule]))
    assert prove(house) == Proven(Canary.REFUSED)


@pytest.mark.parametrize(
    ("sentence", "facts", "said"),
    [
        ("no worker is there", [], Canary.NOT_YET),
        ("the only one has just started", ["not-yet"], Canary.NOT_YET),
        ("an older release says nothing about it", [""], Canary.NOT_YET),
        ("a good one speaks for one that has just started", ["not-yet", "refused"], Canary.REFUSED),
        ("a good one does not speak for an open one", ["refused", "let-through"], Canary.LET_THROUGH),
        ("nor for one that could not be proved", ["refused", "unclear"], Canary.UNCLEAR),
        ("an open one is told first", ["unclear", "let-through", "refused"], Canary.LET_THROUGH),
    ],
)
def test_what_all_workers_together_say(house: House, sentence: str, facts: list[str], said: Canary) -> None:
    with house.store.transact() as work:
        work.processes.leave("worker", "slot-0")
        for position, one in enumerate(facts):
            told = {"canary": one} if one else {}
            work.processes.beat("worker", f"slot-{position}", told, house.now)
        assert workers.canary(work, house.now) is said, sentence
        assert len(workers.at_work(work, house.now)) == facts.count("refused")
    health = house.reading.health()
    assert (health["canary"], health["worker"]) == (said, bool(facts))
