"""Real database servers for tests: the one that already listens, else one started from Debian's programs."""

import atexit
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Self

import psycopg
import pytest
from psycopg import sql

LISTENING = "postgresql://postgres@127.0.0.1:5432/postgres"


class PostgreSQL:
    """A server of our own in a folder of its own; a test may stop it, kill it and start it again."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self.port = _free_port()
        self._call("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
            " -c max_connections=300"
        )
        self._call("pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options, "start")
        return self

    def stop(self) -> None:
        """Throw everybody out and end."""
        self._call("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", "fast", "stop")

    def kill(self) -> None:
        """SIGKILL: what was not written is lost, connections just break."""
        pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self._call("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", "immediate", "stop", check=False)

    def remove(self) -> None:
        self._call("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str, check: bool = True) -> None:
        # Not a pipe: the server would keep it open.
        with (self.folder / "calls").open("ab") as log:
            subprocess.run(
                [self._programs / program, *arguments],
                cwd=self.folder,
                check=check,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def programs() -> Path | None:
    """The folder of the newest PostgreSQL server on this machine."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    found = shutil.which("initdb")
    return folders[-1].parent if folders else Path(found).parent if found else None


def own_postgresql() -> PostgreSQL:
    """A server for one test alone, not started yet. Without programs the test is skipped, never in CI."""
    folder = programs()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    return PostgreSQL(folder)


@cache
def postgresql_url() -> str:
    """A server for the whole test process, as superuser: the listening one, else one that ends with us."""
    if _lets_us_in(LISTENING):
        return LISTENING
    server = own_postgresql().start()
    atexit.register(server.remove)
    return server.url


@contextmanager
def postgresql_database(template: str = "template0", server: str | None = None) -> Iterator[str]:
    """The URL of a new database with a random name; it is dropped at the end, whoever is still connected."""
    admin = server or postgresql_url()
    name = f"cs_test_{secrets.token_hex(6)}"
    _create(admin, name, template)
    try:
        yield admin.rpartition("/")[0] + "/" + name
    finally:
        _run(admin, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(admin: str, name: str, template: str) -> None:
    query = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    _run(admin, query)


def _run(url: str, query: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(query)


def _lets_us_in(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=3):
            return True
    except psycopg.Error:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
