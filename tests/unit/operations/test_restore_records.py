"""A restore brings back exactly what went, or refuses with a sentence and changes nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError, Halted, NotOurs
from bot.model.backups import Column
from bot.model.plans import Plan
from bot.operations import restore
from bot.operations.conflicts import Conflict
from bot.operations.gate import DeleteOutcome, Drifted, RestoreOrder
from bot.texts import say
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, make_bench, new_backup_id

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE COLLATE NOCASE, name TEXT,
    contact INTEGER REFERENCES contacts (id), upper AS (upper(name)) STORED
);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, body TEXT
);
CREATE TABLE deals (
    id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), owner INTEGER REFERENCES users (id)
);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO users VALUES (1, 'Uma'), (2, 'Urs');
INSERT INTO customers (id, email, name) VALUES (1, 'ada@x', 'Ada'), (2, 'bob@x', 'Bob');
INSERT INTO contacts VALUES (1, 1, 'a'), (2, 2, 'b');
UPDATE customers SET contact = id;
INSERT INTO deals VALUES (10, 1, 1), (11, 1, 2), (12, 2, 1);
INSERT INTO invoices VALUES (1, 1), (2, 2), (3, 1);
INSERT INTO log VALUES (1, 'old');
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, SCHEMA, label="{name}")


@pytest.fixture
def gone(bench: Bench) -> DeleteOutcome:
    return bench.delete("1")


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key
    assert say(key, "en", **caught.value.params)
    assert bench.dump() == before
    return caught.value


def order_for(bench: Bench, outcome: DeleteOutcome) -> RestoreOrder:
    plan, _ = bench.plan_restore(outcome)
    return RestoreOrder(plan, outcome.backup.backup_id, outcome.backup.sha256, HASH_KEY)


def test_the_plan_counts_by_class_and_is_bound_to_the_archive(bench: Bench, gone: DeleteOutcome) -> None:
    plan, preview = bench.plan_restore(gone)
    assert {one.table: one.missing for one in preview.tables} == {"customers": 1, "contacts": 1, "deals": 2}
    assert [(one.link, one.empty) for one in preview.links] == [("invoices.customer_id -> customers.id", 2)]
    assert (plan.rows, preview.pending) == (4, 6)
    assert (plan.backup, plan.sha256) == (gone.backup.backup_id, gone.backup.sha256)
    assert Plan.from_data(plan.to_data()) == plan


def test_everything_comes_back_and_a_second_restore_has_nothing_to_do(bench: Bench) -> None:
    before = bench.dump()
    outcome = bench.delete("1")
    gate = RecordingGate()
    done = bench.restore(outcome, gate)
    assert bench.dump() == before
    assert done.problem is None
    assert done.sums == outcome.sums
    assert [one for one in gate.events if one.startswith("step.")] == list(restore.STEPS)
    refused(bench, lambda: bench.plan_restore(outcome), "restore.nothing-missing")


AFTERWARDS = {
    "nothing": ("SELECT 1", None),
    "a row that went again": ("DELETE FROM deals WHERE id = 10", ("restore.still-missing", {"n": 1})),
    "a row that somebody edited": ("UPDATE deals SET owner = NULL WHERE id = 10", None),
    "a link that was emptied again": (
        "UPDATE invoices SET customer_id = NULL WHERE id = 1",
        ("restore.still-missing", {"n": 1}),
    ),
    "a table that is gone": ("DROP TABLE deals", ("operations.no-look", {"target": "crm"})),
}


@pytest.mark.parametrize(("script", "problem"), AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_the_last_look_after_a_restore_finds_what_is_missing_and_only_that(
    bench: Bench, script: str, problem: tuple[str, dict[str, Any]] | None
) -> None:
    outcome = bench.delete("1")
    gate = RecordingGate(on={"step.verify": lambda: bench.sql(script)})
    found = bench.restore(outcome, gate).problem
    assert (found and (found.key, dict(found.params))) == problem


CONFLICTS = {
    "a row is there but different": (
        "INSERT INTO customers (id, email, name) VALUES (1, 'eve@x', 'Eve')",
        "restore.different",
        "customers",
    ),
    "a row differs only in kind": ("INSERT INTO deals VALUES (10, NULL, 1)", "restore.different", "deals"),
    "a parent is gone": ("DELETE FROM users WHERE id = 2", "restore.parentless", "deals"),
    "a unique value is taken": (
        "INSERT INTO customers (id, email, name) VALUES (7, 'ada@x', 'Eve')",
        "restore.clashing",
        "customers",
    ),
    "a unique value is taken in another case": (
        "INSERT INTO customers (id, email, name) VALUES (7, 'ADA@X', 'Eve')",
        "restore.clashing",
        "customers",
    ),
}


@pytest.mark.parametrize(("change", "key", "table"), CONFLICTS.values(), ids=CONFLICTS.keys())
def test_a_conflict_is_named_with_table_and_count(
    bench: Bench, gone: DeleteOutcome, change: str, key: str, table: str
) -> None:
    order = order_for(bench, gone)
    bench.sql(change)
    error = refused(bench, lambda: bench.plan_restore(gone), key)
    assert isinstance(error, Conflict)
    assert (error.params["table"], error.params["n"]) == (table, 1)
    assert error.preview.tables
    with pytest.raises((Drifted, Conflict)):
        restore.run(order, bench.target, bench.vault, RecordingGate())


def test_a_link_that_points_elsewhere_by_now_is_a_conflict(bench: Bench, gone: DeleteOutcome) -> None:
    order = order_for(bench, gone)
    bench.sql("UPDATE invoices SET customer_id = 2 WHERE id = 3")
    refused(bench, lambda: bench.plan_restore(gone), "restore.link-different")
    refused(
        bench, lambda: restore.run(order, bench.target, bench.vault, RecordingGate()), "operations.drifted"
    )


def test_a_row_that_lost_its_link_and_then_went_is_told_and_skipped(
    bench: Bench, gone: DeleteOutcome
) -> None:
    bench.sql("DELETE FROM invoices WHERE id = 3")
    plan, _ = bench.plan_restore(gone)
    assert any(told.key == "told.referrer-gone" and told.params["n"] == 1 for told in plan.warnings)
    done = bench.restore(gone)
    assert done.problem is None
    assert dict(done.nullified) == {"invoices.customer_id -> customers.id": 1}


def test_what_somebody_put_back_by_hand_is_left_alone(bench: Bench) -> None:
    before = bench.dump()
    outcome = bench.delete("1")
    bench.sql("INSERT INTO contacts VALUES (1, 1, 'a')")
    plan, _ = bench.plan_restore(outcome)
    assert any(told.key == "told.already-there" for told in plan.warnings)
    assert "contacts" not in {part.name for part in plan.tables}
    assert "contacts" not in {name for name, count in bench.restore(outcome).rows.items() if count}
    assert bench.dump() == before


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("DROP TABLE deals", "restore.table-gone"),
        ("ALTER TABLE contacts DROP COLUMN body", "restore.column-gone"),
        ("ALTER TABLE contacts RENAME COLUMN body TO text", "restore.column-gone"),
        (
            "DROP TABLE contacts; CREATE TABLE contacts"
            " (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), body BLOB)",
            "restore.type-changed",
        ),
        (
            "DROP TABLE deals; CREATE TABLE deals (id INTEGER, customer_id INTEGER, owner INTEGER)",
            "restore.key-changed",
        ),
        (
            "DROP TABLE deals; CREATE TABLE deals"
            " (id INTEGER PRIMARY KEY, customer_id INTEGER, owner INTEGER, stage TEXT NOT NULL)",
            "restore.column-new",
        ),
        ("DROP TABLE invoices", "restore.table-gone"),
        ("ALTER TABLE invoices RENAME COLUMN customer_id TO customer", "restore.column-gone"),
    ],
)
def test_a_changed_schema_is_refused(bench: Bench, gone: DeleteOutcome, change: str, key: str) -> None:
    order = order_for(bench, gone)
    bench.sql(change)
    refused(bench, lambda: bench.plan_restore(gone), key)
    refused(bench, lambda: restore.run(order, bench.target, bench.vault, RecordingGate()), key)
    assert bench.settle(gone.backup.backup_id) == "unclear"


def test_a_new_column_with_a_default_is_no_obstacle(bench: Bench, gone: DeleteOutcome) -> None:
    bench.sql("ALTER TABLE deals ADD COLUMN stage TEXT NOT NULL DEFAULT 'new'")
    assert bench.restore(gone).problem is None
    assert bench.ask("SELECT stage FROM deals WHERE id = 10") == [(b"new",)]


TRIGGERS = {
    "writes elsewhere": (
        "CREATE TRIGGER t AFTER INSERT ON deals BEGIN INSERT INTO log (text) VALUES ('x'); END",
        "restore.others-changed",
    ),
    "swallows a row": (
        "CREATE TRIGGER t BEFORE INSERT ON deals WHEN new.id = 10 BEGIN SELECT RAISE(IGNORE); END",
        "restore.count",
    ),
    "changes the row": (
        "CREATE TRIGGER t AFTER INSERT ON deals BEGIN UPDATE deals SET owner = NULL WHERE id = new.id; END",
        "restore.others-changed",
    ),
    "swallows a link": (
        "CREATE TRIGGER t BEFORE UPDATE ON invoices BEGIN SELECT RAISE(IGNORE); END",
        "restore.count",
    ),
}


@pytest.mark.parametrize(("trigger", "key"), TRIGGERS.values(), ids=TRIGGERS.keys())
def test_a_trigger_that_changes_the_outcome_undoes_everything(
    bench: Bench, gone: DeleteOutcome, trigger: str, key: str
) -> None:
    bench.sql(trigger)
    refused(bench, lambda: bench.restore(gone), key)


@pytest.mark.parametrize("where", ["check", "committing", "step.insert"])
def test_stopped_before_the_commit_nothing_has_happened(
    bench: Bench, gone: DeleteOutcome, where: str
) -> None:
    before = bench.dump()
    with pytest.raises(Halted):
        bench.restore(gone, RecordingGate(halt_at=where))
    assert bench.dump() == before
    assert bench.vault.ids() == [gone.backup.backup_id]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO contacts VALUES (1, 1, 'a')",
        "UPDATE invoices SET customer_id = 1 WHERE id = 1",
        "DELETE FROM invoices WHERE id = 1",
        "ALTER TABLE deals ADD COLUMN stage TEXT",
    ],
)
def test_what_changed_since_the_approval_stops_the_restore(
    bench: Bench, gone: DeleteOutcome, change: str
) -> None:
    order = order_for(bench, gone)
    bench.sql(change)
    refused(
        bench, lambda: restore.run(order, bench.target, bench.vault, RecordingGate()), "operations.drifted"
    )


def test_settle_tells_before_from_after_and_both_from_neither(bench: Bench, gone: DeleteOutcome) -> None:
    plan, _ = bench.plan_restore(gone)

    def settled() -> str:
        with bench.vault.open(gone.backup.backup_id, gone.backup.sha256) as opened:
            return restore.settle(bench.target, opened, plan)

    assert settled() == "not-committed"
    bench.sql("INSERT INTO contacts VALUES (1, 1, 'a')")
    assert settled() == "unclear"
    bench.sql("DELETE FROM contacts WHERE id = 1")
    bench.restore(gone)
    assert settled() == "committed"
    bench.sql("UPDATE deals SET owner = NULL WHERE id = 10")
    assert settled() == "committed", "people go on working with what came back"
    bench.sql("DELETE FROM contacts WHERE id = 1")
    assert settled() == "unclear"


def test_strangers_under_all_the_keys_are_not_what_came_back(bench: Bench, gone: DeleteOutcome) -> None:
    plan, _ = bench.plan_restore(gone)
    bench.restore(gone)
    for table, column in (("customers", "email"), ("contacts", "body")):
        bench.sql(f"UPDATE {table} SET {column} = 'stranger ' || id")
    bench.sql("UPDATE deals SET owner = NULL")
    with bench.vault.open(gone.backup.backup_id, gone.backup.sha256) as opened:
        assert restore.settle(bench.target, opened, plan) == "unclear"


def test_settling_a_deletion_never_guesses(bench: Bench, gone: DeleteOutcome) -> None:
    backup = gone.backup.backup_id
    assert bench.settle(backup) == "committed"
    bench.sql("INSERT INTO contacts VALUES (1, 2, 'somebody else')")
    assert bench.settle(backup) == "unclear"
    elsewhere = make_bench(bench.path.parent / "backups", SCHEMA, label="{name}")
    assert replace(bench, target=elsewhere.target).settle(backup) == "unclear"


def test_the_backup_of_another_target_is_refused(bench: Bench, gone: DeleteOutcome, tmp_path: Path) -> None:
    from datetime import timedelta

    from bot.targets import open_target

    other = open_target("erp", bench.spec.address, timedelta(seconds=30))
    refused(
        replace(bench, target=other),
        lambda: replace(bench, target=other).plan_restore(gone),
        "restore.other-target",
    )


def test_another_database_under_the_same_name_is_told(
    bench: Bench, gone: DeleteOutcome, tmp_path: Path
) -> None:
    from datetime import timedelta

    from bot.targets import open_target

    def warned(at: Bench) -> bool:
        return any(told.key == "told.other-database" for told in at.plan_restore(gone)[0].warnings)

    copy = tmp_path / "moved.db"
    with closing(sqlite3.connect(bench.path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    moved = replace(bench, target=open_target("crm", f"sqlite:///{copy}", timedelta(seconds=30)))
    assert not warned(bench)
    assert warned(moved)


def test_an_archive_that_no_deletion_made_is_refused(bench: Bench) -> None:
    backup = new_backup_id()
    with bench.vault.sealing(backup) as sealing:
        sealing.table("rows", "deals", [Column("id", "sqlite-1")], [(1,)])
        sealed = sealing.finish({"operation": "teardown"})
    with bench.vault.open(backup, sealed.sha256) as opened, pytest.raises(NotOurs):
        restore.plan(bench.target, opened, sealed.sha256, HASH_KEY)


def test_a_shredded_backup_is_refused(bench: Bench, gone: DeleteOutcome) -> None:
    order = order_for(bench, gone)
    bench.vault.shred(gone.backup.backup_id)
    before = bench.dump()
    with pytest.raises(CountersignError, match=r"backups\.shredded"):
        restore.run(order, bench.target, bench.vault, RecordingGate())
    assert bench.dump() == before


def test_two_links_that_share_a_column_come_back_both(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        """
        CREATE TABLE customers (tenant INTEGER, id INTEGER, PRIMARY KEY (tenant, id));
        CREATE TABLE meetings (
            id INTEGER PRIMARY KEY, tenant INTEGER, host INTEGER, guest INTEGER,
            FOREIGN KEY (tenant, host) REFERENCES customers (tenant, id) ON DELETE SET NULL,
            FOREIGN KEY (tenant, guest) REFERENCES customers (tenant, id) ON DELETE SET NULL
        );
        INSERT INTO customers VALUES (1, 7), (1, 8);
        INSERT INTO meetings VALUES (1, 1, 7, 7), (2, 1, 7, 8), (3, 1, 8, 7), (4, 1, 8, 8);
        """,
    )
    before = bench.dump()
    outcome = bench.delete("7")
    assert bench.ask("SELECT * FROM meetings WHERE id = 1") == [(1, None, None, None)]
    assert bench.restore(outcome).problem is None
    assert bench.dump() == before


def test_a_conflict_clause_in_the_schema_does_not_replace_rows(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        """
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
        CREATE UNIQUE INDEX live ON customers (email) WHERE name <> 'old';
        CREATE TABLE tags (id INTEGER PRIMARY KEY, c INTEGER REFERENCES customers (id), t TEXT UNIQUE ON CONFLICT REPLACE);
        INSERT INTO customers VALUES (1, 'Ada', 'ada@x'); INSERT INTO tags VALUES (1, 1, 'vip');
        """,
    )
    outcome = bench.delete("1")
    bench.sql("INSERT INTO tags VALUES (2, NULL, 'vip')")
    refused(bench, lambda: bench.restore(outcome), "restore.clashing")
    bench.sql("DELETE FROM tags; INSERT INTO customers VALUES (9, 'Eve', 'ada@x')")
    refused(bench, lambda: bench.restore(outcome), "target.constraint")


def test_values_that_are_hard_to_carry_come_back_bit_for_bit(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, a, t TEXT, r REAL, i INTEGER, n NUMERIC, b BLOB);"
        "CREATE TABLE tags (name TEXT PRIMARY KEY COLLATE NOCASE, c INTEGER REFERENCES customers (id));"
        "INSERT INTO customers (id) VALUES (1);",
    )
    hard = [
        -0.0,
        0.0,
        1,
        1.0,
        "1",
        b"1",
        9007199254740993,
        1e308 * 10,
        -1e400,
        5e-324,
        "",
        b"",
        "a\0b",
        "\ud7ff",
        2**63 - 1,
    ]
    with closing(sqlite3.connect(bench.path)) as connection:
        for number, value in enumerate(hard):
            columns = (f"n{number}", value, value, value, value, value, value)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS many (k TEXT PRIMARY KEY, c INTEGER DEFAULT 1 REFERENCES customers (id), a, t TEXT, r REAL, i INTEGER, n NUMERIC, b BLOB)"
            )
            connection.execute("INSERT INTO many (k, a, t, r, i, n, b) VALUES (?, ?, ?, ?, ?, ?, ?)", columns)
        for raw in (b"\xff", b"a\0\xfe", b"\xed\xa0\x80", b"tail\xc3"):
            connection.execute("INSERT INTO tags VALUES (CAST(? AS TEXT), 1)", (raw,))
            connection.execute(
                "INSERT INTO many (k, t) VALUES (CAST(? AS TEXT), CAST(? AS TEXT))", (b"k" + raw, raw)
            )
        connection.commit()
    before = bench.dump()
    outcome = bench.delete("1")
    assert outcome.rows == {"customers": 1, "many": len(hard) + 4, "tags": 4}
    assert bench.restore(outcome).problem is None
    assert bench.dump() == before
