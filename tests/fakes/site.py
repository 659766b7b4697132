"""A small system that is torn down in this process: a service in a file, a real folder, a real database.

The rooms, the crew and the backups are real; Slack is played by hand, as in ``House``.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from bot.backups.storage.base import Storage
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.config.types import Target
from bot.jobs.crew import Crew
from bot.jobs.dispatch import Dispatcher
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.system_hands import SystemHands
from bot.jobs.work_orders import Hands
from bot.model.requests import Operation, State
from bot.operations.clearing import Leftover
from bot.operations.teardown import Host
from bot.schedules import sweeps
from bot.store.ports import RosterPort
from bot.targets.files import FolderHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.system import System
from tests.fakes.backups import master_key
from tests.fakes.operations import HASH_KEY
from tests.fakes.rooms import SETTINGS, SIGNING, House, config
from tests.fakes.systems import FakeCheck, FakeService

HERE = Host("here", "this very machine", "db1")
RULES = [
    {
        "name": "teardown",
        "when": {"operation": "teardown"},
        "request": ["support"],
        "approve": ["1 of dba", "1 of data-owner"],
        "cooling_off": "0s",
    },
    *SETTINGS["rules"],
]


class Alone:
    """The only worker there is."""

    def claim(self, request_id: int) -> bool:
        return bool(request_id)

    def done(self, request_id: int) -> None:
        """Nobody else waits."""


@dataclass
class Site:
    """``around`` may wrap the parts; ``storage``, ``host`` and ``gatekeeper`` may be exchanged."""

    house: House
    folder: Path
    storage: Storage
    host: Host = HERE
    around: Callable[[System], System] = lambda system: system
    gatekeeper: Callable[..., Gatekeeper] = Gatekeeper
    neighbour_is_well: bool = True

    @classmethod
    def build(cls, house: House, folder: Path, grace: str = "7d") -> "Site":
        """A new one, with the configuration for it."""
        (folder / "srv" / "uploads" / "deep").mkdir(parents=True)
        (folder / "srv").chmod(0o755)
        (folder / "srv" / "uploads" / "deep" / "offer").write_bytes(Random(3).randbytes(300_000))
        with closing(sqlite3.connect(folder / "srv" / "crm.db")) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE customers (name)")
            connection.executemany("INSERT INTO customers VALUES (?)", [(f"name {n}",) for n in range(2000)])
            connection.commit()
        site = cls(house, folder, LocalStorage(folder / "backups"))
        site.configure(grace)
        return site

    def configure(self, grace: str = "7d", **more: object) -> None:
        parts: Mapping[str, Any] = {
            "host": "here",
            "grace": grace,
            "roots": [str(self.srv)],
            "database": {"url": f"sqlite:///{self.srv}/crm.db"},
            "files": [{"name": "uploads", "path": f"{self.srv}/uploads"}],
            **more,
        }
        crm = {**SETTINGS["targets"]["crm"], **parts}
        self.house.configure(config(targets={**SETTINGS["targets"], "crm": crm}, rules=RULES))

    @property
    def srv(self) -> Path:
        return self.folder / "srv"

    @property
    def service(self) -> FakeService:
        return FakeService(self.folder / "web")

    def system(self, _: Target, __: Mapping[str, Target], ___: Sequence[Leftover] = ()) -> System:
        roots = [str(self.srv)]
        made = System(
            services=(self.service,),
            holdings=(
                SqliteHolding("database", f"{self.srv}/crm.db", roots),
                FolderHolding("uploads", f"{self.srv}/uploads", roots),
            ),
            checks=(FakeCheck("page", lambda: self.service.look().up and (self.srv / "crm.db").exists()),),
            neighbours=(FakeCheck("shop", lambda: self.neighbour_is_well),),
        )
        return self.around(made)

    def crew(self) -> Crew:
        house = self.house
        vault = Vault(self.storage, master_key(), "T0ACME")
        certificates = self.folder / "certificates"
        systems = SystemHands(
            house.store, house.ground, vault, self.host, self.system, SIGNING, certificates, house.clock
        )
        hands = Hands(house.store, house.ground, vault, self.storage, HASH_KEY, house.clock, systems)
        crew = Crew(house.store, house.ground, hands, SIGNING, house.clock, rest=lambda _: None)
        return replace(crew, gatekeeper=self.gatekeeper)

    def due(self) -> list[str]:
        """What the sweeps put into the queue now, after they have asked who is who."""
        queued: list[str] = []
        house = self.house
        dispatcher = Dispatcher(
            house.store,
            house.ground,
            self.crew().hands.plan,
            lambda _, job, __: queued.append(job),
            None,
            Alone(),
        )
        port = RosterPort(house.store)
        for _ in range(2):
            sweeps.grace(house.store, house.ground, house.now)
            dispatcher.start_due(house.clock)
            dispatcher.end_grace(house.clock)
            for question in port.questions():
                port.answer(question.nonce, house.roster(), house.now)
        dispatcher.close()
        return queued

    def grace_is_over(self) -> None:
        """Eight days go by, and people hear in time that the removal comes."""
        self.house.wait(days=6, hours=12)
        sweeps.grace(self.house.store, self.house.ground, self.house.now)
        self.house.wait(days=1, hours=12)

    def run(self, job: str) -> State:
        """A job from the gate to the last word, also after a crash; what its request is then."""
        self.crew().run(job, lambda _, work: work())
        return self.house.state(self.house.job(job).request_id)

    def go(self) -> State | None:
        """Run what is due; None when nothing is."""
        state = None
        for job in self.due():
            state = self.run(job)
        return state

    def asked(self) -> int:
        """A teardown with all its approvals."""
        return self._approved(self.house.file(operation=Operation.TEARDOWN, record=None, values=()))

    def gone(self) -> None:
        """The system is removed."""
        self.torn_down()
        self.grace_is_over()
        assert self.go() is State.SUCCEEDED, house_says(self.house, 1)

    def asked_to_clear(self) -> int:
        """What clears up after it, with all its approvals."""
        house = self.house
        return self._approved(
            house.file(operation=Operation.TEARDOWN, target=None, record=None, values=(), undoes=1)
        )

    def _approved(self, request_id: int) -> int:
        house = self.house
        house.plan(request_id, self.crew().hands.plan(house.request(request_id)))
        for user in ("U0DAN", "U0CAROL"):
            house.vote(request_id, user)
        return request_id

    def torn_down(self) -> int:
        request_id = self.asked()
        assert self.go() is State.SET_ASIDE, house_says(self.house, request_id)
        return request_id

    def put_back(self, user: str = "U0ERIN") -> None:
        house = self.house
        with house.store.transact() as work:
            house.lifecycle.put_back(work, 1, house.actor(user), house.now)

    def go_on(self, user: str = "U0ALICE") -> None:
        house = self.house
        with house.store.transact() as work:
            house.lifecycle.go_on(work, 1, house.actor(user), house.now)

    # What is there

    def contents(self) -> tuple[object, ...]:
        """All of it, in its place."""
        with closing(sqlite3.connect(f"file:{self.srv}/crm.db?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT * FROM customers ORDER BY name").fetchall()
        files = {str(one.relative_to(self.srv)): one.stat().st_ino for one in self.srv.rglob("*")}
        for beside in ("crm.db-wal", "crm.db-shm"):
            files.pop(beside, None)
        return rows, files, (self.srv / "uploads" / "deep" / "offer").read_bytes(), self.service.look().state

    def files(self) -> list[str]:
        return sorted(str(one.relative_to(self.srv)) for one in self.srv.rglob("*") if one.is_file())

    def stored(self) -> list[str]:
        return self.storage.list()


def house_says(house: House, request_id: int) -> str:
    """Why a request is where it is."""
    request = house.request(request_id)
    return f"{request.state} {request.outcome} {dict(request.outcome_params)} {house.notes(request_id)}"
