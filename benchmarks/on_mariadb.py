"""The databases of a measurement on MariaDB."""

import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.fakes.servers import mysql_connect, own_mariadb

_STATEMENTS = [
    one
    for one in Path(__file__).with_name("crm.maria.sql").read_text(encoding="utf-8").split(";\n")
    if one.strip()
]
_TABLE = re.compile(r"CREATE TABLE (\S+)")
#: About 700 bytes a row on disk, of which zstd leaves a sixth; the rows of ``on_postgresql``.
_FILLING = """
CREATE TABLE notes (id bigint PRIMARY KEY, customer integer NOT NULL, made datetime NOT NULL,
                    text text NOT NULL, KEY (customer));
INSERT INTO notes SELECT seq, seq % 1000, timestamp '2026-01-01 00:00:00' + INTERVAL seq * 7 SECOND,
       concat(md5(seq), md5(seq * 7), repeat(concat(' a note on order ', seq % 5000), 24))
  FROM seq_1_to_{rows};
ANALYZE TABLE notes
"""
_ROWS_OF_A_MEGABYTE = 1600
_CREATED = {found[1]: one for one in _STATEMENTS if (found := _TABLE.search(one))}


class OnMariadb:
    """See ``benchmarks.deletion.Engine`` and ``benchmarks.teardown.Engine``."""

    name = "MariaDB"
    kind = "mariadb"
    careful = "mariadb-dump | age, then cascade"

    def __init__(self, server: str) -> None:
        self._url = server.rstrip("/")

    @classmethod
    @contextmanager
    def listening(cls, server: str) -> Iterator[Self]:
        """At an address; without one, a server that lives as long as this."""
        if server:
            yield cls(server)
            return
        own = own_mariadb().start()
        try:
            yield cls(own.url.rpartition("/")[0])
        finally:
            own.remove()

    @contextmanager
    def template(self, sizes: dict[str, int]) -> Iterator[str]:
        """See ``Engine``."""
        with self._database() as url:
            values = ", ".join(f"@{setting} = {value}" for setting, value in sizes.items())
            self._run(url, f"SET {values}", *_STATEMENTS)
            yield url

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """See ``Engine``. MariaDB copies no database, and a copied table would have no foreign key."""
        source = template.rpartition("/")[2]
        with self._database() as url:
            self._run(
                url,
                "SET foreign_key_checks = 0, unique_checks = 0",
                *_CREATED.values(),
                *(f"INSERT INTO {table} SELECT * FROM {source}.{table}" for table in _CREATED),
                *(f"ANALYZE TABLE {table}" for table in _CREATED),
            )
            yield url

    def cascade(self, url: str, email: str) -> None:
        """See ``Engine``."""
        with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM customers WHERE email = %s", (email,))

    def dump(self, url: str) -> Sequence[str]:
        """See ``Engine``."""
        return _program("mariadb-dump", url, "--single-transaction", "--hex-blob")

    @contextmanager
    def filled(self, megabytes: int) -> Iterator[str]:
        """See ``teardown.Engine``."""
        with self._database() as url:
            self._run(url, *_FILLING.format(rows=megabytes * _ROWS_OF_A_MEGABYTE).split(";\n"))
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        """See ``teardown.Engine``."""
        with self._database() as url:
            yield url

    def dumping(self, url: str) -> Sequence[str]:
        """See ``teardown.Engine``."""
        return _program("mariadb-dump", url, "--single-transaction", "--routines", "--triggers", "--events")

    def loading(self, url: str) -> Sequence[str]:
        """See ``teardown.Engine``."""
        return _program("mariadb", url)

    @contextmanager
    def _database(self) -> Iterator[str]:
        name = f"countersign_bench_{secrets.token_hex(4)}"
        self._run(f"{self._url}/mysql", f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield f"{self._url}/{name}"
        finally:
            self._run(f"{self._url}/mysql", f"DROP DATABASE IF EXISTS {name}")

    def _run(self, url: str, *statements: str) -> None:
        with closing(mysql_connect(url)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def _program(name: str, url: str, *options: str) -> Sequence[str]:
    program = shutil.which(name)
    assert program, f"{name} is needed"
    parts = urlsplit(url)
    where = [
        f"--host={parts.hostname}",
        f"--port={parts.port or 3306}",
        f"--user={unquote(parts.username or 'root')}",
    ]
    if parts.password:
        where.append(f"--password={unquote(parts.password)}")
    return [program, "--no-defaults", *where, *options, parts.path[1:]]
