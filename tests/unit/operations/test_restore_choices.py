"""Some records, one table, what is not in the way, or over what stands there: exactly that, on each engine."""

from collections.abc import Iterable, Mapping

import pytest

from bot.errors import CountersignError, Halted
from bot.model.choices import Mode, RestoreChoice
from bot.operations import restore
from bot.operations.conflicts import Conflict
from bot.operations.gate import DeleteOutcome, Drifted
from bot.texts import say
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate
from tests.unit.operations.link_bench import Make

SCHEMA = """
CREATE TABLE staff (id INTEGER PRIMARY KEY, name VARCHAR(80));
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email VARCHAR(80) UNIQUE, name VARCHAR(80), mentor INTEGER REFERENCES customers (id)
);
CREATE TABLE deals (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id),
    partner_id INTEGER REFERENCES customers (id), owner INTEGER REFERENCES staff (id)
);
CREATE TABLE items (id INTEGER PRIMARY KEY, deal_id INTEGER REFERENCES deals (id), what VARCHAR(80));
CREATE TABLE invoices (
    id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id) ON DELETE SET NULL
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind VARCHAR(20), subject VARCHAR(20), body VARCHAR(80));
CREATE TABLE log (id INTEGER PRIMARY KEY, text VARCHAR(80));
INSERT INTO staff VALUES (1, 'Uma'), (2, 'Urs');
INSERT INTO customers VALUES (1, 'ada@x', 'Ada', NULL), (2, 'bob@x', 'Bob', NULL), (3, 'cy@x', 'Cy', 1);
INSERT INTO customers VALUES (4, 'dee@x', 'Dee', NULL);
INSERT INTO deals VALUES (10, 1, NULL, 1), (11, 1, 2, 2), (12, 2, NULL, 1), (13, 4, NULL, 1);
INSERT INTO items VALUES (20, 10, 'a'), (21, 11, 'b'), (22, 12, 'c'), (23, 12, 'd'), (24, 13, 'e');
INSERT INTO invoices VALUES (30, 1), (31, 2), (32, 3), (33, 4);
INSERT INTO notes VALUES (60, 'customer', '1', 'x'), (61, 'customer', '2', 'y'), (62, 'deal', '1', 'z');
INSERT INTO log VALUES (1, 'old');
"""
SOFT = [("notes.subject", "customers.id", "kind = 'customer'")]
INVOICES = "invoices.customer_id -> customers.id"
SKIP, OVER = RestoreChoice(mode=Mode.SKIP), RestoreChoice(mode=Mode.OVERWRITE)


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(SCHEMA, table="customers", find_by=["id", "email"], label="{name}", soft=SOFT, policies={})


@pytest.fixture
def gone(bench: Bench) -> DeleteOutcome:
    return bench.delete("1", "2")


def ids(bench: Bench) -> Mapping[str, list[int]]:
    tables = ("customers", "deals", "items", "notes")
    return {table: sorted(int(row[0]) for row in bench.ask(f"SELECT id FROM {table}")) for table in tables}


def refused(bench: Bench, gone: DeleteOutcome, choice: RestoreChoice, key: str) -> CountersignError:
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        bench.order_restore(gone.backup, choice)
    assert caught.value.key == key
    for language in ("en", "zh-CN"):
        assert say(key, language, **caught.value.params)
    assert bench.dump() == before
    return caught.value


def left(bench: Bench, gone: DeleteOutcome, choice: RestoreChoice) -> Iterable[tuple[str, str, int]]:
    chosen = bench.order_restore(gone.backup, choice).plan.choice
    assert chosen is not None
    return chosen.left


class TestOnly:
    def test_one_record_comes_back_with_what_hangs_off_it(self, bench: Bench, gone: DeleteOutcome) -> None:
        done = bench.choose(gone.backup, RestoreChoice(only=("bob@x",)))
        assert done.problem is None
        assert ids(bench)["customers"] == [2, 4]
        # Deal 11 belongs to both: it comes with Bob, and needs Ada.
        assert dict(done.rows) == {"customers": 1, "deals": 1, "items": 2, "notes": 1}

    @pytest.fixture(autouse=True)
    def _without_the_shared_deal(self, bench: Bench, request: pytest.FixtureRequest) -> None:
        if "shared" not in request.node.name:
            bench.sql("DELETE FROM items WHERE id = 21;\nDELETE FROM deals WHERE id = 11")

    def test_a_shared_row_needs_its_other_parent(self, bench: Bench, gone: DeleteOutcome) -> None:
        refusal = refused(bench, gone, RestoreChoice(only=("bob@x",)), "restore.parentless")
        assert isinstance(refusal, Conflict)
        assert refusal.params["choices"] == "skip"
        done = bench.choose(gone.backup, RestoreChoice(only=("2",), mode=Mode.SKIP))
        assert dict(done.rows) == {"customers": 1, "deals": 1, "items": 2, "notes": 1}
        bench.choose(gone.backup, RestoreChoice(only=("1",)))
        assert ids(bench)["deals"] == [10, 11, 12, 13]

    def test_links_come_back_for_those_alone(self, bench: Bench, gone: DeleteOutcome) -> None:
        done = bench.choose(gone.backup, RestoreChoice(only=("2",)))
        assert dict(done.nullified) == {INVOICES: 1}
        assert sorted(bench.ask("SELECT id FROM invoices WHERE customer_id IS NULL")) == [(30,), (32,)]

    def test_what_hangs_off_a_root_can_be_another_one(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.choose(gone.backup, RestoreChoice(only=("1",)))
        assert ids(bench)["customers"] == [1, 3, 4]

    def test_both_in_turn_are_all(self, bench: Bench) -> None:
        before = bench.dump()
        gone = bench.delete("1", "2")
        for one in ("ada@x", "bob@x"):
            assert bench.choose(gone.backup, RestoreChoice(only=(one,))).problem is None
        assert bench.dump() == before
        refused(bench, gone, RestoreChoice(only=("1",)), "restore.nothing-missing")

    @pytest.mark.parametrize(
        ("values", "key"),
        [
            (("eve@x",), "restore.only-none"),
            (("ADA@X",), "restore.only-none"),
            (("1", "ada"), "restore.only-none"),
            (("01",), "restore.only-none"),
            (("4",), "restore.only-none"),
            (("%",), "restore.only-none"),
            (("x\0",), "restore.only-none"),
        ],
    )
    def test_values_mean_exactly_one_record(
        self, bench: Bench, gone: DeleteOutcome, values: tuple[str, ...], key: str
    ) -> None:
        error = refused(bench, gone, RestoreChoice(only=values), key)
        assert not set(values) & {str(value) for value in error.params.values()} - {"1"}

    def test_a_value_that_means_two_is_refused(self, bench: Bench) -> None:
        bench.sql("UPDATE customers SET email = '2' WHERE id = 1")
        gone = bench.delete("1", "bob@x")
        error = refused(bench, gone, RestoreChoice(only=("2",)), "restore.only-many")
        assert error.params["candidates"] == 2

    def test_other_rows_than_approved_are_refused(self, bench: Bench, gone: DeleteOutcome) -> None:
        import dataclasses

        order = bench.order_restore(gone.backup, RestoreChoice(only=("2",)))
        other = bench.order_restore(gone.backup, RestoreChoice(only=("1",)))
        forged = dataclasses.replace(order, wanted=other.wanted)
        with pytest.raises(CountersignError) as caught:
            restore.run(forged, bench.target, bench.vault, RecordingGate())
        assert caught.value.key == "operations.subject-altered"


class TestTable:
    def test_only_its_rows_come_back_and_no_link(self, bench: Bench, gone: DeleteOutcome) -> None:
        done = bench.choose(gone.backup, RestoreChoice(table="customers"))
        assert ({name for name, n in done.rows.items() if n}, done.problem) == ({"customers"}, None)
        assert ids(bench) == {"customers": [1, 2, 3, 4], "deals": [13], "items": [24], "notes": [62]}
        assert len(bench.ask("SELECT id FROM invoices WHERE customer_id IS NULL")) == 3

    def test_their_parents_must_be_live(self, bench: Bench, gone: DeleteOutcome) -> None:
        refused(bench, gone, RestoreChoice(table="deals"), "restore.parentless")
        bench.choose(gone.backup, RestoreChoice(table="customers"))
        bench.choose(gone.backup, RestoreChoice(table="deals"))
        assert ids(bench)["deals"] == [10, 11, 12, 13]

    def test_table_by_table_and_then_the_links_are_all(self, bench: Bench) -> None:
        before = bench.dump()
        gone = bench.delete("1", "2")
        for table in ("customers", "deals", "items", "notes"):
            bench.choose(gone.backup, RestoreChoice(table=table))
        bench.restore(gone)
        assert bench.dump() == before

    @pytest.mark.parametrize("table", ["staff", "Customers", "customers; DROP TABLE log", "invoices"])
    def test_one_that_is_not_in_the_backup_is_refused(
        self, bench: Bench, gone: DeleteOutcome, table: str
    ) -> None:
        error = refused(bench, gone, RestoreChoice(table=table), "restore.no-table")
        assert "customers" in str(error.params["known"])


class TestSkip:
    def test_what_is_different_stays_out_with_what_hangs_off_it(
        self, bench: Bench, gone: DeleteOutcome
    ) -> None:
        bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
        assert set(left(bench, gone, SKIP)) == {
            ("customers", "different", 1),
            ("deals", "below", 2),
            ("items", "below", 3),
            ("notes", "below", 1),
            (INVOICES, "below", 1),
        }
        done = bench.choose(gone.backup, SKIP)
        assert done.problem is None
        assert ids(bench) == {
            "customers": [1, 2, 3, 4],
            "deals": [10, 13],
            "items": [20, 24],
            "notes": [60, 62],
        }
        assert bench.ask("SELECT id FROM invoices WHERE customer_id IS NULL") == [(31,)]
        assert bench.ask("SELECT name FROM customers WHERE id = 2") == [(text(bench, "Eve"),)]

    def test_a_taken_value_and_a_lost_parent_stay_out(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.sql("INSERT INTO customers VALUES (9, 'bob@x', 'Eve', NULL);\nDELETE FROM staff WHERE id = 2")
        assert set(left(bench, gone, SKIP)) == {
            ("customers", "clashing", 1),
            ("deals", "parentless", 1),
            ("deals", "below", 1),
            ("items", "below", 3),
            ("notes", "below", 1),
            (INVOICES, "below", 1),
        }
        assert bench.choose(gone.backup, SKIP).problem is None
        assert ids(bench)["deals"] == [10, 13]

    def test_a_link_that_points_elsewhere_stays_there(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.sql("UPDATE invoices SET customer_id = 4 WHERE id = 30")
        assert list(left(bench, gone, SKIP)) == [(INVOICES, "different", 1)]
        bench.choose(gone.backup, SKIP)
        assert sorted(bench.ask("SELECT id, customer_id FROM invoices")) == [
            (30, 4),
            (31, 2),
            (32, 3),
            (33, 4),
        ]

    def test_nothing_in_the_way_is_a_whole_restore(self, bench: Bench) -> None:
        before = bench.dump()
        gone = bench.delete("1", "2")
        assert bench.choose(gone.backup, SKIP).problem is None
        assert bench.dump() == before

    def test_everything_in_the_way_is_refused(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.sql(
            "INSERT INTO customers VALUES (1, 'a', 'Eve', NULL), (2, 'b', 'Eve', NULL), (3, 'c', 'Eve', NULL)"
        )
        refused(bench, gone, SKIP, "restore.nothing-left")

    def test_more_in_the_way_than_approved_is_drift(self, bench: Bench, gone: DeleteOutcome) -> None:
        order = bench.order_restore(gone.backup, SKIP)
        bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
        before = bench.dump()
        with pytest.raises(Drifted):
            restore.run(order, bench.target, bench.vault, RecordingGate())
        assert bench.dump() == before

    def test_the_last_look_misses_only_what_was_to_come(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
        gate = RecordingGate(on={"step.verify": lambda: bench.sql("DELETE FROM items WHERE id = 20")})
        problem = bench.choose(gone.backup, SKIP, gate).problem
        assert problem is not None
        assert (problem.key, dict(problem.params)) == ("restore.still-missing", {"n": 1})


class TestOverwrite:
    CHANGED = (
        "INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL), (3, 'cy@x', 'Cy', NULL)",
        "INSERT INTO items VALUES (22, NULL, 'other')",
    )

    @pytest.fixture
    def changed(self, bench: Bench, gone: DeleteOutcome) -> DeleteOutcome:
        bench.sql(";\n".join(self.CHANGED))
        return gone

    def test_old_values_come_back_and_the_present_ones_are_kept(self, bench: Bench) -> None:
        before = bench.dump()
        gone = bench.delete("1", "2")
        bench.sql(";\n".join(self.CHANGED))
        between = bench.dump()
        gate = RecordingGate()
        done = bench.choose(gone.backup, OVER, gate)
        assert [one for one in gate.events if one.startswith("step.")] == list(restore.STEPS_OVERWRITING)
        assert bench.dump() == before
        assert done.problem is None
        assert dict(done.overwritten) == {"customers": 2, "items": 1}
        assert done.backup is not None
        assert gate.committed_with is not None
        assert gate.committed_with[1:] == (done.backup.backup_id, done.backup.sha256)
        assert bench.vault.verify(done.backup.backup_id).rows == 3
        # And the way back: the fresh backup, over what was brought back.
        again = bench.choose(done.backup, OVER)
        assert dict(again.overwritten) == {"customers": 2, "items": 1}
        now = bench.dump()
        assert [name for name in now if set(between[name]) - set(now[name])] == [invoices_of(bench)]

    def test_the_plan_counts_what_is_overwritten(self, bench: Bench, changed: DeleteOutcome) -> None:
        plan = bench.order_restore(changed.backup, OVER).plan
        assert {part.name: part.rows for part in plan.overwritten} == {"customers": 2, "items": 1}
        assert plan.rows == 3 + sum(part.rows for part in plan.tables) == 12
        assert plan.steps == restore.STEPS_OVERWRITING
        refusal = refused(bench, changed, RestoreChoice(), "restore.different")
        assert refusal.params["choices"] == "overwrite,skip"

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            ("UPDATE customers SET email = 'bob@x' WHERE id = 4", "restore.clashing"),
            ("DELETE FROM staff WHERE id = 2", "restore.parentless"),
        ],
    )
    def test_a_clash_or_a_lost_parent_still_refuses(
        self, bench: Bench, changed: DeleteOutcome, change: str, key: str
    ) -> None:
        bench.sql(change)
        assert refused(bench, changed, OVER, key).params["choices"] == "skip"

    def test_an_overwritten_row_needs_its_parent_too(self, bench: Bench, gone: DeleteOutcome) -> None:
        bench.restore(gone)
        bench.sql("UPDATE deals SET owner = NULL WHERE id = 11;\nDELETE FROM staff WHERE id = 2")
        refused(bench, gone, OVER, "restore.parentless")

    def test_a_link_that_points_elsewhere_still_refuses(self, bench: Bench, changed: DeleteOutcome) -> None:
        bench.sql("UPDATE invoices SET customer_id = 4 WHERE id = 30")
        refused(bench, changed, OVER, "restore.link-different")

    def test_another_row_that_became_different_is_drift(self, bench: Bench, changed: DeleteOutcome) -> None:
        order = bench.order_restore(changed.backup, OVER)
        bench.sql("UPDATE items SET id = 23 WHERE id = 22")
        before = bench.dump()
        with pytest.raises(Drifted) as caught:
            restore.run(order, bench.target, bench.vault, RecordingGate())
        assert "drift.overwritten" in {told.key for told in caught.value.drift.differences}
        assert bench.dump() == before

    @pytest.mark.parametrize(
        "halt", ["step.lock", "step.copy", "leave step.seal", "leave step.test-restore", "committing"]
    )
    def test_stopped_anywhere_nothing_has_changed_and_no_backup_is_left(
        self, bench: Bench, changed: DeleteOutcome, halt: str
    ) -> None:
        before, backups = bench.dump(), bench.vault.ids()
        with pytest.raises(Halted):
            bench.choose(changed.backup, OVER, RecordingGate(halt_at=halt))
        assert bench.dump() == before
        assert bench.vault.ids() == backups

    def test_a_row_edited_since_the_plan_is_kept_as_it_is_now(
        self, bench: Bench, changed: DeleteOutcome
    ) -> None:
        order = bench.order_restore(changed.backup, OVER)
        bench.sql("UPDATE customers SET name = 'Newest' WHERE id = 2")
        done = restore.run(order, bench.target, bench.vault, RecordingGate())
        assert done.backup is not None
        with bench.vault.open(done.backup.backup_id) as opened:
            rows = {row[0]: row[2] for table in opened.tables() for row in table.rows if len(row) == 4}
        assert "Newest" in rows.values()

    @pytest.mark.parametrize("committed", [False, True])
    def test_after_a_crash_the_rows_themselves_say_what_happened(
        self, bench: Bench, changed: DeleteOutcome, *, committed: bool
    ) -> None:
        order = bench.order_restore(changed.backup, OVER)
        if committed:
            restore.run(order, bench.target, bench.vault, RecordingGate())

        def settled() -> str:
            with bench.vault.open(order.backup_id, order.sha256) as opened:
                return restore.settle(bench.target, opened, order.plan, "", HASH_KEY, order.wanted)

        assert settled() == ("committed" if committed else "not-committed")
        bench.sql("UPDATE customers SET name = 'Somebody' WHERE id = 3")
        assert settled() in ("unclear", "committed" if committed else "not-committed")


@pytest.mark.parametrize("committed", [False, True])
def test_a_row_overwritten_and_written_again_is_never_taken_for_one_that_was_not(
    bench: Bench, *, committed: bool
) -> None:
    """Else the backup of what stood there before, the only copy, would go."""
    gone = bench.delete("1")
    bench.restore(gone)
    bench.sql("UPDATE customers SET name = 'Before' WHERE id = 1")
    order = bench.order_restore(gone.backup, OVER)
    if committed:
        restore.run(order, bench.target, bench.vault, RecordingGate())
        bench.sql("UPDATE customers SET name = 'Again' WHERE id = 1")
    with bench.vault.open(order.backup_id, order.sha256) as opened:
        assert restore.settle(bench.target, opened, order.plan, "", HASH_KEY, order.wanted) == "unclear"


CHOICES = {
    "skip": SKIP,
    "only": RestoreChoice(only=("4",)),
    "table, skipping": RestoreChoice(table="customers", mode=Mode.SKIP),
    "only, skipping": RestoreChoice(only=("1",), mode=Mode.SKIP),
    "table, overwriting": RestoreChoice(table="customers", mode=Mode.OVERWRITE),
}


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
@pytest.mark.parametrize("committed", [False, True])
def test_a_restore_that_was_cut_off_is_settled_by_what_was_chosen(
    bench: Bench, choice: RestoreChoice, *, committed: bool
) -> None:
    gone = bench.delete("1", "2", "4")
    bench.sql("INSERT INTO customers VALUES (2, 'eve@x', 'Eve', NULL)")
    order = bench.order_restore(gone.backup, choice)
    if committed:
        restore.run(order, bench.target, bench.vault, RecordingGate())
    with bench.vault.open(order.backup_id, order.sha256) as opened:
        found = restore.settle(bench.target, opened, order.plan, "", HASH_KEY, order.wanted)
    assert found == ("committed" if committed else "not-committed")


def test_strangers_under_the_keys_are_no_proof_of_a_commit(bench: Bench, gone: DeleteOutcome) -> None:
    order = bench.order_restore(gone.backup, SKIP)
    bench.sql(
        "INSERT INTO customers VALUES (1, 'a', 'Eve', NULL), (2, 'b', 'Eve', NULL), (3, 'c', 'Eve', NULL)"
    )
    with bench.vault.open(order.backup_id, order.sha256) as opened:
        assert restore.settle(bench.target, opened, order.plan, "", HASH_KEY, order.wanted) == "unclear"


def invoices_of(bench: Bench) -> str:
    """The table whose links the restore has put back, as ``dump`` names it."""
    return next(name for name in bench.dump() if name.endswith("invoices"))


def text(bench: Bench, value: str) -> object:
    """As ``ask`` gives it back; SQLite's bench reads bytes."""
    return value.encode() if bench.spec.address.startswith("sqlite") else value
