"""A database that is asked for a yes: on every engine nothing but one true value is one, and nothing changes."""

import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInput
from bot.targets.assertions import SqlCheck, verdict
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database

SCHEMA = (
    "CREATE TABLE orders (id integer)",
    "INSERT INTO orders VALUES (1)",
    "INSERT INTO orders VALUES (2)",
)
#: What is asked, and whether it is a yes: the same on every engine.
ASKED = (
    ("SELECT count(*) > 0 FROM orders", True),
    ("SELECT count(*) > 0 FROM orders;  ", True),
    ("SELECT 1 -- with a comment at its end", True),
    ("WITH found AS (SELECT id FROM orders WHERE id = 1) SELECT id FROM found", True),
    ("SELECT count(*) > 5 FROM orders", False),
    ("SELECT NULL", False),
    ("SELECT 2", False),
    ("SELECT '1'", False),
    ("SELECT 'true'", False),
    ("SELECT 1.5", False),
    ("SELECT 1, 1", False),
    ("SELECT id FROM orders WHERE id > 7", False),
    ("SELECT 1 FROM orders", False),
    ("SELECT nothing FROM orders", False),
    ("not even SQL", False),
    ("DELETE FROM orders", False),
    ("DELETE FROM orders RETURNING 1", False),
    ("INSERT INTO orders VALUES (3)", False),
    ("DROP TABLE orders", False),
    ("SELECT 1) AS a; DELETE FROM orders; SELECT (1", False),
    ("SELECT 1) AS a; COMMIT; DELETE FROM orders; --", False),
    ("COMMIT", False),
)
SLOW = {
    "postgresql": "SELECT 1 FROM pg_sleep(30)",
    "mariadb": "SELECT sleep(30) = 0",
    # It ends a sleep that takes too long with a yes.
    "mysql": "SELECT sleep(30)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}
#: A SELECT that would write if it could.
SLY = {
    "postgresql": (
        "CREATE FUNCTION sly() RETURNS boolean LANGUAGE sql AS 'DELETE FROM orders; SELECT true'",
        "SELECT sly()",
    ),
    "mariadb": (
        "CREATE FUNCTION sly() RETURNS int DETERMINISTIC BEGIN DELETE FROM orders; RETURN 1; END",
        "SELECT sly()",
    ),
}
SLY["mysql"] = SLY["mariadb"]


@contextmanager
def sqlite_database(folder: Path) -> Iterator[tuple[str, Callable[[str], object]]]:
    path = folder / "orders.db"

    def run(query: str) -> object:
        with closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(query).fetchall()

    run("PRAGMA user_version = 1")
    yield f"sqlite:///{path}", run


@contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[str], object]]]:
    if kind == "sqlite":
        with sqlite_database(folder) as found:
            yield found
        return
    if kind == "postgresql":
        with postgresql_database() as url, psycopg.connect(url, autocommit=True) as server:
            yield url, lambda query: server.execute(query.encode()).pgresult
        return
    making = mysql_database(SERVERS[kind]())
    with making as url, closing(mysql_connect(url)) as connection, connection.cursor() as cursor:

        def run(query: str) -> object:
            cursor.execute(query)
            return cursor.fetchall()

        yield url, run


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "mysql", "sqlite"])
def test_only_one_true_value_is_a_yes_and_nothing_is_ever_written(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as (url, run):
        for statement in SCHEMA:
            run(statement)
        if kind in SLY:
            run(SLY[kind][0])
        asked = [*ASKED, *([(SLY[kind][1], False)] if kind in SLY else [])]
        found = [(sql, SqlCheck("orders", url, sql).probe().well) for sql, _ in asked]
        assert found == asked
        assert SqlCheck("orders", url, "SELECT count(*) = 2 FROM orders").probe().well
        began = time.monotonic()
        late = SqlCheck("orders", url, SLOW[kind], 0.5).probe()
        assert not late.well
        assert time.monotonic() - began < 20, "it would have gone on for half a minute"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://worker:geheim@127.0.0.1:1/crm",
        "mysql://worker:geheim@127.0.0.1:1/crm",
        "sqlite:////nowhere/geheim.db",
    ],
)
def test_whoever_is_away_says_no_and_no_address_is_told(url: str) -> None:
    found = SqlCheck("orders", url, "SELECT 1").probe()
    assert not found.well
    assert "geheim" not in repr(found)
    assert not Path("/nowhere").exists()


def test_a_file_that_is_away_is_not_made(tmp_path: Path) -> None:
    assert not SqlCheck("orders", f"sqlite:///{tmp_path}/crm.db", "SELECT 1").probe().well
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["", "oracle://x/y", "sqlite:///:memory:", "postgresql://x@y/"])
def test_an_address_that_cannot_be_asked_is_bad_input(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        SqlCheck("orders", url, "SELECT 1")
    assert "@" not in str(caught.value.params)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_takes_the_line_and_stays_silent_is_given_up(scheme: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"{scheme}://worker@127.0.0.1:{silent.getsockname()[1]}/crm"
        assert not SqlCheck("orders", url, "SELECT 1", 0.5).probe().well


def stalling(server: int, at: bytes, listener: socket.socket) -> None:
    """Pass on what both sides say, until a client says ``at``: from then on nothing at all."""
    client, _ = listener.accept()
    with client, socket.create_connection(("127.0.0.1", server)) as there:
        while True:
            for one in select.select([client, there], [], [])[0]:
                data = one.recv(65536)
                if at in data:
                    client.recv(1)
                if not data or at in data:
                    return
                (there if one is client else client).sendall(data)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_stands_still_in_the_middle_is_given_up(kind: str) -> None:
    """Its own time limit stands still with it."""
    making = postgresql_database if kind == "postgresql" else mysql_database
    with making() as url, socket.create_server(("127.0.0.1", 0)) as listener:
        port = urlsplit(url).port or 3306
        wire = threading.Thread(target=stalling, args=(port, b"AS asked LIMIT 2", listener))
        wire.start()
        through = url.replace(f":{port}/", f":{listener.getsockname()[1]}/")
        assert through != url
        found = SqlCheck("orders", through, "SELECT 1", 1.0).probe()
        assert (found.well, found.key) == (False, "checks.too-slow")
        wire.join(20)
        assert not wire.is_alive()


CELL = st.none() | st.integers(-2, 3) | st.text(max_size=2) | st.floats() | st.binary(max_size=1)


@given(st.lists(st.lists(CELL, max_size=3), max_size=3))
def test_one_row_with_one_value_that_is_one(rows: list[list[object]]) -> None:
    yes = len(rows) == 1 and len(rows[0]) == 1 and type(rows[0][0]) is int and rows[0][0] == 1
    assert verdict(rows)[0] == yes
