"""The gate: every reason for no, each tried on a request that would otherwise run."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from bot.jobs.permit import Gate
from bot.model.jobs import JobState
from bot.model.requests import Choice, Operation, Proof, State, Vote
from bot.store import tables as t
from bot.texts import say
from tests.fakes.rooms import SETTINGS, House, config, plan_of, race, rules_with, snapshot

Prepare = Callable[[House, int], str]


def write(house: House, table: Any, request_id: int, **values: Any) -> None:
    """What a forger, a bug or an older version could have left in our tables."""
    column = table.c.id if table is t.requests else table.c.request_id
    with house.store.transact() as work:
        work.connection.execute(update(table).where(column == request_id).values(**values))


def enqueue_then(act: Callable[[House, int], Any]) -> Prepare:
    """Everything is fine when the job is enqueued; then something happens."""

    def prepare(house: House, request_id: int) -> str:
        job = house.enqueue(request_id)
        act(house, request_id)
        return job

    return prepare


def asked_with(**answer: Any) -> Prepare:
    """Slack answers something else about people."""
    return lambda house, request_id: house.enqueue(request_id, house.roster(**answer))


def brake(name: str, *args: Any) -> Callable[[House, int], Any]:
    def act(house: House, request_id: int) -> None:
        with house.store.transact() as work:
            number = house.request(request_id).number
            what = args or (number,)
            getattr(house.lifecycle, name)(work, *what, house.actor("U0ALICE"), house.now)

    return act


def configured(**changes: Any) -> Callable[[House, int], Any]:
    return lambda house, _: house.configure(config(**changes))


def another_job(target: str, state: JobState) -> Callable[[House, int], Any]:
    def act(house: House, request_id: int) -> None:
        with house.store.transact() as work:
            work.jobs.add("job-other", request_id, 1, target)
            work.jobs.save("job-other", JobState.QUEUED, state=state)

    return act


def set_aside(house: House, _: int) -> None:
    """A teardown that was approved before came first."""
    write(house, t.requests, house.approved(), operation=Operation.TEARDOWN, state=State.SET_ASIDE)


def no_question(house: House, request_id: int) -> None:
    with house.store.transact() as work:
        work.permits.ask(house.permit(request_id).id, None)


def foreign_question(house: House, request_id: int) -> None:
    """An answer is there, but to somebody else's question."""
    with house.store.transact() as work:
        work.roster.ask("nonce-of-another", (), (), house.now)
        work.permits.ask(house.permit(request_id).id, "nonce-of-another")


def forged_plan(house: House, request_id: int) -> None:
    write(house, t.revisions, request_id, plan={**plan_of().to_data(), "rows": 3})


def swapped_plan(house: House, request_id: int) -> None:
    write(house, t.revisions, request_id, plan=plan_of(salt="other").to_data())


def smuggled(user: str, choice: Choice = Choice.APPROVE, **when: float) -> Callable[[House, int], Any]:
    """A vote that no door let in: somebody writes to our tables."""

    def act(house: House, request_id: int) -> None:
        with house.store.transact() as work:
            at = house.now + timedelta(**when)
            work.votes.put(Vote(request_id, 1, user, choice, Proof.CLICK, at, ("dba", "data-owner")))

    return act


def only_smuggled(*users: str, **when: float) -> Callable[[House, int], Any]:
    """All honest votes are gone and these stand there instead; the permit was never earned."""

    def act(house: House, request_id: int) -> None:
        with house.store.transact() as work:
            for user in house.votes(request_id):
                work.votes.drop(request_id, 1, user)
        for user in users:
            smuggled(user, Choice.APPROVE, **when)(house, request_id)

    return act


def clock_set_back(house: House, request_id: int) -> None:
    write(house, t.requests, request_id, starts_at=house.now - timedelta(days=1))
    write(house, t.permits, request_id, issued_at=house.now - timedelta(days=1))
    house.wait(hours=-1)


STRICTER = rules_with(approve=["2 of dba", "1 of data-owner"])
OTHER_ROLE = rules_with(request=["responder"])
ROLES = SETTINGS["roles"]
WITHOUT_ALICE = {**ROLES, "support": {"users": ["U0ERIN"], "owner": "U0CAROL"}}
WITHOUT_DAN = {**ROLES, "dba": {"users": ["U0BOB"], "usergroup": "S0DBA"}}
WITH_RESPONDER = {**ROLES, "responder": {"users": ["U0ERIN"]}}

#: case -> how it comes about, what the gate says, why, and where the request stands afterwards
NO: dict[str, tuple[Prepare, Gate, str, State]] = {
    "the permit is for another digest": (
        enqueue_then(lambda h, r: write(h, t.permits, r, digest="0" * 64)),
        Gate.NO,
        "other-digest",
        State.CANCELLED,
    ),
    "the plan in the books has another count than the digest": (
        enqueue_then(forged_plan),
        Gate.NO,
        "other-digest",
        State.CANCELLED,
    ),
    "the plan in the books is another one": (
        enqueue_then(swapped_plan),
        Gate.NO,
        "other-digest",
        State.CANCELLED,
    ),
    "the plan in the books is no plan": (
        enqueue_then(lambda h, r: write(h, t.revisions, r, plan={"rows": 7})),
        Gate.NO,
        "other-digest",
        State.CANCELLED,
    ),
    "the permit is for another revision": (
        enqueue_then(lambda h, r: write(h, t.permits, r, revision=2)),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the job is for another revision": (
        enqueue_then(lambda h, r: write(h, t.jobs, r, revision=2)),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the permit is used": (
        enqueue_then(lambda h, r: write(h, t.permits, r, state="consumed", job_id="job-x")),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the permit is void": (
        enqueue_then(lambda h, r: write(h, t.permits, r, state="void")),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the permit has expired": (
        enqueue_then(lambda h, r: write(h, t.permits, r, expires_at=h.now)),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the permit was issued in the future: a clock was set back": (
        enqueue_then(lambda h, r: write(h, t.permits, r, issued_at=h.now + timedelta(microseconds=1))),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the cooling-off is not over": (
        enqueue_then(lambda h, r: write(h, t.requests, r, starts_at=h.now + timedelta(microseconds=1))),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "no start was ever set": (
        enqueue_then(lambda h, r: write(h, t.requests, r, starts_at=None)),
        Gate.NO,
        "not-bound",
        State.APPROVED,
    ),
    "the target is frozen": (enqueue_then(brake("freeze", "crm", None)), Gate.NO, "frozen", State.APPROVED),
    "the request was stopped": (enqueue_then(brake("stop")), Gate.NO, "not-bound", State.STOPPED),
    "the request was cancelled": (enqueue_then(brake("cancel")), Gate.NO, "not-bound", State.CANCELLED),
    "somebody denied it": (
        enqueue_then(lambda h, r: h.deny(r, "U0GINA")),
        Gate.NO,
        "not-bound",
        State.DENIED,
    ),
    "a vote was taken back": (
        enqueue_then(lambda h, r: h.withdraw(r, "U0DAN")),
        Gate.NO,
        "not-bound",
        State.PENDING,
    ),
    "another job runs on the target": (
        enqueue_then(another_job("crm", JobState.RUNNING)),
        Gate.ASK_AGAIN,
        "busy",
        State.APPROVED,
    ),
    "another job commits on the target": (
        enqueue_then(another_job("crm", JobState.COMMITTING)),
        Gate.ASK_AGAIN,
        "busy",
        State.APPROVED,
    ),
    "the system is set aside": (
        enqueue_then(set_aside),
        Gate.NO,
        "restore.put-back-instead",
        State.CANCELLED,
    ),
    "nobody was asked who is who": (
        enqueue_then(no_question),
        Gate.ASK_AGAIN,
        "stale-roster",
        State.APPROVED,
    ),
    "the question is not answered, another one is": (
        enqueue_then(foreign_question),
        Gate.ASK_AGAIN,
        "stale-roster",
        State.APPROVED,
    ),
    "the answer is more than a minute old": (
        enqueue_then(lambda h, _: h.wait(seconds=60, microseconds=1)),
        Gate.ASK_AGAIN,
        "stale-roster",
        State.APPROVED,
    ),
    "the question is from the future: a clock was set back": (
        enqueue_then(clock_set_back),
        Gate.ASK_AGAIN,
        "stale-roster",
        State.APPROVED,
    ),
    "an approver left the user group": (
        asked_with(groups={"S0DBA": ()}),
        Gate.GO,  # Dan holds the role by name; see the cases below
        "",
        State.RUNNING,
    ),
    "an approver lost the role": (
        enqueue_then(configured(roles=WITHOUT_DAN)),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "an approver was deactivated": (
        asked_with(flags={"U0DAN": {"is_deactivated": True}}),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "an approver became a guest": (
        asked_with(flags={"U0DAN": {"is_guest": True}}),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "an approver is a bot after all": (
        asked_with(flags={"U0CAROL": {"is_bot": True}}),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "an approver is of another workspace": (
        asked_with(flags={"U0CAROL": {"team": "T0OTHER"}}),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "an approver is missing from the answer": (
        asked_with(without=["U0DAN"]),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "the requester is missing from the answer": (
        asked_with(without=["U0ALICE"]),
        Gate.NO,
        "person.unknown",
        State.CANCELLED,
    ),
    "the requester was deactivated": (
        asked_with(flags={"U0ALICE": {"is_deactivated": True}}),
        Gate.NO,
        "person.deactivated",
        State.CANCELLED,
    ),
    "the requester became a guest": (
        asked_with(flags={"U0ALICE": {"is_guest": True}}),
        Gate.NO,
        "person.guest",
        State.CANCELLED,
    ),
    "the requester lost the role": (
        enqueue_then(configured(roles=WITHOUT_ALICE)),
        Gate.NO,
        "filing.no-role",
        State.CANCELLED,
    ),
    "the rule asks for another role of the requester now": (
        enqueue_then(configured(roles=WITH_RESPONDER, rules=OTHER_ROLE)),
        Gate.NO,
        "filing.no-role-no-owner",
        State.CANCELLED,
    ),
    "the rule is gone": (
        enqueue_then(configured(rules=SETTINGS["rules"][2:])),
        Gate.NO,
        "filing.no-rule",
        State.CANCELLED,
    ),
    "the rule no longer covers so many rows": (
        enqueue_then(
            configured(
                rules=rules_with(
                    when={"operation": "delete-records", "target": "crm", "rows": {"at_most": 6}}
                )
            )
        ),
        Gate.NO,
        "filing.too-many-rows",
        State.CANCELLED,
    ),
    "the rule was made stricter": (
        enqueue_then(configured(rules=STRICTER)),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "there are no votes at all behind the permit": (
        enqueue_then(only_smuggled()),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "the requester's own vote was written into the books": (
        enqueue_then(only_smuggled("U0ALICE", "U0CAROL")),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "a vote of somebody nobody was asked about was written into the books": (
        enqueue_then(only_smuggled("U0CAROL", "U0STRANGER")),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "a vote with roles its giver does not hold was written into the books": (
        enqueue_then(only_smuggled("U0CAROL", "U0ERIN")),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "a denial stands in the books beside a full quorum": (
        enqueue_then(smuggled("U0GINA", Choice.DENY)),
        Gate.NO,
        "denied",
        State.PENDING,
    ),
    "the votes came at the very end of the vote": (
        enqueue_then(only_smuggled("U0DAN", "U0CAROL", hours=4, seconds=-11)),
        Gate.NO,
        "quorum-lost",
        State.PENDING,
    ),
    "the votes came a moment before the end of the vote": (
        enqueue_then(only_smuggled("U0DAN", "U0CAROL", hours=4, seconds=-11, microseconds=-1)),
        Gate.GO,
        "",
        State.RUNNING,
    ),
    "the job is unknown": (lambda _, __: "job-0", Gate.NO, "", State.APPROVED),
}


@pytest.mark.parametrize("case", NO)
def test_the_gate_says_no_when(house: House, case: str) -> None:
    prepare, gate, why, state = NO[case]
    request_id = house.approved()
    job = prepare(house, request_id)
    assert house.take(job) == gate
    assert house.state(request_id) is state
    if gate is Gate.GO:
        return
    assert "consumed" not in house.permits(request_id) or case == "the permit is used"
    assert not any(row["id"] == job and row["state"] == "running" for row in house.rows("jobs"))
    if why:
        refusal = json.loads(house.log()[-1].entry)
        assert (refusal["kind"], refusal["body"]) == ("permit-refused", {"job": job, "why": why})
        assert house.job(job).state is JobState.TURNED_AWAY


@pytest.mark.parametrize(
    "state",
    [State.PLANNING, State.PENDING, State.DENIED, State.RUNNING, State.HELD, State.SUCCEEDED, State.REJECTED],
)
def test_only_an_approved_request_gets_through(house: House, state: State) -> None:
    request_id = house.approved()
    job = house.enqueue(request_id)
    write(house, t.requests, request_id, state=str(state))
    assert house.take(job) == Gate.NO
    assert house.state(request_id) is state
    assert house.permits(request_id) == ["ready"]


def test_an_approved_request_runs_and_the_log_says_on_whose_authority(house: House) -> None:
    request_id = house.approved()
    job = house.enqueue(request_id)
    assert house.take(job) == Gate.GO
    assert house.state(request_id) is State.RUNNING
    assert house.permits(request_id) == ["consumed"]
    body = json.loads(house.log()[-1].entry)["body"]
    assert body["digest"] == house.digest(request_id)
    assert {(one["role"], one["user"]) for one in body["filled"]} == {
        ("dba", "U0DAN"),
        ("data-owner", "U0CAROL"),
    }


def test_the_same_job_may_ask_again_after_a_crash(house: House) -> None:
    request_id = house.approved()
    job = house.enqueue(request_id)
    assert house.take(job) == Gate.GO
    before = snapshot(house)
    house.wait(hours=3)
    assert house.take(job) == Gate.GO
    assert snapshot(house) == before


def test_a_job_that_was_stopped_does_not_go_again(house: House) -> None:
    request_id, job = house.running()
    brake("stop")(house, request_id)
    assert house.take(job) == Gate.NO
    assert house.state(request_id) is State.STOPPED


def test_a_lost_role_takes_that_vote_away_and_keeps_the_others(house: House) -> None:
    request_id = house.approved("U0GINA", "U0CAROL")
    job = house.enqueue(request_id, house.roster(groups={"S0DBA": ()}))
    assert house.take(job) == Gate.NO
    assert house.votes(request_id) == {"U0CAROL": Choice.APPROVE}
    assert house.notes(request_id) == ["note.role-lost"]
    assert house.request(request_id).revision == 1
    house.groups = {}
    assert house.vote(request_id, "U0DAN").key == "vote.approved-all"
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) == Gate.GO


def test_a_user_group_that_slack_did_not_answer_for_has_no_members(house: House) -> None:
    request_id = house.approved("U0GINA", "U0CAROL")
    assert house.take(house.enqueue(request_id, house.roster(groups={}))) == Gate.NO
    assert house.state(request_id) is State.PENDING


def test_a_stricter_rule_says_so_and_one_more_vote_is_enough(house: House) -> None:
    request_id = house.approved()
    house.configure(config(rules=STRICTER))
    assert house.take(house.enqueue(request_id)) == Gate.NO
    assert house.notes(request_id) == ["note.rule-stricter"]
    assert len(house.votes(request_id)) == 2
    house.vote(request_id, "U0GINA")
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) == Gate.GO


def test_a_laxer_rule_makes_nothing_easier(house: House) -> None:
    """The rule of the day it was filed under still holds."""
    request_id = house.approved()
    house.configure(config(rules=rules_with(approve=["1 of dba"])))
    job = house.enqueue(request_id, house.roster(without=["U0CAROL"]))
    assert house.take(job) == Gate.NO
    assert house.state(request_id) is State.PENDING


def test_who_gained_a_role_since_the_vote_counts_with_it(house: House) -> None:
    request_id = house.approved("U0CAROL", "U0BOB")
    job = house.enqueue(request_id, house.roster(groups={"S0DBA": ("U0CAROL",)}))
    assert house.take(job) == Gate.GO
    assert house.vote_rows(request_id)[0].roles == ("data-owner", "dba")


def test_the_outcome_of_a_cancelled_request_can_be_said(house: House) -> None:
    request_id = house.approved()
    job = house.enqueue(request_id)
    house.configure(config(roles=WITHOUT_ALICE))
    house.take(job)
    request = house.request(request_id)
    assert request.outcome == "filing.no-role"
    assert "support" in say(request.outcome, **request.outcome_params)


def test_two_jobs_that_race_for_one_permit_have_exactly_one_winner(house: House) -> None:
    requests = house.many_pending(200)
    with house.store.transact() as work:
        for request_id in requests:
            for user in ("U0DAN", "U0CAROL"):
                house.lifecycle.vote(
                    work, request_id, 1, Choice.APPROVE, Proof.CLICK, house.actor(user), house.now
                )
    house.wait(seconds=11)
    with house.store.transact() as work:
        jobs = [house.enqueue_in(work, one, house.roster()) for one in requests]
        for job, request_id in zip(jobs, requests, strict=True):
            work.jobs.add(f"{job}-twin", request_id, 1, "crm")
    for job in jobs:
        twins = (job, f"{job}-twin")
        gates = race(*(partial(house.take, one) for one in twins))
        assert sorted(gates) == [Gate.GO, Gate.NO]
        with house.store.transact() as work:
            work.jobs.save(twins[gates.index(Gate.GO)], JobState.RUNNING, state=JobState.DONE)
    permits = house.rows("permits")
    assert {row["state"] for row in permits} == {"consumed"}
    assert len(permits) == len({row["job_id"] for row in permits}) == 200


def test_two_requests_that_race_for_one_target_have_exactly_one_winner(house: House) -> None:
    for _ in range(10):
        one, two = house.approved(), house.approved()
        jobs = house.enqueue(one), house.enqueue(two)
        gates = race(*(partial(house.take, job) for job in jobs))
        assert sorted(gates) == [Gate.ASK_AGAIN, Gate.GO]
        with house.store.transact() as work:
            for job in jobs:
                work.jobs.save(job, JobState.RUNNING, state=JobState.DONE)


def test_a_withdrawal_that_races_the_gate_either_stops_it_or_is_told_no(house: House) -> None:
    for _ in range(30):
        request_id = house.approved()
        job = house.enqueue(request_id)
        gate, answer = race(
            lambda one=job: house.take(one), lambda one=request_id: house.withdraw(one, "U0DAN")
        )
        if gate is Gate.GO:
            assert getattr(answer, "key", "") == "vote.running"
            assert house.state(request_id) is State.RUNNING
            with house.store.transact() as work:
                work.jobs.save(job, JobState.RUNNING, state=JobState.DONE)
        else:
            assert answer.key == "vote.withdrawn"
            assert house.state(request_id) is State.PENDING
