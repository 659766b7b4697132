"""Real applications without installing them: Debian's package unpacked, its own SQL loaded, a few rows more."""

import gzip
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.fakes.servers import mysql_database, postgresql_database

_HERE = Path(__file__).parent


def unpacked(package: str, folder: Path) -> Path:
    """The files of a Debian package, downloaded by apt and not installed.

    On a machine that cannot download it the test is skipped; in CI it fails.
    """
    try:
        _run(["apt-get", "download", "-qq", "-o", "Acquire::Retries=5", package], folder)
        (archive,) = folder.glob(f"{package}_*.deb")
        _run(["dpkg-deb", "-x", archive.name, "root"], folder)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"apt-get cannot download {package} here: {error}")
    return folder / "root" / "usr" / "share"


@contextmanager
def on_postgresql(*scripts: Path) -> Iterator[str]:
    """The URL of a new database in which the scripts have run."""
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for script in scripts:
                connection.execute(_text(script).encode())
        yield url


@contextmanager
def on_mysql(server: str, *scripts: Path) -> Iterator[str]:
    """The same on MariaDB or MySQL, through a client of theirs: the scripts have comments that only it knows."""
    with mysql_database(server) as url:
        parts = urlsplit(url)
        command = ["mariadb", "--no-defaults", "--protocol=tcp", "--default-character-set=utf8mb4"]
        command += [f"--host={parts.hostname}", f"--port={parts.port or 3306}", f"--user={parts.username}"]
        for script in scripts:
            said = subprocess.run(
                [*command, parts.path.lstrip("/")],
                input=_text(script).encode(),
                env={**os.environ, "MYSQL_PWD": parts.password or ""},
                check=False,
                capture_output=True,
            )
            assert said.returncode == 0, said.stderr.decode(errors="replace")
        yield url


@contextmanager
def on_sqlite(folder: Path, *scripts: Path) -> Iterator[str]:
    """The same in a file."""
    path = folder / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        for script in scripts:
            connection.executescript(_text(script))
    yield f"sqlite:///{path}"


def seed(name: str) -> Path:
    """Rows of our own for an application."""
    return _HERE / f"{name}.sql"


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _text(script: Path) -> str:
    raw = script.read_bytes()
    return (gzip.decompress(raw) if script.suffix == ".gz" else raw).decode()
