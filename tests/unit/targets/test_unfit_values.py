"""What a server refuses because a value or a table does not fit: said in words, with the table, without values."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
import pymysql
import pytest

from bot.errors import CannotProve
from bot.targets import mysql_errors, postgresql_errors, sqlite_errors
from bot.texts import languages, say
from tests.fakes.servers import mysql_connect, mysql_database, postgresql_database

TABLE = "CREATE TABLE deals (id INT PRIMARY KEY, short VARCHAR(3), {more})"
MARIADB = {
    "INSERT INTO deals (id) VALUES (99999999999)": "target.out-of-range",
    "INSERT INTO deals (id) VALUES ('secret')": "target.out-of-range",
    "INSERT INTO deals (id, day) VALUES (1, 'secret')": "target.out-of-range",
    "INSERT INTO deals (id, kind) VALUES (1, 'secret')": "target.cut-value",
    "INSERT INTO deals (id, short) VALUES (1, 'secret')": "target.cut-value",
    "ALTER TABLE deals ADD bad INT DEFAULT 'secret'": "target.bad-default",
    "SELECT secret FROM deals": "target.no-column",
    "SELECT 1 FROM secret": "target.no-column",
}
POSTGRESQL = {
    "INSERT INTO deals (id) VALUES (99999999999)": "target.out-of-range",
    "INSERT INTO deals (id) VALUES ('secret')": "target.out-of-range",
    "INSERT INTO deals (id, day) VALUES (1, 'secret')": "target.out-of-range",
    "INSERT INTO deals (id, short) VALUES (1, 'secret')": "target.cut-value",
    "SELECT secret FROM deals": "target.no-column",
    "SELECT 1 FROM secret": "target.no-column",
    "INSERT INTO deals (id, twice) VALUES (1, 7)": "target.generated",
}


def told(run: Callable[[], object]) -> str:
    with pytest.raises(CannotProve) as caught:
        run()
    params = caught.value.params
    for language in languages():
        said = say(caught.value.key, language, **params)
        assert "deals" in said
        assert "secret" not in said
    return caught.value.key


def test_mariadb_says_what_does_not_fit() -> None:
    with mysql_database() as url, mysql_connect(url) as connection, connection.cursor() as cursor:
        assert isinstance(connection, pymysql.Connection)
        cursor.execute("SET sql_mode = 'STRICT_ALL_TABLES'")
        cursor.execute(TABLE.format(more="day DATE, kind ENUM('a', 'b')"))
        for statement, key in MARIADB.items():

            def run(statement: str = statement) -> None:
                with mysql_errors.translated("crm", "deals"):
                    cursor.execute(statement)

            assert told(run) == key, statement


def test_postgresql_says_what_does_not_fit() -> None:
    more = "day DATE, twice INT GENERATED ALWAYS AS (id * 2) STORED"
    with postgresql_database() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.format(more=more).encode())
        for statement, key in POSTGRESQL.items():

            def run(statement: str = statement) -> None:
                with postgresql_errors.translated("crm", "deals"):
                    connection.execute(statement.encode())

            assert told(run) == key, statement


def test_sqlite_says_what_does_not_fit() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE deals (id INTEGER PRIMARY KEY, short TEXT)")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100)
        long = "secret" * 100
        for statement, values, key in (
            ("INSERT INTO deals (id) VALUES (?)", ("secret",), "target.out-of-range"),
            ("INSERT INTO deals (short) VALUES (?)", (long,), "target.cut-value"),
        ):

            def run(statement: str = statement, values: tuple[str] = values) -> None:
                with sqlite_errors.translated("crm", "deals"):
                    connection.execute(statement, values)

            assert told(run) == key, statement
