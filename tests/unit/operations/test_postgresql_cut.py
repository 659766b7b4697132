"""The wire to PostgreSQL is cut at each message of a deletion and of a restore: all or nothing, and we know which."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import psycopg
import pytest

from bot.errors import CountersignError
from bot.model.backups import SealedBackup
from bot.operations import restore
from bot.operations.gate import RestoreOrder
from bot.targets import open_target
from tests.fakes.cutter import Cutter
from tests.fakes.operations import (
    HASH_KEY,
    Bench,
    PostgresqlBench,
    RecordingGate,
    new_backup_id,
    postgresql_bench,
)

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text, boss int REFERENCES customers ON DELETE SET NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, invoice_id int);
CREATE TABLE invoices (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE orders ADD FOREIGN KEY (invoice_id) REFERENCES invoices DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE notes (id int PRIMARY KEY, customer_id int, body text);
CREATE TABLE sites (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers);
INSERT INTO customers VALUES (1, 'Ada', NULL), (2, 'Bob', 1), (3, 'Cy', NULL);
INSERT INTO orders VALUES (10, 1, NULL), (11, 1, NULL), (12, 3, NULL);
INSERT INTO invoices SELECT id, id FROM orders;
UPDATE orders SET invoice_id = id;
INSERT INTO notes VALUES (1, 1, 'é"'), (2, 1, NULL), (3, 3, '');
INSERT INTO sites VALUES (1, 1), (2, 3), (3, 1);
"""
HANDED_OVER = {"sites.customer_id -> customers.id": "reassign"}
#: Every message when asked for (``make kill-matrix``), else every eighth and the last, which comes after COMMIT.
EACH = 1 if os.environ.get("KILL_MATRIX") == "all" else 8


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PostgresqlBench]:
    with postgresql_bench(
        tmp_path,
        SCHEMA,
        label="{name}",
        soft=[("notes.customer_id", "customers.id", None)],
        policies=HANDED_OVER,
        max_lock=10,
    ) as made:
        yield made


@pytest.fixture
def wire(bench: PostgresqlBench) -> Iterator[Cutter]:
    port = int(psycopg.conninfo.conninfo_to_dict(bench.spec.address).get("port") or 5432)
    with Cutter(port) as cutter:
        yield cutter


def over(bench: PostgresqlBench, wire: Cutter) -> Bench:
    """The same bench, whose worker goes over the wire."""
    url = f"postgresql://postgres@127.0.0.1:{wire.port}/{bench.database}"
    return replace(bench, target=open_target("crm", url, timedelta(seconds=10)))


def moments(total: int, heard: bool) -> list[int]:
    start = Random(total).randrange(EACH) if EACH > 1 else 0
    chosen = range(1 + (start + heard) % EACH, total + 1, EACH)
    return sorted({*chosen, total})


@pytest.mark.parametrize("heard", [False, True], ids=["the message is lost", "the answer is lost"])
def test_a_deletion_cut_at_each_message(bench: PostgresqlBench, wire: Cutter, heard: bool) -> None:
    far = over(bench, wire)
    before = bench.dump()
    order = bench.order("1", heir="3")
    wire.cut(0, heard=heard)
    outcome = far.run(order)
    total = wire.count
    after = bench.dump()
    bench.restore(outcome)
    done = 0
    for at in moments(total, heard):
        attempt = replace(order, backup_id=new_backup_id())
        wire.cut(at, heard=heard)
        sealed: SealedBackup | None = None
        try:
            sealed = far.run(attempt).backup
        except CountersignError as error:
            assert error.key != "operations.unclear", f"cut at {at} of {total}"
        wire.cut(0, heard=heard)
        if sealed is None:
            assert bench.dump() == before, f"cut at {at} of {total}"
            assert attempt.backup_id not in bench.vault.ids()
        else:
            done += 1
            assert bench.dump() == after, f"cut at {at} of {total}"
            bench.restore(replace(outcome, backup=sealed))
            assert bench.dump() == before
    assert total > 30
    assert done


@pytest.mark.parametrize("heard", [False, True], ids=["the message is lost", "the answer is lost"])
def test_a_restore_cut_at_each_message(bench: PostgresqlBench, wire: Cutter, heard: bool) -> None:
    far = over(bench, wire)
    before = bench.dump()
    outcome = bench.delete("1", heir="3")
    after = bench.dump()
    plan, _ = bench.plan_restore(outcome)
    order = RestoreOrder(plan, outcome.backup.backup_id, outcome.backup.sha256, HASH_KEY)
    wire.cut(0, heard=heard)
    restore.run(order, far.target, far.vault, RecordingGate())
    total = wire.count
    outcome = bench.delete("1", heir="3")
    done = 0
    for at in moments(total, heard):
        plan, _ = bench.plan_restore(outcome)
        order = RestoreOrder(plan, outcome.backup.backup_id, outcome.backup.sha256, HASH_KEY)
        wire.cut(at, heard=heard)
        committed = True
        try:
            restore.run(order, far.target, far.vault, RecordingGate())
        except CountersignError as error:
            committed = False
            assert error.key != "operations.unclear", f"cut at {at} of {total}"
        wire.cut(0, heard=heard)
        if committed:
            done += 1
            assert bench.dump() == before, f"cut at {at} of {total}"
            outcome = bench.delete("1", heir="3")
        assert bench.dump() == after, f"cut at {at} of {total}"
    assert total > 30
    assert done
