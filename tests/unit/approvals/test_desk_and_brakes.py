"""One delivery, one change, one answer; and what always works."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.errors import NotAllowed, NotFound, Refused, Stale
from bot.jobs.permit import Gate
from bot.model.doors import Answer
from bot.model.jobs import JobState, StepState
from bot.model.requests import Operation, State
from bot.store.unit_of_work import Work
from tests.fakes.rooms import House, config, plan_of, planned, race, rules_with, snapshot


class CrashedError(Exception):
    """The process dies here."""


def test_a_delivery_settled_twice_happens_once(house: House) -> None:
    delivery = house.deliver()

    def decide(work: Work) -> Answer:
        return house.lifecycle.file(work, house.wish(), house.actor("U0ALICE"), "D0ASKING", house.now)

    house.desk.settle(delivery, decide)
    before = snapshot(house)
    for _ in range(3):
        house.desk.settle(delivery, decide)
    assert snapshot(house) == before
    assert len(house.rows("requests")) == len(house.private()) == 1


def test_a_delivery_settled_in_eight_threads_happens_once(house: House) -> None:
    delivery = house.deliver()

    def decide(work: Work) -> Answer:
        return house.lifecycle.file(work, house.wish(), house.actor("U0ALICE"), "D0ASKING", house.now)

    assert race(*[lambda: house.desk.settle(delivery, decide)] * 8) == [None] * 8
    assert len(house.rows("requests")) == 1


def test_a_refusal_undoes_what_was_begun_but_is_logged_and_told(house: House) -> None:
    delivery = house.deliver()

    def decide(work: Work) -> Answer:
        house.lifecycle.file(work, house.wish(), house.actor("U0ALICE"), "D0ASKING", house.now)
        raise Stale("brake.over", number=1)

    house.desk.settle(delivery, decide)
    assert house.rows("requests") == []
    assert house.kinds() == ["log-opened", "refused"]
    assert house.private() == [("U0ALICE", "brake.over")]
    assert house.reading.private_text(house.rows("outbox")[0]["subject"]) == Answer(
        "brake.over", {"number": 1}
    )


def test_a_crash_after_the_decision_leaves_the_delivery_for_a_replay(house: House) -> None:
    delivery = house.deliver()
    before = snapshot(house)

    def decide(work: Work) -> Answer:
        house.lifecycle.file(work, house.wish(), house.actor("U0ALICE"), "D0ASKING", house.now)
        raise CrashedError

    with pytest.raises(CrashedError):
        house.desk.settle(delivery, decide)
    assert snapshot(house) == before
    with house.store.read() as work:
        assert work.inbox.waiting(house.now) == [delivery.key]
        assert work.erasable.get(f"inbox:{delivery.key}", "payload") is not None
    house.desk.done(delivery)
    with house.store.read() as work:
        assert work.inbox.waiting(house.now) == []
        assert work.erasable.get(f"inbox:{delivery.key}", "payload") is None


def test_a_delivery_that_was_never_written_down_changes_nothing(house: House) -> None:
    before = snapshot(house)
    house.desk.settle(house.deliver().__class__("Ev-unknown", None, "U0ALICE"), lambda _: Answer("x"))
    assert [row for row in house.rows("inbox") if row["key"] == "Ev-unknown"] == []
    assert snapshot(house, "inbox", "erasable") == {
        name: rows for name, rows in before.items() if name not in ("inbox", "erasable")
    }


# Brakes


def brake(house: House, name: str, *args: Any, user: str = "U0ALICE", **flags: Any) -> Answer:
    with house.store.transact() as work:
        answer: Answer = getattr(house.lifecycle, name)(work, *args, house.actor(user, **flags), house.now)
        return answer


def number(house: House, request_id: int) -> int:
    return house.request(request_id).number or 0


def _cancelled(house: House) -> int:
    request_id = house.pending()
    brake(house, "cancel", number(house, request_id))
    return request_id


def _committing(house: House) -> int:
    request_id, job = house.running()
    with house.store.transact() as work:
        work.jobs.save(job, JobState.RUNNING, state=JobState.COMMITTING)
    return request_id


STOPS: dict[str, tuple[Callable[[House], int], str, str]] = {
    "it is not approved yet": (lambda h: h.pending(), "U0ALICE", "brake.not-running"),
    "it is over": (_cancelled, "U0ALICE", "brake.over"),
    "it is past the point of no return": (_committing, "U0ALICE", "brake.too-late"),
    "a stranger presses it": (lambda h: h.running()[0], "U0ZOE", "brake.no-role"),
}


@pytest.mark.parametrize("case", STOPS)
def test_stop_is_refused_and_changes_nothing_when(house: House, case: str) -> None:
    prepare, user, key = STOPS[case]
    request_id = prepare(house)
    before = snapshot(house)
    with pytest.raises(Refused) as refused:
        brake(house, "stop", number(house, request_id), user=user)
    assert refused.value.key == key
    assert snapshot(house) == before


@pytest.mark.parametrize("user", ["U0ALICE", "U0DAN", "U0FRED"])
def test_anyone_with_a_role_stops_a_running_job(house: House, user: str) -> None:
    request_id, job = house.running()
    brake(house, "stop", number(house, request_id), user=user)
    assert (house.state(request_id), house.job(job).state) == (State.STOPPED, JobState.STOPPED)
    assert house.take(job) == Gate.NO


def test_stop_on_an_approved_request_voids_the_permit(house: House) -> None:
    request_id = house.approved()
    job = house.enqueue(request_id)
    brake(house, "stop", number(house, request_id), user="U0DAN")
    assert house.permits(request_id) == ["void"]
    assert house.take(job) == Gate.NO


def test_closing_what_stands_still_does_not_claim_that_nothing_was_deleted(house: House) -> None:
    request_id, job = house.running()
    with house.store.transact() as work:
        work.jobs.save(job, JobState.RUNNING, state=JobState.HELD)
        house.ground.change(work, house.ground.lock(work, request_id), "hold", house.now)
    answer = brake(house, "stop", number(house, request_id), user="U0DAN")
    assert answer.key == "brake.closed-held"
    assert house.request(request_id).outcome == "outcome.closed-held"
    assert house.job(job).state is JobState.STOPPED
    assert house.notes(request_id)[-1] == "note.closed-held"


@pytest.mark.parametrize(
    ("user", "flags", "key"),
    [
        ("U0ERIN", {}, "brake.not-yours"),
        ("U0DAN", {}, "brake.not-yours"),
        ("U0ALICE", {"is_guest": True}, "person.guest"),
        ("U0ALICE", {"team": "T0OTHER"}, "person.outsider"),
    ],
)
def test_only_the_requester_cancels(house: House, user: str, flags: dict[str, Any], key: str) -> None:
    request_id = house.pending()
    with pytest.raises(NotAllowed) as refused:
        brake(house, "cancel", number(house, request_id), user=user, **flags)
    assert refused.value.key == key
    assert house.state(request_id) is State.PENDING


def test_a_running_request_is_stopped_and_not_cancelled(house: House) -> None:
    request_id, _ = house.running()
    with pytest.raises(Stale) as refused:
        brake(house, "cancel", number(house, request_id))
    assert refused.value.key == "brake.cancel-running"


def test_nobody_brakes_what_does_not_exist(house: House) -> None:
    for name in ("cancel", "stop"):
        with pytest.raises(NotFound):
            brake(house, name, 4711)


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.COMMITTING, JobState.COMMITTED])
def test_a_freeze_halts_what_can_still_be_halted(house: House, state: JobState) -> None:
    request_id, job = house.running()
    with house.store.transact() as work:
        work.jobs.save(job, JobState.RUNNING, state=state)
    answer = brake(house, "freeze", "crm", "suspicious", user="U0FRED")
    halted = state is JobState.RUNNING
    assert answer.params["n"] == int(halted)
    assert house.state(request_id) is (State.STOPPED if halted else State.RUNNING)
    assert house.job(job).state is (JobState.STOPPED if halted else state)


@pytest.mark.parametrize(
    ("target", "user", "key"),
    [("crm", "U0ZOE", "brake.no-role"), ("crn", "U0DAN", "filing.unknown-target")],
)
def test_a_freeze_is_refused_for(house: House, target: str, user: str, key: str) -> None:
    before = snapshot(house)
    with pytest.raises(Refused) as refused:
        brake(house, "freeze", target, None, user=user)
    assert refused.value.key == key
    assert snapshot(house) == before


def test_a_second_freeze_says_who_was_first(house: House) -> None:
    brake(house, "freeze", "crm", None, user="U0DAN")
    with pytest.raises(Stale) as refused:
        brake(house, "freeze", "crm", None, user="U0BOB")
    assert refused.value.params == {"target": "crm", "user": "U0DAN"}


def test_a_freeze_leaves_a_restore_alone(house: House) -> None:
    house.configure(
        config(rules=rules_with(when={"operation": ["delete-records", "restore"], "target": "crm"}))
    )
    request_id = house.file()
    with house.store.transact() as work:
        work.requests.save(request_id, State.PLANNING, operation=Operation.RESTORE)
    house.plan(request_id, replace(planned(), data=replace(plan_of(), operation=Operation.RESTORE).to_data()))
    for user in ("U0DAN", "U0CAROL"):
        house.vote(request_id, user)
    house.wait(seconds=11)
    brake(house, "freeze", "crm", None, user="U0DAN")
    assert house.take(house.enqueue(request_id)) == Gate.GO


def test_a_stop_that_races_the_point_of_no_return_has_one_winner(house: House) -> None:
    for _ in range(40):
        request_id, job = house.running()
        what = number(house, request_id)

        def commit(one: str = job) -> bool:
            with house.store.transact() as work:
                return work.jobs.save(one, JobState.RUNNING, state=JobState.COMMITTING)

        def stop(one: int = what) -> Answer:
            return brake(house, "stop", one, user="U0DAN")

        committed, answer = race(commit, stop)
        assert committed == isinstance(answer, Stale)
        assert house.job(job).state is (JobState.COMMITTING if committed else JobState.STOPPED)
        assert house.state(request_id) is (State.RUNNING if committed else State.STOPPED)
        with house.store.transact() as work:
            work.jobs.save(job, JobState.COMMITTING, state=JobState.DONE)


def test_what_only_found_the_plan_untrue_says_nothing_about_the_new_plan(house: House) -> None:
    request_id, job = house.running()
    with house.store.transact() as work:
        position = work.jobs.begin_step(job, "step.preflight", house.now)
        work.jobs.end_step(job, position, StepState.FAILED, house.now)
        assert work.jobs.steps_of(request_id)
        work.jobs.save(job, JobState.RUNNING, state=JobState.DRIFTED, ended_at=house.now)
        assert work.jobs.steps_of(request_id) == ()
    shown = house.view(request_id)
    assert (shown.job, shown.steps) == (None, ())
