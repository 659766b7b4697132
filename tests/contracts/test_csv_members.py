"""A whole database's tables as CSV in its backup: every value as it was, and proven by the test restore."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import CannotProve, CountersignError
from bot.targets.csv_members import cell, require_proven, write
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.postgresql_part import SchemasHolding
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.system import Holding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database

HOSTILE = [
    None,
    "",
    " ",
    "NULL",
    "\\N",
    "\\.",
    'a "quoted" word',
    "a,comma;and\ttab",
    "two\nlines\r\nand\rone",
    "=cmd|' /C calc'!A0",
    "\u202e\u00e4\U0001f600\ufeff",
    "\\x00ff",
]


@contextmanager
def a_file(folder: Path) -> Iterator[tuple[Holding, str]]:
    place = folder / "crm.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.execute('CREATE TABLE "a ""b""" (id INTEGER PRIMARY KEY, "t,1" TEXT, raw BLOB, f REAL)')
        connection.executemany(
            'INSERT INTO "a ""b""" ("t,1", raw, f) VALUES (?, ?, 0.1)',
            [(one, b"\x00\xff") for one in HOSTILE],
        )
        connection.execute("CREATE TABLE empty (x)")
        connection.commit()
    yield SqliteHolding("database", str(place), [str(folder)]).with_csv(), 'a "b"'


def _filled(url: str, schema: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
        connection.execute(
            f'CREATE TABLE {schema}."a ""b""" (id serial, "t,1" text, raw bytea, f float8, g int GENERATED ALWAYS AS (7) STORED)'.encode()
        )
        connection.cursor().executemany(
            f'INSERT INTO {schema}."a ""b""" ("t,1", raw, f) VALUES (%s, %s, 0.1)'.encode(),
            [(one, b"\x00\xff") for one in HOSTILE],
        )
        connection.execute(f"CREATE TABLE {schema}.empty (x int)".encode())


@contextmanager
def a_server(folder: Path) -> Iterator[tuple[Holding, str]]:
    with postgresql_database() as url:
        _filled(url, "public")
        yield PostgresqlHolding("database", "crm", url, [str(folder)]).with_csv(), 'public.a "b"'


@contextmanager
def a_part(folder: Path) -> Iterator[tuple[Holding, str]]:
    with postgresql_database() as url:
        _filled(url, "crm")
        yield SchemasHolding("database", "crm", url, ["crm"], [str(folder)]).with_csv(), 'crm.a "b"'


@contextmanager
def another_server(folder: Path, on: str = "mariadb") -> Iterator[tuple[Holding, str]]:
    with mysql_database(SERVERS[on]()) as url:
        with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(
                'CREATE TABLE `a "b"` (id INT AUTO_INCREMENT PRIMARY KEY, `t,1` TEXT CHARACTER SET utf8mb4,'
                " raw BLOB, f DOUBLE, g INT AS (7) STORED, hidden INT INVISIBLE)"
            )
            cursor.executemany(
                'INSERT INTO `a "b"` (`t,1`, raw, f) VALUES (%s, %s, 0.1)',
                [(one, b"\x00\xff") for one in HOSTILE],
            )
            cursor.execute("CREATE TABLE `empty` (x INT)")
            if on == "mariadb":
                cursor.execute("CREATE SEQUENCE numbers")
            cursor.execute("CREATE VIEW seen AS SELECT x FROM `empty`")
        yield MariadbHolding("database", "crm", url, [str(folder)]).with_csv(), 'a "b"'


def a_third_server(folder: Path) -> AbstractContextManager[tuple[Holding, str]]:
    return another_server(folder, "mysql")


@pytest.fixture(
    params=[a_file, a_server, a_part, another_server, a_third_server], ids=lambda kind: str(kind.__name__)
)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Holding, str]]:
    with request.param(tmp_path) as made:
        yield made


def records(raw: bytes) -> list[list[str | None]]:
    """As RFC 4180 has it; what stands in no quotes is NULL."""
    text = raw.decode()
    found: list[list[str | None]] = [[]]
    place = 0
    while place < len(text):
        value = None
        if text[place] == '"':
            end = place + 1
            while text[end] != '"' or text[end : end + 2] == '""':
                end += 2 if text[end] == '"' else 1
            value, place = text[place + 1 : end].replace('""', '"'), end + 1
        else:
            end = min(text.find(sign, place) for sign in (",", "\r\n") if sign in text[place:])
            value, place = text[place:end] or None, end
        found[-1].append(value)
        if text[place] == "\r":
            found.append([])
            place += 1
        place += 1
    return found[:-1]


def test_every_value_comes_out_as_it_was_and_the_restored_copy_says_the_same(
    held: tuple[Holding, str],
) -> None:
    one, table = held
    backup = MemoryBackup()
    listed = {line["table"]: line for line in one.copy(backup)["csv"]}
    assert {name.rpartition(".")[2]: line["rows"] for name, line in listed.items()} == {
        'a "b"': len(HOSTILE),
        "empty": 0,
    }
    raw = backup.streams[f"database.{table}.csv"]
    header, *rows = records(raw)
    assert header[:4] == ["id", "t,1", "raw", "f"]
    assert [row[1] for row in sorted(rows, key=lambda row: int(row[0] or 0))] == HOSTILE
    assert {tuple(row[2:4]) for row in rows} == {("\\x00ff", "0.1")}
    assert [row[1] or "" for row in csv.reader(io.StringIO(raw.decode(), newline=""))][1:] == [
        row[1] or "" for row in rows
    ]
    one.rehearse("t7", backup.sealed())


def test_csv_that_says_something_else_than_the_copy_is_refused(held: tuple[Holding, str]) -> None:
    one, table = held
    backup = MemoryBackup()
    one.copy(backup)
    stream = f"database.{table}.csv"
    whole = backup.sealed().streams[stream]
    backup.streams[stream] = whole.replace(b"NULL", b"null")
    with pytest.raises(CannotProve, match="not-the-same"):
        one.rehearse("t7", backup)
    backup.streams[stream] = whole
    members = json.loads(backup.streams["database.csv.json"])
    members[0]["rows"] += 1
    backup.streams["database.csv.json"] = json.dumps(members).encode()
    with pytest.raises(CannotProve, match="not-the-same"):
        one.rehearse("t7", backup)
    del backup.streams["database.csv.json"]
    with pytest.raises(CountersignError):
        one.rehearse("t7", backup)


_POINT = "0101000000000000000000f03f0000000000000040"
#: How it is made, the value, and how that is shown.
KINDS = [
    ("FLOAT", "16777217.5", "16777218"),
    ("DECIMAL(30,10)", "12345678901234567890.5", "12345678901234567890.5000000000"),
    ("BIT(9)", "b'100000001'", "257"),
    ("DATETIME(6)", "'0000-00-00'", "0000-00-00 00:00:00.000000"),
    ("TIMESTAMP", "'2026-01-02 03:04:05'", "2026-01-02 03:04:05"),
    ("YEAR", "2026", "2026"),
    ("ENUM('\u00e9','b')", "'\u00e9'", "\u00e9"),
    ("SET('a','b')", "'a,b'", "a,b"),
    ("CHAR(3) CHARACTER SET latin1", "x'e98120'", "\u00e9\x81"),
    ("CHAR(3) CHARACTER SET sjis", "x'82a0'", "\u3042"),
    ("CHAR(3) CHARACTER SET big5", "x'a3c0'", "\\xa3c0"),
    ("CHAR(3) CHARACTER SET utf8mb4", "x'eda080'", "\\xeda080"),
    ("CHAR(3) CHARACTER SET ucs2", "_ucs2 x'd83d'", "\\xd83d"),
    ("BINARY(3)", "'a'", "\\x610000"),
    ("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000"),
    ("INET6", "'::1'", "::1"),
    ("JSON", "'{}'", "{}"),
    # Were the quotes doubled by the server, this would take it an hour.
    ("LONGTEXT CHARACTER SET utf8mb4", "REPEAT('a\"', 1500000)", 'a"' * 1_500_000),
    ("POINT", "POINT(1, 2)", "\\x00000000" + _POINT),
]


#: Whose texts come from elsewhere on MySQL.
ALIKE = {
    "FLOAT",
    "BIT(9)",
    "DATETIME(6)",
    "CHAR(3) CHARACTER SET latin1",
    "CHAR(3) CHARACTER SET big5",
    "JSON",
}
KINDS_OF_MYSQL = [
    *(one for one in KINDS if one[0] in ALIKE),
    ("VECTOR(2)", "STRING_TO_VECTOR('[1, 2]')", "\\x0000803f00000040"),
    ("GEOMETRYCOLLECTION", "GEOMETRYCOLLECTION(POINT(1, 2))", "\\x00000000010700000001000000" + _POINT),
]


@pytest.mark.parametrize(
    ("on", "kind", "value", "shown"),
    [*(("mariadb", *one) for one in KINDS), *(("mysql", *one) for one in KINDS_OF_MYSQL)],
)
def test_every_type_is_shown_without_loss(on: str, kind: str, value: str, shown: str) -> None:
    with mysql_database(SERVERS[on]()) as url:
        with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
            cursor.execute(f"CREATE TABLE t (x {kind} NULL)")
            cursor.execute(f"INSERT INTO t VALUES ({value}), (NULL)")
        one, backup = MariadbHolding("database", "crm", url).with_csv(), MemoryBackup()
        one.copy(backup)
        assert sorted(records(backup.streams["database.t.csv"])[1:], key=str) == sorted(
            [[shown], [None]], key=str
        )
        one.rehearse("t7", backup.sealed())


@given(st.lists(st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=2, max_size=3)))
def test_any_texts_are_read_again_and_in_any_order_they_are_the_same(rows: list[list[str | None]]) -> None:
    whole: list[list[str | None]] = [["a", "b"], *rows]
    lines = [b",".join(map(cell, row)) for row in whole]
    backup = MemoryBackup()
    write(backup, "x", [("t", lines)])
    assert records(backup.streams["x.t.csv"]) == whole

    def again(*told: bytes) -> None:
        require_proven(backup, "x", "X", [("t", told)])

    again(lines[0], *reversed(lines[1:]))
    for other in ([*lines, b'"more",'], lines[:-1] or [b""]):
        with pytest.raises(CannotProve):
            again(*other)
