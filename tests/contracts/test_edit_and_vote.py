"""Many people vote at once while the plan or the rule changes: never a permit for what the votes were not on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.approvals import execution, rebinding
from bot.errors import Refused, Stale
from bot.model.requests import State
from tests.fakes.rooms import SETTINGS, House, config, empty_postgresql, planned, race, rules_with

VOTERS = [f"U0VOTER{n}" for n in range(8)]
ROLES = {**SETTINGS["roles"], "dba": {"users": VOTERS}, "data-owner": {"users": VOTERS}}
ROUNDS = 12


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    url = "" if request.param == "sqlite" else empty_postgresql()
    built = House(tmp_path, config(roles=ROLES), url=url)
    yield built
    built.close()


def voting(house: House, request_id: int, user: str) -> Callable[[], str]:
    """One person votes on revision 1; the answer, or why not."""

    def body() -> str:
        try:
            return house.vote(request_id, user, revision=1).key
        except Refused as refusal:
            return refusal.key

    return body


def drift(house: House, request_id: int) -> str:
    """The plan is made anew: the job that ran found other rows."""
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        try:
            replanned = house.ground.change(work, locked, "start", house.now)
        except Stale:
            return "pending"
        replanned = house.ground.change(work, replanned, "drift", house.now, starts_at=None)
        work.permits.void(request_id)
        execution.accept_plan(house.ground, work, replanned, planned(rows=8), house.roster(), house.now)
    return "anew"


def new_rule(house: House, request_id: int) -> str:
    """The policy asks for more: the worker looks at the request."""
    with house.store.transact() as work:
        locked = house.ground.lock(work, request_id)
        rebinding.compare(house.ground, work, locked, house.roster(), house.now)
    return "anew"


def judge(house: House, request_id: int, answers: list[Any]) -> None:
    assert not [one for one in answers if isinstance(one, Exception)], answers
    request = house.request(request_id)
    with house.store.read() as work:
        kept = [work.requests.revision(request_id, number) for number in range(1, request.revision + 1)]
        votes = work.votes.of(request_id, request.revision)
        permit = work.permits.ready(request_id)
    assert len(kept) == request.revision
    digests = {one.revision: one.digest for one in kept if one is not None}
    assert len(set(digests.values())) == request.revision
    if permit is None:
        assert request.state is State.PENDING
        return
    # A permit is for the newest revision, and enough people have said yes to exactly that one.
    assert (request.state, permit.revision) == (State.APPROVED, request.revision)
    assert permit.digest == digests[request.revision]
    assert len({vote.user for vote in votes}) >= 2


@pytest.mark.parametrize("edit", [drift, new_rule])
def test_a_vote_and_a_change_have_one_winner(house: House, edit: Callable[[House, int], str]) -> None:
    for round_ in range(ROUNDS):
        house.configure(config(roles=ROLES))
        request_id = house.pending()
        house.configure(config(roles=ROLES, rules=rules_with(approve=["2 of dba", "1 of data-owner"])))
        bodies: list[Callable[[], Any]] = [voting(house, request_id, user) for user in VOTERS]
        bodies.insert(round_ % len(bodies), lambda: edit(house, request_id))  # noqa: B023 - it runs within the round
        answers = race(*bodies)
        judge(house, request_id, answers)
        request = house.request(request_id)
        if request.revision == 2:
            # Whoever came after the change was told that the ballot is an old one; nobody was counted on it.
            assert request.state is State.PENDING
            assert house.votes(request_id) == {}
            assert "ready" not in house.permits(request_id)
        assert edit is drift or request.revision == 2
        house.vote(request_id, VOTERS[0])
        judge(house, request_id, [])
