"""What every kind of target can tell before anything happens."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from bot.targets.base import Holder
from tests.contracts.installations import CASCADE, KINDS, Installation
from tests.fakes.servers import mysql_connect


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with KINDS[request.param](tmp_path) as installation:
        yield installation


@contextmanager
def somebody(place: Installation, statement: str) -> Iterator[None]:
    """Another program with an open transaction."""
    if place.url.startswith("sqlite"):
        with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"), isolation_level=None)) as lite:
            lite.execute("BEGIN")
            lite.execute(statement).fetchall()
            yield
    elif place.url.startswith("mysql"):
        with closing(mysql_connect(place.url)) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(statement)
            cursor.fetchall()
            yield
            connection.rollback()
    else:
        with psycopg.connect(place.url, application_name="report.py") as other:
            other.execute(statement.encode())
            yield
            other.rollback()


def seen(place: Installation) -> tuple[Holder, ...]:
    with place.open().reading() as session:
        session.prepare(["parents"], [])
        session.seed("parents", place.said((1,)))
        return session.holders(["parents", "children"])


def soon(place: Installation, wanted: int) -> tuple[Holder, ...]:
    """So many holders. InnoDB renews its list only when nobody has read it for a tenth of a second."""
    until = time.monotonic() + 20
    while len(found := seen(place)) != wanted and time.monotonic() < until:
        time.sleep(0.15)
    assert len(found) == wanted
    return found


def test_whoever_has_written_is_seen_and_nobody_else(place: Installation) -> None:
    soon(place, 0)
    with somebody(place, "SELECT * FROM parents"):
        assert seen(place) == ()
    with somebody(place, "UPDATE children SET note = 'x' WHERE a = 3"):
        (found,) = soon(place, 1)
    assert found.seconds < 60
    if place.url.startswith("postgresql"):
        assert found.table == "children"
        assert re.fullmatch(r"pid [0-9]+ \(idle in transaction\)", found.who)
    elif place.url.startswith("mysql"):
        assert re.fullmatch(r"connection [0-9]+ \([A-Z][a-z]+\)", found.who)
    else:
        assert found == Holder("", "", 0)
    soon(place, 0)


def test_a_writer_of_another_table_is_no_obstacle_where_the_database_tells_tables(
    place: Installation,
) -> None:
    with somebody(place, "INSERT INTO loners VALUES ('x')"):
        soon(place, 0 if place.url.startswith("postgresql") else 1)


def test_asking_who_writes_leaves_no_lock_behind(place: Installation) -> None:
    with place.open().reading() as session:
        session.holders(["parents"])
        with somebody(place, "UPDATE parents SET name = 'Eins' WHERE id = 1"):
            pass


def test_the_statement_for_an_index_is_one_the_database_takes_and_then_the_link_is_indexed(
    place: Installation,
) -> None:
    with place.open().reading() as session:
        link = next(one for one in session.catalogue().edges if one.label == CASCADE)
        statement = session.index_for(link)
    if place.url.startswith("postgresql"):
        with psycopg.connect(place.url, autocommit=True) as other:
            other.execute(statement.encode())
    else:
        place.ask(statement)
    with place.open().reading() as session:
        assert next(one for one in session.catalogue().edges if one.label == CASCADE).indexed


def test_the_size_of_rows_is_of_their_order_of_magnitude(place: Installation) -> None:
    place.ask("UPDATE parents SET name = '" + "é" * 5000 + "' WHERE id = 1")
    if place.url.startswith("mysql"):
        place.ask("ANALYZE TABLE parents")
    with place.open().reading() as session:
        session.prepare(["parents", "loners"], [])
        assert session.seed("parents", place.said((1,))) == 1
        assert 2_000 < session.weight("parents") < 40_000
