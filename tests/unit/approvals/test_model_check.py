"""Every short life of a request, and the promises in every moment of each.

The real code on real tables: all sequences of the events in ``lifeevents``, judged by ``promises``. A life that breaks
one is told as its sequence of events. ``MODEL_CHECK=deep`` looks one event further.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bot.approvals import voting
from bot.approvals.execution import Planned
from bot.approvals.ground import Ground
from bot.jobs import permit
from bot.model.doors import Answer
from bot.model.people import Actor
from bot.model.requests import Choice, Proof, Request, State, Vote
from bot.schedules import sweeps
from bot.store import tables as t
from bot.store.unit_of_work import Store, Work
from tests.unit.approvals import lifeevents as happen
from tests.unit.approvals.explorer import Explorer, FoundError
from tests.unit.approvals.explorer import Path as Life
from tests.unit.approvals.lifeevents import BY_NAME, EVENTS, Event
from tests.unit.approvals.lifeworld import LifeWorld, Parts

DEEPER = int(os.environ.get("MODEL_CHECK") == "deep")

PENDING = ("requester: files", "it is planned")
HALF = (*PENDING, "dba: approves")
APPROVED = (*HALF, "data owner: approves")
ASKED = (*APPROVED, "the cooling-off passes", "the worker asks who is who")
RUNNING = (*ASKED, "the job asks for its permit")
DRIFTED = (*RUNNING, "the job finds a drift")
DENIED = (*HALF, "data owner: denies")
WAITS, MINUTE, SWEEP = "the cooling-off passes", "a minute passes", "the sweep runs"
ASKS, GATE, FORGED = (
    "the worker asks who is who",
    "the job asks for its permit",
    "a forged job asks for the permit",
)


def some(*names: str) -> list[Event]:
    return [BY_NAME[name] for name in names]


AT_THE_GATE = some(WAITS, ASKS, GATE, FORGED)

#: What is looked at: where it begins, what may happen, how many events deep, and where requests must have stood.
LIVES: dict[str, tuple[Life, Sequence[Event], int, set[State]]] = {
    "everything from the beginning": ((), EVENTS, 4, {State.PENDING, State.DENIED, State.CANCELLED}),
    "everything while one approval is missing": (HALF, EVENTS, 2, {State.APPROVED, State.DENIED, State.EXPIRED}),
    "everything at the gate": (ASKED, EVENTS, 2, {State.RUNNING, State.STOPPED, State.PENDING, State.DENIED}),
    "everything while it runs": (RUNNING, EVENTS, 2, {State.SUCCEEDED, State.FAILED, State.STOPPED, State.PLANNING}),
    "votes of all kinds, and time": (
        PENDING,
        [*happen.VOTES, *happen.TIME],
        3,
        {State.APPROVED, State.DENIED, State.REJECTED, State.EXPIRED},
    ),
    "a denial and its minute": (
        DENIED,
        [*some("data owner: withdraws", "data owner: approves", "dba: denies", "dba: withdraws", "who holds both: approves"), *happen.TIME],
        4,
        {State.REJECTED, State.APPROVED, State.PENDING, State.EXPIRED},
    ),
    "roles and rules that change before the gate": (
        APPROVED,
        [*happen.CHANGES, *AT_THE_GATE, *some("who holds both: approves")],
        5,
        {State.RUNNING, State.PENDING},
    ),
    "brakes, and a clock, against the gate": (
        APPROVED,
        [*happen.BRAKES, *AT_THE_GATE, *some("data owner: withdraws", "a day passes", "the clock is set back", SWEEP)],
        4,
        {State.RUNNING, State.STOPPED, State.CANCELLED, State.EXPIRED},
    ),
    "a drift, and the votes that were on the old plan": (
        (*DRIFTED, "it is planned"),
        [*some("dba, on the old ballot: approves", "dba: approves", "data owner: approves", "data owner: withdraws"), *AT_THE_GATE, *some("the job finds a drift", "the job is done", "the policy becomes stricter")],
        6,
        {State.RUNNING, State.APPROVED, State.SUCCEEDED},
    ),
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LifeWorld]:
    found = LifeWorld(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("case", LIVES)
def test_in_every_short_life_every_promise_holds(world: LifeWorld, case: str) -> None:
    start, events, depth, wanted = LIVES[case]
    explorer = Explorer(world, events)
    seen = explorer.explore(start, depth + DEEPER)
    sys.stdout.write(f"\n{case}, {len(events)} kinds of events, {depth + DEEPER} deep: {seen}\n")
    # A search that finds nothing because it went nowhere proves nothing.
    assert wanted <= set(seen.states), wanted - set(seen.states)
    assert seen.crashes > seen.moments / 4
    assert seen.turns > 10 * depth


# Broken on purpose: a search that would not find these would prove nothing


def gate_that_ignores(change: Callable[[LifeWorld, Work, str], object]) -> Callable[[LifeWorld, str], object]:
    """The gate, after somebody has arranged things for it."""

    def take(world: LifeWorld, job_id: str) -> object:
        with world.store.transact() as work:
            change(world, work, job_id)
            return permit.take(world.house.ground, work, job_id, world.facts.now)

    return take


def the_freeze(_world: LifeWorld, work: Work, _job: str) -> None:
    work.connection.execute(update(t.targets).values(frozen_by=None))


def the_age_of_the_answer(world: LifeWorld, work: Work, _job: str) -> None:
    work.connection.execute(update(t.roster_questions).values(asked_at=world.facts.now))


def that_a_role_was_lost(world: LifeWorld, work: Work, _job: str) -> None:
    world.become(world.facts, dba=True)
    answer = {"people": {one: vars(found) for one, found in world.roster().people.items()}}
    work.connection.execute(
        update(t.roster_questions).values(answer={**answer, "groups": world.house.groups})
    )


def that_it_was_denied(_world: LifeWorld, work: Work, _job: str) -> None:
    work.connection.execute(update(t.votes).values(choice="approve"))
    work.connection.execute(update(t.requests).where(t.requests.c.state == "denied").values(state="approved"))


def that_rules_have_changed(world: LifeWorld, work: Work, job_id: str) -> None:
    world.become(world.facts, policy="usual")


def that_its_permit_is_used(_world: LifeWorld, work: Work, _job: str) -> None:
    work.connection.execute(update(t.permits).values(state="ready", job_id=None))
    work.connection.execute(update(t.jobs).values(state="queued"))
    work.connection.execute(update(t.requests).values(state="approved"))


def votes_stay(world: LifeWorld, request: Request, plan: Planned) -> None:
    """GitLab, CVE-2023-4812: an approval survives a later change."""
    world.hands[0]._save_plan(request, plan, world.roster(), world.facts.now)
    with world.store.transact() as work:
        renewed = world.house.ground.lock(work, request.id)
        for vote in work.votes.of(request.id, request.revision):
            work.votes.put(
                Vote(request.id, renewed.revision, *(vote.user, vote.choice, vote.proof, vote.at, vote.roles))
            )


def anybody_counts(
    world: LifeWorld, work: Work, request_id: int, revision: int, choice: Choice, actor: Actor
) -> Answer:
    """Whoever clicks, the requester too."""
    request = world.house.ground.lock(work, request_id)
    work.votes.put(Vote(request_id, revision, actor.user, choice, Proof.CLICK, world.facts.now, ("dba",)))
    body = {"by": actor.user, "choice": str(choice), "revision": revision}
    world.house.ground.log(work, "vote", request, body, world.facts.now)
    return Answer("vote.approved", {"number": 1})


def a_no_goes_whenever(world: LifeWorld, work: Work, request_id: int, revision: int, actor: Actor) -> Answer:
    work.connection.execute(update(t.votes).values(at=world.facts.now))
    work.connection.execute(
        update(t.requests)
        .where(t.requests.c.state == "denied")
        .values(denied_until=world.facts.now + timedelta(1))
    )
    return world.house.lifecycle.withdraw(work, request_id, revision, actor, world.facts.now)


def in_silence(world: LifeWorld, work: Work, request_id: int, revision: int, actor: Actor) -> Answer:
    """The vote goes, and the log says nothing."""
    work.votes.drop(request_id, revision, actor.user)
    return Answer("vote.withdrawn", {"number": 1})


def silence_is_a_yes(store: Store, ground: Ground, now: datetime) -> None:
    """Approved by a timer, as three products of others do it."""
    with store.transact() as work:
        for request in work.requests.in_states([State.PENDING]):
            if request.expires_at is not None and request.expires_at <= now:
                revision = work.requests.revision(request.id, request.revision)
                assert revision is not None
                work.permits.issue(request.id, revision.revision, revision.digest, now + timedelta(1), now)
                ground.change(work, request, "approve", now, starts_at=now)


def it_opens_again(store: Store, ground: Ground, now: datetime) -> None:
    sweeps.expire(store, ground, now)
    with store.transact() as work:
        work.connection.execute(
            update(t.requests).where(t.requests.c.state == "expired").values(state="pending")
        )


def nobody_is_told(
    world: LifeWorld, work: Work, request_id: int, revision: int, choice: Choice, actor: Actor
) -> Any:
    voting.vote(world.house.ground, work, (request_id, revision), choice, Proof.CLICK, actor, world.facts.now)


LEAVES, DENIES, FREEZES = "dba leaves or joins the group", "dba: denies", "dba: freezes"
SLOT, STARTS = "only people with a slot", "what starts has"

#: What is broken, where it begins, what happens then, and the promise that must be seen to break.
MUTANTS: dict[str, tuple[Parts, Life, tuple[str, ...], str]] = {
    "the gate ignores the freeze": (Parts(take=gate_that_ignores(the_freeze)), ASKED, (FREEZES, GATE), STARTS),
    "the gate believes an old answer": (Parts(take=gate_that_ignores(the_age_of_the_answer)), ASKED, (MINUTE, GATE), STARTS),
    "the gate ignores a lost role": (Parts(take=gate_that_ignores(that_a_role_was_lost)), APPROVED, (LEAVES, WAITS, ASKS, GATE), STARTS),
    "the gate ignores a denial": (Parts(take=gate_that_ignores(that_it_was_denied)), ASKED, (DENIES, GATE), "moves only by the table"),
    "the gate ignores a stricter rule": (Parts(take=gate_that_ignores(that_rules_have_changed)), ASKED, ("the policy becomes stricter", GATE), STARTS),
    "a permit is taken twice": (Parts(take=gate_that_ignores(that_its_permit_is_used)), RUNNING, (GATE,), "moves only by the table"),
    "votes stay when the plan is another": (Parts(plan=votes_stay), DRIFTED, ("it is planned",), "the log tells every vote"),
    "the requester counts": (Parts(vote=anybody_counts), PENDING, ("requester: approves",), SLOT),
    "somebody without a role counts": (Parts(vote=anybody_counts), PENDING, ("nobody: approves",), SLOT),
    "another workspace counts": (Parts(vote=anybody_counts), PENDING, ("somebody of another workspace: approves",), SLOT),
    "a denial can be taken back whenever": (Parts(withdraw=a_no_goes_whenever), DENIED, (MINUTE, "data owner: withdraws"), "a no is taken back"),
    "a vote vanishes in silence": (Parts(withdraw=in_silence), HALF, ("dba: withdraws",), "the log tells every vote"),
    "silence is a yes": (Parts(sweep=silence_is_a_yes), PENDING, ("four hours pass", SWEEP), "nobody but people approves"),
    "what is over opens again": (Parts(sweep=it_opens_again), PENDING, ("four hours pass", SWEEP), "moves only by the table"),
    "a click is lost": (Parts(vote=nobody_is_told), PENDING, ("dba: approves",), "who acts gets one answer"),
}  # fmt: skip


@pytest.mark.parametrize("case", MUTANTS)
def test_the_search_finds_it_when(tmp_path: Path, case: str) -> None:
    parts, start, then, sentence = MUTANTS[case]
    world = LifeWorld(tmp_path)
    explorer = Explorer(world, some(*then, "dba leaves or joins the group"), crashes=False)
    # The way there is a life of the honest code; only what follows is not.
    explorer.start(start)
    world.parts = parts
    with pytest.raises(FoundError, match=sentence):
        explorer.explore(start, len(then))
    world.close()
