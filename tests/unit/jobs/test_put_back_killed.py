"""*Put it back* by a process that is killed at every moment, and taken up by the next one."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.jobs.gatekeeper import Gatekeeper
from bot.model.requests import State
from bot.targets.system import System
from tests.fakes.rooms import House
from tests.fakes.site import Site, house_says


@dataclass
class Death:
    """SIGKILL at the moment of that name; a process knows only one."""

    at: str

    def meet(self, moment: str) -> None:
        if moment == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def part(self, part: Any) -> Any:
        return DyingPart(part, self)

    def around(self, system: System) -> System:
        return replace(
            system,
            services=tuple(map(self.part, system.services)),
            holdings=tuple(map(self.part, system.holdings)),
        )

    def gatekeeper(self, *about: Any) -> Gatekeeper:
        return DyingGatekeeper(self, *about)

    def step(self, name: str, work: Callable[[], str]) -> str:
        self.meet(f"before the engine's {name}")
        done = work()
        self.meet(f"after the engine's {name}")
        return done


class DyingPart:
    """A part of a system; the moments are before and after each of its methods."""

    def __init__(self, part: Any, death: Death) -> None:
        self._part, self._death = part, death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def called(*about: Any) -> Any:
            self._death.meet(f"before {name} of {self._part.name}")
            done = found(*about)
            self._death.meet(f"after {name} of {self._part.name}")
            return done

        return called


class DyingGatekeeper(Gatekeeper):
    def __init__(self, death: Death, *about: Any) -> None:
        super().__init__(*about)
        self._death = death

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._death.meet(f"before {name}")
        with super().step(name):
            self._death.meet(f"inside {name}")
            yield
        self._death.meet(f"after {name}")


def another_process(site: Site, run: Callable[[Site], object]) -> int:
    """What a new process made of it: 0, or the signal that ended it. Afterwards there is a new house, too."""
    site.house.close()
    pid = os.fork()
    if pid == 0:
        try:
            reopen(site)
            run(site)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    reopen(site)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def reopen(site: Site) -> None:
    was = site.house
    site.house = House(
        was.folder, was.settings, url=f"sqlite:///{was.path}", now=was.now, chance=was.chance + 1000
    )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site.build(House(tmp_path), tmp_path)
    yield made
    made.house.close()


def killed(site: Site, job: str, at: str) -> None:
    death = Death(at)

    def run(one: Site) -> None:
        one.around, one.gatekeeper = death.around, death.gatekeeper
        one.crew().run(job, death.step)

    assert another_process(site, run) == signal.SIGKILL, f"nobody came past {at}"


MOMENTS = [
    "before the engine's permit",
    "after the engine's permit",
    "before the engine's execute",
    "before step.put-back",
    "inside step.put-back",
    "before put_back of uploads",
    "after put_back of uploads",
    "before put_back of database",
    "after put_back of database",
    "before start of web",
    "after start of web",
    "after step.put-back",
    "inside step.answers",
    "after step.answers",
    "after the engine's execute",
    "before the engine's tell",
    "after the engine's tell",
]


@pytest.mark.parametrize("at", MOMENTS)
def test_killed_at_any_moment_everything_is_back_afterwards(site: Site, at: str) -> None:
    before = site.contents()
    request_id = site.torn_down()
    site.put_back()
    (job,) = site.due()
    killed(site, job, at)
    assert site.run(job) is State.STOPPED, house_says(site.house, request_id)
    everything_is_back(site, before, request_id)


@pytest.mark.parametrize("at", ["before put_back of database", "after start of web"])
def test_killed_again_and_again_at_the_same_moment(site: Site, at: str) -> None:
    before = site.contents()
    request_id = site.torn_down()
    site.put_back()
    (job,) = site.due()
    for _ in range(2):
        killed(site, job, at)
    assert site.run(job) is State.STOPPED, house_says(site.house, request_id)
    everything_is_back(site, before, request_id)


def test_killed_and_then_something_stands_in_the_way_it_stands_still_and_says_where(site: Site) -> None:
    before = site.contents()
    request_id = site.torn_down()
    site.put_back()
    (job,) = site.due()
    killed(site, job, "after put_back of uploads")
    (site.srv / "crm.db").write_bytes(b"of somebody else")
    assert site.run(job) is State.HELD
    request = site.house.request(request_id)
    assert (request.outcome, request.outcome_params["name"]) == ("undo.holding", "database")
    assert not site.service.look().up
    (site.srv / "crm.db").unlink()
    site.put_back()
    assert site.go() is State.STOPPED, house_says(site.house, request_id)
    everything_is_back(site, before, request_id, asked=2)


def everything_is_back(site: Site, before: tuple[object, ...], request_id: int, asked: int = 1) -> None:
    assert site.contents() == before
    assert not (site.srv / ".countersign-quarantine").exists()
    assert site.due() == []
    assert site.house.request(request_id).outcome == "outcome.put-back"
    assert site.house.notes(request_id).count("note.put-back") == 1
    assert site.house.kinds().count("put-back-started") == asked
    assert [row["state"] for row in site.house.rows("backups")] == ["kept"]
