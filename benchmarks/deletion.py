"""Planning and deleting on PostgreSQL, beside a bare cascade and beside the usual way of being careful.

Every round begins on a fresh copy of the same database. The second peer is what a careful person does by
hand: ``pg_dump -Fc | age`` of the database, then the cascade.
"""

import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.report import Figure
from bot.backups.age import Identity

SIZES = (12, 1_000, 10_000, 100_000, 1_000_000)
#: The size for which there is an aim beside the cascade.
LARGE = 100_000
#: The best of so many counts: others may use the machine as well.
ROUNDS = 3
STRANGERS = 200_000
EMAIL = "ada@example.com"
MEMORY_AIM = 150
SCHEMA = Path(__file__).with_name("crm.sql")


def figures(server: str) -> Iterator[Figure]:
    """Seconds and mebibytes; ``server`` is a psycopg address without a database."""
    for size in SIZES:
        with _template(server, size) as template:
            yield from _of_size(server, template, size)


def _of_size(server: str, template: str, size: int) -> Iterator[Figure]:
    plans, runs, memory = [], [], []
    cascades, careful = [], []
    for _ in range(ROUNDS if size <= LARGE else 1):
        with _copy(server, template) as database:
            planned, ran, grown = _ours(server, database)
            plans.append(planned)
            runs.append(ran)
            memory.append(grown)
        with _copy(server, template) as database:
            cascades.append(_timed(partial(_cascade, server, database)))
        with _copy(server, template) as database:
            careful.append(_timed(partial(_dump_and_cascade, server, database)))
    ours, bare, dumped = min(runs), min(cascades), min(careful)
    yield Figure(f"plan of {size:,} rows", min(plans), "s", "bare cascade", bare)
    large = size == LARGE
    yield Figure(
        f"whole deletion of {size:,} rows",
        ours,
        "s",
        "bare cascade",
        bare,
        "under 3 times the cascade" if large else "",
        ours < 3 * bare if large else None,
    )
    yield Figure(f"whole deletion of {size:,} rows", ours, "s", "pg_dump | age, then cascade", dumped)
    yield Figure(f"whole deletion of {size:,} rows, per row", ours / size * 1_000_000, "µs")
    grown = max(memory)
    yield Figure(
        f"peak memory above idle, {size:,} rows",
        grown,
        "MiB",
        aim=f"under {MEMORY_AIM} MiB",
        met=grown < MEMORY_AIM,
    )


def _ours(server: str, database: str) -> tuple[float, float, float]:
    """In a process of its own, for its memory: seconds to plan, seconds to delete, MiB above idle."""
    command = [sys.executable, "-m", "benchmarks.one_deletion", f"{_url(server)}/{database}", EMAIL]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    planned, ran, grown = done.stdout.split()
    return float(planned), float(ran), float(grown)


def _cascade(server: str, database: str) -> None:
    with psycopg.connect(f"{server} dbname={database}") as connection:
        connection.execute("DELETE FROM customers WHERE email = %s", (EMAIL,))


def _dump_and_cascade(server: str, database: str) -> None:
    age, dump = shutil.which("age"), shutil.which("pg_dump")
    assert age, "the age program is needed"
    assert dump, "pg_dump is needed"
    recipient = Identity(secrets.token_bytes(32)).recipient
    with tempfile.TemporaryDirectory() as folder:
        writer = subprocess.Popen([dump, "-Fc", "-d", f"{_url(server)}/{database}"], stdout=subprocess.PIPE)
        sealed = [age, "-r", recipient, "-o", str(Path(folder) / "dump.age")]
        subprocess.run(sealed, stdin=writer.stdout, check=True)
        assert writer.wait() == 0
    _cascade(server, database)


@contextmanager
def _template(server: str, size: int) -> Iterator[str]:
    """A database in which one customer owns ``size`` rows, among others'."""
    orders = (size - 2) // 10
    others = {"orders": orders, "notes": size - 2 - 9 * orders, "strangers": STRANGERS // 10}
    name = f"countersign_bench_{secrets.token_hex(4)}"
    with _database(server, name, ""):
        with psycopg.connect(f"{server} dbname={name}", autocommit=True) as connection:
            for setting, value in others.items():
                connection.execute("SELECT set_config(%s, %s, false)", (f"bench.{setting}", str(value)))
            connection.execute(SCHEMA.read_text(encoding="utf-8"))
            connection.execute("VACUUM ANALYZE")
        yield name


@contextmanager
def _copy(server: str, template: str) -> Iterator[str]:
    name = f"countersign_bench_{secrets.token_hex(4)}"
    with _database(server, name, f" TEMPLATE {template}"):
        yield name


@contextmanager
def _database(server: str, name: str, how: str) -> Iterator[None]:
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{how}")
        try:
            yield
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _url(server: str) -> str:
    parts = dict(one.split("=", 1) for one in server.split())
    return f"postgresql://{parts['user']}@{parts['host']}:{parts['port']}"
