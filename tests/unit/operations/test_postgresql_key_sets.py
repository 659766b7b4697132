"""Key sets on PostgreSQL hold every row once, by however many links it is reached, and in whatever order."""

from pathlib import Path

from tests.fakes.operations import postgresql_bench

# Notes hang off customers twice, off themselves, and off visits by a tag that several visits share.
SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40), name VARCHAR(40));
CREATE TABLE visits (id INTEGER PRIMARY KEY, tag TEXT, customer INTEGER REFERENCES customers ON DELETE CASCADE);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, tag TEXT,
    customer INTEGER REFERENCES customers ON DELETE CASCADE,
    author INTEGER REFERENCES customers ON DELETE CASCADE,
    answers INTEGER REFERENCES notes ON DELETE CASCADE);
CREATE TABLE papers (id INTEGER PRIMARY KEY, tag TEXT);
INSERT INTO customers VALUES (1, 'a@x', 'Ada'), (2, 'b@x', 'Bob');
INSERT INTO visits VALUES (1, 'x', 1), (2, 'x', 1), (3, 'y', 2);
INSERT INTO notes VALUES (1, 'x', 1, 1, NULL), (2, NULL, 2, 1, NULL), (3, 'x', 1, NULL, 1), (4, 'x', 2, 2, 3),
    (5, 'y', 2, 2, NULL), (6, 'x', NULL, NULL, NULL);
INSERT INTO papers VALUES (1, 'x'), (2, 'y');
"""
SOFT = [(f"{table}.tag", "visits.tag", None) for table in ("notes", "papers")]


def test_rows_that_are_reached_several_times_count_once(tmp_path: Path) -> None:
    with postgresql_bench(tmp_path, SCHEMA, label="{name}", soft=SOFT) as bench:
        before = bench.dump()
        done = bench.delete("1")
        assert done.rows == {"customers": 1, "visits": 2, "notes": 5, "papers": 1}
        assert bench.ask("SELECT id FROM notes") == [(5,)]
        bench.restore(done)
        assert bench.dump() == before
