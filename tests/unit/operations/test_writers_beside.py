"""Others insert, change, move and delete rows all the time: each write that the server took is there or in the backup."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pymysql
import pytest

from bot.errors import TargetDown
from bot.operations.gate import DeleteOutcome, Drifted
from tests.fakes.operations import Bench
from tests.fakes.servers import mysql_connect
from tests.unit.operations.link_bench import ENGINES

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40) UNIQUE, n INTEGER);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, n INTEGER);
CREATE TABLE items (id INTEGER PRIMARY KEY, part INTEGER REFERENCES orders (id) ON DELETE CASCADE, n INTEGER);
CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id) ON DELETE SET NULL, n INTEGER);
CREATE TABLE notes (id INTEGER PRIMARY KEY, subject INTEGER, n INTEGER);
INSERT INTO customers VALUES (1, 'ada@x', 0), (2, 'bob@x', 0), (3, 'cy@x', 0);
INSERT INTO orders VALUES (1, 1, 0), (2, 1, 0), (3, 2, 0), (4, 3, 0);
INSERT INTO items VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0);
INSERT INTO visits VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0);
INSERT INTO notes VALUES (1, 1, 0), (2, 2, 0), (3, 1, 0);
"""
HOW: dict[str, Any] = {
    "table": "customers",
    "find_by": ["id"],
    "label": None,
    "soft": [("notes.subject", "customers.id", None)],
    "policies": {},
    "max_lock": 20,
}
TABLES = ("customers", "orders", "items", "visits", "notes")
#: How often somebody is deleted: enough to see that it works, and many times with ``make kill-matrix``.
RUNS = 200 if os.environ.get("KILL_MATRIX") == "all" else 6
WRITERS = 2
pytestmark = pytest.mark.timeout(3600 if RUNS > 100 else 180)
Row = tuple[Any, ...]


@dataclass
class Crowd:
    """Writers that each own some of the rows, and remember what the server took from them."""

    bench: Bench
    kind: str
    rows: dict[tuple[str, int], Row | None] = field(default_factory=dict)
    open: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    outside: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    taken: int = 0

    def live(self) -> dict[tuple[str, int], Row]:
        return {
            (table, int(row[0])): tuple(row)
            for table in TABLES
            for row in self.bench.ask(f"SELECT * FROM {table}")
        }

    def write(self, number: int) -> None:
        """One writer, whose rows have a key that is ``number`` modulo the writers."""
        random, upcoming = Random(number), 1000
        with closing(self._connection()) as connection, closing(connection.cursor()) as cursor:
            patience = "innodb_lock_wait_timeout = 2" if self.kind != "postgresql" else "lock_timeout = '2s'"
            cursor.execute(f"SET {patience}")
            while not self.over.is_set():
                if not self.open.is_set():
                    self.outside.release()
                    self.open.wait(60)
                    continue
                upcoming += WRITERS
                key, row, statement = self._change(random, number, upcoming + number)
                try:
                    cursor.execute(statement)
                except (pymysql.Error, psycopg.Error):
                    # Somebody else has the row, or its parent is gone: nothing was taken.
                    continue
                if cursor.rowcount == 1:
                    self.rows[key] = row
                    self.taken += 1
                # Not as fast as possible: then every plan would be outdated.
                time.sleep(random.random() / 10)

    def _change(self, random: Random, number: int, key: int) -> tuple[tuple[str, int], Row | None, str]:
        table, n = random.choice(TABLES), random.randrange(10**6)
        above = random.choice([1, 2, 3])
        mine = [
            one
            for one, row in list(self.rows.items())
            if row and one[0] == table and one[1] % WRITERS == number
        ]
        what = random.choice(["insert", "update", "update", "move", "delete"])
        if table != "customers" and (what == "insert" or not mine):
            return (table, key), (key, above, n), f"INSERT INTO {table} VALUES ({key}, {above}, {n})"
        if not mine:
            return (table, key), None, f"DELETE FROM {table} WHERE id = {key}"
        where = random.choice(mine)
        row = self.rows[where] or ()
        if what == "delete" and table in ("items", "visits", "notes"):
            return where, None, f"DELETE FROM {table} WHERE id = {where[1]}"
        if what == "move" and table in ("orders", "notes"):
            column = "subject" if table == "notes" else "customer"
            moved = f"UPDATE {table} SET {column} = {above}, n = {n} WHERE id = {where[1]}"
            return where, (where[1], above, n), moved
        return where, (*row[:2], n), f"UPDATE {table} SET n = {n} WHERE id = {where[1]}"

    def _connection(self) -> Any:
        url = self.bench.spec.address
        return mysql_connect(url) if self.kind != "postgresql" else psycopg.connect(url, autocommit=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """They write inside, and stand still afterwards."""
        while self.outside.acquire(blocking=False):
            pass
        self.open.set()
        try:
            yield
        finally:
            self.open.clear()
            for _ in range(WRITERS):
                assert self.outside.acquire(timeout=60)


@pytest.fixture(params=["postgresql", "mariadb", "mysql"])
def crowd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crowd]:
    with ENGINES[request.param](tmp_path, SCHEMA, **HOW) as bench:
        made = Crowd(bench, request.param)
        made.rows = dict(made.live())
        threads = [threading.Thread(target=made.write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            made.over.set()
            made.open.set()
            for thread in threads:
                thread.join(60)


def test_no_write_that_the_server_took_is_lost(crowd: Crowd) -> None:
    gone, number = 0, 0
    while number < RUNS or gone < 2:
        number += 1
        assert number < RUNS + 100
        order = crowd.bench.order(str(number % 3 + 1), allowance=1000)
        outcome: DeleteOutcome | None = None
        # A link that is emptied has no allowance; and the server may choose us to give way.
        with crowd.writing(), suppress(Drifted, TargetDown):
            outcome = crowd.bench.run(order)
        if outcome is not None:
            gone += 1
            assert crowd.bench.restore(outcome).problem is None
        assert crowd.live() == {key: row for key, row in crowd.rows.items() if row is not None}, number
    assert crowd.taken
