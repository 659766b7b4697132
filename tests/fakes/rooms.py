"""A whole house without Slack: real SQLite, real rooms, a clock and a roster that a test turns by hand."""

import atexit
import hashlib
import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bot.approvals import execution
from bot.approvals.desk import Desk
from bot.approvals.ground import Ground
from bot.approvals.lifecycle import Lifecycle
from bot.approvals.reading import Reading
from bot.audit.opening import open_log
from bot.audit.signing import public_key
from bot.config.types import Config
from bot.jobs import permit
from bot.jobs.proving import Prover
from bot.model.doors import Answer, Delivery, RequestView, Wish
from bot.model.jobs import Job
from bot.model.people import Actor, PersonFacts, RosterFacts
from bot.model.plans import Part, Plan
from bot.model.requests import Choice, Operation, Permit, Proof, Request, State, Vote
from bot.policy import rules
from bot.proofs.keys import ProofKey
from bot.proofs.ledger import Ledger
from bot.proofs.safe import Safe
from bot.store import schema
from bot.store.database import Database
from bot.store.proofs import PROOF_KEY
from bot.store.tables import metadata
from bot.store.unit_of_work import Store, Work
from tests.fakes.servers import postgresql_database

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEAM = "T0ACME"
CHANNEL = "C0DELETIONS"
SIGNING = b"\x07" * 32

#: What must never be found outside the erasable table, nor anywhere once a request is over.
VALUE, REASON, LABEL = "ada.lovelace@example.com", "GDPR-ticket-4711-Lovelace", "Ada King, Countess"

SETTINGS: dict[str, Any] = {
    "workspace": TEAM,
    "channel": CHANNEL,
    "roles": {
        "support": {"users": ["U0ALICE", "U0ERIN"], "owner": "U0CAROL"},
        "dba": {"users": ["U0BOB", "U0DAN"], "usergroup": "S0DBA", "owner": "U0CAROL"},
        "data-owner": {"users": ["U0CAROL", "U0BOB"], "owner": "U0CAROL"},
        "orphan": {"users": ["U0FRED"]},
    },
    "targets": {
        "crm": {
            "environment": "production",
            "database": {"url": "sqlite:///crm.db"},
            "records": {"customer": {"table": "customers", "find_by": ["email"]}},
        },
        "shop": {
            "channel": "C0SHOPPING",
            "database": {"url": "sqlite:///shop.db"},
            "records": {"order": {"table": "orders", "find_by": ["id"]}},
        },
        "bare": {"database": {"url": "sqlite:///bare.db"}},
    },
    "rules": [
        {
            "name": "small erasure",
            "when": {"operation": "delete-records", "target": "crm", "rows": {"at_most": 100}},
            "request": ["support"],
            "approve": ["1 of dba", "1 of data-owner"],
            "expires": "4h",
        },
        {
            "name": "orphaned",
            "when": {"operation": "delete-records", "target": "shop"},
            "request": ["orphan"],
            "approve": ["1 of dba"],
        },
        {
            "name": "restore",
            "when": {"operation": "restore"},
            "request": ["support", "dba"],
            "approve": ["1 of dba"],
        },
        {
            "name": "unfreeze",
            "when": {"operation": "unfreeze", "target": "crm"},
            "request": ["support"],
            "approve": ["1 of data-owner"],
        },
    ],
}


def config(**changes: Any) -> Config:
    """The usual configuration with whole sections replaced."""
    return Config.model_validate({**SETTINGS, **changes})


def rules_with(**changes: Any) -> list[dict[str, Any]]:
    """The usual rules, the first one changed."""
    first, *rest = SETTINGS["rules"]
    return [{**first, **changes}, *rest]


def person(user: str, **flags: Any) -> PersonFacts:
    return PersonFacts(**{"user": user, "team": TEAM, "name": user.lower(), **flags})


def plan_of(
    target: str = "crm",
    record: str | None = "customer",
    rows: int = 7,
    salt: str = "",
    people: tuple[str, ...] | None = None,
) -> Plan:
    """A deletion that somebody computed; ``salt`` makes it another one, ``people`` whom it is about."""
    keys = hashlib.sha256(f"{rows}{salt}".encode()).hexdigest()
    return Plan(
        operation=Operation.DELETE_RECORDS,
        target=target,
        record=record,
        tables=(Part("customers", rows, keys),),
        nullified=(),
        roots=keys,
        fingerprint="f" * 64,
        warnings=(),
        steps=("step.lock", "step.delete"),
        way_back="way-back.restore",
        people=people,
    )


def planned(
    target: str = "crm", rows: int = 7, salt: str = "", people: tuple[str, ...] | None = None
) -> execution.Planned:
    plan = plan_of(target, rows=rows, salt=salt, people=people)
    return execution.Planned(target, "customer", plan.to_data(), rows, LABEL, '{"who": 1}')


@cache
def _fresh() -> list[bytes]:
    return []


def _fresh_file(folder: Path) -> bytes:
    """An upgraded, empty database; the upgrade runs once per test process."""
    if not _fresh():
        database = Database(f"sqlite:///{folder / 'fresh.db'}")
        schema.upgrade(database)
        database.forget()
        database.close()
        _fresh().append((folder / "fresh.db").read_bytes())
    return _fresh()[0]


@cache
def _prepared() -> str:
    """One upgraded database on a server, for the whole test process."""
    opened = ExitStack()
    url = opened.enter_context(postgresql_database())
    atexit.register(opened.close)
    database = Database(url)
    schema.upgrade(database)
    database.close()
    return url


def empty_postgresql() -> str:
    """That database as if it were new: emptying it costs a tenth of making one."""
    url = _prepared()
    tables = [name for name in metadata.tables if name != "alembic_version"]
    with psycopg.connect(url) as connection:
        names = sql.SQL(", ").join(sql.Identifier(name) for name in tables)
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))
    return url


@dataclass
class House:
    """One installation in a folder. ``groups`` is what Slack says about user groups.

    ``url``: a database that is there already; ``chance``: where its chance begins.
    """

    folder: Path
    settings: Config = field(default_factory=config)
    url: str = ""
    now: datetime = START
    chance: int = 1
    groups: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"S0DBA": ("U0GINA",)})

    def __post_init__(self) -> None:
        self.path = self.folder / "countersign.db"
        if not self.url:
            self.path.write_bytes(_fresh_file(self.folder))
        self.database = Database(self.url or f"sqlite:///{self.path}")
        self.store = Store(self.database)
        with self.store.transact() as work:
            open_log(work.audit, public_key(SIGNING), self.now)
        self._entropy, self._keys, self._jobs = (
            itertools.count(self.chance),
            itertools.count(1),
            itertools.count(1),
        )
        self.safe = Safe(
            ProofKey(b"\x09" * 32, TEAM), Ledger(self.folder / "worker" / "proof.ledger"), self.entropy
        )
        with self.store.transact() as work:
            work.public_keys.publish(PROOF_KEY, self.safe.key.public, self.now)
        self.configure(self.settings)

    def configure(self, settings: Config) -> None:
        """A restart with another file."""
        self.settings = settings
        self.ground = Ground(settings, self.entropy)
        #: The worker's own: only there marks can be judged.
        self.workers_ground = Ground(settings, self.entropy, self.safe.key)
        self.prover = Prover(self.store, self.workers_ground, self.safe)
        self.lifecycle = Lifecycle(self.ground)
        self.desk = Desk(self.store, self.ground, self.clock)
        self.reading = Reading(self.store, self.ground, self.clock)
        self.staff()

    def staff(self) -> None:
        """A worker on every host, for a year; a test that wants less lets it leave, or beats in its place."""
        hosts = {target.host for target in self.settings.targets.values()}
        with self.store.transact() as work:
            for position, host in enumerate(sorted(hosts, key=str)):
                facts = {"canary": "refused", "targets": list(self.settings.targets), "host": host}
                work.processes.beat("worker", f"slot-{position}", facts, START + timedelta(days=365))

    def entropy(self, n: int) -> bytes:
        return hashlib.sha256(str(next(self._entropy)).encode()).digest()[:n]

    def clock(self) -> datetime:
        return self.now

    def wait(self, **parts: float) -> None:
        self.now += timedelta(**parts)

    def close(self) -> None:
        self.database.close()

    # People

    def actor(self, user: str, **flags: Any) -> Actor:
        return Actor(person(user, **flags), rules.roles_of(self.settings.roles, user, self.groups))

    def roster(
        self,
        without: Iterable[str] = (),
        flags: Mapping[str, Mapping[str, Any]] | None = None,
        groups: Mapping[str, tuple[str, ...]] | None = None,
    ) -> RosterFacts:
        """What Slack would answer about everybody."""
        everybody = {*self.settings.users, "U0GINA", "U0ZOE"} - set(without)
        people = {user: person(user, **(flags or {}).get(user, {})) for user in everybody}
        return RosterFacts(people, self.groups if groups is None else groups)

    # A request, from the wish to the permit

    def wish(self, **changes: Any) -> Wish:
        usual: dict[str, Any] = {
            "operation": Operation.DELETE_RECORDS,
            "target": "crm",
            "record": "customer",
            "values": (VALUE,),
            "reason": REASON,
        }
        return Wish(**{**usual, **changes})

    def file(self, user: str = "U0ALICE", **changes: Any) -> int:
        """File a wish; returns the internal id."""
        with self.store.transact() as work:
            self.lifecycle.file(work, self.wish(**changes), self.actor(user), "D0ASKING", self.now)
        with self.store.read() as work:
            return max(one.id for one in work.requests.in_states(list(State)))

    def plan(self, request_id: int, made: execution.Planned | None = None) -> None:
        with self.store.transact() as work:
            locked = self.ground.lock(work, request_id)
            execution.accept_plan(self.ground, work, locked, made or planned(), self.roster(), self.now)

    def pending(self) -> int:
        """A request that waits for its approvals."""
        request_id = self.file()
        self.plan(request_id)
        return request_id

    def many_pending(self, n: int) -> list[int]:
        """The same, many at once, in one transaction."""
        found = []
        with self.store.transact() as work:
            for _ in range(n):
                self.lifecycle.file(work, self.wish(), self.actor("U0ALICE"), "D0ASKING", self.now)
            for request in work.requests.in_states([State.PLANNING]):
                execution.accept_plan(self.ground, work, request, planned(), self.roster(), self.now)
                found.append(request.id)
        return found

    def approved(self, *users: str) -> int:
        """A request with its quorum; its cooling-off is over."""
        request_id = self.pending()
        for user in users or ("U0DAN", "U0CAROL"):
            self.vote(request_id, user)
        assert self.request(request_id).state is State.APPROVED
        self.wait(seconds=11)
        return request_id

    def running(self) -> tuple[int, str]:
        request_id = self.approved()
        job = self.enqueue(request_id)
        assert self.take(job) == permit.Gate.GO
        return request_id, job

    def vote(
        self,
        request_id: int,
        user: str,
        choice: Choice = Choice.APPROVE,
        revision: int | None = None,
        **flags: Any,
    ) -> Answer:
        number = revision or self.request(request_id).revision
        with self.store.transact() as work:
            return self.lifecycle.vote(
                work, request_id, number, choice, Proof.CLICK, self.actor(user, **flags), self.now
            )

    def deny(self, request_id: int, user: str) -> Answer:
        return self.vote(request_id, user, Choice.DENY)

    def withdraw(self, request_id: int, user: str, **flags: Any) -> Answer:
        with self.store.transact() as work:
            number = self.request(request_id).revision
            return self.lifecycle.withdraw(work, request_id, number, self.actor(user, **flags), self.now)

    def enqueue(self, request_id: int, roster: RosterFacts | None = None) -> str:
        """A job whose question about people is answered."""
        with self.store.transact() as work:
            return self.enqueue_in(work, request_id, roster or self.roster())

    def enqueue_in(self, work: Work, request_id: int, roster: RosterFacts) -> str:
        """The same, inside a transaction."""
        request = self.ground.lock(work, request_id)
        job = f"job-{request_id}-{next(self._jobs):03}"
        work.jobs.add(job, request_id, request.revision, request.target)
        ready = work.permits.ready(request_id)
        if ready is not None:
            nonce = f"nonce-{job}"
            work.roster.ask(nonce, (), (), self.now)
            work.roster.answer(nonce, roster, self.now)
            work.permits.ask(ready.id, nonce)
        return job

    def take(self, job: str) -> permit.Gate:
        with self.store.transact() as work:
            return permit.take(self.workers_ground, work, job, self.now)

    def deliver(self, user: str = "U0ALICE") -> Delivery:
        """A payload that was written down before the ack."""
        key = f"Ev{next(self._keys)}"
        with self.store.transact() as work:
            work.inbox.accept(key, "event", self.now)
            work.erasable.put(f"inbox:{key}", "payload", {"text": REASON}, b"", self.now)
        return Delivery(key, "D0ASKING", user)

    # Slack, played by hand

    def posted(self, request_id: int) -> dict[str, tuple[str, str]]:
        """Post everything that is due; returns (channel, ts) by subject."""
        places = {}
        for _ in range(3):
            with self.store.transact() as work:
                for item in work.outbox.due(self.now, 100):
                    ts = item.ts or f"{1_700_000_000 + next(self._keys)}.000100"
                    work.outbox.set(item.subject, state="posted", ts=ts, shown=item.wanted)
        for row in self.rows("outbox"):
            if row["request_id"] == request_id and row["ts"]:
                places[str(row["subject"])] = (str(row["channel"]), str(row["ts"]))
        return places

    def ballot(self, request_id: int, revision: int = 1) -> tuple[str, str]:
        return self.posted(request_id)[f"ballot:{request_id}:{revision}"]

    def react(
        self,
        place: tuple[str, str],
        user: str,
        emoji: str = "white_check_mark",
        ts: str = "1.0",
        added: bool = True,
        looked: bool = False,
        **flags: Any,
    ) -> Answer | None:
        """One event, or what a look at the message found; ``ts`` is its event_ts."""
        with self.store.transact() as work:
            return self.lifecycle.reaction(
                work, *place, emoji, added, ts, self.actor(user, **flags), self.now, looked=looked
            )

    # What is there

    def request(self, request_id: int) -> Request:
        with self.store.read() as work:
            found = work.requests.get(request_id)
        assert found is not None
        return found

    def state(self, request_id: int) -> State:
        return self.request(request_id).state

    def view(self, request_id: int) -> RequestView:
        found = self.reading.view(request_id)
        assert found is not None
        return found

    def job(self, job_id: str) -> Job:
        with self.store.read() as work:
            found = work.jobs.get(job_id)
        assert found is not None
        return found

    def digest(self, request_id: int) -> str:
        """What the newest revision is bound by."""
        with self.store.read() as work:
            found = work.requests.revision(request_id, self.request(request_id).revision)
        assert found is not None
        return found.digest

    def votes(self, request_id: int) -> dict[str, Choice]:
        return {vote.user: vote.choice for vote in self.vote_rows(request_id)}

    def vote_rows(self, request_id: int) -> Sequence[Vote]:
        with self.store.read() as work:
            return work.votes.of(request_id, self.request(request_id).revision)

    def permits(self, request_id: int) -> list[str]:
        """The states of all permits of a request, oldest first."""
        return [str(row["state"]) for row in self.rows("permits") if row["request_id"] == request_id]

    def permit(self, request_id: int) -> Permit:
        with self.store.read() as work:
            found = work.permits.ready(request_id)
        assert found is not None
        return found

    def log(self) -> list[Any]:
        with self.store.read() as work:
            return work.audit.entries()

    def kinds(self) -> list[str]:
        """The kinds of all entries of the log, oldest first."""
        return [str(json.loads(entry.entry)["kind"]) for entry in self.log()]

    def subjects(self, request_id: int) -> list[str]:
        return [str(row["subject"]) for row in self.rows("outbox") if row["request_id"] == request_id]

    def private(self) -> list[tuple[str, str]]:
        """(user, key) of every private sentence, oldest first."""
        found = []
        for row in self.rows("outbox"):
            if row["kind"] in ("private", "private-card"):
                answer = self.reading.private_text(row["subject"])
                found.append((row["user"], answer.key if answer else ""))
        return found

    def notes(self, request_id: int) -> list[str]:
        """The keys of the notes in a thread."""
        subjects = [one for one in self.subjects(request_id) if one.startswith("note:")]
        texts = [self.reading.private_text(one) for one in subjects]
        return [text.key for text in texts if text is not None]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A whole table, in the order it was written where the database keeps one."""
        order = " ORDER BY rowid" if self.database.is_sqlite else ""
        with self.database.read() as connection:
            result = connection.exec_driver_sql(f"SELECT * FROM {table}{order}")
            return [dict(row) for row in result.mappings()]


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """An empty house on each of our databases; a conftest hands it to its folder."""
    built = House(tmp_path, url="" if request.param == "sqlite" else empty_postgresql())
    yield built
    built.close()


def snapshot(house: House, *but: str) -> dict[str, list[dict[str, Any]]]:
    """Every table, except some."""
    return {name: house.rows(name) for name in sorted(metadata.tables) if name not in but}


def race(*bodies: Any) -> list[Any]:
    """Run all at once in threads that start together; results or exceptions, in order."""
    gate = threading.Barrier(len(bodies))
    results: list[Any] = [None] * len(bodies)

    def run(position: int) -> None:
        gate.wait()
        try:
            results[position] = bodies[position]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[position] = error

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
