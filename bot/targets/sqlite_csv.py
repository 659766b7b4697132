"""The tables of a SQLite file as lines of CSV; see ``csv_members``."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bot.targets.csv_members import Tables, cell
from bot.targets.sqlite_errors import translated
from bot.targets.sqlite_facts import connected, tables_of


def tables(path: Path, target: str) -> Tables:
    """Header and records of each table of a file that nobody else writes to."""
    with connected(path, target) as connection, translated(target):
        names = tables_of(connection)
        connection.text_factory = _text
        for name in names:
            yield name, _lines(connection, name)


def _lines(connection: sqlite3.Connection, table: str) -> Iterator[bytes]:
    quoted = table.replace('"', '""')
    rows = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a quoted name out of the schema
    yield b",".join(cell(one[0]) for one in rows.description)
    for row in rows:
        yield b",".join(map(cell, row))


def _text(raw: bytes) -> str | bytes:
    """A text; one that is none goes the way of bytes, so that nothing of it is lost."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
