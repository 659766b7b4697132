"""Planning and deleting, beside a bare cascade and beside the usual way of being careful.

Every round begins on a fresh copy of the same database. The second peer is what a careful person does by
hand: a dump of the database through ``age``, then the cascade.
"""

import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmarks.report import Figure
from bot.backups.age import Identity

SIZES = (12, 1_000, 10_000, 100_000, 1_000_000)
#: The size for which there is an aim beside the cascade.
LARGE = 100_000
#: The best of so many counts: others may use the machine as well.
ROUNDS = 3
STRANGERS = 200_000
EMAIL = "ada@example.com"
#: As good as flat: what 1,000 rows take is about 4.
MEMORY_AIM = 12


class Engine(Protocol):
    """A server in which databases may be made; each is named by its URL."""

    @property
    def name(self) -> str:
        """As people call it."""

    @property
    def careful(self) -> str:
        """The usual way of being careful, in words."""

    def template(self, sizes: dict[str, int]) -> AbstractContextManager[str]:
        """A database with so many orders and notes of one customer, and so many of ``strangers``."""

    def copy(self, template: str) -> AbstractContextManager[str]:
        """Another database with the same rows."""

    def cascade(self, url: str, email: str) -> None:
        """Delete the customer, and whatever the foreign keys take along."""

    def dump(self, url: str) -> Sequence[str]:
        """The command that prints the whole database."""


def figures(engine: Engine, sizes: Sequence[int] = SIZES) -> Iterator[Figure]:
    """Seconds and mebibytes."""
    for size in sizes:
        orders = (size - 2) // 10
        others = {"orders": orders, "notes": size - 2 - 9 * orders, "strangers": STRANGERS // 10}
        with engine.template(others) as template:
            yield from _of_size(engine, template, size)


def _of_size(engine: Engine, template: str, size: int) -> Iterator[Figure]:
    plans, runs, memory = [], [], []
    cascades, careful = [], []
    for _ in range(ROUNDS if size <= LARGE else 1):
        with engine.copy(template) as url:
            planned, ran, grown = _ours(url)
            plans.append(planned)
            runs.append(ran)
            memory.append(grown)
        with engine.copy(template) as url:
            cascades.append(_timed(partial(engine.cascade, url, EMAIL)))
        with engine.copy(template) as url:
            careful.append(_timed(partial(_dump_and_cascade, engine, url)))
    ours, bare, dumped = min(runs), min(cascades), min(careful)
    rows = f"{size:,} rows, {engine.name}"
    yield Figure(f"plan of {rows}", min(plans), "s", "bare cascade", bare)
    large = size == LARGE
    yield Figure(
        f"whole deletion of {rows}",
        ours,
        "s",
        "bare cascade",
        bare,
        "under 3 times the cascade" if large else "",
        ours < 3 * bare if large else None,
    )
    yield Figure(f"whole deletion of {rows}", ours, "s", engine.careful, dumped)
    yield Figure(f"whole deletion of {rows}, per row", ours / size * 1_000_000, "µs")
    grown = max(memory)
    yield Figure(
        f"peak memory above idle, {rows}",
        grown,
        "MiB",
        aim=f"under {MEMORY_AIM} MiB",
        met=grown < MEMORY_AIM,
    )


def _ours(url: str) -> tuple[float, float, float]:
    """In a process of its own, for its memory: seconds to plan, seconds to delete, MiB above idle."""
    command = [sys.executable, "-m", "benchmarks.one_deletion", url, EMAIL]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    planned, ran, grown = done.stdout.split()
    return float(planned), float(ran), float(grown)


def _dump_and_cascade(engine: Engine, url: str) -> None:
    age = shutil.which("age")
    assert age, "the age program is needed"
    recipient = Identity(secrets.token_bytes(32)).recipient
    with tempfile.TemporaryDirectory() as folder:
        writer = subprocess.Popen(engine.dump(url), stdout=subprocess.PIPE)
        sealed = [age, "-r", recipient, "-o", str(Path(folder) / "dump.age")]
        subprocess.run(sealed, stdin=writer.stdout, check=True)
        assert writer.wait() == 0
    engine.cascade(url, EMAIL)


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
