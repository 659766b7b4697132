"""Keys that only the column's own comparison takes for the same: rows that go through such a link come back through it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.model.choices import RestoreChoice
from bot.targets.sqlite_catalogue import collations
from tests.fakes.operations import Bench, bench_on, make_bench, postgresql_bench

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40) NOT NULL);
CREATE TABLE shop (code {ci} NOT NULL, spot {ci} NOT NULL, customer_id INTEGER REFERENCES customers (id), PRIMARY KEY (code, spot));
CREATE TABLE sale (id INTEGER PRIMARY KEY, code {bare}, spot {bare}, FOREIGN KEY (code, spot) REFERENCES shop (code, spot));
CREATE TABLE label (id INTEGER PRIMARY KEY, shop {bare}, body VARCHAR(20));
CREATE TABLE brand (code {ci} PRIMARY KEY, customer_id INTEGER REFERENCES customers (id));
INSERT INTO customers VALUES (1, 'ada@x'), (2, 'cy@x');
INSERT INTO shop VALUES ('North', 'a1', 1), ('South', 'B2', 2);
INSERT INTO sale VALUES (1, 'NORTH', 'A1'), (2, 'north', 'a1'), (3, 'SOUTH', 'b2'), (4, NULL, 'zz');
INSERT INTO brand VALUES ('Acme', 1), ('Best', 2);
INSERT INTO label VALUES (1, 'ACME', 'x'), (2, 'acme', 'y'), (3, 'best', 'z'), (4, NULL, 'w');
"""
SOFT = [("label.shop", "brand.code", None)]


@contextmanager
def _sqlite(folder: Path) -> Iterator[Bench]:
    yield make_bench(folder, SCHEMA.format(ci="TEXT COLLATE NOCASE", bare="TEXT"), soft=SOFT)


def _postgresql(folder: Path) -> AbstractContextManager[Bench]:
    made = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    kind = "varchar(20) COLLATE ci"
    return postgresql_bench(folder, made + SCHEMA.format(ci=kind, bare=kind), soft=SOFT)


def _mysql(server: str, folder: Path) -> AbstractContextManager[Bench]:
    kind = "varchar(20) COLLATE utf8mb4_general_ci"
    return bench_on(server, folder, SCHEMA.format(ci=kind, bare=kind).strip(), soft=SOFT)


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": partial(_mysql, "mariadb"),
    "mysql": partial(_mysql, "mysql"),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_went_through_such_a_link_comes_back(tmp_path: Path, engine: str) -> None:
    with ENGINES[engine](tmp_path) as bench:
        before = bench.dump()
        done = bench.delete("1")
        assert done.rows == {"customers": 1, "shop": 1, "sale": 2, "brand": 1, "label": 2}
        bench.restore(done)
        assert bench.dump() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_a_part_of_a_backup_has_what_hangs_off_it_through_such_a_link(tmp_path: Path, engine: str) -> None:
    with ENGINES[engine](tmp_path) as bench:
        before = bench.dump()
        done = bench.delete("1", "2")
        assert done.rows == {"customers": 2, "shop": 2, "sale": 3, "brand": 2, "label": 3}
        bench.choose(done.backup, RestoreChoice(only=("1",)))
        assert (
            sum(len(rows) for rows in before.values()) - sum(len(rows) for rows in bench.dump().values()) == 5
        )
        bench.choose(done.backup, RestoreChoice(only=("2",)))
        assert bench.dump() == before


def test_how_a_column_compares_is_read_from_the_file() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            'CREATE TABLE t ("A b" TEXT COLLATE nocase, r COLLATE RTRIM, p TEXT COLLATE BINARY, n INTEGER, plain)'
        )
        found = collations(connection, "t", ["A b", "r", "p", "n", "plain"])
    assert found == {"A b": "NOCASE", "r": "RTRIM"}
