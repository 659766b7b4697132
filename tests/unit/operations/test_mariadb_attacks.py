"""What only MariaDB and MySQL can do to a deletion: silent cascades, triggers, engines, collations, circles, writers, cut wires."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pymysql
import pytest

from bot.errors import CountersignError, TargetDown
from bot.targets import open_target
from bot.texts import say
from tests.fakes.cutter import Cutter
from tests.fakes.operations import (
    Bench,
    MysqlBench,
    RecordingGate,
    bench_on,
    new_backup_id,
    open_bench,
)
from tests.fakes.servers import SERVERS, MySQL, mysql_connect, mysql_database, own_mariadb

CRM = """
CREATE TABLE users (id INT PRIMARY KEY, name TEXT);
CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40) UNIQUE, name TEXT, contact INT, boss INT, FOREIGN KEY (boss) REFERENCES customers (id));
CREATE TABLE contacts (id INT PRIMARY KEY, customer_id INT NOT NULL, body TEXT, FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE);
ALTER TABLE customers ADD FOREIGN KEY (contact) REFERENCES contacts (id);
CREATE TABLE deals (id INT PRIMARY KEY, customer_id INT, owner INT, FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE, FOREIGN KEY (owner) REFERENCES users (id));
CREATE TABLE notes (id INT PRIMARY KEY AUTO_INCREMENT, kind VARCHAR(20), subject_id VARCHAR(20), body BLOB);
CREATE TABLE invoices (id INT PRIMARY KEY, email VARCHAR(40), FOREIGN KEY (email) REFERENCES customers (email) ON DELETE SET NULL);
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT);
INSERT INTO users VALUES (1, 'Uma');
INSERT INTO customers VALUES (1, 'ada@x', 'Ada', NULL, NULL), (2, 'bob@x', 'Bob', NULL, 1), (3, 'cy@x', 'Cy', NULL, NULL);
INSERT INTO contacts VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 1, 'd');
UPDATE customers SET contact = id;
INSERT INTO deals VALUES (10, 1, 1), (11, 2, 1), (12, 3, 1);
INSERT INTO notes (kind, subject_id, body) VALUES ('customer', '1', x'00ff'), ('deal', '1', 'x'), ('customer', '2', ''), ('customer', '3', ''), ('customer', '1x', 'no number');
INSERT INTO invoices VALUES (1, 'ada@x'), (2, 'bob@x'), (3, 'cy@x'), (4, NULL);
INSERT INTO log (text) VALUES ('old')
"""
SOFT = [("notes.subject_id", "customers.id", "kind = 'customer'")]
GONE = {"customers": 2, "contacts": 3, "deals": 2, "notes": 2}


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str, tmp_path: Path) -> Iterator[MysqlBench]:
    how: dict[str, Any] = {"find_by": ["id", "email"], "label": "{name}", "soft": SOFT, "max_lock": 5}
    with bench_on(kind, tmp_path, CRM, **how) as made:
        yield made


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    """The act is refused with this key, a sentence exists, nothing changed, and no backup stays behind."""
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, caught.value.params
    assert say(key, "en", **caught.value.params)
    assert bench.dump() == before
    assert [name for name in bench.storage.list() if not name.endswith(".shredded.txt")] == []
    return caught.value


@contextmanager
def stranger(bench: MysqlBench) -> Iterator[Any]:
    with closing(mysql_connect(bench.spec.address)) as connection, connection.cursor() as cursor:
        cursor.execute("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
        yield cursor


def test_a_circle_of_keys_a_chain_and_a_soft_link_go_and_come_back(bench: MysqlBench) -> None:
    """``'1x'`` is no customer 1, though MariaDB alone would say so."""
    before = bench.dump()
    outcome = bench.delete("ada@x")
    assert outcome.problem is None
    assert outcome.rows == {**GONE, "notes": 2}
    assert outcome.nullified == {"invoices.email -> customers.email": 2}
    assert bench.ask("SELECT subject_id FROM notes WHERE kind = 'customer' ORDER BY 1") == [("1x",), ("3",)]
    assert bench.restore(outcome).problem is None
    assert bench.dump() == before


TRIGGERS = {
    "deletes elsewhere": "CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW DELETE FROM log",
    "writes a log": "CREATE TRIGGER t BEFORE DELETE ON deals FOR EACH ROW INSERT INTO log (text) VALUES ('x')",
    "changes a stranger": "CREATE TRIGGER t AFTER DELETE ON notes FOR EACH ROW UPDATE users SET name = 'Eve'",
    "adds a soft reference": (
        "CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW"
        " INSERT INTO notes (kind, subject_id) VALUES ('customer', '1')"
    ),
    "takes a parent away while keys are not checked": (
        "CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW"
        " BEGIN SET foreign_key_checks = 0; DELETE FROM users; SET foreign_key_checks = 1; END"
    ),
    "writes through an emptied link": (
        "CREATE TRIGGER t AFTER UPDATE ON invoices FOR EACH ROW INSERT INTO log (text) VALUES ('x')"
    ),
}


@pytest.mark.parametrize("script", TRIGGERS.values(), ids=TRIGGERS.keys())
def test_what_a_trigger_does_elsewhere_is_noticed_and_undone(bench: MysqlBench, script: str) -> None:
    bench.sql(script)
    plan, _ = bench.plan("ada@x")
    assert any(told.key == "told.trigger" for told in plan.warnings)
    refused(bench, lambda: bench.delete("ada@x"), "operations.others-changed")


def test_a_trigger_switches_the_checks_off_for_itself_only(bench: MysqlBench) -> None:
    """InnoDB vouches for its keys while the session checks them: MariaDB puts that back after each trigger."""
    bench.sql("SET foreign_key_checks = 0;\nINSERT INTO deals (id, customer_id) VALUES (99, 999)")
    bench.sql("CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW SET foreign_key_checks = 0")
    before = bench.dump()
    outcome = bench.delete("ada@x")
    assert outcome.problem is None
    assert bench.restore(outcome).problem is None
    assert bench.dump() == before


def test_a_trigger_that_says_no_is_told(bench: MysqlBench) -> None:
    bench.sql(
        "CREATE TRIGGER t BEFORE DELETE ON deals FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret'"
    )
    error = refused(bench, lambda: bench.delete("ada@x"), "target.constraint")
    assert "secret" not in say(error.key, "en", **error.params)


def test_a_table_that_cannot_undo_is_refused_with_what_to_do(bench: MysqlBench) -> None:
    bench.sql("ALTER TABLE notes ENGINE=MyISAM")
    error = refused(bench, lambda: bench.delete("ada@x"), "target.engine")
    assert "ALTER TABLE" in say(error.key, "en", **error.params)


def test_a_partitioned_table_counts_each_row_once(kind: str, tmp_path: Path) -> None:
    schema = """
    CREATE TABLE customers (id INT PRIMARY KEY, name TEXT);
    CREATE TABLE events (id INT, at DATE, customer INT, PRIMARY KEY (id, at)) PARTITION BY HASH (YEAR(at)) PARTITIONS 4;
    INSERT INTO customers VALUES (1, 'a'), (2, 'b');
    INSERT INTO events VALUES (1, '2025-01-01', 1), (2, '2026-01-01', 1), (3, '2026-01-01', 2)
    """
    with bench_on(kind, tmp_path, schema, soft=[("events.customer", "customers.id", None)]) as bench:
        before = bench.dump()
        outcome = bench.delete("1")
        assert outcome.rows == {"customers": 1, "events": 2}
        assert bench.restore(outcome).problem is None
        assert bench.dump() == before


def test_keys_that_differ_only_by_case_or_accent_are_found_exactly(kind: str, tmp_path: Path) -> None:
    schema = """
    CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40) COLLATE utf8mb4_general_ci, name TEXT);
    INSERT INTO customers VALUES (1, 'Zoë@x', 'a'), (2, 'zoe@x', 'b'), (3, '%', 'c'), (4, 'a\\b''', 'd'), (5, '001', 'e')
    """
    with bench_on(kind, tmp_path, schema, find_by=["email"], label="{name}") as bench:
        for value, name in (("Zoë@x", "a"), ("zoe@x", "b"), ("%", "c"), ("a\\b'", "d"), ("001", "e")):
            assert bench.plan(value)[1].label == name
        for value in ("ZOE@X", "zoe@x ", "_", "1", "1.0", "' OR '1'='1", "zoe@x\0", "z" * 300):
            with pytest.raises(CountersignError) as caught:
                bench.plan(value)
            assert caught.value.key in ("operations.no-match", "operations.value-length")


WRITES = {
    "a child by a foreign key": "INSERT INTO deals VALUES (99, 1, 1)",
    "a child of a child's row": "INSERT INTO contacts VALUES (99, 2, 'late')",
    "a child by a unique key": "INSERT INTO invoices VALUES (99, 'ada@x')",
    "a child that no key declares": "INSERT INTO notes (kind, subject_id) VALUES ('customer', '1')",
    "a change of a row that goes": "UPDATE contacts SET body = 'late' WHERE id = 1",
}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES.keys())
def test_nobody_slips_a_row_in_while_rows_go(bench: MysqlBench, statement: str) -> None:
    """Once everything was looked at, such a writer waits until it is over; then the database says no, or it is new."""
    held: list[int] = []

    def late() -> None:
        with stranger(bench) as cursor:
            try:
                cursor.execute(statement)
            except pymysql.Error as error:
                held.append(error.args[0])

    gate = RecordingGate(on={"step.delete": late})
    outcome = bench.run(bench.order("ada@x"), gate)
    assert outcome.problem is None
    assert held == [1205]
    assert outcome.rows["deals"] == 2


def test_a_row_that_came_before_the_lock_is_drift(bench: MysqlBench) -> None:
    order = bench.order("ada@x")
    bench.sql("INSERT INTO deals VALUES (99, 1, 1)")
    refused(bench, lambda: bench.run(order), "operations.drifted")


def test_a_lock_that_somebody_holds_is_told_after_a_bounded_time(bench: MysqlBench) -> None:
    with stranger(bench) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE contacts SET body = 'held' WHERE id = 1")
        order = bench.order("ada@x")
        error = refused(bench, lambda: bench.run(order), "target.locked")
        assert isinstance(error, TargetDown)
        cursor.execute("ROLLBACK")


def test_of_two_in_each_others_way_one_is_told_so(bench: MysqlBench) -> None:
    """The server ends one of the two; whichever it is, the rows are whole."""
    before, waiting = bench.dump(), threading.Event()

    def other() -> None:
        with closing(mysql_connect(bench.spec.address)) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE invoices SET email = NULL WHERE id = 1")
            waiting.set()
            try:
                cursor.execute("UPDATE customers SET name = 'late' WHERE id = 1")
            except pymysql.Error as error:
                assert error.args[0] in (1213, 1205)
            cursor.execute("ROLLBACK")

    thread = threading.Thread(target=other)
    order = bench.order("ada@x")

    def start() -> None:
        thread.start()
        assert waiting.wait(10)

    try:
        outcome = bench.run(order, RecordingGate(on={"step.compare": start}))
    except TargetDown as error:
        assert error.key in ("target.deadlock", "target.locked")
    else:
        bench.restore(outcome)
    thread.join(30)
    assert bench.dump() == before


def test_a_server_that_takes_no_changes_or_is_gone_is_told(kind: str, tmp_path: Path) -> None:
    """A server of its own: others would be told so as well."""
    server = (own_mariadb() if kind == "mariadb" else MySQL()).start()
    try:
        with mysql_database(server.url) as url:
            bench = open_bench(tmp_path, url=url, find_by=["email"], max_lock=5)
            mysql = MysqlBench(bench.path, bench.spec, bench.target, bench.vault, bench.storage)
            mysql.sql(CRM)
            order = mysql.order("ada@x")
            mysql.sql("SET GLOBAL read_only = 1")
            for act in (lambda: mysql.plan("ada@x"), lambda: mysql.run(order)):
                with pytest.raises(TargetDown) as caught:
                    act()
                assert caught.value.key == "target.only-reads"
            mysql.sql("SET GLOBAL read_only = 0")
            before = mysql.dump()
            with pytest.raises(TargetDown) as caught:
                mysql.run(order, RecordingGate(on={"step.delete": server.kill}))
            assert caught.value.key in ("target.lost", "target.unreachable")
            server.start()
            assert mysql.dump() == before
    finally:
        server.remove()


def test_a_statement_that_takes_too_long_is_ended(kind: str, tmp_path: Path) -> None:
    soft = [("notes.subject_id", "customers.id", "SLEEP(3) = 0")]
    with bench_on(kind, tmp_path, CRM, find_by=["email"], soft=soft, max_lock=0.5) as slow:
        with pytest.raises(TargetDown) as caught:
            slow.plan("ada@x")
        assert caught.value.key == "target.too-slow"


@pytest.mark.parametrize("heard", [False, True], ids=["the message is lost", "the answer is lost"])
def test_a_wire_that_is_cut_leaves_all_or_nothing(bench: MysqlBench, heard: bool) -> None:
    url = bench.spec.address
    port = int(url.partition("@")[2].partition("/")[0].partition(":")[2] or 3306)
    with Cutter(port) as wire:
        far_url = f"mysql://root@127.0.0.1:{wire.port}/{url.rpartition('/')[2]}"
        far = replace(bench, target=open_target("crm", far_url, timedelta(seconds=5)))
        before, order = bench.dump(), bench.order("ada@x")
        wire.cut(0, heard=heard)
        outcome = far.run(order)
        total, after = wire.count, bench.dump()
        bench.restore(outcome)
        assert total > 30
        for at in sorted({*Random(total + heard).sample(range(1, total), 10), total}):
            attempt = replace(order, backup_id=new_backup_id())
            wire.cut(at, heard=heard)
            sealed = None
            try:
                sealed = far.run(attempt).backup
            except CountersignError as error:
                assert error.key != "operations.unclear", f"cut at {at} of {total}"
            wire.cut(0, heard=heard)
            if sealed is None:
                assert bench.dump() == before, f"cut at {at} of {total}"
            else:
                assert bench.dump() == after, f"cut at {at} of {total}"
                bench.restore(replace(outcome, backup=sealed))
                assert bench.dump() == before
