"""Each statement of a deletion and of a restore meets a kill, a deadlock, a lock, a timeout or a full disk, on each engine."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql
import pytest

from bot.errors import CountersignError
from bot.model.backups import SealedBackup
from bot.operations import restore
from bot.operations.gate import DeleteOutcome, RestoreOrder
from bot.texts import say
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, new_backup_id
from tests.fakes.servers import mysql_connect, mysql_url, oracle_url
from tests.fakes.statements import Fault, Statements, counted
from tests.unit.operations.link_bench import ENGINES, backups

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20), boss INTEGER REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), first INTEGER);
CREATE TABLE items (id INTEGER PRIMARY KEY, part INTEGER NOT NULL REFERENCES orders (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER, body VARCHAR(20));
CREATE TABLE sites (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id));
INSERT INTO customers VALUES (1, 'Ada', NULL), (2, 'Bob', 1), (3, 'Cy', NULL);
INSERT INTO orders VALUES (10, 1, 20), (11, 1, NULL), (12, 3, NULL);
INSERT INTO items VALUES (20, 10), (21, 11), (22, 12);
INSERT INTO notes VALUES (1, 1, 'a'), (2, 1, NULL), (3, 3, '');
INSERT INTO sites VALUES (1, 1), (2, 3), (3, 1);
"""
HOW: dict[str, Any] = {
    "table": "customers",
    "find_by": ["id"],
    "soft": [("notes.customer", "customers.id", None)],
    "policies": {"sites.customer -> customers.id": "reassign"},
    "max_lock": 10,
}
#: Every statement with every fault when asked for (``make kill-matrix``), else each 17th, one fault after the other.
EACH = 1 if os.environ.get("KILL_MATRIX") == "all" else 17
pytestmark = pytest.mark.timeout(3600 if EACH == 1 else 180)
#: COMMIT meets so many faults, before and after it is carried out.
EXTRA = 8 if EACH == 1 else 2


def of_mariadb(number: int, *, undo: bool = False) -> Fault:
    """The server's own error in place of the statement; ``undo``: it has rolled back everything, as it does then."""

    def fault(connection: Any, run: Callable[[str], object]) -> None:
        if undo:
            run("ROLLBACK")
        raise pymysql.OperationalError(number, "secret")

    return fault


def killed_on(server: Callable[[], str]) -> Fault:
    def fault(connection: Any, run: Callable[[str], object]) -> None:
        with closing(mysql_connect(server())) as admin, admin.cursor() as cursor, suppress(pymysql.Error):
            cursor.execute(f"KILL CONNECTION {connection.thread_id()}")

    return fault


def of_postgresql(code: str) -> Fault:
    def fault(connection: Any, run: Callable[[str], object]) -> None:
        run(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'; END $$")

    return fault


def killed_in_postgresql(connection: Any, run: Callable[[str], object]) -> None:
    run("SELECT pg_terminate_backend(pg_backend_pid())")


def of_sqlite(code: int, *, undo: bool = False) -> Fault:
    def fault(connection: Any, run: Callable[[str], object]) -> None:
        if undo and connection.in_transaction:
            run("ROLLBACK")
        error = sqlite3.OperationalError("secret")
        error.sqlite_errorcode = code
        raise error

    return fault


FAULTS: Mapping[str, Mapping[str, tuple[Fault, str]]] = {
    "mariadb": {
        "the connection is killed": (killed_on(mysql_url), "lost"),
        "the query is killed": (of_mariadb(1317), "cancelled"),
        "a lock is not given": (of_mariadb(1205), "locked"),
        "it loses a deadlock": (of_mariadb(1213, undo=True), "deadlock"),
        "somebody changed the row": (of_mariadb(1020, undo=True), "collided"),
        "it takes too long": (of_mariadb(1969), "too-slow"),
        "the server only reads now": (of_mariadb(1290), "only-reads"),
        "the disk is full": (of_mariadb(1114), "full"),
    },
    "mysql": {
        "the connection is killed": (killed_on(oracle_url), "lost"),
        "the query is killed": (of_mariadb(1317), "cancelled"),
        "a lock is not given": (of_mariadb(1205), "locked"),
        "it loses a deadlock": (of_mariadb(1213, undo=True), "deadlock"),
        "it takes too long": (of_mariadb(3024), "too-slow"),
        "the server only reads now": (of_mariadb(1290), "only-reads"),
        "the disk is full": (of_mariadb(1114), "full"),
    },
    "postgresql": {
        "the connection is killed": (killed_in_postgresql, "lost"),
        "a lock is not given": (of_postgresql("55P03"), "locked"),
        "it loses a deadlock": (of_postgresql("40P01"), "deadlock"),
        "somebody changed the row": (of_postgresql("40001"), "collided"),
        "it takes too long": (of_postgresql("57014"), "too-slow"),
        "the server only reads now": (of_postgresql("25006"), "only-reads"),
        "the disk is full": (of_postgresql("53100"), "full"),
    },
    "sqlite": {
        "a lock is not given": (of_sqlite(sqlite3.SQLITE_BUSY), "locked"),
        "it takes too long": (of_sqlite(sqlite3.SQLITE_INTERRUPT), "too-slow"),
        "the file only reads now": (of_sqlite(sqlite3.SQLITE_READONLY), "read-only"),
        "the disk is full": (of_sqlite(sqlite3.SQLITE_FULL, undo=True), "full"),
        "the disk fails": (of_sqlite(sqlite3.SQLITE_IOERR, undo=True), "disk"),
        "a page is damaged": (of_sqlite(sqlite3.SQLITE_CORRUPT), "damaged"),
    },
}


@dataclass(frozen=True)
class Place:
    bench: Bench
    statements: Statements
    kind: str

    def moments(self, total: int) -> Iterator[tuple[int, str, bool]]:
        """Which statement, which fault, and whether it comes after the statement has been carried out."""
        names = list(FAULTS[self.kind])
        if EACH == 1:
            for at in range(1, total + 1):
                for name in names:
                    yield at, name, False
                yield at, names[0], True
            return
        for at in range(1, total + 1, EACH):
            yield at, names[at // EACH % len(names)], bool(at // EACH % 5 == 0)

    def said(self, error: CountersignError, name: str, late: bool, where: str) -> None:
        """What a person reads."""
        wanted = {f"target.{FAULTS[self.kind][name][1]}", "target.unreachable"}
        if late or name == "the connection is killed":
            wanted |= {"target.lost"}
        assert error.key in wanted, where
        read_by_a_person(error)


def read_by_a_person(error: CountersignError) -> None:
    for language in ("en", "zh-CN"):
        sentence = say(error.key, language, **error.params)
        assert "secret" not in sentence
        assert not sentence.startswith(error.key.partition(".")[0] + ".")


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ENGINES[request.param](tmp_path, SCHEMA, **HOW) as bench, counted(request.param) as statements:
        yield Place(bench, statements, request.param)


def test_a_deletion_that_fails_at_any_statement_is_all_or_nothing(place: Place) -> None:
    bench, statements = place.bench, place.statements
    order, before = bench.order("1", heir="3"), bench.dump()
    statements.strike(0, None)
    gone = bench.run(order)
    sent, after = list(statements.seen), bench.dump()
    bench.restore(gone)
    total = len(sent)
    last = 1 + sent.index("COMMIT")
    extra = [(last, name, late) for name in [*FAULTS[place.kind]][:EXTRA] for late in (False, True)]
    for at, name, late in (*place.moments(total), *extra):
        attempt, where = (
            replace(order, backup_id=new_backup_id()),
            f"{name} {at}/{total} {late}: {sent[at - 1]}",
        )
        statements.strike(at, FAULTS[place.kind][name][0], late=late)
        sealed: SealedBackup | None = None
        try:
            outcome = bench.run(attempt)
            sealed = outcome.backup
        except CountersignError as error:
            place.said(error, name, late, where)
        statements.strike(0, None)
        if sealed is None:
            assert at <= last, where
            assert bench.dump() == before, where
            assert [one for one in backups(bench) if attempt.backup_id in one] == [], where
        else:
            assert at >= last, where
            assert bench.dump() == after, where
            bench.restore(replace(gone, backup=sealed))
            assert bench.dump() == before, where
    assert total > 20


def test_a_restore_that_fails_at_any_statement_is_all_or_nothing(place: Place) -> None:
    bench, statements = place.bench, place.statements
    before = bench.dump()
    gone, after = bench.delete("1", heir="3"), bench.dump()
    whole = order_of(bench, gone)
    statements.strike(0, None)
    restore.run(whole, bench.target, bench.vault, RecordingGate())
    sent = list(statements.seen)
    total = len(sent)
    last = 1 + sent.index("COMMIT")
    gone = bench.delete("1", heir="3")
    extra = [(last, name, late) for name in [*FAULTS[place.kind]][:EXTRA] for late in (False, True)]
    for at, name, late in (*place.moments(total), *extra):
        order, where = order_of(bench, gone), f"{name} {at}/{total} {late}: {sent[at - 1]}"
        statements.strike(at, FAULTS[place.kind][name][0], late=late)
        came = True
        try:
            restore.run(order, bench.target, bench.vault, RecordingGate())
        except CountersignError as error:
            came = False
            place.said(error, name, late, where)
        statements.strike(0, None)
        assert bench.dump() == (before if came else after), where
        if came:
            assert at >= last, where
            gone = bench.delete("1", heir="3")
            assert bench.dump() == after
    assert total > 20


def order_of(bench: Bench, gone: DeleteOutcome) -> RestoreOrder:
    plan, _ = bench.plan_restore(gone)
    return RestoreOrder(plan, gone.backup.backup_id, gone.backup.sha256, HASH_KEY)
