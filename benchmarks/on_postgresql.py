"""The databases of a measurement on PostgreSQL."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.fakes.servers import own_postgresql

_CRM = Path(__file__).with_name("crm.sql")
_LINKED = Path(__file__).with_name("linked.sql")


#: About 700 bytes a row on disk, of which zstd leaves a sixth.
_FILLING = """
CREATE TABLE notes (id bigint PRIMARY KEY, customer integer NOT NULL,
                    made timestamptz NOT NULL, text text NOT NULL);
INSERT INTO notes SELECT n, n % 1000, timestamptz '2026-01-01 UTC' + n * interval '7 s',
       md5(n::text) || md5((n * 7)::text) || repeat(' a note on order ' || n % 5000, 24)
  FROM generate_series(1, {rows}) n;
CREATE INDEX ON notes (customer)
"""
_ROWS_OF_A_MEGABYTE = 1600


class OnPostgresql:
    """See ``benchmarks.deletion.Engine`` and ``benchmarks.teardown.Engine``."""

    schema = _CRM
    name = "PostgreSQL"
    kind = "postgresql"
    careful = "pg_dump | age, then cascade"

    def __init__(self, server: str) -> None:
        parts = conninfo_to_dict(server)
        self._url = (
            f"postgresql://{parts.get('user', 'postgres')}@{parts.get('host', '')}:{parts.get('port', 5432)}"
        )

    @classmethod
    @contextmanager
    def listening(cls, server: str) -> Iterator[Self]:
        """At an address; without one, a server that lives as long as this."""
        if server:
            yield cls(server)
            return
        own = own_postgresql().start()
        try:
            yield cls(own.url)
        finally:
            own.remove()

    @contextmanager
    def template(self, sizes: dict[str, int]) -> Iterator[str]:
        """See ``Engine``."""
        with self._database("") as url:
            with psycopg.connect(url, autocommit=True) as connection:
                for setting, value in sizes.items():
                    connection.execute("SELECT set_config(%s, %s, false)", (f"bench.{setting}", str(value)))
                connection.execute(self.schema.read_text(encoding="utf-8"))
                connection.execute("VACUUM ANALYZE")
            yield url

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """See ``Engine``."""
        with self._database(f" TEMPLATE {template.rpartition('/')[2]}") as url:
            yield url

    def cascade(self, url: str, email: str) -> None:
        """See ``Engine``."""
        with psycopg.connect(url) as connection:
            connection.execute("DELETE FROM customers WHERE email = %s", (email,))

    def dump(self, url: str) -> Sequence[str]:
        """See ``Engine``."""
        program = shutil.which("pg_dump")
        assert program, "pg_dump is needed"
        return [program, "-Fc", "-d", url]

    @contextmanager
    def filled(self, megabytes: int) -> Iterator[str]:
        """See ``teardown.Engine``."""
        with self._database("") as url:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_FILLING.format(rows=megabytes * _ROWS_OF_A_MEGABYTE).encode())
                connection.execute("VACUUM ANALYZE")
                connection.execute("CHECKPOINT")
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        """See ``teardown.Engine``."""
        with self._database("") as url:
            yield url

    def dumping(self, url: str) -> Sequence[str]:
        """See ``teardown.Engine``."""
        return ["pg_dump", "-Fc", "-Z0", "-d", url]

    def loading(self, url: str) -> Sequence[str]:
        """See ``teardown.Engine``."""
        return ["pg_restore", "-Fc", "--exit-on-error", "-d", url]

    @contextmanager
    def _database(self, how: str) -> Iterator[str]:
        name = f"countersign_bench_{secrets.token_hex(4)}"
        with psycopg.connect(f"{self._url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}{how}")
            try:
                yield f"{self._url}/{name}"
            finally:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class OnLinkedPostgresql(OnPostgresql):
    """The same on a schema whose rows point at each other."""

    schema = _LINKED
    name = "PostgreSQL, linked"
