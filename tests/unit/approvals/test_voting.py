"""Votes: who may, when, and what follows; each row is a sentence."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.errors import NotAllowed, Refused, Stale
from bot.jobs.permit import Gate
from bot.model.requests import Choice, Operation, Proof, State, Vote
from tests.fakes.rooms import House, planned, race, snapshot

Act = Callable[[House, int], Any]


def _old_ballot(house: House, request_id: int) -> None:
    """A new revision, as after a drift."""
    with house.store.transact() as work:
        request = house.ground.lock(work, request_id)
        work.requests.save(request_id, request.state, state=State.PLANNING)
    house.plan(request_id, planned(salt="drifted"))
    house.vote(request_id, "U0DAN", revision=1)


def _closed(house: House, request_id: int) -> None:
    with house.store.transact() as work:
        house.lifecycle.cancel(work, house.request(request_id).number or 0, house.actor("U0ALICE"), house.now)
    house.vote(request_id, "U0DAN")


def _running(house: House, request_id: int) -> None:
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) == Gate.GO
    house.vote(request_id, "U0BOB")


def _late(choice: Choice) -> Act:
    def act(house: House, request_id: int) -> None:
        house.wait(hours=4)
        house.vote(request_id, "U0DAN", choice)

    return act


def _in_the_last_moment_of_a_denial(house: House, request_id: int) -> None:
    """Nobody swept: the expiry holds all the same."""
    house.wait(hours=3, minutes=59, seconds=50)
    house.deny(request_id, "U0DAN")
    house.wait(seconds=20)
    house.vote(request_id, "U0CAROL")


REFUSED: dict[str, tuple[Act, type[Refused], str]] = {
    "the requester approves": (lambda h, r: h.vote(r, "U0ALICE"), NotAllowed, "vote.own-request"),
    "the requester denies": (lambda h, r: h.deny(r, "U0ALICE"), NotAllowed, "vote.own-request"),
    "a bot approves": (lambda h, r: h.vote(r, "U0DAN", is_bot=True), NotAllowed, "person.bot"),
    "a guest approves": (lambda h, r: h.vote(r, "U0DAN", is_guest=True), NotAllowed, "person.guest"),
    "a deactivated account approves": (
        lambda h, r: h.vote(r, "U0DAN", is_deactivated=True),
        NotAllowed,
        "person.deactivated",
    ),
    "somebody of another workspace approves": (
        lambda h, r: h.vote(r, "U0DAN", team="T0OTHER"),
        NotAllowed,
        "person.outsider",
    ),
    "somebody without a role approves": (lambda h, r: h.vote(r, "U0ZOE"), NotAllowed, "vote.no-slot"),
    "somebody with another role approves": (lambda h, r: h.vote(r, "U0ERIN"), NotAllowed, "vote.no-slot"),
    "somebody without a slot denies": (lambda h, r: h.deny(r, "U0ERIN"), NotAllowed, "vote.no-slot"),
    "the ballot is of an older plan": (_old_ballot, Stale, "vote.old-ballot"),
    "the ballot is of a plan that never was": (
        lambda h, r: h.vote(r, "U0DAN", revision=9),
        Stale,
        "vote.old-ballot",
    ),
    "the request is over": (_closed, Stale, "vote.closed"),
    "the job runs": (_running, Stale, "vote.running"),
    "the time to decide is over, for a yes": (_late(Choice.APPROVE), Stale, "vote.expired"),
    "the time to decide is over, for a no": (_late(Choice.DENY), Stale, "vote.expired"),
    "the time ended while a denial stood": (_in_the_last_moment_of_a_denial, Stale, "vote.expired"),
    "there is nothing to take back": (lambda h, r: h.withdraw(r, "U0DAN"), Stale, "vote.nothing-to-withdraw"),
    "the request does not exist": (
        lambda h, r: h.vote(r + 99, "U0DAN", revision=1),
        Stale,
        "request.unknown",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_vote_is_refused_and_changes_nothing_when(house: House, case: str) -> None:
    act, error, key = REFUSED[case]
    request_id = house.pending()
    with pytest.raises(error) as refused:
        act(house, request_id)
    assert refused.value.key == key
    counted = {"U0DAN", "U0CAROL"} if case == "the job runs" else set()
    denied = {"U0DAN"} if "denial" in case else set()
    assert set(house.votes(request_id)) == counted | denied


def test_two_people_fill_two_slots_and_the_permit_names_the_digest(house: House) -> None:
    request_id = house.pending()
    assert house.vote(request_id, "U0DAN").key == "vote.approved"
    assert house.state(request_id) is State.PENDING
    assert house.permits(request_id) == []
    assert house.vote(request_id, "U0CAROL").key == "vote.approved-all"
    request, permit = house.request(request_id), house.permit(request_id)
    assert request.state is State.APPROVED
    assert request.starts_at == house.now + house.settings.rules[0].cooling_off
    assert (permit.digest, permit.revision) == (house.digest(request_id), 1)


def test_somebody_with_both_roles_fills_one_slot_only(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0BOB")
    assert house.state(request_id) is State.PENDING
    assert house.vote(request_id, "U0DAN").key == "vote.approved-all"


def test_the_member_of_a_user_group_counts(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0GINA")
    assert house.vote(request_id, "U0CAROL").key == "vote.approved-all"


def test_a_vote_given_twice_counts_once_and_is_logged_once(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    before = snapshot(house)
    assert house.vote(request_id, "U0DAN").key == "vote.already"
    assert snapshot(house) == before


def test_who_gained_the_missing_role_may_say_so_again(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0CAROL")
    house.groups = {"S0DBA": ("U0CAROL",)}
    assert house.vote(request_id, "U0CAROL").key == "vote.approved"
    assert house.vote_rows(request_id)[0].roles == ("data-owner", "dba")


def test_a_withdrawal_before_the_start_opens_the_ballot_again(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    job = house.enqueue(request_id)
    house.withdraw(request_id, "U0DAN")
    request = house.request(request_id)
    assert (request.state, request.starts_at) == (State.PENDING, None)
    assert house.permits(request_id) == ["void"]
    assert house.votes(request_id) == {"U0CAROL": Choice.APPROVE}
    house.wait(seconds=11)
    assert house.take(job) == Gate.NO


def test_a_withdrawal_that_leaves_the_quorum_changes_no_state(house: House) -> None:
    request_id = house.pending()
    for user in ("U0DAN", "U0CAROL", "U0GINA"):
        house.vote(request_id, user)
    house.withdraw(request_id, "U0DAN")
    assert house.state(request_id) is State.APPROVED
    assert house.permits(request_id) == ["ready"]


def test_a_vote_after_a_withdrawal_starts_the_cooling_off_anew(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=9)
    house.withdraw(request_id, "U0DAN")
    house.vote(request_id, "U0DAN")
    assert house.request(request_id).starts_at == house.now + house.settings.rules[0].cooling_off
    assert house.permits(request_id) == ["void", "ready"]


@pytest.mark.parametrize("before", [(), ("U0DAN",), ("U0DAN", "U0CAROL")])
def test_a_denial_blocks_at_once_whatever_was_approved(house: House, before: tuple[str, ...]) -> None:
    request_id = house.pending()
    for user in before:
        house.vote(request_id, user)
    answer = house.deny(request_id, "U0GINA")
    request = house.request(request_id)
    assert (answer.key, answer.button, answer.value) == ("vote.denied", "deny-reason", str(request_id))
    assert (request.state, request.denied_by) == (State.DENIED, "U0GINA")
    assert "ready" not in house.permits(request_id)


def test_a_denial_taken_back_within_its_minute_gives_the_quorum_back(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.deny(request_id, "U0GINA")
    house.wait(seconds=59)
    house.withdraw(request_id, "U0GINA")
    request = house.request(request_id)
    assert (request.state, request.denied_by, request.denied_until) == (State.APPROVED, None, None)
    assert request.starts_at == house.now + house.settings.rules[0].cooling_off
    assert house.permits(request_id) == ["void", "ready"]


def test_a_denial_turned_into_an_approval_by_the_same_person_counts(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0CAROL")
    house.deny(request_id, "U0DAN")
    assert house.vote(request_id, "U0DAN").key == "vote.approved-all"
    assert house.state(request_id) is State.APPROVED


def test_an_approval_turned_into_a_denial_blocks(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0DAN")
    house.deny(request_id, "U0DAN")
    assert house.state(request_id) is State.DENIED
    assert house.votes(request_id) == {"U0DAN": Choice.DENY}


def test_an_approval_while_somebody_else_denies_waits_for_that_denial(house: House) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0CAROL")
    house.deny(request_id, "U0DAN")
    answer = house.vote(request_id, "U0GINA")
    assert (answer.key, answer.params["user"]) == ("vote.approved-but-denied", "U0DAN")
    assert house.state(request_id) is State.DENIED
    house.withdraw(request_id, "U0DAN")
    assert house.state(request_id) is State.APPROVED


@pytest.mark.parametrize("act", ["withdraw", "approve", "deny"])
def test_a_denial_is_final_after_its_minute_even_if_no_sweep_ran(house: House, act: str) -> None:
    request_id = house.pending()
    house.deny(request_id, "U0DAN")
    house.wait(seconds=60)
    before = snapshot(house)
    with pytest.raises(Stale) as refused:
        house.withdraw(request_id, "U0DAN") if act == "withdraw" else house.vote(
            request_id, "U0DAN", Choice(act)
        )
    assert refused.value.key == "vote.closed"
    assert snapshot(house) == before


@pytest.mark.parametrize("act", ["withdraw", "approve"])
@pytest.mark.parametrize("who", ["U0DAN", "U0GINA"])
def test_a_clock_set_back_does_not_stretch_the_minute_of_a_denial(house: House, who: str, act: str) -> None:
    """The first denial lies in the future then, the second one's own minute is over: doubt means no."""
    request_id = house.pending()
    house.deny(request_id, "U0DAN")
    house.wait(hours=-1)
    house.deny(request_id, "U0GINA")
    house.wait(seconds=61)
    with pytest.raises(Stale) as refused:
        house.withdraw(request_id, who) if act == "withdraw" else house.vote(request_id, who)
    assert refused.value.key == "vote.closed"
    assert house.votes(request_id) == {"U0DAN": Choice.DENY, "U0GINA": Choice.DENY}


@pytest.mark.parametrize("act", ["withdraw", "approve"])
def test_a_second_denial_stands_when_the_first_is_taken_back(house: House, act: str) -> None:
    request_id = house.pending()
    house.vote(request_id, "U0CAROL")
    house.deny(request_id, "U0DAN")
    house.wait(seconds=20)
    assert house.deny(request_id, "U0GINA").key == "vote.denied-too"
    second = house.now
    house.wait(seconds=20)
    if act == "withdraw":
        house.withdraw(request_id, "U0DAN")
    else:
        assert house.vote(request_id, "U0DAN").key == "vote.approved-but-denied"
    request = house.request(request_id)
    assert (request.state, request.denied_by) == (State.DENIED, "U0GINA")
    assert request.denied_until is not None
    assert (request.denied_until - second).total_seconds() == 60
    house.withdraw(request_id, "U0GINA")
    assert house.state(request_id) is (State.PENDING if act == "withdraw" else State.APPROVED)


def test_a_denial_taken_back_after_the_time_to_decide_leaves_a_quorum_that_was_in_time(house: House) -> None:
    request_id = house.pending()
    house.wait(hours=3, minutes=59, seconds=30)
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.deny(request_id, "U0GINA")
    house.wait(seconds=45)
    house.withdraw(request_id, "U0GINA")
    assert house.state(request_id) is State.APPROVED


def test_a_late_approval_does_not_replace_one_that_was_in_time(house: House) -> None:
    request_id = house.pending()
    house.wait(hours=3, minutes=59, seconds=55)
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=8)
    house.vote(request_id, "U0GINA")
    house.withdraw(request_id, "U0DAN")
    assert house.state(request_id) is State.PENDING


@pytest.mark.parametrize(
    ("flags", "key"), [({"team": "T0OTHER"}, "person.outsider"), ({"is_bot": True}, "person.bot")]
)
def test_nobody_else_takes_a_vote_back_under_a_borrowed_id(
    house: House, flags: dict[str, Any], key: str
) -> None:
    request_id = house.pending()
    house.deny(request_id, "U0DAN")
    with pytest.raises(NotAllowed) as refused:
        house.withdraw(request_id, "U0DAN", **flags)
    assert refused.value.key == key
    assert house.state(request_id) is State.DENIED


def test_the_reason_of_a_denial_reaches_the_requester_and_not_the_log(house: House) -> None:
    request_id = house.pending()
    house.deny(request_id, "U0DAN")
    with house.store.transact() as work:
        answer = house.lifecycle.deny_reason(
            work, request_id, "wrong person", house.actor("U0DAN"), house.now
        )
    assert answer.key == "vote.reason-kept"
    assert ("U0ALICE", "vote.denied-because") in house.private()
    assert house.view(request_id).personal.deny_reason == "wrong person"
    assert not any("wrong person" in entry.entry for entry in house.log())


@pytest.mark.parametrize("user", ["U0CAROL", "U0ALICE", "U0GINA"])
def test_only_who_denied_gives_the_reason(house: House, user: str) -> None:
    request_id = house.pending()
    house.deny(request_id, "U0DAN")
    with pytest.raises(Stale), house.store.transact() as work:
        house.lifecycle.deny_reason(work, request_id, "because", house.actor(user), house.now)


def test_two_votes_that_race_for_the_last_slots_give_exactly_one_permit(house: House) -> None:
    requests = house.many_pending(200)
    for request_id in requests:
        answers = race(
            lambda one=request_id: house.vote(one, "U0DAN", revision=1).key,
            lambda one=request_id: house.vote(one, "U0CAROL", revision=1).key,
        )
        assert sorted(answers) == ["vote.approved", "vote.approved-all"]
    permits = house.rows("permits")
    assert sorted(row["request_id"] for row in permits) == requests
    assert {row["state"] for row in permits} == {"ready"}
    assert {house.state(one) for one in requests} == {State.APPROVED}


def test_a_denial_that_races_the_last_approval_always_wins_in_the_end(house: House) -> None:
    for request_id in house.many_pending(30):
        house.vote(request_id, "U0DAN")
        race(
            lambda one=request_id: house.vote(one, "U0CAROL"),
            lambda one=request_id: house.deny(one, "U0GINA"),
        )
        assert house.state(request_id) is State.DENIED
        assert "ready" not in house.permits(request_id)


def test_a_denial_in_the_books_blocks_the_permit_whoever_wrote_it(house: House) -> None:
    """Belt and braces: a row of another hand, beside a state that does not know it."""
    request_id = house.pending()
    with house.store.transact() as work:
        denial = Vote(request_id, 1, "U0GINA", Choice.DENY, Proof.CLICK, house.now, ("dba",))
        work.votes.put(denial)
    house.vote(request_id, "U0DAN")
    assert house.vote(request_id, "U0CAROL").key == "vote.approved"
    assert house.state(request_id) is State.PENDING


def test_an_unfreeze_has_a_rule_and_needs_somebody_else(house: House) -> None:
    with house.store.transact() as work:
        house.lifecycle.freeze(work, "crm", "looks wrong", house.actor("U0ALICE"), house.now)
    request_id = house.file(operation=Operation.UNFREEZE, record=None, values=())
    house.plan(request_id)
    with pytest.raises(NotAllowed):
        house.vote(request_id, "U0ALICE")
