"""One small schema in every kind of database, and a way past the target to look at it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from bot.targets import open_target
from bot.targets.base import RecordTarget, Row
from tests.fakes.servers import SERVERS, mysql_connect, mysql_database, postgresql_database

SCHEMA = [
    "CREATE TABLE parents (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT)",
    "CREATE TABLE children (a INTEGER, b TEXT, parent INTEGER REFERENCES parents (id) ON DELETE CASCADE,"
    " note TEXT, PRIMARY KEY (a, b))",
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, code TEXT REFERENCES parents (code) ON DELETE SET NULL)",
    "CREATE INDEX by_code ON visits (code)",
    "CREATE TABLE loners (text TEXT)",
    "INSERT INTO parents VALUES (1, 'p1', 'One'), (2, 'p2', 'Two'), (3, 'p3', NULL)",
    "INSERT INTO children VALUES (1, 'x', 1, 'n'), (1, 'y', 1, ''), (2, 'x', 2, NULL), (3, 'z', NULL, 'free')",
    "INSERT INTO visits VALUES (1, 'p1'), (2, 'p2'), (3, NULL), (4, 'p1')",
]
#: A key needs a length there, and a reference stands beside the columns.
SCHEMA_OF_MYSQL = [
    "CREATE TABLE parents (id INTEGER PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, name TEXT)",
    "CREATE TABLE children (a INTEGER, b VARCHAR(20), parent INTEGER, note TEXT, PRIMARY KEY (a, b),"
    " FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE)",
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, code VARCHAR(20),"
    " FOREIGN KEY (code) REFERENCES parents (code) ON DELETE SET NULL)",
    "CREATE TABLE loners (text TEXT)",
    *SCHEMA[-3:],
]
CASCADE = "children.parent -> parents.id"
EMPTY = "visits.code -> parents.code"


@dataclass(frozen=True)
class Installation:
    """A database of one kind with the schema above, and a way past the target to look at it."""

    url: str
    ask: Callable[[str], list[tuple[object, ...]]]
    #: Values travel as the texts that the server prints.
    texts: bool = False
    #: The server gives every foreign key an index.
    indexes_keys: bool = False

    def said(self, *rows: Row) -> list[Row]:
        """The rows as this kind of target hands them over."""
        if not self.texts:
            return list(rows)
        return [tuple(None if value is None else str(value) for value in row) for row in rows]

    def open(self, max_lock: float = 30.0) -> RecordTarget:
        return open_target("crm", self.url, timedelta(seconds=max_lock))


def sqlite_installation(folder: Path, *, wal: bool = False) -> Installation:
    path = folder / "crm.db"
    with closing(sqlite3.connect(path)) as connection:
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        for statement in SCHEMA:
            connection.execute(statement)
        connection.commit()

    def ask(statement: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            rows = connection.execute(statement).fetchall()
            connection.commit()
            return rows

    return Installation(f"sqlite:///{path}", ask)


@contextmanager
def postgresql_installation() -> Iterator[Installation]:
    with postgresql_database() as url:

        def ask(statement: str) -> list[tuple[object, ...]]:
            with psycopg.connect(url) as connection:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []

        for statement in SCHEMA:
            ask(statement)
        yield Installation(url, ask, texts=True)


@contextmanager
def mysql_installation(kind: str = "mariadb") -> Iterator[Installation]:
    with mysql_database(SERVERS[kind]()) as url:

        def ask(statement: str) -> list[tuple[object, ...]]:
            with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
                most = "max_recursive_iterations" if kind == "mariadb" else "cte_max_recursion_depth"
                cursor.execute(f"SET {most} = 1000000")
                cursor.execute(statement)
                return list(cursor.fetchall())

        for statement in SCHEMA_OF_MYSQL:
            ask(statement)
        yield Installation(url, ask, texts=True, indexes_keys=True)


KINDS: dict[str, Callable[[Path], AbstractContextManager[Installation]]] = {
    "sqlite": lambda folder: nullcontext(sqlite_installation(folder)),
    "sqlite in WAL mode": lambda folder: nullcontext(sqlite_installation(folder, wal=True)),
    "postgresql": lambda _: postgresql_installation(),
    "mariadb": lambda _: mysql_installation(),
    "mysql": lambda _: mysql_installation("mysql"),
}
