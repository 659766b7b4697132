"""Rows of one database go into another one of the same kind, to the byte, or not at all."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError
from bot.model.plans import Plan
from bot.operations import attached, restore
from bot.operations.conflicts import Conflict
from bot.operations.gate import DeleteOutcome, Drifted, RestoreOrder, RestoreOutcome
from bot.targets import kind_of, open_target
from tests.fakes.operations import (
    HASH_KEY,
    Bench,
    RecordingGate,
    make_bench,
    mysql_bench,
    oracle_bench,
    postgresql_bench,
)
from tests.unit.operations.random_schemas import Schema, schemas

SCHEMA = """
CREATE TABLE staff (id INT PRIMARY KEY, name VARCHAR(20));
CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40) UNIQUE, keeper INT,
  FOREIGN KEY (keeper) REFERENCES staff (id));
CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, total NUMERIC(9, 2),
  FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE visits (id INT PRIMARY KEY, customer INT,
  FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE SET NULL);
INSERT INTO staff VALUES (1, 'Uma');
INSERT INTO customers VALUES (1, 'ada@x', 1), (2, 'bob@x', NULL);
INSERT INTO orders VALUES (10, 1, 9.50), (11, 1, 0), (12, 2, 3.25);
INSERT INTO visits VALUES (1, 1), (2, 2), (3, NULL)
"""
Place = Callable[[Path], AbstractContextManager[Bench]]
PLACES: dict[str, Place] = {
    "sqlite": lambda folder: nullcontext(make_bench(folder, SCHEMA)),
    "postgresql": lambda folder: postgresql_bench(folder, SCHEMA),
    "mariadb": lambda folder: mysql_bench(folder, SCHEMA),
    "mysql": lambda folder: oracle_bench(folder, SCHEMA),
}


@dataclass(frozen=True)
class Elsewhere:
    """The database that rows went from, and another one that they never were in, or are gone from."""

    origin: Bench
    there: Bench

    def plan(self, gone: DeleteOutcome, origin: str = "crm") -> Plan:
        with self.origin.vault.open(gone.backup.backup_id, gone.backup.sha256) as opened:
            plan, _, _ = restore.plan(self.there.target, opened, gone.backup.sha256, HASH_KEY, origin=origin)
        return plan

    def run(self, plan: Plan, gate: RecordingGate | None = None) -> RestoreOutcome:
        order = RestoreOrder(plan, plan.backup or "", plan.sha256 or "", HASH_KEY)
        return restore.run(order, self.there.target, self.origin.vault, gate or RecordingGate())

    def settle(self, plan: Plan) -> str:
        with self.origin.vault.open(plan.backup or "", plan.sha256) as opened:
            return restore.settle(self.there.target, opened, plan)


def beside(origin: Bench, there: Bench, name: str = "crm-copy") -> Elsewhere:
    target = open_target(name, there.spec.address, there.spec.max_lock)
    return Elsewhere(origin, replace(there, target=target))


@pytest.fixture(params=PLACES)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Elsewhere]:
    with ExitStack() as stack:
        made = []
        for name in ("origin", "there"):
            (tmp_path / name).mkdir()
            made.append(stack.enter_context(PLACES[request.param](tmp_path / name)))
        origin, there = made
        yield beside(origin, there)


def test_what_went_here_comes_back_there_to_the_byte(both: Elsewhere) -> None:
    whole = both.there.dump()
    gone = both.origin.delete("1")
    both.there.delete("1")
    left = both.origin.dump()
    plan = both.plan(gone)
    assert (plan.target, plan.origin.target if plan.origin else "") == ("crm-copy", "crm")
    assert plan.warnings[0].key == "told.into"
    assert Plan.from_data(plan.to_data()) == plan
    assert both.settle(plan) == "not-committed"
    done = both.run(plan)
    assert done.problem is None
    assert done.sums == gone.sums
    assert both.there.dump() == whole
    assert both.origin.dump() == left
    assert both.settle(plan) == "committed"


def test_the_backup_of_another_system_is_refused_unless_it_is_meant(both: Elsewhere) -> None:
    gone = both.origin.delete("1")
    both.there.delete("1")
    before = both.there.dump()
    for origin in ("", "billing"):
        with pytest.raises(CannotProve) as refused:
            both.plan(gone, origin)
        assert refused.value.key == "restore.other-target"
    plan = both.plan(gone)
    with pytest.raises(CannotProve):
        both.run(replace(plan, origin=None))
    assert both.settle(replace(plan, origin=None)) == "unclear"
    assert both.there.dump() == before


IN_THE_WAY = {
    "everything is there": ("SELECT 1", "restore.nothing-missing"),
    "a table is not there": ("DROP TABLE orders", "restore.table-gone"),
    "a parent is not there": (
        "DELETE FROM orders WHERE customer = 1;\nDELETE FROM visits WHERE customer = 1;\n"
        "DELETE FROM customers WHERE id = 1;\nDELETE FROM staff",
        "restore.parentless",
    ),
    "a stranger under the key": ("UPDATE customers SET email = 'eve@x' WHERE id = 1", "restore.different"),
    "a stranger under the address": (
        "DELETE FROM orders WHERE customer = 1;\nDELETE FROM visits WHERE customer = 1;\n"
        "DELETE FROM customers WHERE id = 1;\nINSERT INTO customers VALUES (9, 'ada@x', NULL)",
        "restore.clashing",
    ),
}


@pytest.mark.parametrize(("change", "key"), IN_THE_WAY.values(), ids=IN_THE_WAY.keys())
def test_what_is_in_the_way_there_is_told_and_nothing_happens(both: Elsewhere, change: str, key: str) -> None:
    gone = both.origin.delete("1")
    both.there.sql(change)
    before = both.there.dump()
    with pytest.raises(CountersignError) as refused:
        both.plan(gone)
    assert refused.value.key == key
    assert both.there.dump() == before


def test_somebody_who_takes_the_key_there_meanwhile_stops_it(both: Elsewhere) -> None:
    gone = both.origin.delete("1")
    both.there.delete("1")
    plan = both.plan(gone)
    both.there.sql("INSERT INTO customers VALUES (1, 'eve@x', NULL)")
    before = both.there.dump()
    with pytest.raises((Drifted, Conflict)):
        both.run(plan)
    assert both.there.dump() == before
    assert both.settle(plan) == "unclear"


def test_the_tables_there_may_hold_the_same_and_more(both: Elsewhere) -> None:
    gone = both.origin.delete("1")
    both.there.delete("1")
    both.there.sql("ALTER TABLE customers ADD COLUMN note VARCHAR(9) DEFAULT 'new' NOT NULL")
    assert both.run(both.plan(gone)).problem is None
    (row,) = both.there.ask("SELECT note FROM customers WHERE id = 1")
    assert row[0] in ("new", b"new")


def test_two_names_of_one_database_are_told_as_that(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, SCHEMA)
    before = bench.dump()
    same = beside(bench, bench)
    plan = same.plan(bench.delete("1"))
    assert plan.warnings[0].key == "told.into-same"
    assert same.run(plan).problem is None
    assert bench.dump() == before


FILES = """
CREATE TABLE customers (id INT PRIMARY KEY);
CREATE TABLE papers (id INT PRIMARY KEY, customer INT REFERENCES customers (id), path VARCHAR(20));
INSERT INTO customers VALUES (1), (2);
INSERT INTO papers VALUES (1, 1, 'a.pdf'), (2, 2, 'b.pdf')
"""


@pytest.fixture
def filed(tmp_path: Path) -> Elsewhere:
    """Two databases whose rows name files of one folder; Ada is gone from both, and so is her file."""
    root, made = tmp_path / "files", []
    root.mkdir()
    for name in ("a.pdf", "b.pdf"):
        (root / name).write_text(name)
    for name in ("origin", "there"):
        (tmp_path / name).mkdir()
        named = [{"column": "papers.path", "file": str(root)}]
        made.append(make_bench(tmp_path / name, FILES, attachments=named))
    made[1].sql("DELETE FROM papers WHERE customer = 1; DELETE FROM customers WHERE id = 1")
    return beside(made[0], made[1])


def run_with_files(both: Elsewhere, plan: Plan, gate: RecordingGate | None = None) -> RestoreOutcome:
    files = both.there.spec.attachments
    order = RestoreOrder(plan, plan.backup or "", plan.sha256 or "", HASH_KEY, files, whose="another")
    return restore.run(order, both.there.target, both.origin.vault, gate or RecordingGate())


def plan_with_files(both: Elsewhere, gone: DeleteOutcome, origin: str = "crm") -> Plan:
    backup = gone.backup
    with both.origin.vault.open(backup.backup_id, backup.sha256) as opened:
        files = both.there.spec.attachments
        return restore.plan(both.there.target, opened, backup.sha256, HASH_KEY, files, origin=origin)[0]


def test_files_come_back_where_the_destination_names_the_same_folder(
    filed: Elsewhere, tmp_path: Path
) -> None:
    gone = filed.origin.delete("1")
    assert not (tmp_path / "files/a.pdf").exists()
    plan = plan_with_files(filed, gone)
    assert [part.files for part in plan.files] == [1]
    assert run_with_files(filed, plan).problem is None
    assert (tmp_path / "files/a.pdf").read_text() == "a.pdf"
    assert filed.there.dump()["papers"] == ["(1, 1, ('text', b'a.pdf'))", "(2, 2, ('text', b'b.pdf'))"]


def test_without_the_folder_at_the_destination_nothing_goes(filed: Elsewhere) -> None:
    gone = filed.origin.delete("1")
    with pytest.raises(CannotProve) as refused:
        filed.plan(gone)
    assert refused.value.key == "attached.not-configured"


def test_a_restore_that_fails_beside_another_takes_none_of_its_files_away(
    filed: Elsewhere, tmp_path: Path
) -> None:
    """Both bring back the same backup into the same folder at the same time; one of them is too late."""
    gone = filed.origin.delete("1")
    late = plan_with_files(filed, gone)

    def second() -> None:
        with pytest.raises(CountersignError):
            run_with_files(filed, late)

    assert filed.origin.restore(gone, RecordingGate(on={"step.commit": second})).problem is None
    assert (tmp_path / "files/a.pdf").read_text() == "a.pdf"
    assert attached.backup_of(attached.operation_of(late.backup or "", "7")) == late.backup
    assert attached.operation_of(late.backup or "") != attached.operation_of(late.backup or "", "7")


@pytest.mark.parametrize("counter", ["SERIAL", "INT GENERATED ALWAYS AS IDENTITY"])
def test_new_rows_there_are_numbered_past_what_came(tmp_path: Path, counter: str) -> None:
    """A copy's sequence knows nothing of the numbers that the original has given out since."""
    schema = f"CREATE TABLE customers (id {counter} PRIMARY KEY, email text)"
    with postgresql_bench(tmp_path, schema) as origin, postgresql_bench(tmp_path, schema) as there:
        origin.sql("INSERT INTO customers (email) SELECT n::text FROM generate_series(1, 50) n")
        there.sql("INSERT INTO customers (email) VALUES ('1'), ('2')")
        both = beside(origin, there)
        gone = origin.delete("50")
        assert both.run(both.plan(gone)).problem is None
        there.sql("INSERT INTO customers (email) VALUES ('next')")
        assert there.ask("SELECT id FROM customers ORDER BY id") == [(1,), (2,), (50,), (51,)]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(schemas(), st.data())
def test_into_a_copy_without_the_rows_it_is_the_identity(schema: Schema, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(sorted(schema.rows)))
    position = data.draw(st.integers(0, len(schema.rows[table]) - 1))
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for name in ("origin", "there"):
            Path(folder, name).mkdir()
            bench = make_bench(Path(folder, name), "", table=table, find_by=["u"])
            schema.build(bench.path)
            made.append(bench)
        both, whole = beside(made[0], made[1]), made[1].dump()
        gone = made[0].delete(f"u{position}")
        made[1].delete(f"u{position}")
        assert both.run(both.plan(gone)).problem is None
        assert made[1].dump() == whole


def test_kinds_are_told_from_addresses() -> None:
    assert kind_of("sqlite:///x") == "sqlite"
    assert {kind_of(f"{scheme}://u@h/d") for scheme in ("mysql", "MariaDB")} == {"mariadb"}
    assert kind_of("postgresql://u@h/d") == "postgresql"
    assert kind_of("oracle://u@h/d") == kind_of("x") == ""
