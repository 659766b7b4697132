"""Everything that tries to make a deletion take more, less or something else than was approved."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from bot.errors import CannotProve, CountersignError, Halted, NotOurs, StorageDown, TargetDown
from bot.operations.gate import Drifted
from bot.targets import open_target
from bot.targets.base import RecordTarget, Row
from bot.texts import say
from tests.fakes.operations import Bench, RecordingGate, make_bench

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT,
    contact INTEGER REFERENCES contacts (id) ON DELETE SET NULL,
    boss INTEGER REFERENCES customers (id)
);
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, body TEXT
);
CREATE TABLE deals (
    id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), owner INTEGER REFERENCES users (id)
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind TEXT, subject_id TEXT, body BLOB);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT);
INSERT INTO users VALUES (1, 'Uma');
INSERT INTO customers VALUES (1, 'ada@x', 'Ada', NULL, NULL), (2, 'bob@x', 'Bob', NULL, 1), (3, 'cy@x', 'Cy', NULL, NULL);
INSERT INTO contacts VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 1, 'd');
UPDATE customers SET contact = id;
INSERT INTO deals VALUES (10, 1, 1), (11, 2, 1), (12, 3, 1);
INSERT INTO notes VALUES (1, 'customer', '1', x'00ff'), (2, 'deal', '1', 'x'), (3, 'customer', '2', ''), (4, 'customer', '3', '');
INSERT INTO invoices VALUES (1, 1), (2, 2), (3, 3), (4, NULL);
INSERT INTO log VALUES (1, 'old');
"""
SOFT = [("notes.subject_id", "customers.id", "kind = 'customer'")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, SCHEMA, find_by=["id", "email"], label="{name}", soft=SOFT)


def backups(bench: Bench) -> list[str]:
    return [name for name in bench.storage.list() if not name.endswith(".shredded.txt")]


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    """The act is refused with this key, a sentence exists, nothing changed, and no backup stays behind."""
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key
    assert say(key, "en", **caught.value.params)
    assert bench.dump() == before
    assert backups(bench) == []
    return caught.value


def test_the_plan_says_what_goes_and_what_is_emptied_and_nothing_personal(bench: Bench) -> None:
    plan, subject = bench.plan("ada@x")
    assert {part.name: part.rows for part in plan.tables} == {
        "customers": 2,
        "contacts": 3,
        "deals": 2,
        "notes": 2,
    }
    assert [(part.name, part.rows) for part in plan.nullified] == [
        ("invoices.customer_id -> customers.id", 2)
    ]
    assert plan.rows == 9
    assert subject.label == "Ada"
    # Not "ada" alone, which hex digits spell now and then.
    assert [word for word in (b"Ada", b"ada@", b"Uma") if word in plan.canonical()] == []
    assert plan.digest() == bench.plan("1")[0].digest()


def test_planning_changes_nothing_not_even_the_file(bench: Bench) -> None:
    before = bench.path.read_bytes()
    bench.plan("1")
    assert bench.path.read_bytes() == before


def test_the_gate_sees_every_step_in_order_and_the_backup_before_its_first_byte(bench: Bench) -> None:
    gate = RecordingGate()
    order = bench.order("1")
    outcome = bench.run(order, gate)
    steps = [event for event in gate.events if event.startswith("step.")]
    assert steps == list(order.plan.steps)
    assert gate.events.index("backup-started") < gate.events.index("step.copy")
    assert gate.committed_with == (outcome.transaction, order.backup_id, outcome.backup.sha256)
    assert outcome.test_restore_seconds > 0


@pytest.mark.parametrize("where", ["check", "committing", "step.copy", "step.delete"])
def test_stopped_before_the_commit_nothing_has_happened(bench: Bench, where: str) -> None:
    with pytest.raises(Halted):
        bench.run(bench.order("1"), RecordingGate(halt_at=where))
    assert len(bench.dump()["customers"]) == 3
    assert backups(bench) == []


DRIFTS = {
    "a new child": "INSERT INTO deals VALUES (99, 1, 1)",
    "a new child of a child's level": "INSERT INTO contacts VALUES (99, 2, '')",
    "a child gone": "DELETE FROM deals WHERE id = 11",
    "one child swapped for another": "DELETE FROM deals WHERE id = 10; INSERT INTO deals VALUES (98, 1, 1)",
    "a late soft reference": "INSERT INTO notes VALUES (99, 'customer', '1', NULL)",
    "a new row whose link would be emptied": "INSERT INTO invoices VALUES (99, 1)",
    "the root is gone": "DELETE FROM customers WHERE id = 1",
    "the root's key was given to somebody else": "UPDATE customers SET email = 'eve@x', name = 'Eve' WHERE id = 1",
    "the root was renamed": "UPDATE customers SET name = 'Adele' WHERE id = 1",
    "a column was added": "ALTER TABLE deals ADD COLUMN extra TEXT",
    "an index was added": "CREATE INDEX late ON deals (customer_id)",
    "a trigger was added": "CREATE TRIGGER late AFTER DELETE ON deals BEGIN SELECT 1; END",
    "a new table hangs off it": "CREATE TABLE late (id INTEGER PRIMARY KEY, c INTEGER REFERENCES customers (id))",
    "the root's key has another form": """
        DROP TABLE customers; CREATE TABLE customers (id INTEGER, email TEXT, name TEXT, UNIQUE (id), PRIMARY KEY (id, email));
        INSERT INTO customers VALUES (1, 'ada@x', 'Ada');
    """,
    "a child has lost its key": """
        DROP TABLE notes; CREATE TABLE notes (id INTEGER, kind TEXT, subject_id TEXT, body BLOB);
    """,
}


@pytest.mark.parametrize("change", DRIFTS.values(), ids=DRIFTS.keys())
def test_what_changed_since_the_approval_stops_the_deletion(bench: Bench, change: str) -> None:
    order = bench.order("ada@x")
    bench.sql(change)
    error = refused(bench, lambda: bench.run(order), "operations.drifted")
    assert isinstance(error, Drifted)
    assert error.drift.differences
    for told in error.drift.differences:
        assert say(told.key, "en", **told.params)


def test_contents_may_change_until_the_lock_and_the_backup_has_the_last_ones(bench: Bench) -> None:
    order = bench.order("1")
    bench.sql("UPDATE contacts SET body = 'newer' WHERE id = 1")
    before = bench.dump()
    bench.restore(bench.run(order))
    assert bench.dump() == before


@pytest.mark.parametrize(
    ("allowance", "change", "drifts"),
    [
        (1, "INSERT INTO deals VALUES (99, 1, 1)", False),
        (1, "DELETE FROM deals WHERE id = 10", False),
        (1, "INSERT INTO deals VALUES (98, 1, 1), (99, 1, 1)", True),
        (1, "DELETE FROM deals WHERE id = 10; INSERT INTO deals VALUES (98, 1, 1)", True),
        (2, "DELETE FROM deals WHERE id = 10; INSERT INTO deals VALUES (98, 1, 1)", False),
        (2, "INSERT INTO deals VALUES (98, 1, 1); INSERT INTO contacts VALUES (98, 1, '')", False),
        (50, "INSERT INTO invoices VALUES (99, 1)", True),
        (50, "DELETE FROM customers WHERE id = 1", True),
        (50, "ALTER TABLE deals ADD COLUMN extra TEXT", True),
    ],
)
def test_a_rule_may_allow_a_few_rows_counted_exactly(
    bench: Bench, allowance: int, change: str, drifts: bool
) -> None:
    order = bench.order("1", allowance=allowance)
    bench.sql(change)
    if drifts:
        refused(bench, lambda: bench.run(order), "operations.drifted")
    else:
        before = bench.dump()
        bench.restore(bench.run(order))
        assert bench.dump() == before


def test_a_subject_that_is_not_of_this_plan_is_refused(bench: Bench) -> None:
    order, other = bench.order("1"), bench.order("3")
    for subject in (
        other.subject,
        replace(order.subject, roots=((3,),)),
        replace(order.subject, table="users"),
        replace(order.subject, record="user"),
        replace(order.subject, marks={**(order.subject.marks or {}), "deals": ("0" * 32,)}),
    ):
        changed = replace(order, subject=subject)
        error = refused(bench, partial(bench.run, changed), "operations.subject-altered")
        assert isinstance(error, NotOurs)


TRIGGERS = {
    "swallows one deletion": (
        "CREATE TRIGGER t BEFORE DELETE ON deals WHEN old.id = 10 BEGIN SELECT RAISE(IGNORE); END",
        "operations.count",
    ),
    "deletes elsewhere": (
        "CREATE TRIGGER t AFTER DELETE ON deals BEGIN DELETE FROM log; END",
        "operations.others-changed",
    ),
    "deletes a stranger of the same table": (
        "CREATE TRIGGER t AFTER DELETE ON deals BEGIN DELETE FROM deals WHERE id = 12; END",
        "operations.others-changed",
    ),
    "swallows its row and deletes a stranger instead": (
        "CREATE TRIGGER t BEFORE DELETE ON deals WHEN old.id = 10"
        " BEGIN DELETE FROM deals WHERE id = 12; SELECT RAISE(IGNORE); END",
        "operations.count",
    ),
    "writes a log": (
        "CREATE TRIGGER t AFTER DELETE ON deals BEGIN INSERT INTO log (text) VALUES ('x'); END",
        "operations.others-changed",
    ),
    "brings the row back": (
        "CREATE TRIGGER t AFTER DELETE ON deals BEGIN INSERT INTO deals VALUES (old.id, 3, 1); END",
        "operations.others-changed",
    ),
    "adds a soft reference": (
        "CREATE TRIGGER t AFTER DELETE ON deals BEGIN INSERT INTO notes (kind, subject_id) VALUES ('customer', '1'); END",
        "operations.others-changed",
    ),
    "forbids it": (
        "CREATE TRIGGER t BEFORE DELETE ON deals BEGIN SELECT RAISE(ABORT, 'secret Ada'); END",
        "target.constraint",
    ),
    "rolls everything back": (
        "CREATE TRIGGER t BEFORE DELETE ON deals BEGIN SELECT RAISE(ROLLBACK, 'secret Ada'); END",
        "target.constraint",
    ),
    "swallows the emptying of a link": (
        "CREATE TRIGGER t BEFORE UPDATE ON invoices BEGIN SELECT RAISE(IGNORE); END",
        "operations.count",
    ),
    "writes when a link is emptied": (
        "CREATE TRIGGER t AFTER UPDATE ON invoices BEGIN UPDATE log SET text = 'x'; END",
        "operations.others-changed",
    ),
}


@pytest.mark.parametrize(("trigger", "key"), TRIGGERS.values(), ids=TRIGGERS.keys())
def test_a_trigger_that_changes_the_outcome_undoes_everything(bench: Bench, trigger: str, key: str) -> None:
    bench.sql(trigger)
    plan, _ = bench.plan("1")
    assert any(told.key == "told.trigger" and told.params["trigger"] == "t" for told in plan.warnings)
    error = refused(bench, lambda: bench.delete("1"), key)
    assert "Ada" not in f"{error!r}{error.params}"
    assert error.__cause__ is None


def test_a_harmless_trigger_is_told_and_does_no_harm(bench: Bench) -> None:
    bench.sql("CREATE TRIGGER t AFTER DELETE ON deals BEGIN SELECT 1; END")
    assert bench.delete("1").problem is None


def test_nobody_can_write_between_the_lock_and_the_commit(bench: Bench) -> None:
    seen: list[str] = []

    def intrude() -> None:
        with closing(sqlite3.connect(bench.path, timeout=0)) as stranger:
            try:
                stranger.execute("INSERT INTO deals VALUES (77, 1, 1)")
            except sqlite3.OperationalError as error:
                seen.append(str(error))

    steps = ["step.compare", "step.copy", "step.seal", "step.test-restore", "step.delete", "step.commit"]
    bench.run(bench.order("1"), RecordingGate(on=dict.fromkeys(steps, intrude)))
    assert seen == ["database is locked"] * len(steps)


def test_readers_go_on_while_rows_are_locked(bench: Bench) -> None:
    counts: list[int] = []
    gate = RecordingGate(
        on={"step.test-restore": lambda: counts.append(bench.ask("SELECT count(*) FROM deals")[0][0])}
    )
    bench.run(bench.order("1"), gate)
    assert counts == [3]


def test_the_lock_is_given_back_before_the_delete_when_it_took_too_long(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, SCHEMA, label="{name}", soft=SOFT)
    order = bench.order("1")
    quick = make_bench_like(bench, max_lock=0.0)
    error = refused(quick, lambda: quick.run(order), "target.lock-too-long")
    assert isinstance(error, TargetDown)


def make_bench_like(bench: Bench, max_lock: float) -> Bench:
    target = open_target("crm", bench.spec.address, timedelta(seconds=max_lock))
    return replace(bench, target=target)


def test_rows_that_only_a_broken_reference_holds_stay_dangling_as_before(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path, SCHEMA + "INSERT INTO deals VALUES (50, 1, 404), (51, 3, 405);", label="{name}", soft=SOFT
    )
    before = bench.dump()
    outcome = bench.delete("1")
    bench.restore(outcome)
    assert bench.dump() == before


REFUSED_SCHEMAS = {
    "a child without a key": (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY); CREATE TABLE log (c INTEGER REFERENCES customers (id));"
        "INSERT INTO customers VALUES (1); INSERT INTO log VALUES (1);",
        "operations.no-key",
    ),
    "a root without a key": (
        "CREATE TABLE customers (id INTEGER); INSERT INTO customers VALUES (1);",
        "operations.no-key",
    ),
    "a child whose key is NULL": (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY);"
        "CREATE TABLE tags (name TEXT PRIMARY KEY, c INTEGER REFERENCES customers (id));"
        "INSERT INTO customers VALUES (1); INSERT INTO tags VALUES (NULL, 1);",
        "operations.null-key",
    ),
    "a link to empty that takes no NULL": (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY);"
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, c INTEGER NOT NULL REFERENCES customers (id) ON DELETE SET NULL);"
        "INSERT INTO customers VALUES (1); INSERT INTO tags VALUES (1, 1);",
        "operations.cannot-empty",
    ),
    "a link to empty that is part of the key": (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY);"
        "CREATE TABLE tags (c INTEGER REFERENCES customers (id) ON DELETE SET NULL, n INTEGER, PRIMARY KEY (c, n));"
        "INSERT INTO customers VALUES (1); INSERT INTO tags VALUES (1, 1);",
        "operations.cannot-empty",
    ),
    "a foreign key to a column that is not unique": (
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE tags (id INTEGER PRIMARY KEY, c TEXT REFERENCES customers (name));"
        "INSERT INTO customers VALUES (1, 'x'); INSERT INTO tags VALUES (1, 'x');",
        "operations.vague-link",
    ),
    "text that is not UTF-8 throughout": (
        "PRAGMA encoding = 'UTF-16'; CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1);",
        "target.encoding",
    ),
    "no such table": ("CREATE TABLE Customers (id INTEGER PRIMARY KEY);", "operations.unknown-table"),
    "a view instead of a table": (
        "CREATE TABLE c (id INTEGER PRIMARY KEY); CREATE VIEW customers AS SELECT id FROM c;",
        "operations.unknown-table",
    ),
    "no such column": ("CREATE TABLE customers (Id INTEGER PRIMARY KEY);", "operations.unknown-column"),
}


@pytest.mark.parametrize(("schema", "key"), REFUSED_SCHEMAS.values(), ids=REFUSED_SCHEMAS.keys())
def test_what_cannot_be_exact_is_refused_while_planning(tmp_path: Path, schema: str, key: str) -> None:
    bench = make_bench(tmp_path, schema)
    error = refused(bench, lambda: bench.plan("1"), key)
    assert not isinstance(error, TargetDown)


@pytest.mark.parametrize(
    ("soft", "key"),
    [
        (("nots.subject_id", "customers.id", None), "operations.unknown-table"),
        (("notes.subject", "customers.id", None), "operations.unknown-column"),
        (("notes.subject_id", "customer.id", None), "operations.unknown-table"),
        (("notes.subject_id", "customers.ID", None), "operations.unknown-column"),
        (("notes.subject_id", "customers.id", "kin = 'customer'"), "operations.bad-condition"),
        (("notes.subject_id", "customers.id", "kind = 'customer"), "operations.bad-condition"),
        (("notes.subject_id", "customers.id", "1) OR (1"), None),
        (("notes.subject_id", "customers.id", "kind = 'customer' -- only these"), None),
    ],
)
def test_a_soft_reference_is_checked_against_the_database(
    tmp_path: Path, soft: tuple[str, str, str | None], key: str | None
) -> None:
    bench = make_bench(tmp_path, SCHEMA, soft=[soft])
    if key:
        refused(bench, lambda: bench.plan("1"), key)
    else:
        assert bench.plan("1")


def test_a_keyless_table_that_nothing_points_from_is_no_obstacle(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        "CREATE TABLE customers (id INTEGER PRIMARY KEY); CREATE TABLE log (c INTEGER REFERENCES customers (id));"
        "INSERT INTO customers VALUES (1), (2); INSERT INTO log VALUES (2);",
    )
    assert bench.delete("1").rows == {"customers": 1}


def test_a_store_that_is_full_or_gone_leaves_the_target_as_it_was(bench: Bench) -> None:
    order = bench.order("1")
    folder = bench.path.parent / "backups"
    if os.geteuid() == 0:
        # Root writes anywhere, so the folder is put out of reach by another kind of file in its place.
        for one in list(folder.glob("*")):
            one.unlink()
        if folder.exists():
            folder.rmdir()
        folder.write_text("not a folder")
    else:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o500)
    before = bench.dump()
    with pytest.raises(StorageDown):
        bench.run(order)
    assert bench.dump() == before


def test_a_used_backup_id_is_refused_before_anything_is_deleted(bench: Bench) -> None:
    order = bench.order("1")
    bench.run(order)
    again = replace(bench.order("3"), backup_id=order.backup_id)
    before = bench.dump()
    with pytest.raises(CountersignError, match=r"backups\.exists"):
        bench.run(again)
    assert bench.dump() == before
    assert order.backup_id in bench.vault.ids()


def test_several_records_go_together_and_each_once(bench: Bench) -> None:
    order = bench.order("3", "ada@x", "1")
    assert order.subject.roots == ((3,), (1,))
    assert sorted(order.subject.label.split(", ")) == ["Ada", "Cy"]
    before = bench.dump()
    outcome = bench.run(order)
    assert outcome.rows["customers"] == 3
    bench.restore(outcome)
    assert bench.dump() == before


def test_a_backup_damaged_between_sealing_and_test_restore_stops_the_deletion(bench: Bench) -> None:
    def damage() -> None:
        archive = next(
            one for one in (bench.path.parent / "backups").glob("*.age") if ".key." not in one.name
        )
        raw = bytearray(archive.read_bytes())
        raw[len(raw) // 2] ^= 1
        archive.chmod(0o600)
        archive.write_bytes(raw)

    before = bench.dump()
    with pytest.raises(NotOurs):
        bench.run(bench.order("1"), RecordingGate(on={"step.test-restore": damage}))
    assert bench.dump() == before
    assert backups(bench) == []


class Altering:
    """A target that changes the last row of whatever it stages."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        with self._inner.writing() as session:
            yield Altering(session)

    def stage(self, label: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        *most, last = rows
        altered = (*last[:-1], "altered" if last[-1] is None else None)
        return int(self._inner.stage(label, table, columns, [*most, altered]))


def test_a_row_that_does_not_come_back_as_it_was_stops_the_deletion_and_leaves_no_backup(
    bench: Bench,
) -> None:
    before = bench.dump()
    with pytest.raises(CannotProve, match=r"operations\.test-restore"):
        replace(bench, target=cast("RecordTarget", Altering(bench.target))).run(bench.order("1"))
    assert bench.dump() == before
    assert backups(bench) == []


def test_a_gate_that_breaks_after_the_commit_does_not_lose_the_outcome(bench: Bench) -> None:
    gate = RecordingGate(on={"leave step.commit": lambda: (_ for _ in ()).throw(RuntimeError)})
    outcome = bench.run(bench.order("1"), gate)
    assert bench.settle(outcome.backup.backup_id) == "committed"
    assert bench.vault.ids() == [outcome.backup.backup_id]


def hold(reader: sqlite3.Connection) -> None:
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM deals").fetchone()


def test_a_commit_that_the_database_refuses_changes_nothing(bench: Bench) -> None:
    """A reader in rollback-journal mode keeps COMMIT out until the wait is over."""
    reader = sqlite3.connect(bench.path)
    bench = make_bench_like(bench, max_lock=1.0)
    with closing(reader):
        gate = RecordingGate(on={"committing": lambda: hold(reader)})
        before = bench.dump()
        with pytest.raises(TargetDown, match=r"target\.locked"):
            bench.run(bench.order("1"), gate)
    assert bench.dump() == before
    assert backups(bench) == []


def test_an_unknown_record_is_refused_with_the_known_ones(bench: Bench) -> None:
    error = refused(bench, lambda: bench.plan("1", record="custommer"), "operations.unknown-record")
    assert error.params["known"] == "customer"


AFTERWARDS = {
    "nothing": ("SELECT 1", None),
    "a row that is back as it was": ("INSERT INTO deals VALUES (10, 1, 1)", 1),
    "a row that is back with other content": ("INSERT INTO deals VALUES (10, 2, 1)", None),
    "a new row under a key that was given out again": (
        "INSERT INTO customers VALUES (1, 'new@x', 'Neil', NULL, NULL)",
        None,
    ),
    "a link that is back": ("UPDATE invoices SET customer_id = 1 WHERE id = 1", 1),
    "a link that means somebody else now": ("UPDATE invoices SET customer_id = 3 WHERE id = 1", None),
}


@pytest.mark.parametrize(("script", "still"), AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_the_last_look_finds_what_is_still_there_and_only_that(
    bench: Bench, script: str, still: int | None
) -> None:
    gate = RecordingGate(on={"step.verify": lambda: bench.sql(script)})
    problem = bench.run(bench.order("1"), gate).problem
    found = None if problem is None else (problem.key, problem.params["n"])
    assert found == (None if still is None else ("operations.still-there", still))
