"""The system's own uninstall at every safe point: called once or not at all, and never believed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import CannotProve, Halted, TakenOver
from bot.operations import purge, put_back, set_aside, teardown, uninstall
from bot.operations.gate import Drifted
from bot.operations.purge import PurgeOrder
from bot.operations.set_aside import NeighbourIll
from bot.operations.uninstall import UninstallOrder
from bot.targets.builtin import Builtin
from bot.targets.ports import Told, Writer
from tests.fakes.operations import RecordingGate
from tests.fakes.systems import FakeCheck
from tests.unit.operations.test_teardown_steps import HERE, SPEC, Town

OWN_FIRST = SPEC.model_copy(update={"method": ("builtin", "by-steps")})


class FakeCall:
    place = "the uninstall"

    def __init__(self, does: Callable[[], None]) -> None:
        self.does = does
        self.calls = 0
        self.lack: Told | None = None
        self.sealed = "as it was approved"

    def seal(self) -> str:
        return self.sealed

    def unmet(self) -> Told | None:
        return self.lack

    def run(self, operation: str, out: Writer | None = None) -> str:
        self.calls += 1
        self.does()
        return "status 200"

    def end(self, operation: str) -> None:
        """Nothing goes on."""


class OwnTown(Town):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.call = FakeCall(self.uninstall)
        self.neighbour_is_well = True
        own = Builtin(self.call, None, True, lambda: None, self.system.checks, frozenset(), 0.3, "mark")
        shop = FakeCheck("shop", lambda: self.neighbour_is_well)
        self.system = replace(self.system, builtin=own, neighbours=(shop,))
        plan, _ = teardown.plan(OWN_FIRST, self.system, HERE, "t1")
        self.order = replace(self.order, plan=plan, spec=OWN_FIRST)

    def uninstall(self) -> None:
        for one in self.holdings:
            one.place = None

    def purge_order(self, job: str = "j2") -> PurgeOrder:
        order, own = self.set_aside(RecordingGate()), self.system.builtin
        assert own is not None
        approved = (self.order.plan.system or {})["builtin"]["seal"]
        return replace(order, own=UninstallOrder("t1", job, order.backup_id, order.sha256, own, approved))

    def is_aside(self) -> bool:
        places = {one.whereabouts("t1") for one in self.holdings}
        return places == {"set-aside"} and not self.service.look().up


def test_the_plan_names_the_first_method_that_can_be_used(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    assert teardown.method_of(town.order.plan) == "method.builtin"
    assert "step.uninstall" in town.order.plan.steps
    town.call.lack = ("builtin.no-credential", {"name": "TOKEN"})
    plan, _ = teardown.plan(OWN_FIRST, town.system, HERE, "t1")
    assert plan.system is not None
    assert (plan.system["method"], plan.system["why"][0]) == ("method.by-steps", "builtin.no-credential")
    only = OWN_FIRST.model_copy(update={"method": ("builtin",)})
    with pytest.raises(CannotProve, match="no-credential"):
        teardown.plan(only, town.system, HERE, "t1")


def test_a_requirement_lost_since_the_approval_or_another_uninstall_is_drift(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    town.call.lack = ("builtin.no-credential", {"name": "TOKEN"})
    with pytest.raises(Drifted):
        town.set_aside(RecordingGate())
    town.call.lack = None
    assert town.system.builtin is not None
    town.system = replace(town.system, builtin=replace(town.system.builtin, mark="another"))
    with pytest.raises(Drifted):
        town.set_aside(RecordingGate())
    assert town.is_whole()


@pytest.mark.parametrize(
    "place", ["step.purge-check", "check", "step.bring-out", "leave step.bring-out", "calling"]
)
def test_stopped_before_the_call_nothing_is_called_and_everything_is_set_aside_again(
    tmp_path: Path, place: str
) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()
    with pytest.raises(Halted):
        purge.run(order, town.system, town.vault, RecordingGate(halt_at=place), town.journal)
    assert town.call.calls == 0
    assert town.is_aside()
    put_back.run("t1", town.system, RecordingGate(), town.journal)
    assert town.is_whole()


def test_called_by_another_worker_it_is_not_called_again(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()
    gate = RecordingGate(on={"calling": lambda: town.journal.note("called", "j2")})
    with pytest.raises(CannotProve, match="unclear"):
        purge.run(order, town.system, town.vault, gate, town.journal)
    assert town.call.calls == 0

    class Late(type(town.journal)):  # type: ignore[misc] # a journal whose reader is one claim behind
        def get(self, name: str) -> object:
            return None if name == "called" else super().get(name)

    late = Late()
    late.facts = town.journal.facts
    with pytest.raises(TakenOver):
        purge.finish(order, town.system, town.vault, RecordingGate(), late)
    assert town.call.calls == 0


def test_cut_short_before_the_call_it_is_called_by_the_next_attempt(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()
    gate = RecordingGate(halt_at="step.uninstall")
    with pytest.raises(Halted):
        purge.run(order, town.system, town.vault, gate, town.journal)
    done = purge.finish(order, town.system, town.vault, RecordingGate(), town.journal)
    assert town.call.calls == 1
    assert all(state == "absent" for _, state in done.residue)
    purge.finish(order, town.system, town.vault, RecordingGate(), town.journal)
    assert town.call.calls == 1


def test_a_neighbour_that_falls_ill_by_it_keeps_the_originals(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()

    def careless() -> None:
        town.uninstall()
        town.neighbour_is_well = False

    town.call.does = careless
    gate = RecordingGate()
    with pytest.raises(NeighbourIll):
        purge.run(order, town.system, town.vault, gate, town.journal)
    assert "removing" not in gate.events
    assert town.is_aside()
    put_back.run("t1", town.system, RecordingGate(), town.journal)
    assert town.is_whole()


def test_another_job_goes_on_by_steps(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()
    town.call.does = lambda: None
    with pytest.raises(CannotProve, match="still-there"):
        purge.run(order, town.system, town.vault, RecordingGate(), town.journal)
    assert order.own is not None
    later = replace(order, own=replace(order.own, job="j3"))
    purge.run(later, town.system, town.vault, RecordingGate(), town.journal)
    assert town.call.calls == 1
    assert {one.whereabouts("t1") for one in town.holdings} == {"gone"}


def test_a_copy_that_cannot_be_taken_away_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    order = town.purge_order()
    town.service.deaf = False
    gate = RecordingGate(halt_at="calling", on={"calling": lambda: setattr(town.service, "deaf", True)})
    with pytest.raises(uninstall.CopyIsOut):
        purge.run(order, town.system, town.vault, gate, town.journal)
    town.service.deaf = False
    uninstall.settle("t1", town.system, town.journal)
    assert town.is_aside()
    set_aside.undo("t1", town.system, town.journal)
    assert town.is_whole()


def test_replaced_since_the_approval_it_is_drift_and_later_it_is_not_called(tmp_path: Path) -> None:
    town = OwnTown(tmp_path)
    town.call.sealed = "another program of the same name"
    with pytest.raises(Drifted):
        town.set_aside(RecordingGate())
    assert town.is_whole()
    town.call.sealed = "as it was approved"
    order = town.purge_order()
    town.call.sealed = "another program of the same name"
    with pytest.raises(CannotProve, match="replaced"):
        purge.run(order, town.system, town.vault, RecordingGate(), town.journal)
    assert town.call.calls == 0
    assert town.is_aside()
    put_back.run("t1", town.system, RecordingGate(), town.journal)
    assert town.is_whole()
