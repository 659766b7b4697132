"""Stopped at every safe point of setting aside and of the purge; carried on by another machine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.backups.vault import Vault
from bot.config.database_types import Database
from bot.config.types import Target
from bot.errors import CannotProve, Halted
from bot.operations import purge, set_aside, teardown
from bot.operations.purge import PurgeOrder
from bot.operations.set_aside import AnotherHost, TeardownOrder
from bot.operations.teardown import Host
from bot.targets.system import System, User
from tests.fakes.backups import master_key
from tests.fakes.operations import RecordingGate, new_backup_id
from tests.fakes.storage import MemoryStorage
from tests.fakes.systems import FakeCheck, FakeHolding, FakeService

HERE = Host("here", "this very machine")
SPEC = Target(name="crm", database=Database(url="sqlite:////srv/crm.db"), host="here", roots=("/srv/crm",))
STOPS = [step[0] for step in teardown.SET_ASIDE]


class Journal:
    def __init__(self) -> None:
        self.facts: dict[str, object] = {}

    def get(self, name: str) -> object:
        return self.facts.get(name)

    def note(self, name: str, value: object) -> None:
        self.facts[name] = json.loads(json.dumps(value))

    def claim(self, name: str, value: object) -> bool:
        if name in self.facts:
            return False
        self.note(name, value)
        return True


class Town:
    """One service, two holdings, a page that answers while the service runs."""

    def __init__(self, folder: Path) -> None:
        self.service = FakeService(folder / "web")
        self.holdings = (FakeHolding("uploads", b"an offer"), FakeHolding("database", b"rows"))
        page = FakeCheck("page", lambda: self.service.look().up)
        shop = FakeCheck("shop", lambda: True)
        self.system = System((self.service,), self.holdings, (page,), (shop,))
        self.vault = Vault(MemoryStorage(), master_key(), "T0ACME")
        self.journal = Journal()
        plan, _ = teardown.plan(SPEC, self.system, HERE, "t1")
        self.order = TeardownOrder(
            plan, SPEC, HERE, "t1", new_backup_id, self.vault.shred, lambda: None, {"plan": "x"}
        )

    def set_aside(self, gate: RecordingGate) -> PurgeOrder:
        done = set_aside.run(self.order, self.system, self.vault, gate, self.journal)
        return PurgeOrder("t1", done.backup.backup_id, done.backup.sha256, lambda _: "signed")

    def is_whole(self) -> bool:
        return self.service.look().up and all(one.place is not None for one in self.holdings)


@pytest.mark.parametrize("step", STOPS)
def test_stopped_at_any_step_of_setting_aside_everything_is_as_it_was(tmp_path: Path, step: str) -> None:
    town = Town(tmp_path)
    with pytest.raises(Halted):
        town.set_aside(RecordingGate(halt_at=f"leave {step}"))
    for _ in range(2):
        set_aside.undo("t1", town.system, town.journal)
    assert town.is_whole()


@pytest.mark.parametrize("place", ["step.purge-check", "check", "committing"])
def test_a_purge_stopped_before_its_point_of_no_return_removes_nothing(tmp_path: Path, place: str) -> None:
    town = Town(tmp_path)
    order = town.set_aside(RecordingGate())
    with pytest.raises(Halted):
        purge.run(order, town.system, town.vault, RecordingGate(halt_at=place), town.journal)
    set_aside.undo("t1", town.system, town.journal)
    assert town.is_whole()


def test_what_was_begun_on_one_machine_is_not_gone_on_with_on_another(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.set_aside(RecordingGate())
    twin = Host("here", "a machine of the same name")
    town.order = replace(town.order, host=twin)
    with pytest.raises(AnotherHost):
        town.set_aside(RecordingGate())
    with pytest.raises(AnotherHost):
        set_aside.require_host(town.journal, twin)
    assert purge.remaining("t1", town.system) == ("uploads", "database")


BEFORE = User(7, "crm", "session", "crm", "(puma, 10.0.0.5)")
AGAIN = User(8, "crm", "session", "crm", "(puma, 10.0.0.5)")
#: who is there when the services have stopped; who comes while the backup is made -> what stops it
SESSIONS: dict[str, tuple[list[User], list[User], str]] = {
    "one that was left over is ended as the plan says": ([BEFORE], [], ""),
    "somebody connects again": ([], [AGAIN], "teardown.came-back"),
    "somebody connects beside one that was left over": ([BEFORE], [AGAIN], "teardown.came-back"),
    "a program opens a file meanwhile": ([], [User(9, "vim", "open", "/srv/crm/x")], "teardown.in-use"),
}


@pytest.mark.parametrize("case", SESSIONS)
def test_who_comes_back_after_the_services_stopped_stops_the_job_and_is_named(
    tmp_path: Path, case: str
) -> None:
    left, come, key = SESSIONS[case]
    town = Town(tmp_path)
    database = town.holdings[1]
    database.holders[:] = left
    database.on_copy = lambda: database.holders.extend(come)
    if not key:
        town.set_aside(RecordingGate())
        return
    with pytest.raises(CannotProve) as no:
        town.set_aside(RecordingGate())
    assert no.value.key == key
    assert "puma, 10.0.0.5" in str(no.value.params) or key == "teardown.in-use"
    set_aside.undo("t1", town.system, town.journal)
    assert town.is_whole()
    assert database.aside == {}


def test_a_session_that_is_on_its_way_out_stops_nothing(tmp_path: Path) -> None:
    town = Town(tmp_path)
    database = town.holdings[1]
    looks = iter([[], [AGAIN], [AGAIN]])
    database.on_look = lambda: database.holders.__setitem__(slice(None), next(looks, []))
    town.set_aside(RecordingGate())


def test_a_system_without_services_has_none_to_stop_and_an_older_plan_of_it_goes_on(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.system = System((), town.holdings, (), ())
    made, _ = teardown.plan(SPEC, town.system, HERE, "t1")
    shown = [step for step in (made.system or {})["steps"] if step[-1] == "set-aside"]
    assert [step[0] for step in shown] == [step for step in STOPS if step != "step.stop-services"]
    assert {step[3] for step in shown} == {"undo.nothing", "undo.put-back"}
    for named in (made, replace(made, steps=tuple(STOPS))):
        town.order, town.journal = replace(town.order, plan=named), Journal()
        gate = RecordingGate()
        town.set_aside(gate)
        planned = [step for step in named.steps if step in STOPS]
        assert [event for event in gate.events if event.startswith("step.")] == planned
        set_aside.undo("t1", town.system, town.journal)
