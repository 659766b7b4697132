"""What only MySQL can do to a deletion: engines that are not counted, values of JSON, indexes over formulas."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import CountersignError, TargetDown
from bot.targets import open_target
from bot.texts import say
from tests.fakes.operations import MysqlBench, RecordingGate, bench_on, new_backup_id, oracle_bench
from tests.fakes.servers import SERVERS, mysql_connect

SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40) UNIQUE, name TEXT);
CREATE TABLE deals (id INT PRIMARY KEY, customer INT NOT NULL, FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, text TEXT) ENGINE=MyISAM;
INSERT INTO customers VALUES (1, 'ada@x', 'Ada'), (2, 'bob@x', 'Bob');
INSERT INTO deals VALUES (1, 1), (2, 1), (3, 2)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[MysqlBench]:
    with oracle_bench(tmp_path, SCHEMA, find_by=["id"], max_lock=5) as made:
        yield made


def refused(bench: MysqlBench, act: Callable[[], object], key: str) -> None:
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, caught.value.params
    assert bench.dump() == before
    assert [name for name in bench.storage.list() if not name.endswith(".shredded.txt")] == []


TRIGGERS = {
    "deletes nothing there": "DELETE FROM log WHERE id = 404",
    "reads and writes by a procedure": "CALL noting()",
    "writes a number of its own": "REPLACE INTO log (id) SELECT 404 FROM customers WHERE id = 404",
}


@pytest.mark.parametrize("what", TRIGGERS.values(), ids=TRIGGERS.keys())
def test_a_trigger_that_may_have_written_where_nobody_counts_stops_it(bench: MysqlBench, what: str) -> None:
    """What lands in a table of MyISAM could not be undone: it lands nowhere, so that the rows can be compared."""
    bench.sql("CREATE PROCEDURE noting() UPDATE log SET text = 'x' WHERE id = 404")
    bench.sql(f"CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW {what}")
    refused(bench, lambda: bench.delete("1"), "operations.others-changed")
    # Without such a table, there is nothing to miss.
    bench.sql("ALTER TABLE log ENGINE=InnoDB")
    before, gone = bench.dump(), bench.delete("1")
    assert bench.restore(gone).problem is None
    assert bench.dump() == before


def test_rows_that_another_engine_has_taken_in_are_told(bench: MysqlBench) -> None:
    bench.sql("CREATE TRIGGER t AFTER DELETE ON deals FOR EACH ROW INSERT INTO log (text) VALUES ('x')")
    with pytest.raises(CountersignError) as caught:
        bench.delete("1")
    assert caught.value.key == "operations.others-changed"
    assert bench.ask("SELECT COUNT(*) FROM deals") == [(3,)]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("where", ["in the database", "in the restore"])
def test_a_statement_that_writes_is_ended_in_time(kind: str, where: str, tmp_path: Path) -> None:
    """MySQL itself would wait: it ends SELECT alone."""
    with bench_on(kind, tmp_path, SCHEMA, find_by=["id"], max_lock=1) as bench:
        gone = bench.delete("2")
        event = "DELETE" if where == "in the database" else "INSERT"
        bench.sql(f"CREATE TRIGGER t BEFORE {event} ON deals FOR EACH ROW DO SLEEP(20)")
        before, began = bench.dump(), time.monotonic()
        with pytest.raises(TargetDown) as caught:
            bench.delete("1") if where == "in the database" else bench.restore(gone)
        assert caught.value.key == "target.too-slow"
        assert time.monotonic() - began < 15
        # Nobody waits for it any more.
        bench.sql("DROP TRIGGER t")
        assert bench.dump() == before


def test_somebody_who_keeps_the_servers_list_old_stops_it_and_is_told(bench: MysqlBench) -> None:
    over, order = threading.Event(), bench.order("1")

    def look() -> None:
        with closing(mysql_connect(bench.spec.address)) as connection, connection.cursor() as cursor:
            while not over.wait(0.01):
                cursor.execute("SELECT COUNT(*) FROM information_schema.INNODB_TRX")

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for one in lookers:
        one.start()
    try:
        refused(bench, lambda: bench.run(order, RecordingGate()), "target.not-counted")
    finally:
        over.set()
        for one in lookers:
            one.join(30)
    assert bench.run(replace(order, backup_id=new_backup_id())).problem is None


def test_a_statement_with_an_emoji_hides_the_list_for_a_while(bench: MysqlBench) -> None:
    """The server cannot print it, and then prints nothing at all to anybody."""
    running = threading.Event()

    def shout() -> None:
        with closing(mysql_connect(bench.spec.address)) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE log SET text = 'x'")
            cursor.execute("SELECT COUNT(*) FROM customers WHERE id = 2 FOR UPDATE")
            running.set()
            cursor.execute("SELECT '😀', SLEEP(1.5), id FROM customers WHERE id = 2")

    order, thread = bench.order("1"), threading.Thread(target=shout)
    thread.start()
    assert running.wait(10)
    time.sleep(0.2)
    with bench.target.reading() as session:
        session.holders(["customers"])
    assert bench.run(order).problem is None
    thread.join(30)


def test_several_who_count_at_once_do_not_keep_each_other_from_it(tmp_path: Path) -> None:
    told: list[object] = []

    def count(url: str) -> None:
        target = open_target("crm", url, timedelta(seconds=30))
        with target.writing() as session:
            session.prepare(["customers"], [])
            session.seed("customers", [("1",)])
            before = [session.changes() for _ in range(3)]
            session.delete(["customers"])
            told.append((len(set(before)), session.changes() - before[0]))

    with ExitStack() as stack:
        schema = "CREATE TABLE customers (id INT PRIMARY KEY);\nINSERT INTO customers VALUES (1)"
        urls = [stack.enter_context(oracle_bench(tmp_path, schema)).spec.address for _ in range(3)]
        threads = [threading.Thread(target=count, args=(url,)) for url in urls]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
    assert told == [(1, 1)] * 3


@contextmanager
def globally(bench: MysqlBench, name: str, value: str) -> Iterator[None]:
    bench.sql(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        bench.sql(f"SET GLOBAL {name} = DEFAULT")


SERVERS_OF_OTHERS = {
    "every table must have a primary key": ("sql_require_primary_key", "ON"),
    "it makes primary keys of its own": ("sql_generate_invisible_primary_key", "ON"),
    "it hides primary keys of its own": ("show_gipk_in_create_table_and_information_schema", "OFF"),
    "backslashes are letters": (
        "sql_mode",
        "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
    ),
    "big joins are forbidden": ("max_join_size", "1"),
}


@pytest.mark.parametrize(("name", "value"), SERVERS_OF_OTHERS.values(), ids=SERVERS_OF_OTHERS.keys())
def test_a_server_that_is_set_up_in_another_way(bench: MysqlBench, name: str, value: str) -> None:
    bench.sql(
        "SET sql_generate_invisible_primary_key = ON, sql_mode = 'ALLOW_INVALID_DATES';\n"
        "CREATE TABLE loose (customer INT, at DATE, text VARCHAR(20), FOREIGN KEY (customer) REFERENCES customers (id));\n"
        "INSERT INTO loose VALUES (1, '0000-00-00', 'a\\\\''\"'), (1, '2026-02-31', 'b'), (2, NULL, NULL)"
    )
    before = bench.dump()
    with globally(bench, name, value):
        gone = bench.delete("1")
        assert gone.rows == {"customers": 1, "deals": 2, "loose": 2}
        assert bench.restore(gone).problem is None
    assert bench.dump() == before


def test_a_key_over_a_formula_and_an_index_that_is_not_looked_at(tmp_path: Path) -> None:
    schema = """
    CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40), code INT, UNIQUE KEY low ((LOWER(email))), UNIQUE KEY (code) INVISIBLE);
    CREATE TABLE deals (id INT PRIMARY KEY, customer INT, tags JSON, FOREIGN KEY (customer) REFERENCES customers (id), INDEX ((CAST(tags AS UNSIGNED ARRAY))));
    CREATE TABLE half (a INT NOT NULL, b INT, t TEXT, UNIQUE KEY ((a + 1)), FOREIGN KEY (b) REFERENCES customers (id));
    INSERT INTO customers VALUES (1, 'Ada@x', 7), (2, 'bob@x', 8);
    INSERT INTO deals VALUES (1, 1, '[3, 4]'), (2, 2, '[3]');
    INSERT INTO half VALUES (1, 2, 'x')
    """
    with oracle_bench(tmp_path, schema, find_by=["email"]) as bench:
        before, gone = bench.dump(), bench.delete("Ada@x")
        assert gone.rows == {"customers": 1, "deals": 1}
        assert bench.restore(gone).problem is None
        assert bench.dump() == before
        # A formula tells no row from another.
        with pytest.raises(CountersignError) as caught:
            bench.plan("bob@x")
        assert caught.value.key == "operations.no-key"


def test_a_value_of_json_that_no_text_has_is_refused_before_anything_goes(tmp_path: Path) -> None:
    """A date inside JSON prints like a text, and would come back as one; a decimal comes back as a double."""
    schema = """
    CREATE TABLE customers (id INT PRIMARY KEY, doc JSON);
    INSERT INTO customers VALUES (1, JSON_OBJECT('at', CAST('2026-02-03' AS DATE))), (2, JSON_ARRAY(CAST(1.10 AS DECIMAL(4, 2)))), (3, CAST(X'00ff' AS JSON)), (4, '{"at": "2026-02-03", "n": 1.1, "zwölf": [true, -0.0, 18446744073709551615, 1e-7]}')
    """
    with oracle_bench(tmp_path, schema, find_by=["id"]) as bench:
        before = bench.dump()
        for who in ("1", "2", "3"):
            with pytest.raises(CountersignError) as caught:
                bench.delete(who)
            assert caught.value.key == "target.json", (who, caught.value.key)
            assert "UPDATE `cs_test" in say(caught.value.key, "zh-CN", **caught.value.params)
            assert bench.dump() == before
        bench.sql("UPDATE customers SET doc = JSON_SET(doc, '$.at', 'x') WHERE id = 4")
        before, gone = bench.dump(), bench.delete("4")
        assert bench.restore(gone).problem is None
        assert bench.dump() == before
