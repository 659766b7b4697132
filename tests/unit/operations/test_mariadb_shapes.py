"""Schemas that only MariaDB and MySQL can have: deleted, restored, and every byte as it was."""

from pathlib import Path

import pytest

from bot.errors import CountersignError
from bot.model.choices import Mode, RestoreChoice
from bot.operations import restore
from bot.texts import say
from tests.fakes.operations import RecordingGate, bench_on
from tests.fakes.servers import SERVERS

both = pytest.mark.parametrize("kind", SERVERS)
NAMES = ["id", "at.id", "t.", "c.t.p.", "p.`t.", "k.r", "100%", "%s"]


@pytest.mark.parametrize(
    ("kind", "name"), [*(("mariadb", name) for name in NAMES), *(("mysql", name) for name in NAMES[4:7])]
)
def test_a_column_may_be_called_like_a_piece_of_our_statements(kind: str, tmp_path: Path, name: str) -> None:
    """Rows below themselves, row by row and in a circle, under names that look like ours."""
    key = f"`{name.replace('`', '``')}`"
    schema = f"""
    CREATE TABLE customers ({key} INT PRIMARY KEY, boss INT, name TEXT, FOREIGN KEY (boss) REFERENCES customers ({key}) ON DELETE CASCADE);
    INSERT INTO customers VALUES (1, NULL, 'a'), (4, NULL, 'd');
    INSERT INTO customers VALUES (2, 1, 'b'), (3, 3, 'c'), (5, 4, 'e');
    UPDATE customers SET boss = 2 WHERE {key} = 1
    """
    with bench_on(kind, tmp_path, schema, find_by=[name], label="{name}") as bench:
        before = bench.dump()
        for who, rows in (("1", 2), ("3", 1), ("4", 2)):
            outcome = bench.delete(who)
            assert (outcome.problem, outcome.rows) == (None, {"customers": rows})
            assert bench.restore(outcome).problem is None
            assert bench.dump() == before


FOLLOWED = """
CREATE TABLE customers (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE);
CREATE TABLE a (id INT PRIMARY KEY, ref VARCHAR(9) UNIQUE, FOREIGN KEY (ref) REFERENCES customers (code) ON DELETE SET NULL);
CREATE TABLE b (id INT PRIMARY KEY, ref VARCHAR(9), FOREIGN KEY (ref) REFERENCES a (ref) ON UPDATE {rule});
INSERT INTO customers VALUES (1, 'x'), (2, 'y'), (3, 'z');
INSERT INTO a VALUES (1, 'x'), (2, 'y'), (3, 'z');
INSERT INTO b VALUES (1, 'x'), (2, 'y'), (3, 'x')
"""


@both
@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("CASCADE", "operations.others-changed"),
        ("SET NULL", "operations.others-changed"),
        ("RESTRICT", "target.constraint"),
    ],
)
@pytest.mark.parametrize("policy", ["nullify", "reassign"])
def test_rows_that_would_follow_an_emptied_or_moved_link_stop_it(
    kind: str, tmp_path: Path, rule: str, key: str, policy: str
) -> None:
    """InnoDB would change them in silence: in no counter, in no backup."""
    how = {"find_by": ["id"], "policies": {"a.ref -> customers.code": policy}}
    with bench_on(kind, tmp_path, FOLLOWED.format(rule=rule), **how) as bench:
        heir = "2" if policy == "reassign" else None
        if heir:
            bench.sql("DELETE FROM b WHERE id = 2;\nDELETE FROM a WHERE id = 2")
        before = bench.dump()
        with pytest.raises(CountersignError) as refused:
            bench.delete("1", heir=heir)
        assert refused.value.key == key
        assert bench.dump() == before
        # Where nobody follows, it goes and comes back.
        outcome = bench.delete("3", heir=heir)
        assert bench.restore(outcome).problem is None
        assert bench.dump() == before


@both
@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL"])
def test_rows_that_would_follow_an_overwritten_one_stop_it(kind: str, tmp_path: Path, rule: str) -> None:
    schema = f"""
    CREATE TABLE customers (id INT PRIMARY KEY, code VARCHAR(9) UNIQUE, name VARCHAR(9));
    CREATE TABLE notes (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id));
    CREATE TABLE a (id INT PRIMARY KEY, code VARCHAR(9), FOREIGN KEY (code) REFERENCES customers (code) ON UPDATE {rule} ON DELETE SET NULL);
    INSERT INTO customers VALUES (1, 'x', 'Ada');
    INSERT INTO notes VALUES (1, 1)
    """
    with bench_on(kind, tmp_path, schema, find_by=["id"]) as bench:
        outcome = bench.delete("1")
        bench.sql("INSERT INTO customers VALUES (1, 'y', 'Eve');\nINSERT INTO a VALUES (1, 'y')")
        before = bench.dump()
        order = bench.order_restore(outcome.backup, RestoreChoice(mode=Mode.OVERWRITE))
        with pytest.raises(CountersignError) as refused:
            restore.run(order, bench.target, bench.vault, RecordingGate())
        assert refused.value.key == "restore.others-changed"
        assert bench.dump() == before
        # Nobody points at what changes: the name alone is overwritten.
        bench.sql("UPDATE a SET code = NULL;\nUPDATE customers SET code = 'x'")
        order = bench.order_restore(outcome.backup, RestoreChoice(mode=Mode.OVERWRITE))
        restore.run(order, bench.target, bench.vault, RecordingGate())
        assert bench.ask("SELECT name FROM customers") == [("Ada",)]


RENEWED = """
CREATE TABLE customers (id INT PRIMARY KEY, head INT, t TIMESTAMP(6) NOT NULL DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(6));
CREATE TABLE a (id INT PRIMARY KEY, c INT, t TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, d DATETIME(3) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(3), FOREIGN KEY (c) REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE heads (id INT PRIMARY KEY, c INT NOT NULL, FOREIGN KEY (c) REFERENCES customers (id));
INSERT INTO customers (id, t) VALUES (1, '2020-01-01'), (2, '2020-01-01');
INSERT INTO a VALUES (1, 1, '2020-01-01', '2020-01-01'), (2, 2, NULL, NULL), (3, 1, NULL, NULL);
INSERT INTO heads VALUES (1, 1);
ALTER TABLE customers ADD FOREIGN KEY (head) REFERENCES heads (id);
UPDATE customers SET head = 1, t = '2020-01-01' WHERE id = 1
"""


@both
def test_moments_that_the_server_renews_stay_what_they_were(kind: str, tmp_path: Path) -> None:
    """In rows whose link is emptied and filled again, and in rows that come back in a circle."""
    with bench_on(kind, tmp_path, RENEWED, find_by=["id"]) as bench:
        before, moments = bench.dump(), bench.ask("SELECT id, t, d FROM a ORDER BY id")
        outcome = bench.delete("1")
        assert bench.ask("SELECT id, t, d FROM a ORDER BY id") == moments
        assert bench.restore(outcome).problem is None
        assert bench.dump() == before


COMPUTED = {
    "the child's side": """
    CREATE TABLE customers (id INT PRIMARY KEY);
    CREATE TABLE a (id INT PRIMARY KEY, raw INT, c INT AS (raw DIV 10) STORED, FOREIGN KEY (c) REFERENCES customers (id));
    INSERT INTO customers VALUES (1);
    INSERT INTO a (id, raw) VALUES (1, 10)
    """,
    "the parent's side": """
    CREATE TABLE customers (id INT PRIMARY KEY, twice INT AS (id * 2) STORED UNIQUE);
    CREATE TABLE a (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES customers (twice));
    INSERT INTO customers (id) VALUES (1);
    INSERT INTO a VALUES (1, 2)
    """,
}


@both
@pytest.mark.parametrize("schema", COMPUTED.values(), ids=COMPUTED.keys())
def test_a_link_through_a_computed_column_is_refused_before_anything_is_deleted(
    kind: str, tmp_path: Path, schema: str
) -> None:
    """A backup holds no such column, so a restore could not join the rows again."""
    with bench_on(kind, tmp_path, schema, find_by=["id"]) as bench:
        with pytest.raises(CountersignError) as refused:
            bench.plan("1")
        assert refused.value.key == "operations.computed-link"
        assert say(refused.value.key, "zh-CN", **refused.value.params)


@both
def test_a_small_deletion_reads_no_other_customers_rows(kind: str, tmp_path: Path) -> None:
    """What is held while rows go is a matter of what goes, not of how large the tables are."""
    schema = """
    CREATE TABLE customers (id INT PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INT PRIMARY KEY, c INT NOT NULL, body TEXT, FOREIGN KEY (c) REFERENCES customers (id));
    CREATE TABLE ten (i INT);
    INSERT INTO ten VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
    CREATE VIEW many AS SELECT a.i + 10 * b.i + 100 * c.i + 1000 * d.i AS i FROM ten a, ten b, ten c, ten d;
    INSERT INTO customers SELECT i + 1, i FROM many WHERE i < 200;
    INSERT INTO orders SELECT i, i % 200 + 1, 'x' FROM many;
    INSERT INTO orders SELECT i + 10000, i % 200 + 1, 'x' FROM many
    """
    with bench_on(kind, tmp_path, schema, find_by=["id"]) as bench:
        order = bench.order("7")
        counter = {"mariadb": "Rows_read", "mysql": "Innodb_rows_read"}[kind]
        before = int(bench.ask(f"SHOW GLOBAL STATUS LIKE '{counter}'")[0][1])
        outcome = bench.run(order)
        read = int(bench.ask(f"SHOW GLOBAL STATUS LIKE '{counter}'")[0][1]) - before
        assert outcome.rows == {"customers": 1, "orders": 100}
        assert read < 20_000
        assert bench.restore(outcome).problem is None


@pytest.mark.parametrize(
    ("kind", "wide"), [("mariadb", "LONGBLOB"), ("mariadb", "LONGTEXT"), ("mysql", "LONGTEXT")]
)
def test_a_row_larger_than_a_packet_is_refused_before_anything_is_copied(
    kind: str, tmp_path: Path, wide: str
) -> None:
    """HEX of it would be NULL, without an error: the backup would hold nothing, and equal itself."""
    schema = f"""
    CREATE TABLE customers (id INT PRIMARY KEY);
    CREATE TABLE files (id INT PRIMARY KEY, c INT, body {wide}, FOREIGN KEY (c) REFERENCES customers (id));
    INSERT INTO customers VALUES (1), (2);
    INSERT INTO files VALUES (1, 1, 'small'), (2, 2, 'small')
    """
    with bench_on(kind, tmp_path, schema, find_by=["id"]) as bench:
        packet = int(bench.ask("SELECT @@max_allowed_packet")[0][0])
        order = bench.order("1")
        bench.sql(f"UPDATE files SET body = REPEAT('x', {packet // 2 + 1}) WHERE c = 1")
        for act in (lambda: bench.run(order), lambda: bench.plan("1")):
            with pytest.raises(CountersignError) as refused:
                act()
            assert refused.value.key == "target.too-large"
            assert "max_allowed_packet" in say(refused.value.key, "zh-CN", **refused.value.params)
        assert bench.ask("SELECT COUNT(*) FROM files") == [(2,)]
        # What just fits goes and comes back.
        bench.sql(f"UPDATE files SET body = REPEAT('x', {packet // 2 - 200_000}) WHERE c = 1")
        before = bench.ask("SELECT id, CRC32(body) FROM files ORDER BY id")
        assert bench.restore(bench.delete("1")).problem is None
        assert bench.ask("SELECT id, CRC32(body) FROM files ORDER BY id") == before
