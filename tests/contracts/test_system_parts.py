"""One promise, every part of a system that makes it: services, and what a system keeps."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.errors import CannotProve, CountersignError, NotAllowed, Stale, TargetDown
from bot.targets.reporting import WatchedSink, WatchedSource
from bot.targets.services import SupervisorService
from bot.targets.services_commands import Commands, CommandService
from bot.targets.system import Holding, Service, ServiceFacts
from bot.texts import say
from tests.contracts.holdings import HOLDINGS, SERVERS, Held
from tests.contracts.test_services import LISTENER, eventually, listens
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.ports import free_port
from tests.fakes.supervisor import QUICK, service, supervisor
from tests.fakes.systems import FakeHolding, FakeService, restored

OP = "t7"


@dataclass
class Served:
    """A running service, its port, somebody who starts it again, and the same one with nobody to ask."""

    one: Service
    revive: Callable[[], object]
    unanswered: Service


@contextmanager
def under_supervisor(folder: Path) -> Iterator[Served]:
    port = free_port()
    (folder / "listener.py").write_text(LISTENER)
    with supervisor(folder, {"web": f"command={sys.executable} {folder}/listener.py {port}"}) as address:
        one = service(address, "web", port)
        eventually(lambda: listens(port))

        def revive() -> None:
            one._ask("startProcess", "web", True)

        yield Served(one, revive, SupervisorService("web", str(folder / "nobody"), "web", (port,), QUICK))


@contextmanager
def behind_commands(folder: Path) -> Iterator[Served]:
    port = free_port()
    (folder / "listener.py").write_text(LISTENER)
    pid = folder / "pid"
    start = f"{sys.executable} {folder}/listener.py {port} </dev/null >/dev/null 2>&1 & echo $! >{pid}"
    commands = Commands(
        start=["sh", "-c", start],
        stop=["sh", "-c", f"kill $(cat {pid}) && rm {pid} || true"],
        status=["sh", "-c", f"test -e {pid} && kill -0 $(cat {pid}) || exit 3"],
    )

    def revive() -> None:
        subprocess.run(["sh", "-c", start], check=True)
        eventually(lambda: listens(port))

    nobody = Commands(["/nobody"], ["/nobody"], ["/nobody"])
    revive()
    try:
        yield Served(
            CommandService("web", commands, [port], QUICK), revive, CommandService("web", nobody, [], QUICK)
        )
    finally:
        subprocess.run(["sh", "-c", f"kill $(cat {pid})"], check=False, stderr=subprocess.DEVNULL)


@contextmanager
def in_a_file(folder: Path) -> Iterator[Served]:
    one, deaf = FakeService(folder / "web"), FakeService(folder / "web")
    deaf.deaf = True
    yield Served(one, one.revive, deaf)


@pytest.fixture(params=[under_supervisor, behind_commands, in_a_file], ids=lambda kind: str(kind.__name__))
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with request.param(tmp_path) as made:
        yield made


def test_stopped_and_started_again_as_often_as_wanted(served: Served) -> None:
    one = served.one
    former = one.look()
    assert former.state == "running"
    assert former.processes
    assert former.ports
    assert ServiceFacts.of(former.plain()) == former
    with pytest.raises(CannotProve, match="came-back"):
        one.verify(former)
    for _ in range(2):
        down = one.stop(former)
        assert (down.state, down.processes) == ("stopped", ())
        one.verify(former)
    asleep = one.look()
    assert one.start(asleep).state == "stopped"
    for _ in range(2):
        assert one.start(former).state == "running"
    assert one.look().processes != former.processes


def test_started_again_by_somebody_else_it_is_not_stopped(served: Served) -> None:
    former = served.one.look()
    served.one.stop(former)
    served.revive()
    with pytest.raises(CannotProve) as caught:
        served.one.verify(former)
    assert say(caught.value.key, **caught.value.params)
    served.one.stop(former)


def test_nobody_to_ask_is_not_stopped(served: Served) -> None:
    former = served.one.look()
    for ask in (served.unanswered.look, lambda: served.unanswered.stop(former)):
        with pytest.raises(TargetDown):
            ask()
    assert served.one.look().up


@pytest.fixture(params=HOLDINGS, ids=lambda kind: str(kind.__name__))
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    root = tmp_path / "srv"
    root.mkdir(mode=0o755)
    with ExitStack() as stack:
        if request.param in SERVERS:
            (tmp_path / "url").write_text(stack.enter_context(SERVERS[request.param]()))
        made = request.param(root)
        assert isinstance(made, Held)
        yield made


class Heard:
    """What a holding tells; counts go up only within a stage."""

    def __init__(self) -> None:
        self.stages: list[str] = ["as it began"]
        self.counts: dict[tuple[str, str], int] = {}

    def begin(self, stage: str, size: int = 0) -> None:
        assert size >= 0
        self.stages.append(stage)

    def add(self, unit: str, n: int = 1) -> None:
        assert n >= 0
        place = (self.stages[-1], unit)
        self.counts[place] = self.counts.get(place, 0) + n


def test_every_byte_is_told_and_what_is_compared_and_removed(held: Held) -> None:
    backup, one, heard = MemoryBackup(), held.one, Heard()
    one.copy(WatchedSink(backup, heard))
    written = sum(map(len, backup.streams.values()))
    assert sum(n for (_, unit), n in heard.counts.items() if unit == "bytes") >= written
    heard = Heard()
    source = WatchedSource(backup.sealed(), heard)
    one.rehearse(OP, source)
    assert sum(n for (_, unit), n in heard.counts.items() if unit == "bytes") >= written
    one.set_aside(OP, source)
    one.verify(OP, source)
    one.remove(OP, source)
    if not isinstance(one, FakeHolding):
        assert "comparing" in heard.stages
        assert any(unit in ("rows", "files") and n for (_, unit), n in heard.counts.items())


def copied(one: Holding) -> MemoryBackup:
    backup = MemoryBackup()
    summary = one.copy(backup)
    assert summary["size"] > 0
    return backup.sealed()


def test_there_and_back_and_away_and_back_out_of_the_backup(held: Held) -> None:
    one, before = held.one, held.read()
    known = one.survey()
    assert known.name == one.name
    assert known.items > 0
    assert one.survey().identity == known.identity
    backup = copied(one)
    for _ in range(2):
        one.rehearse(OP, backup)
    for _ in range(2):
        one.set_aside(OP, backup)
        one.verify(OP, backup)
    assert one.whereabouts(OP) == "set-aside"
    for _ in range(2):
        one.put_back(OP)
    assert one.whereabouts(OP) == "in-place"
    assert held.read() == before
    assert one.survey().identity == known.identity
    one.set_aside(OP, backup)
    done = one.remove(OP, backup)
    assert done.removed > 0
    assert done.left == ()
    assert one.whereabouts(OP) == "gone"
    assert one.remove(OP, backup).removed == 0
    for attempt in (one.survey, lambda: one.put_back(OP), lambda: one.set_aside(OP, backup)):
        with pytest.raises(CountersignError):
            attempt()
    restored(one, OP, backup)
    assert held.read() == before
    with pytest.raises(CannotProve, match="in-the-way"):
        restored(one, OP, backup)
    with pytest.raises(NotAllowed):
        restored(one, OP, backup, "/somewhere/else")


def test_a_restore_is_prepared_out_of_sight_and_appears_whole_or_is_thrown_away(held: Held) -> None:
    one, before = held.one, held.read()
    backup = copied(one)
    with pytest.raises(CannotProve, match="in-the-way"):
        one.require_room()
    one.set_aside(OP, backup)
    one.remove(OP, backup)
    one.require_room()
    assert one.home
    for _ in range(2):
        one.prepare("r8", backup)
        assert one.whereabouts("r8") == "gone"
    one.discard("r8")
    one.discard("r8")
    with pytest.raises(CannotProve, match="is-gone"):
        one.appear("r8")
    one.prepare("r8", backup)
    if held.stays:
        nothing_takes_its_place(held)
    else:
        held.block()
        with pytest.raises(CannotProve, match="in-the-way"):
            one.appear("r8")
        held.unblock()
    for _ in range(2):
        one.appear("r8")
        assert held.read() == before
    one.discard("r8")
    assert held.read() == before
    with pytest.raises(NotAllowed):
        one.require_room("/somewhere/else")


def nothing_takes_its_place(held: Held) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        held.block()


def test_a_copy_comes_out_and_goes_again_whatever_became_of_it_and_the_original_stays(held: Held) -> None:
    one, backup, before = held.one, copied(held.one), held.read()
    one.set_aside(OP, backup)
    one.withdraw(OP)
    if held.stays:
        with pytest.raises(NotAllowed, match="no-copy"):
            one.bring_out(OP, backup)
        nothing_takes_its_place(held)
        return
    for _ in range(2):
        one.bring_out(OP, backup)
        assert held.read() == before
        assert one.whereabouts(OP) == "both"
    held.edit("")
    with pytest.raises(CannotProve):
        one.verify(OP, backup)
    for _ in range(2):
        one.withdraw(OP)
        assert one.whereabouts(OP) == "set-aside"
    one.verify(OP, backup)
    one.put_back(OP)
    assert held.read() == before


def test_what_somebody_else_put_into_the_place_is_neither_covered_nor_taken_away(held: Held) -> None:
    one, backup, before = held.one, copied(held.one), held.read()
    one.set_aside(OP, backup)
    if held.stays:
        nothing_takes_its_place(held)
        return
    held.block()
    with pytest.raises(CannotProve, match="in-the-way"):
        one.bring_out(OP, backup)
    one.withdraw(OP)
    assert one.whereabouts(OP) == "both"
    held.unblock()
    one.bring_out(OP, backup)
    held.gone()
    held.block()
    with pytest.raises(CannotProve, match="in-the-way"):
        one.withdraw(OP)
    held.unblock()
    one.withdraw(OP)
    one.verify(OP, backup)
    one.put_back(OP)
    assert held.read() == before


def test_what_changed_after_the_backup_is_set_aside_and_told_and_put_back_as_it_is(held: Held) -> None:
    backup, before = copied(held.one), held.read()
    held.edit("")
    changed = held.read()
    assert changed != before
    with pytest.raises(CannotProve, match="changed-since"):
        held.one.set_aside(OP, backup)
    assert held.one.whereabouts(OP) == "set-aside"
    held.one.put_back(OP)
    assert held.read() == changed


def test_what_changed_while_it_was_set_aside_is_told_and_not_removed(held: Held) -> None:
    backup, before = copied(held.one), held.read()
    held.one.set_aside(OP, backup)
    held.edit(OP)
    with pytest.raises(CannotProve, match="touched-aside") as caught:
        held.one.verify(OP, backup)
    assert say(caught.value.key, **caught.value.params)
    try:
        assert held.one.remove(OP, backup).left
    except CannotProve as error:
        assert error.key == "files.touched-aside"
    assert held.one.whereabouts(OP) == "set-aside"
    held.one.put_back(OP)
    assert held.read() != before


def test_nothing_is_removed_while_somebody_holds_it(held: Held) -> None:
    backup = copied(held.one)
    held.one.set_aside(OP, backup)
    with held.occupy(OP) as pid:
        assert pid in {user.pid for user in held.one.users(OP).users}
        with pytest.raises(Stale, match="in-use") as caught:
            held.one.remove(OP, backup)
        assert caught.value.params["pid"] == pid
        held.one.verify(OP, backup)
    assert held.one.remove(OP, backup).left == ()


def test_something_else_in_its_place_is_not_overwritten(held: Held) -> None:
    backup, before = copied(held.one), held.read()
    held.one.set_aside(OP, backup)
    if held.stays:
        nothing_takes_its_place(held)
        held.one.verify(OP, backup)
        return
    held.block()
    assert held.one.whereabouts(OP) == "both"
    for attempt in (held.one.put_back, lambda op: held.one.set_aside(op, backup)):
        with pytest.raises(CannotProve, match="is-both"):
            attempt(OP)
    held.unblock()
    held.one.put_back(OP)
    assert held.read() == before


def test_what_is_in_its_place_is_not_removed(held: Held) -> None:
    backup, before = copied(held.one), held.read()
    for attempt in (held.one.remove, held.one.verify):
        with pytest.raises(CannotProve, match="not-set-aside"):
            attempt(OP, backup)
    held.one.put_back(OP)
    assert held.read() == before


def test_a_backup_that_was_altered_is_not_what_went_in(held: Held) -> None:
    backup = copied(held.one)
    for name, data in backup.streams.items():
        backup.streams[name] = data[:-9] + os.urandom(9)
    with pytest.raises(CountersignError):
        held.one.rehearse(OP, backup)
    assert held.one.whereabouts(OP) == "in-place"
