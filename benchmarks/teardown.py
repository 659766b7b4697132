"""Taking a whole database, or a folder of very many files, away and bringing it back.

The peer of a backup is the pipe that a careful person would type: the same dump or tar through ``zstd -1``
and ``age``. The peer of the test restore is that pipe backwards, and of the removal of files ``rm -r``.
Backups are made in turns, on a disk that has nothing left to write, and the middle ones of each are compared.
"""

import json
import os
import secrets
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from benchmarks.archive import MEMORY
from benchmarks.report import Figure
from bot.backups.age import Identity

#: Megabytes of a database.
SIZES = (100, 1000)
FILES = 100_000
#: Odd, so that one of them is in the middle.
_TURNS = 3
_PER_FOLDER = 200
#: As good as flat: a part of an archive is 16 MiB plain, once read and once compressed.
MEMORY_AIM = 48


class Engine(Protocol):
    """A server with whole databases; each is named by its URL."""

    @property
    def name(self) -> str:
        """As people call it."""

    @property
    def kind(self) -> str:
        """As ``one_teardown.KINDS`` has it."""

    def filled(self, megabytes: int) -> AbstractContextManager[str]:
        """A database of about that size on disk."""

    def empty(self) -> AbstractContextManager[str]:
        """A database with nothing in it."""

    def dumping(self, url: str) -> Sequence[str]:
        """The command that prints the whole database, not compressed."""

    def loading(self, url: str) -> Sequence[str]:
        """The command that reads it into an empty database."""


@dataclass(frozen=True)
class _Ours:
    seconds: Mapping[str, float]
    size: int
    memory: float


def databases(engine: Engine, sizes: Sequence[int] = SIZES) -> Iterator[Figure]:
    """Seconds, megabytes and mebibytes."""
    grown = {}
    for size in sizes:
        with engine.filled(size) as url, _Pipe() as pipe:
            backups = _backups(engine.kind, url, pipe, engine.dumping(url))
            with engine.empty() as other:
                restored = pipe.unseal(engine.loading(other))
            ours = _ours(engine.kind, url)
            yield from _compared(f"{size:,} MB {engine.name}", ours, backups, restored, pipe)
        grown[size] = ours.memory
    for size, memory in grown.items():
        yield Figure(
            f"{size:,} MB {engine.name}: peak memory above idle",
            memory,
            "MiB",
            aim=f"flat: under {MEMORY_AIM} MiB",
            met=memory < MEMORY_AIM,
        )


def files(number: int = FILES) -> Iterator[Figure]:
    """The same for a folder of many small files."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as name, _Pipe() as pipe:
        root = Path(name)
        tree, copy = root / "srv" / "shop", root / "copy"
        _grow(tree, number)
        packing = ["tar", "--create", "--format=posix", f"--directory={tree}", "--file=-", "."]
        backups = _backups("files", str(tree), pipe, packing)
        copy.mkdir()
        restored = pipe.unseal(["tar", "--extract", f"--directory={copy}", "--file=-"])
        removed = _timed(lambda: subprocess.run(["rm", "-r", str(copy)], check=True))
        ours = _ours("files", str(tree))
        what = f"{number:,} files"
        yield from _compared(what, ours, backups, restored, pipe)
        yield Figure(f"{what}: remove", ours.seconds["remove"], "s", "rm -r", removed)
        yield Figure(f"{what}: peak memory above idle", ours.memory, "MiB")


def _backups(kind: str, place: str, pipe: "_Pipe", packing: Sequence[str]) -> tuple[float, float]:
    """Seconds of our backup and of the peer's."""
    ours, theirs = [], []
    for _ in range(_TURNS):
        os.sync()
        theirs.append(pipe.seal(packing))
        os.sync()
        ours.append(_ours(kind, place, "backup").seconds["backup"])
    return statistics.median(ours), statistics.median(theirs)


def _compared(
    what: str, ours: _Ours, backups: tuple[float, float], restored: float, pipe: "_Pipe"
) -> Iterator[Figure]:
    seconds = ours.seconds
    yield Figure(f"{what}: plan", seconds["plan"], "s")
    backup, peer = backups
    met = backup <= 1.1 * peer
    yield Figure(f"{what}: backup", backup, "s", pipe.name, peer, "at most 1.1 times", met)
    theirs = pipe.size
    met = ours.size <= 1.05 * theirs
    yield Figure(f"{what}: size", ours.size / 1e6, "MB", pipe.name, theirs / 1e6, "at most 1.05 times", met)
    yield Figure(f"{what}: read back and checked", seconds["read back"], "s")
    yield Figure(f"{what}: test restore, compared", seconds["test restore"], "s", "backwards", restored)
    yield Figure(f"{what}: set aside", seconds["set aside"], "s")
    back = seconds["put back"]
    yield Figure(f"{what}: put back", back, "s", aim="under 2 s", met=back < 2)
    yield Figure(f"{what}: restore", seconds["restore"], "s", "backwards", restored)


class _Pipe:
    """``… | zstd -1 | age``, and backwards, with a key of its own."""

    def __init__(self) -> None:
        self.name = ""
        self.size = 0

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._sealed = Path(self._folder.name) / "sealed.age"
        self._key = Path(self._folder.name) / "key"
        self._identity = Identity(secrets.token_bytes(32))
        self._key.write_text(self._identity.secret_text() + "\n", encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def seal(self, command: Sequence[str]) -> float:
        """Seconds until the sealed file is written."""
        self.name = f"{Path(command[0]).name} | zstd -1 | age"
        line = f"{shlex.join(command)} | zstd -q -1 | age -r {self._identity.recipient} -o {self._sealed}"
        seconds = _timed(lambda: _shell(f"{line} && sync {self._sealed}"))
        self.size = self._sealed.stat().st_size
        return seconds

    def unseal(self, command: Sequence[str]) -> float:
        """Seconds until everything is in its place again."""
        return _timed(
            lambda: _shell(f"age -d -i {self._key} {self._sealed} | zstd -dcq | {shlex.join(command)}")
        )


def _ours(kind: str, place: str, *only: str) -> _Ours:
    command = [sys.executable, "-m", "benchmarks.one_teardown", kind, place, *only]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return _Ours(**json.loads(done.stdout))


def _grow(tree: Path, number: int) -> None:
    for folder in range(-(-number // _PER_FOLDER)):
        inner = tree / f"{folder % 20:02d}" / f"{folder:04d}"
        inner.mkdir(parents=True)
        for one in range(min(_PER_FOLDER, number - folder * _PER_FOLDER)):
            text = f"{secrets.token_hex(64)}\n" + f"line {one} of {folder}\n" * (one % 100)
            (inner / f"{one:03d}.txt").write_text(text, encoding="ascii")


def _shell(line: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
