"""Whoever a record is about may ask for its deletion, and decides nothing about it."""

import json

import pytest

from bot.approvals.voting import verdict
from bot.errors import NotAllowed
from bot.jobs.permit import Gate
from bot.model.requests import Choice, Proof, State, Vote
from handlers.views import ballot, request_card
from tests.fakes.rooms import House, config, plan_of, planned, rules_with


def pending_about(house: House, *people: str, user: str = "U0ALICE") -> int:
    request_id = house.file(user)
    house.plan(request_id, planned(people=people))
    return request_id


def smuggle(house: House, request_id: int, user: str) -> None:
    with house.store.transact() as work:
        work.votes.put(
            Vote(request_id, 1, user, Choice.APPROVE, Proof.CLICK, house.now, ("data-owner", "dba"))
        )


@pytest.mark.parametrize("choice", list(Choice))
def test_whom_it_is_about_neither_approves_nor_denies(house: House, choice: Choice) -> None:
    request_id = pending_about(house, "U0BOB")
    with pytest.raises(NotAllowed) as refused:
        house.vote(request_id, "U0BOB", choice)
    assert refused.value.key == "vote.own-account"
    assert house.votes(request_id) == {}


def test_a_reaction_of_theirs_is_no_vote_either(house: House) -> None:
    request_id = pending_about(house, "U0BOB")
    place = house.ballot(request_id)
    assert house.react(place, "U0BOB") is None
    assert house.votes(request_id) == {}
    assert house.private()[-1] == ("U0BOB", "vote.own-account")


def test_the_others_decide(house: House) -> None:
    request_id = pending_about(house, "U0BOB")
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=11)
    assert house.take(house.enqueue(request_id)) is Gate.GO


def test_one_may_ask_for_the_deletion_of_the_own_account(house: House) -> None:
    request_id = pending_about(house, "U0ALICE")
    assert house.state(request_id) is State.PENDING
    with pytest.raises(NotAllowed):
        house.vote(request_id, "U0ALICE")


@pytest.mark.parametrize(
    ("sentence", "people"),
    [
        ("everybody who could fill one slot is meant", ["U0BOB", "U0CAROL"]),
        ("one who would be needed twice is all that is left", ["U0CAROL", "U0DAN", "U0GINA"]),
    ],
)
def test_a_request_that_only_those_could_approve_is_refused_at_once(
    house: House, sentence: str, people: list[str]
) -> None:
    request_id = house.file()
    with pytest.raises(NotAllowed) as refused:
        house.plan(request_id, planned(people=tuple(people)))
    assert refused.value.key == "filing.unreachable", sentence
    assert house.view(request_id).revision is None


def test_the_requesters_only_approver_is_the_one_it_is_about(house: House) -> None:
    roles = {"support": {"users": ["U0ALICE"]}, "dba": {"users": ["U0ALICE", "U0BOB"]}}
    house.configure(config(roles=roles, rules=rules_with(approve=["1 of dba"])[:1]))
    request_id = house.file()
    with pytest.raises(NotAllowed, match=r"filing\.unreachable"):
        house.plan(request_id, planned(people=("U0BOB",)))


def test_a_vote_of_theirs_that_somebody_wrote_into_the_books_is_nothing_to_the_gate(house: House) -> None:
    request_id = pending_about(house, "U0BOB")
    house.vote(request_id, "U0DAN")
    house.vote(request_id, "U0CAROL")
    house.wait(seconds=11)
    job = house.enqueue(request_id)
    with house.store.transact() as work:
        work.votes.drop(request_id, 1, "U0CAROL")
    smuggle(house, request_id, "U0BOB")
    assert house.take(job) is Gate.NO
    assert house.state(request_id) is State.PENDING
    assert "U0BOB" not in house.votes(request_id)
    bodies = [json.loads(one.entry) for one in house.log()]
    void = [one["body"] for one in bodies if one["kind"] == "vote-void"]
    assert void == [{"by": "U0BOB", "why": "own-account"}]


def test_a_vote_of_theirs_in_the_books_does_not_even_announce_a_quorum(house: House) -> None:
    request_id = pending_about(house, "U0BOB")
    smuggle(house, request_id, "U0BOB")
    house.vote(request_id, "U0DAN")
    assert house.state(request_id) is State.PENDING
    view = house.view(request_id)
    assert view.revision is not None
    assert {one.user for one in verdict(view.revision, view.votes).filled} == {"U0DAN"}


def test_taking_them_out_of_the_plan_in_the_books_takes_the_permit_with_it(house: House) -> None:
    """The digest is over the people, so the plan without them is another plan."""
    with_bob, without = plan_of(people=("U0BOB",)), plan_of()
    assert len({with_bob.digest(), without.digest(), plan_of(people=()).digest()}) == 3


def test_card_and_ballot_name_few_and_count_many(house: House) -> None:
    few, many = pending_about(house, "U0BOB"), pending_about(house, *(f"U0P{n}" for n in range(4)))
    drawn = {
        one: [request_card.render(house.view(one), "en"), ballot.render(house.view(one), 1, "en")]
        for one in (few, many)
    }
    for shown in drawn[few]:
        assert "No vote here: <@U0BOB>, because it is about their own account." in json.dumps(shown.blocks)
    for shown in drawn[many]:
        assert "No vote here for 4 people" in json.dumps(shown.blocks)
        assert "U0P1" not in json.dumps(shown.blocks)
