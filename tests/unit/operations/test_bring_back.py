"""A whole system out of its backup: nothing of it is seen before the point of no return, all of it after."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.backups.vault import OpenedBackup, Vault
from bot.config.database_types import Database
from bot.config.types import Target
from bot.errors import CannotProve, CountersignError, Halted, NotFound, NotOurs
from bot.model.backups import SealedBackup
from bot.model.plans import Plan
from bot.operations import bring_back
from bot.operations.bring_back import BringBackOrder
from bot.operations.gate import Drifted
from bot.operations.teardown import Host
from bot.targets.system import ServiceFacts, System
from bot.texts import say
from tests.fakes.backups import master_key
from tests.fakes.operations import RecordingGate
from tests.fakes.storage import MemoryStorage
from tests.fakes.systems import FakeCheck, FakeHolding, FakeService

BACKUP = "b20261123-7k2m9qx4tz"
HOST = Host("here", "a mark")
SPEC = Target(name="crm", host="here", roots=("/srv",), database=Database(url="sqlite:////srv/crm.db"))


SUCCESSOR = SPEC.model_copy(update={"name": "crm-new"})


class SlowService(FakeService):
    """A service that may refuse to start."""

    broken = False

    def start(self, former: ServiceFacts) -> ServiceFacts:
        if self.broken:
            raise CannotProve("services.does-not-start", service=self.name)
        return super().start(former)


@dataclass
class Yard:
    """A system that is gone, and the backup it is in."""

    system: System
    service: SlowService
    holdings: list[FakeHolding]
    vault: Vault
    sealed: SealedBackup
    answers: list[bool] = field(default_factory=lambda: [True])

    def plan(self, spec: Target = SPEC, host: Host = HOST, into: str = "") -> Plan:
        with self.opened() as opened:
            return bring_back.plan(spec, self.system, host, opened, self.sealed.sha256, into)

    def order(self, into: str = "") -> BringBackOrder:
        return BringBackOrder(self.plan(into=into), SPEC, HOST, "r2")

    def run(self, gate: RecordingGate | None = None, order: BringBackOrder | None = None) -> Any:
        return bring_back.run(order or self.order(), self.system, self.vault, gate or RecordingGate())

    @contextmanager
    def opened(self) -> Iterator[OpenedBackup]:
        with self.vault.open(self.sealed.backup_id, self.sealed.sha256) as opened:
            yield opened

    def seen(self) -> list[bytes | None]:
        return [None if one.place is None else one.place.content for one in self.holdings]

    def ready(self) -> bool:
        return any(one.ready for one in self.holdings)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return made(tmp_path)


def made(tmp_path: Path, **extra: Any) -> Yard:
    holdings = [FakeHolding("database", b"rows"), FakeHolding("uploads", b"files")]
    service = SlowService(tmp_path / "web")
    vault = Vault(MemoryStorage(), master_key(), "T0ACME")
    former = service.look()
    with vault.sealing(BACKUP) as sealing:
        kept = {one.name: dict(one.copy(sealing)) for one in holdings}
        usual = {
            "operation": "teardown",
            "format": 1,
            "target": "crm",
            "former": {"web": former.plain()},
            "holdings": kept,
        }
        sealed = sealing.finish(json.loads(json.dumps({**usual, **extra})))
    service.stop(former)
    for one in holdings:
        one.place = None
    yard = Yard(System((service,), holdings, (), ()), service, holdings, vault, sealed)
    page = FakeCheck("page", lambda: yard.answers[-1] and service.look().up)
    yard.system = System((service,), holdings, (page,), ())
    return yard


def test_all_of_it_comes_back_and_the_service_runs(yard: Yard) -> None:
    gate = RecordingGate()
    assert yard.run(gate) is None
    assert yard.seen() == [b"rows", b"files"]
    assert yard.service.look().up
    assert [one for one in gate.events if one.startswith("step.")] == [one[0] for one in bring_back.STEPS]
    assert not yard.ready()
    assert bring_back.finish(yard_order(yard), yard.system, yard.vault, gate.step) is None


def yard_order(yard: Yard) -> BringBackOrder:
    """The order of what is there already; a plan would be refused by now."""
    places = [one.place for one in yard.holdings]
    state = yard.service.look()
    yard.service.stop(state)
    for one in yard.holdings:
        one.place = None
    order = yard.order()
    for one, place in zip(yard.holdings, places, strict=True):
        one.place = place
    yard.service.start(state)
    return order


@pytest.mark.parametrize(
    "moment", ["step.look", "leave step.look", "check", "step.prepare", "leave step.prepare", "committing"]
)
def test_stopped_before_the_point_of_no_return_nothing_is_left(yard: Yard, moment: str) -> None:
    with pytest.raises(Halted):
        yard.run(RecordingGate(halt_at=moment))
    assert yard.seen() == [None, None]
    assert not yard.ready()
    assert not yard.service.look().up


@pytest.mark.parametrize(
    "moment", ["step.appear", "leave step.appear", "step.start", "leave step.start", "step.answers"]
)
def test_cut_short_after_the_point_of_no_return_it_goes_on_to_its_end(yard: Yard, moment: str) -> None:
    order = yard.order()
    with pytest.raises(Halted):
        yard.run(RecordingGate(halt_at=moment), order)
    assert bring_back.finish(order, yard.system, yard.vault, RecordingGate().step) is None
    assert yard.seen() == [b"rows", b"files"]
    assert yard.service.look().up


def test_a_service_that_does_not_start_or_a_silent_page_is_told_and_nothing_is_taken_away(yard: Yard) -> None:
    order = yard.order()
    yard.service.broken = True
    problem = yard.run(order=order)
    assert problem is not None
    assert problem.key == "restore.not-started"
    assert yard.seen() == [b"rows", b"files"]
    yard.service.broken, yard.answers = False, [False]
    problem = bring_back.finish(order, yard.system, yard.vault, RecordingGate().step)
    assert problem is not None
    assert problem.key == "restore.silent"
    assert say(problem.key, **problem.params)


def test_into_a_new_folder_no_service_starts(yard: Yard) -> None:
    order = yard.order("again")
    assert yard.run(order=order) is None
    assert yard.seen() == [None, None]
    assert [list(one.elsewhere) for one in yard.holdings] == [["again/database"], ["again/uploads"]]
    assert not yard.service.look().up


def test_a_plan_has_the_steps_that_are_taken_and_one_of_an_older_release_is_carried_out(yard: Yard) -> None:
    assert "step.start" in yard.plan().steps
    yard.system = System((), yard.holdings, (), ())
    older = replace(yard.plan(), steps=tuple(step[0] for step in bring_back.STEPS))
    for made, into in ((yard.plan(), ""), (older, ""), (yard.plan(into="again"), "again")):
        gate = RecordingGate()
        assert yard.run(gate, replace(yard.order(into), plan=made)) is None
        assert [event for event in gate.events if event.startswith("step.")] == list(made.steps)
        if made is not older:
            assert [step[0] for step in (made.system or {})["steps"]] == list(made.steps)
            assert "step.start" not in made.steps
        for one in yard.holdings:
            one.place = None


def test_what_stands_there_by_the_time_it_runs_stops_it(yard: Yard) -> None:
    order = yard.order()
    yard.holdings[1].place = FakeHolding("x", b"somebody else's").place
    with pytest.raises(CannotProve, match="in-the-way"):
        yard.run(order=order)
    assert yard.seen() == [None, b"somebody else's"]
    assert not yard.ready()


def test_somebody_whom_the_server_does_not_know_is_named_before_anybody_votes_and_again_before_it_begins(
    yard: Yard,
) -> None:
    order = yard.order()
    yard.holdings[0].unknown = "reporter"
    for attempt in (yard.plan, lambda: yard.run(order=order)):
        with pytest.raises(CannotProve, match=r"whole\.no-account") as caught:
            attempt()
        assert caught.value.params["name"] == "reporter"
    assert yard.seen() == [None, None]
    assert not yard.ready()


def test_another_plan_than_the_approved_one_is_not_carried_out(yard: Yard) -> None:
    order = yard.order()
    with pytest.raises(Drifted):
        yard.run(order=replace(order, host=Host("here", "another machine of that name")))
    assert yard.seen() == [None, None]


def running(yard: Yard) -> None:
    yard.service.revive()
    yard.plan()


Change = Callable[[Yard], object]
REFUSED: dict[str, tuple[dict[str, Any], Change, type[CountersignError], str]] = {
    "the worker is on another host": ({}, lambda yard: yard.plan(host=Host("there", "m")), CannotProve, "wrong-host"),
    "the backup is of a deletion": ({"operation": "delete-records"}, Yard.plan, NotOurs, "not-a-system"),
    "the backup is of a later format": ({"format": 2}, Yard.plan, NotOurs, "not-a-system"),
    "the backup has a part less": ({"holdings": {"database": {}}}, Yard.plan, NotFound, "other-parts"),
    "a service is not in the backup": ({"former": {}}, Yard.plan, NotFound, "other-parts"),
    "the service runs already": ({}, running, CannotProve, "runs"),
    "a part has no room": ({}, lambda yard: yard.plan(into="/elsewhere"), CountersignError, "not-allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_come_back_is_refused_before_anybody_votes(tmp_path: Path, case: str) -> None:
    extra, act, kind, key = REFUSED[case]
    yard = made(tmp_path, **extra)
    with pytest.raises(kind, match=key) as caught:
        act(yard)
    assert say(caught.value.key, **caught.value.params)
    assert yard.seen() == [None, None]


def test_a_service_that_did_not_run_before_is_not_started_and_the_plan_says_so(tmp_path: Path) -> None:
    idle = ServiceFacts("web", "stopped", (), (8000,), (), 0)
    yard = made(tmp_path, former={"web": idle.plain()})
    assert [told.key for told in yard.plan().warnings] == ["told.was-not-running"]
    yard.answers = [False]
    yard.run()
    assert not yard.service.look().up


def test_the_rows_of_its_databases_count_for_the_rule_that_decides(tmp_path: Path) -> None:
    kept = {"database": {"kind": "memory", "size": 4, "rows": 4357}, "uploads": {"kind": "memory", "size": 5}}
    plan = made(tmp_path, holdings=kept).plan()
    assert plan.rows == Plan.from_data(plan.to_data()).rows == 4357


def test_a_plan_is_the_same_for_the_same_backup_and_another_for_another_place(yard: Yard) -> None:
    assert yard.plan().digest() == yard.plan().digest()
    assert yard.plan().digest() != yard.plan(into="again").digest()
    assert timedelta(seconds=sum(step[2] for step in yard.plan().to_data()["system"]["steps"])) > timedelta(0)


def test_as_another_system_it_runs_on_that_ones_ports_and_the_plan_says_where_it_is_from(
    yard: Yard, tmp_path: Path
) -> None:
    ports: list[tuple[int, ...]] = []

    class Elsewhere(SlowService):
        def look(self) -> ServiceFacts:
            return replace(super().look(), ports=(9000,))

        def start(self, former: ServiceFacts) -> ServiceFacts:
            ports.append(former.ports)
            return super().start(former)

    service = Elsewhere(tmp_path / "web")
    yard.system = System((service,), yard.holdings, (), ())
    plan = Plan.from_data(yard.plan(SUCCESSOR).to_data())
    assert plan.origin is not None
    assert (plan.target, plan.origin.target) == ("crm-new", "crm")
    assert [told.key for told in plan.warnings] == ["told.system-moves"]
    assert yard.plan().origin is None
    order = BringBackOrder(plan, SUCCESSOR, HOST, "r2")
    assert yard.run(order=order) is None
    assert yard.seen() == [b"rows", b"files"]
    assert service.look().up
    assert ports == [(9000,)]


def test_what_ran_nowhere_before_does_not_run_as_another_system_either(tmp_path: Path) -> None:
    idle = ServiceFacts("web", "stopped", (), (8000,), (), 0)
    yard = made(tmp_path, former={"web": idle.plain()})
    yard.answers = [False]
    yard.run(order=BringBackOrder(yard.plan(SUCCESSOR), SUCCESSOR, HOST, "r2"))
    assert not yard.service.look().up


KINDS = {
    "of the same kind, as the backup says": ("sqlite", "", None),
    "of the same kind, as the configuration says": (None, "sqlite", None),
    "of another kind": ("postgresql", "sqlite", "restore.other-system-kind"),
    "of another kind by the configuration": (None, "mariadb", "restore.other-system-kind"),
    "nobody knows": (None, "", "restore.kind-unknown"),
}


@pytest.mark.parametrize("case", KINDS)
def test_a_database_goes_only_where_one_of_its_kind_is(tmp_path: Path, case: str) -> None:
    engine, known, key = KINDS[case]
    yard = made(tmp_path, **({"engine": engine} if engine else {}))
    with yard.opened() as opened:
        if key is None:
            bring_back.require_kind(SUCCESSOR, opened.manifest, known)
            return
        with pytest.raises(CannotProve) as caught:
            bring_back.require_kind(SUCCESSOR, opened.manifest, known)
    assert caught.value.key == key
    assert "crm-new" in say(caught.value.key, **caught.value.params)


PARTED = SPEC.model_copy(update={"database": Database(url="postgresql://u@h/crm", schemas=("crm",))})
TABLED = SPEC.model_copy(update={"database": Database(url="postgresql://u@h/crm", tables=("orders",))})
SCHEMAS = {
    "more in the backup": (PARTED, ["billing", "crm"]),
    "another one": (PARTED, ["billing"]),
    "the whole database in the backup": (PARTED, None),
    "a part, and the configuration names all of it": (SPEC, ["crm"]),
    "a schema of that name, and not a table": (TABLED, ["public.orders"]),
}


@pytest.mark.parametrize("case", SCHEMAS)
def test_other_schemas_than_those_in_the_backup_are_refused_before_anybody_votes(
    tmp_path: Path, case: str
) -> None:
    spec, schemas = SCHEMAS[case]
    one = {"kind": "memory", "size": 4, "rows": 4, **({"schemas": schemas} if schemas else {})}
    yard = made(tmp_path, holdings={"database": one, "uploads": {"kind": "memory"}})
    with pytest.raises(NotFound, match="other-parts"):
        yard.plan(spec)


def test_a_schema_more_in_the_configuration_is_not_what_was_approved(tmp_path: Path) -> None:
    one = {"kind": "memory", "size": 4, "rows": 4, "schemas": ["crm"]}
    yard = made(tmp_path, holdings={"database": one, "uploads": {"kind": "memory"}})
    order = BringBackOrder(yard.plan(PARTED), PARTED, HOST, "r2")
    wider = Database(url="postgresql://u@h/crm", schemas=("a", "crm"))
    with pytest.raises(NotFound, match="other-parts"):
        yard.run(order=replace(order, spec=PARTED.model_copy(update={"database": wider})))
    assert yard.seen() == [None, None]
