"""One installation inside one transaction that never commits: every moment of it can be returned to.

Real tables, real rooms. A *moment* is a savepoint; going back is rolling back to it. What is not in the database
(the clock, who Slack says is there, the policy file) is in ``Facts``, which never change but are replaced.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection

from bot.approvals.execution import Planned
from bot.approvals.ground import Ground
from bot.config.types import Config
from bot.jobs.crew import Crew
from bot.jobs.dispatch import Dispatcher
from bot.jobs.work_orders import Hands
from bot.model.doors import Answer, Delivery
from bot.model.people import Actor, RosterFacts
from bot.model.requests import Choice, Proof, Request
from bot.schedules import sweeps
from bot.store.database import Database
from bot.store.unit_of_work import Store, Work
from tests.fakes.rooms import SETTINGS, SIGNING, START, House, config, person, planned, rules_with

REQUESTER, DBA, OWNER, BOTH, NOBODY = "U0ALICE", "U0DAN", "U0CAROL", "U0BOB", "U0ZOE"
PEOPLE = (REQUESTER, DBA, OWNER, BOTH, NOBODY)

#: Dan is a dba through Slack's group alone, so that he can lose the role.
ROLES = {**SETTINGS["roles"], "dba": {"users": ["U0BOB"], "usergroup": "S0DBA", "owner": "U0CAROL"}}
#: A policy as the configuration has it, and as the judge counts it: role -> how many.
POLICIES: dict[str, tuple[Config, dict[str, int]]] = {
    name: (config(roles=ROLES, rules=rules_with(approve=[f"{n} of {role}" for role, n in wanted.items()])), wanted)
    for name, wanted in {
        "usual": {"dba": 1, "data-owner": 1},
        "stricter": {"dba": 2, "data-owner": 1},
        "laxer": {"dba": 1},
    }.items()
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What is true outside our database.

    ``told``: what Slack last told the worker about people, and when. ``planned``: the policy of each revision.
    """

    now: datetime = START
    policy: str = "usual"
    dba: bool = True
    gone: bool = False
    set_back: bool = False
    deliveries: int = 0
    told: tuple[datetime, bool, bool] | None = None
    planned: tuple[str, ...] = ()

    def roles(self, dba: bool | None = None) -> dict[str, frozenset[str]]:
        """Who holds what, by the policy file and the group; the same in every policy here."""
        member = self.dba if dba is None else dba
        return {
            REQUESTER: frozenset({"support"}),
            DBA: frozenset({"dba"} if member else ()),
            OWNER: frozenset({"data-owner"}),
            BOTH: frozenset({"dba", "data-owner"}),
            NOBODY: frozenset(),
        }


class Killed(BaseException):
    """The process is gone; nothing of ours can catch it."""


class Moments(Store):
    """A store whose transactions are savepoints in one that never ends."""

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database)
        self.connection = connection
        #: The process is killed right before the commit of its ``dies_at``-th transaction.
        self.begun, self.dies_at = 0, 0

    @contextmanager
    def transact(self) -> Iterator[Work]:
        self.begun += 1
        with self.connection.begin_nested():
            work = Work(self.connection)
            yield work
            _ = work.audit
            if self.begun == self.dies_at:
                raise Killed

    @contextmanager
    def read(self) -> Iterator[Work]:
        yield Work(self.connection)


class Lasting(Database):
    """Emptying the log of writes would wait for the transaction that never ends."""

    def forget(self) -> None:
        """Nothing is written yet."""


def _take(world: "LifeWorld", job_id: str) -> object:
    return world.hands[1].permit(job_id)


def _vote(
    world: "LifeWorld", work: Work, request_id: int, revision: int, choice: Choice, actor: Actor
) -> Answer:
    life, now = world.house.lifecycle, world.facts.now
    return life.vote(work, request_id, revision, choice, Proof.CLICK, actor, now)


def _withdraw(world: "LifeWorld", work: Work, request_id: int, revision: int, actor: Actor) -> Answer:
    return world.house.lifecycle.withdraw(work, request_id, revision, actor, world.facts.now)


def _plan(world: "LifeWorld", request: Request, plan: Planned) -> None:
    world.hands[0]._save_plan(request, plan, world.roster(), world.facts.now)


def _sweep(store: Store, ground: Ground, now: datetime) -> None:
    sweeps.expire(store, ground, now)
    sweeps.reject(store, ground, now)


@dataclass
class Parts:
    """What a mutant exchanges; the real ones unless told otherwise."""

    take: Callable[["LifeWorld", str], object] = _take
    vote: Callable[["LifeWorld", Work, int, int, Choice, Actor], Answer] = _vote
    withdraw: Callable[["LifeWorld", Work, int, int, Actor], Answer] = _withdraw
    plan: Callable[["LifeWorld", Request, Planned], None] = _plan
    sweep: Callable[[Store, Ground, datetime], None] = _sweep


@dataclass
class Moment:
    """A place to come back to."""

    savepoint: str
    facts: Facts


@dataclass
class LifeWorld:
    """The world that events happen to."""

    folder: Path
    parts: Parts = field(default_factory=Parts)
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        self.house = House(self.folder)
        self.house.database.close()
        database = Lasting(f"sqlite:///{self.house.path}")
        self.connection = database.writer.connect()
        self.connection.begin()
        self.raw = cast("Any", self.connection.connection.driver_connection)
        self.store = Moments(database, self.connection)
        self.house.database, self.house.store = database, self.store
        self._marks = 0
        self._grounds: dict[str, tuple[Dispatcher, Crew]] = {}
        self.become(self.facts)

    def close(self) -> None:
        self.connection.rollback()
        self.connection.close()
        for dispatcher, _ in self._grounds.values():
            dispatcher.close()
        self.house.close()

    def become(self, facts: Facts, **changes: Any) -> None:
        """Other things are true from now on."""
        self.facts = replace(facts, **changes)
        house = self.house
        house.now = self.facts.now
        house.groups = {"S0DBA": (DBA,) if self.facts.dba else ()}
        settings = POLICIES[self.facts.policy][0]
        if settings is not house.settings:
            house.configure(settings)

    @property
    def hands(self) -> tuple[Dispatcher, Crew]:
        """The worker under today's policy file."""
        found = self._grounds.get(self.facts.policy)
        if found is None:
            house = self.house
            nothing = cast("Hands", None)
            dispatcher = Dispatcher(
                house.store, house.ground, lambda _: planned(), lambda *_: None, None, cast("Any", None)
            )
            crew = Crew(house.store, house.ground, nothing, SIGNING, house.clock)
            found = self._grounds[self.facts.policy] = dispatcher, crew
        return found

    # Moments

    def mark(self) -> Moment:
        self._marks += 1
        name = f"moment_{self._marks}"
        self.raw.execute(f"SAVEPOINT {name}")
        return Moment(name, self.facts)

    def back(self, moment: Moment) -> None:
        self.raw.execute(f"ROLLBACK TO {moment.savepoint}")
        self.raw.execute(f"RELEASE {moment.savepoint}")
        self.become(moment.facts)

    # What Slack says

    def actor(self, user: str, **flags: Any) -> Actor:
        flags = {"is_deactivated": self.facts.gone and user == OWNER, **flags}
        return Actor(person(user, **flags), self.facts.roles()[user])

    def roster(self) -> RosterFacts:
        people = {user: person(user, is_deactivated=self.facts.gone and user == OWNER) for user in PEOPLE}
        return RosterFacts(people, self.house.groups)

    # What people do

    def deliver(
        self, user: str, decide: Callable[[Work, Actor], Answer | None], *, times: int = 1, **flags: Any
    ) -> None:
        """One delivery through the desk, as the door hands it over; ``times``: how often it comes."""
        key = f"Ev{self.facts.deliveries}"
        self.become(self.facts, deliveries=self.facts.deliveries + 1)
        with self.house.store.transact() as work:
            work.inbox.accept(key, "click", self.facts.now)
        actor = self.actor(user, **flags)
        for _ in range(times):
            self.house.desk.settle(Delivery(key, "C0ASKING", user), lambda work: decide(work, actor))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Straight from the driver, past everything that is ours."""
        return cast("list[tuple[Any, ...]]", self.raw.execute(query, values).fetchall())

    def log_since(self, seq: int) -> list[dict[str, Any]]:
        found = self.rows("SELECT entry FROM audit_log WHERE seq > ? ORDER BY seq", seq)
        return [json.loads(entry) for (entry,) in found]
