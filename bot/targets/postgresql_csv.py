"""The tables of a PostgreSQL database as lines of CSV, as the server writes them; see ``csv_members``."""

from collections.abc import Iterator

from bot.targets.csv_members import Tables
from bot.targets.postgresql_admin import Connection


def tables(connection: Connection, query: str) -> Tables:
    """Header and records of each table. ``query``: their names, and how they are written."""
    for name, relation in connection.execute(query.encode()).fetchall():
        yield name, _lines(connection, relation)


def _lines(connection: Connection, relation: str) -> Iterator[bytes]:
    options = "FORMAT csv, HEADER, FORCE_QUOTE *, ENCODING 'UTF8'"
    copying = f"COPY (SELECT * FROM ONLY {relation}) TO STDOUT WITH ({options})"  # noqa: S608 - quoted by the server
    with connection.cursor().copy(copying.encode()) as copy:
        # The server sends one message for each record.
        for message in copy:
            yield bytes(message).removesuffix(b"\n")
