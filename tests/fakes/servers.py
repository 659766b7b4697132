"""Real database servers for tests, started from Debian's programs: one of each for a test process.

Never one that already listens: our tests are superusers, end sessions and drop databases, and a server that
is shared runs out of connections.
"""

import atexit
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql
import pytest
from psycopg import sql

from tests.fakes.debian import program, unpacked_from_sid
from tests.fakes.ports import free_port


class PostgreSQL:
    """A server of our own in a folder of its own; a test may stop it, kill it and start it again."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self.port = free_port()
        self._call("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> Self:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
            " -c max_connections=300 -c max_prepared_transactions=10 -c wal_level=logical"
        )
        self._call("pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options, "start")
        return self

    def stop(self) -> None:
        """Throw everybody out and end."""
        self._call("pg_ctl", "-D", "data", "-w", "-t", "60", "-m", "fast", "stop")

    @contextmanager
    def standby(self) -> Iterator[str]:
        """The URL of a server that follows this one."""
        port = free_port()
        source = f"host=127.0.0.1 port={self.port} user=postgres"
        self._call("pg_basebackup", "-D", "standby", "-d", source, "-R", "--no-sync", "-c", "fast")
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
            " -c max_connections=300 -c max_prepared_transactions=10 -c wal_receiver_status_interval=1s"
        )
        self._call("pg_ctl", "-D", "standby", "-l", "log2", "-w", "-t", "60", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            self._call("pg_ctl", "-D", "standby", "-w", "-m", "immediate", "stop", check=False)

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


class MysqlServer:
    """A server of MySQL's kind, our own, in a folder of its own; a test may kill it and start it again."""

    #: What the server is told beside where it is.
    options: Sequence[str] = ()

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-mysql-"))
        # The server wants to run as somebody who owns its files.
        self._user = "mysql" if os.geteuid() == 0 else None
        # A server that starts takes away what it takes for the leftovers of another one in the same place.
        self._scratch = self.folder / "scratch"
        self._scratch.mkdir()
        if self._user:
            shutil.chown(self.folder, self._user)
            shutil.chown(self._scratch, self._user)
        self.port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        with (self.folder / "calls").open("ab") as log:
            subprocess.run(
                self._install(),
                check=True,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _install(self) -> list[str]:
        """The command that makes the server's own tables; its root has no password."""
        raise NotImplementedError

    def _program(self) -> list[str]:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/mysql"

    def start(self, *more: str) -> Self:
        """``more``: options of the server."""
        options = [f"--datadir={self.folder}/data", f"--port={self.port}", "--bind-address=127.0.0.1"]
        options += [f"--socket={self.folder}/socket", f"--tmpdir={self._scratch}"]
        options += ["--max-connections=300", "--skip-log-bin"]
        # What a crash loses is not what these tests are about.
        options += ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync"]
        with (self.folder / "calls").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._program(), *self.options, *options, *more],
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not _mysql_lets_us_in(self.url):
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise RuntimeError((self.folder / "calls").read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """SIGKILL: connections just break."""
        assert self._server is not None
        self._server.kill()
        self._server.wait(30)

    def remove(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class MariaDB(MysqlServer):
    """See ``MysqlServer``."""

    def _install(self) -> list[str]:
        how = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
        return ["mariadb-install-db", *how, f"--datadir={self.folder}/data", f"--tmpdir={self._scratch}"]

    def _program(self) -> list[str]:
        return ["mariadbd", "--no-defaults"]


class MySQL(MysqlServer):
    """See ``MysqlServer``; Oracle's, from Debian unstable: no stable release of Debian has it."""

    #: Where the tables are kept that such a server makes for itself: others with other options.
    kept = "data-of-a-new-server"
    options: Sequence[str] = (
        "--mysqlx=0",
        "--secure-file-priv=",
        "--pid-file=pid",
        "--innodb-redo-log-capacity=8388608",
        "--innodb-buffer-pool-size=67108864",
    )

    def _install(self) -> list[str]:
        return ["cp", "-a", str(self._made_once()), f"{self.folder}/data"]

    def _made_once(self) -> Path:
        """The server's own tables: to make them takes seconds, to copy them does not."""
        made = unpacked_from_sid("mysql-server-core") / self.kept
        with Path(f"{made}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                making = self.folder / "making"
                making.mkdir()
                if self._user:
                    shutil.chown(making, self._user)
                command = [*self._program(), *self.options, f"--datadir={making}", "--initialize-insecure"]
                with (self.folder / "calls").open("ab") as log:
                    subprocess.run(
                        command,
                        check=True,
                        user=self._user,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                    )
                # Its number: each server has one of its own.
                (making / "auto.cnf").unlink(missing_ok=True)
                shutil.copytree(making, f"{made}.part", dirs_exist_ok=True)
                for one in (Path(f"{made}.part"), *Path(f"{made}.part").rglob("*")):
                    one.chmod(0o755 if one.is_dir() else 0o644)
                Path(f"{made}.part").rename(made)
        return made

    def _program(self) -> list[str]:
        root = unpacked_from_sid("mysql-server-core")
        return [*program(root, "/usr/sbin/mysqld"), "--no-defaults", f"--basedir={root}/usr"]


def own_mariadb() -> MariaDB:
    """A server for one test alone, not started yet. Without programs the test is skipped, never in CI."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        if os.environ.get("CI"):
            pytest.fail("MariaDB is not installed: apt-get install mariadb-server")
        pytest.skip("MariaDB is not installed (apt-get install mariadb-server)")
    return MariaDB()


@cache
def mysql_url() -> str:
    """A MariaDB server for the whole test process, as root; it ends with us."""
    server = own_mariadb().start()
    atexit.register(server.remove)
    return server.url


def mysql_connect(url: str) -> "pymysql.Connection[Any]":
    """A plain connection to a database by its URL; every statement is its own transaction."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=parts.path[1:],
        charset="utf8mb4",
        autocommit=True,
    )


@cache
def oracle_url() -> str:
    """A server of MySQL itself for the whole test process, as root; it ends with us."""
    server = MySQL().start()
    atexit.register(server.remove)
    return server.url


#: The servers that speak MySQL's language, by the kind of database that a target calls itself.
SERVERS = {"mariadb": mysql_url, "mysql": oracle_url}


@contextmanager
def mysql_database(server: str | None = None) -> Iterator[str]:
    """The URL of a new database with a random name; it is dropped at the end, whoever is still connected."""
    admin = server or mysql_url()
    name = f"cs_test_{secrets.token_hex(6)}"
    with closing(mysql_connect(admin)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield admin.rpartition("/")[0] + "/" + name
    finally:
        with closing(mysql_connect(admin)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s", (name,))
            for (process,) in cursor.fetchall():
                with suppress(pymysql.Error):
                    cursor.execute(f"KILL {int(process)}")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


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
    """A server for the whole test process, as superuser; it ends with us."""
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


def _mysql_lets_us_in(url: str) -> bool:
    try:
        with closing(mysql_connect(url)):
            return True
    except (pymysql.Error, OSError):
        return False
