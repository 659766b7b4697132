"""A PostgreSQL database that a holding is about, and a superuser's hands in it."""

from contextlib import closing
from dataclasses import dataclass

import psycopg

from bot.targets.postgresql_part import SchemasHolding
from tests.fakes.backup_streams import MemoryBackup
from tests.fakes.servers import mysql_connect


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Each statement is its own transaction; the rows of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def run_on_mysql(url: str, *statements: str) -> list[tuple[object, ...]]:
    """As ``run``, on the server of a MariaDB or MySQL database that need not be there."""
    at = f"{url.rpartition('/')[0]}/mysql"
    with closing(mysql_connect(at)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


@dataclass(frozen=True)
class PartPlace:
    """A database, and the holding of a part of it."""

    url: str
    one: SchemasHolding

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        return run(self.url, *statements)

    def copied(self) -> MemoryBackup:
        backup = MemoryBackup()
        self.one.copy(backup)
        return backup.sealed()
