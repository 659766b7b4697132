"""A crew with a real target, a real store and a house of books, and a way to die at any step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bot.jobs.crew import Crew
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Result
from bot.jobs.work_orders import Hands
from bot.model.jobs import Job
from tests.fakes.operations import HASH_KEY, Bench
from tests.fakes.rooms import SETTINGS, SIGNING, House, config


class Killed(BaseException):
    """The process is gone; nothing of ours can catch it."""


class DyingCrew(Crew):
    """Dies between the target's COMMIT and our own note of it."""

    def _committed(self, job: Job, result: Result) -> None:
        raise Killed


class ChoosyGatekeeper(Gatekeeper):
    """Does something at the beginning of a step."""

    def __init__(self, act: Callable[[str], None], *args: Any) -> None:
        super().__init__(*args)
        self._act = act

    def step(self, name: str) -> Any:
        self._act(name)
        return super().step(name)


@dataclass
class Works:
    house: House
    bench: Bench

    def __post_init__(self) -> None:
        self.configure()

    def configure(self, url: str | None = None, **changes: Any) -> None:
        crm = {**SETTINGS["targets"]["crm"], "database": {"url": url or f"sqlite:///{self.bench.path}"}}
        self.house.configure(config(**{"targets": {**SETTINGS["targets"], "crm": crm}, **changes}))

    def crew(self, kind: type[Crew] = Crew, act: Callable[[str], None] | None = None) -> Crew:
        house, bench = self.house, self.bench
        hands = Hands(house.store, house.ground, bench.vault, bench.storage, HASH_KEY, house.clock)
        crew = kind(house.store, house.ground, hands, SIGNING, house.clock, rest=lambda _: None)
        return crew if act is None else replace(crew, gatekeeper=lambda *args: ChoosyGatekeeper(act, *args))

    def approved(self, **changes: Any) -> int:
        request_id = self.house.file(**changes)
        self.house.plan(request_id, self.crew().hands.plan(self.house.request(request_id)))
        for user in ("U0DAN", "U0CAROL"):
            self.house.vote(request_id, user)
        self.house.wait(seconds=11)
        return request_id

    def running(self, **changes: Any) -> tuple[int, str]:
        request_id = self.approved(**changes)
        job = self.house.enqueue(request_id)
        assert self.house.take(job) == "go"
        return request_id, job

    def stored(self) -> list[str]:
        return sorted(path.name for path in (self.bench.path.parent / "backups").iterdir())


def plainly(_: str, work: Callable[[], str]) -> str:
    return work()
