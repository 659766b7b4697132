"""Rows as lines of CSV: what PostgreSQL prints is what we would have written, and goes back in unchanged."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from bot.errors import CannotProve
from bot.model.backups import Cell
from bot.model.csv_lines import Block, TextRows, cells_of, write_row
from bot.targets import open_target
from bot.targets.base import RecordTarget, Tally
from bot.targets.postgresql_lines import copied
from tests.fakes.servers import postgresql_database

#: Texts that a careless writer, or the server's own COPY, takes for something else.
ODD: list[Cell] = [
    None,
    "",
    '"',
    '""',
    ",",
    '","',
    "\n",
    "\r",
    "\r\n",
    "\\.",
    "a\n\\.\nb",
    "\n\\.",
    "\\N",
    "NULL",
    " a ",
    "\t",
    "\x01\x7f",
    "中文 𐐷",
    "x" * 100_000,
]


COLUMNS = ("id", "one", "two")


@pytest.fixture(scope="module")
def target() -> Iterator[RecordTarget]:
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE odd (id int PRIMARY KEY, one text, two text)")
            for number, text in enumerate(ODD):
                connection.execute("INSERT INTO odd VALUES (%s, %s, %s)", (number, text, ODD[-number]))
        yield open_target("crm", url, timedelta(minutes=1))


def test_the_server_prints_each_row_as_we_would_and_takes_it_back(target: RecordTarget) -> None:
    with target.writing() as session:
        session.seed("odd", [(str(number),) for number in range(len(ODD))])
        rows = session.rows("odd")
        assert isinstance(rows, TextRows)
        blocks = list(rows.blocks())
        cells = sorted(session.rows("odd"))
        assert sorted(line for block in blocks for line in block) == sorted(
            write_row([cell if cell is None else str(cell) for cell in row]).encode() for row in cells
        )
        for number, size in enumerate((1, 2, len(ODD))):
            lines = [line for block in blocks for line in block]
            pieces = [lines[start : start + size] for start in range(0, len(lines), size)]
            session.stage(str(number), "odd", COLUMNS, taken(pieces))
            assert sorted(session.staged(str(number))) == cells
            assert session.tally(str(number)) == Tally(len(ODD), 0, len(ODD))


def taken(pieces: list[Block]) -> TextRows:
    return TextRows(lambda: cells_of(pieces, len(COLUMNS)), lambda: iter(pieces))


def test_lines_that_do_not_fit_are_refused_and_the_transaction_goes_back(target: RecordTarget) -> None:
    wrong: list[Block] = [[b'"1","a"\n'], [b'"1","a","b","c"\n'], [b'"x","a","b"\n'], [b'"1","a\n']]
    for pieces in wrong:
        with pytest.raises(CannotProve), target.writing() as session:
            session.stage("s", "odd", COLUMNS, taken([pieces]))


def test_who_stops_taking_rows_leaves_a_connection_that_goes_on_after_a_rollback() -> None:
    many = "SELECT n::text, repeat('x', 1000) FROM pg_catalog.generate_series(1, 200000) n"
    with postgresql_database() as url, psycopg.connect(url) as connection:
        for _ in range(3):
            blocks = copied(connection, many)
            assert next(blocks)[0].startswith(b'"1",')
            blocks.close()  # type: ignore[attr-defined]  # a generator
            connection.rollback()
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_errors_at_the_beginning_and_in_the_middle_are_the_servers() -> None:
    with postgresql_database() as url, psycopg.connect(url) as connection:
        for query, error in (
            ("SELECT * FROM nowhere", psycopg.errors.UndefinedTable),
            (
                "SELECT 1 / (1500 - n) FROM pg_catalog.generate_series(1, 3000) n",
                psycopg.errors.DivisionByZero,
            ),
        ):
            with pytest.raises(error):
                list(copied(connection, query))
            connection.rollback()
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_lost_connection_is_an_error_and_no_end() -> None:
    query = (
        "SELECT CASE WHEN n = 5000 THEN pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid()) END"
        " FROM pg_catalog.generate_series(1, 9000) n"
    )
    with postgresql_database() as url, psycopg.connect(url) as connection:
        with pytest.raises(psycopg.OperationalError):
            list(copied(connection, query))
        assert connection.closed


def test_a_connection_that_was_lost_before_is_an_error_of_the_connection() -> None:
    with postgresql_database() as url, psycopg.connect(url) as connection:
        number = connection.info.backend_pid
        with psycopg.connect(url) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (number,)).fetchone() == (True,)
        with pytest.raises(psycopg.OperationalError):
            list(copied(connection, "SELECT 1"))
