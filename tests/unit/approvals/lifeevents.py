"""Everything that may happen to a request, each as one act on the world. False: it cannot happen here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.approvals.execution import Planned
from bot.errors import Broken
from bot.jobs.reach import Result
from bot.model.drift import Drift
from bot.model.jobs import Job, JobState
from bot.model.requests import Choice, Request, State
from bot.operations.gate import Drifted
from bot.store.ports import RosterPort
from tests.fakes.rooms import planned
from tests.unit.approvals.lifeworld import BOTH, DBA, NOBODY, OWNER, REQUESTER, LifeWorld

Act = Callable[[LifeWorld], bool]


@dataclass(frozen=True)
class Event:
    """``actor``: who does it and waits for an answer; None when no person does.

    ``again``: it may come twice, as a delivery of Slack and whatever a worker does may, and then changes nothing more.
    """

    name: str
    act: Act
    actor: str | None = None
    again: bool = False

    @property
    def repeats(self) -> bool:
        return self.again or self.actor is not None


def newest(world: LifeWorld) -> Request | None:
    with world.store.read() as work:
        found = work.requests.in_states(list(State))
    return found[-1] if found else None


def latest_job(world: LifeWorld) -> Job | None:
    request = newest(world)
    with world.store.read() as work:
        return None if request is None else work.jobs.latest(request.id)


def file(world: LifeWorld) -> bool:
    found = newest(world)
    if found is not None:
        return False
    house = world.house
    world.deliver(
        REQUESTER,
        lambda work, actor: house.lifecycle.file(work, house.wish(), actor, "C0ASKING", house.now),
    )
    return True


def plan(world: LifeWorld) -> bool:
    """The worker has computed it; after a drift it is another one."""
    request = newest(world)
    if request is None or request.state is not State.PLANNING or request.revision > 2:
        return False
    made: Planned = planned(salt=str(request.revision))
    world.parts.plan(world, request, made)
    found = newest(world)
    if found is not None and found.state is State.PENDING:
        world.become(world.facts, planned=(*world.facts.planned, world.facts.policy))
    return True


def votes(user: str, choice: Choice, back: int = 0, **flags: Any) -> Act:
    """A click on the ballot of the newest revision, or of one that is ``back`` revisions old."""

    def act(world: LifeWorld) -> bool:
        request = newest(world)
        if request is None or request.revision - back < 1:
            return False
        where = request.id, request.revision - back
        vote = world.parts.vote
        world.deliver(user, lambda work, actor: vote(world, work, *where, choice, actor), **flags)
        return True

    return act


def withdraws(user: str) -> Act:
    def act(world: LifeWorld) -> bool:
        request = newest(world)
        if request is None or not request.revision:
            return False
        where, withdraw = (request.id, request.revision), world.parts.withdraw
        world.deliver(user, lambda work, actor: withdraw(world, work, *where, actor))
        return True

    return act


def brakes(user: str, name: str) -> Act:
    def act(world: LifeWorld) -> bool:
        request = newest(world)
        if request is None or request.number is None:
            return False
        number, brake = request.number, getattr(world.house.lifecycle, name)
        world.deliver(user, lambda work, actor: brake(work, number, actor, world.facts.now))
        return True

    return act


def freezes(world: LifeWorld) -> bool:
    life = world.house.lifecycle
    world.deliver(DBA, lambda work, actor: life.freeze(work, "crm", None, actor, world.facts.now))
    return True


def unfrozen(world: LifeWorld) -> bool:
    """As the worker does at the end of a request of its own."""
    with world.store.read() as work:
        if work.targets.frozen("crm") is None:
            return False
    with world.store.transact() as work:
        work.targets.lock("crm")
        work.targets.set("crm", None, None)
        world.house.ground.log(work, "target-unfrozen", None, {"target": "crm"}, world.facts.now)
    return True


def turns(name: str) -> Act:
    """Somebody leaves or joins a group, or is deactivated or comes back."""

    def act(world: LifeWorld) -> bool:
        world.become(world.facts, **{name: not getattr(world.facts, name)})
        return True

    return act


def policy(name: str) -> Act:
    def act(world: LifeWorld) -> bool:
        if world.facts.policy == name:
            return False
        world.become(world.facts, policy=name)
        return True

    return act


def later(**parts: float) -> Act:
    def act(world: LifeWorld) -> bool:
        world.become(world.facts, now=world.facts.now + timedelta(**parts))
        return True

    return act


def clock_set_back(world: LifeWorld) -> bool:
    if world.facts.set_back:
        return False
    world.become(world.facts, now=world.facts.now - timedelta(hours=1), set_back=True)
    return True


def sweep(world: LifeWorld) -> bool:
    world.parts.sweep(world.store, world.house.ground, world.facts.now)
    return True


def worker_asks(world: LifeWorld) -> bool:
    """Its question about people is put and answered, and the job enqueued."""
    dispatcher, port = world.hands[0], RosterPort(world.store)
    dispatcher.start_due(world.house.clock)
    for question in port.questions():
        port.answer(question.nonce, world.roster(), world.facts.now)
        world.become(world.facts, told=(world.facts.now, world.facts.dba, world.facts.gone))
    dispatcher.start_due(world.house.clock)
    return True


def gate(world: LifeWorld) -> bool:
    """The newest job asks for its permit; again and again, as after a crash."""
    job = latest_job(world)
    if job is None:
        return False
    world.parts.take(world, job.id)
    return True


def forged_gate(world: LifeWorld) -> bool:
    """A job that nobody handed over asks."""
    request = newest(world)
    if request is None or not request.revision:
        return False
    with world.store.transact() as work:
        known = work.jobs.get("forged")
        if known is not None and known.state is not JobState.QUEUED:
            return False
        if known is None:
            work.jobs.add("forged", request.id, request.revision, "crm")
    world.parts.take(world, "forged")
    return True


def job(then: Callable[[LifeWorld, Job], Any]) -> Act:
    def act(world: LifeWorld) -> bool:
        with world.store.read() as work:
            active = work.jobs.active_on("crm")
        if not active:
            return False
        then(world, active[0])
        return True

    return act


def done(world: LifeWorld, one: Job) -> None:
    with world.store.transact() as work:
        work.jobs.save(one.id, JobState.RUNNING, state=JobState.COMMITTING)
    with world.store.read() as work:
        found = work.jobs.get(one.id)
    assert found is not None
    if found.state is JobState.COMMITTING:
        world.hands[1]._committed(found, Result())
    world.hands[1].tell(one.id)


def drifted(world: LifeWorld, one: Job) -> None:
    world.hands[1]._drifted(one, Drifted("crm", Drift(True, ())))


def failed(world: LifeWorld, one: Job) -> None:
    crew = world.hands[1]
    with world.store.transact() as work:
        crew._end(work, one, "fail", "fail", Broken("job.broken", code="x"))


def _votes(user: str, who: str, *choices: Choice, **more: Any) -> list[Event]:
    names = {Choice.APPROVE: "approves", Choice.DENY: "denies"}
    return [Event(f"{who}: {names[one]}", votes(user, one, **more), user) for one in choices]


YES, NO = Choice.APPROVE, Choice.DENY
VOTES = [
    *_votes(DBA, "dba", YES, NO),
    *_votes(OWNER, "data owner", YES, NO),
    *_votes(BOTH, "who holds both", YES),
    Event("dba: withdraws", withdraws(DBA), DBA),
    Event("data owner: withdraws", withdraws(OWNER), OWNER),
]
#: Who must never count.
OTHERS = [
    *_votes(REQUESTER, "requester", YES, NO),
    *_votes(NOBODY, "nobody", YES, NO),
    *_votes(DBA, "somebody of another workspace", YES, team="T0OTHER"),
    *_votes(DBA, "dba, on the old ballot", YES, back=1),
    Event("requester: withdraws", withdraws(REQUESTER), REQUESTER),
    Event("nobody: stops", brakes(NOBODY, "stop"), NOBODY),
    Event("dba: cancels", brakes(DBA, "cancel"), DBA),
]
BRAKES = [
    Event("requester: cancels", brakes(REQUESTER, "cancel"), REQUESTER),
    Event("data owner: stops", brakes(OWNER, "stop"), OWNER),
    Event("dba: freezes", freezes, DBA),
    Event("it is unfrozen", unfrozen),
]
CHANGES = [
    Event("dba leaves or joins the group", turns("dba")),
    Event("data owner is deactivated or comes back", turns("gone")),
    *(Event(f"the policy becomes {name}", policy(name)) for name in ("stricter", "laxer", "usual")),
]
TIME = [
    Event("the cooling-off passes", later(seconds=11)),
    Event("a minute passes", later(seconds=61)),
    Event("four hours pass", later(hours=4)),
    Event("a day passes", later(hours=25)),
    Event("the clock is set back", clock_set_back),
    Event("the sweep runs", sweep, again=True),
]
WORK = [
    Event("it is planned", plan),
    Event("the worker asks who is who", worker_asks, again=True),
    Event("the job asks for its permit", gate, again=True),
    Event("a forged job asks for the permit", forged_gate, again=True),
    Event("the job finds a drift", job(drifted)),
    Event("the job is done", job(done)),
    Event("the job fails", job(failed)),
]
FILING = [Event("requester: files", file, REQUESTER)]
EVENTS = [*FILING, *VOTES, *OTHERS, *BRAKES, *CHANGES, *TIME, *WORK]
BY_NAME = {event.name: event for event in EVENTS}
