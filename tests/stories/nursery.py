"""Where workers and bots are born: a process that has imported everything once and then only forks.

A start from here costs what the start itself costs, not the second that Python needs to read its modules. The
children are processes like any other; they die with the nursery. As a program it takes one JSON object per
line and answers each with one. That the product starts by its own command is for the tests of that command.
"""

import atexit
import ctypes
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Protocol, cast

from bot import compose, worker
from bot.cli import entry
from bot.errors import Broken
from bot.settings import PLAIN_VARIABLES, read_environment
from handlers.pace import Pace
from handlers.running import Door
from tests.stories.fates import Doom, DyingCrew

ROOT = Path(__file__).resolve().parents[2]
_PDEATHSIG = 1


class Nursery:
    """The test's side of it."""

    def __init__(self, log: Path) -> None:
        variables = read_environment().variables
        plain = {name: value for name, value in variables.items() if name in PLAIN_VARIABLES}
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.stories.nursery"],
                cwd=ROOT,
                env={**plain, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
            )
        self._lock = threading.Lock()

    def start(self, part: str, environment: Mapping[str, str], fates: Path, log: Path) -> int:
        """Start a ``worker`` or a ``bot``; its process id."""
        return int(self._ask(do="start", part=part, env=dict(environment), fates=str(fates), log=str(log)))

    def run(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> "Child":
        """Start ``countersign WORDS``, or a program in Python where the first word is its path."""
        return Child(
            self, self._ask(do="start", part="", words=[*words], env=dict(environment), log=str(log))
        )

    def ended(self, pid: int, seconds: float) -> int | None:
        """How a child ended, negative for a signal; None when it still lives after so long."""
        status = self._ask(do="ended", pid=pid, seconds=seconds)
        return None if status is None else int(status)

    def close(self) -> None:
        """Whoever is left in it dies."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(15)
        self._process.stdout.close()

    def _ask(self, **question: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer = stdout.readline()
        if not answer:
            raise RuntimeError("the nursery is gone")
        return json.loads(answer)["answer"]


class Process(Protocol):
    """What is asked of a process, wherever it was born."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, seconds: float, /) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class Child:
    """A process that was born there, spoken to like one of ``subprocess``."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """How it ended, negative for a signal; None while it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid, 0)
        return self.returncode

    def wait(self, seconds: float) -> int:
        """How it ended; TimeoutExpired when it lives on."""
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid, seconds)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), seconds)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing is sent to who has ended: its number may be another's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Without a word."""
        self.send_signal(signal.SIGKILL)


@cache
def shared() -> Nursery:
    """One for all tests of this process; it ends with it."""
    made = Nursery(Path(tempfile.mkstemp(prefix="countersign-nursery-")[1]))
    atexit.register(made.close)
    return made


def _serve(questions: IO[str], answers: IO[str]) -> None:
    children: set[int] = set()
    for line in questions:
        question = json.loads(line)
        answer: int | None = None
        if question["do"] == "start":
            answer = os.fork()
            if not answer:
                _child(question)
            children.add(answer)
        else:
            answer = _status(question["pid"], question["seconds"])
            if answer is not None:
                children.discard(question["pid"])
        print(json.dumps({"answer": answer}), file=answers, flush=True)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _status(pid: int, seconds: float) -> int | None:
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            return None
    finally:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _child(question: Mapping[str, Any]) -> None:
    code = 70
    try:
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
        log = os.open(question["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True)
        code = _run(question)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 70
    except BaseException:  # noqa: BLE001 - whatever it was, the child must not become a second nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(question: Mapping[str, Any]) -> int:
    if question["part"]:
        run = _worker if question["part"] == "worker" else _bot
        return run(question["env"], Path(question["fates"]))
    os.environ.clear()
    os.environ.update(question["env"])
    words: list[str] = question["words"]
    if not words[0].endswith(".py"):
        return entry.run(words)
    sys.argv = words
    runpy.run_path(words[0], run_name="__main__")
    return 0


def _worker(environment: Mapping[str, str], fates: Path) -> int:
    crew = type("Crew", (DyingCrew,), {"fates": fates})
    kind = type("Worker", (worker.Worker,), {"crew": crew})
    return worker.run_worker(read_environment(environment), None, print, kind)


def _bot(environment: Mapping[str, str], fates: Path) -> int:
    """The bot without its health page, and without Slack's speed limits: there is nobody to spare here."""
    settings = read_environment(environment)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    while not _prepared(settings):
        if ended.wait(0.02):
            return 0
    Doom(fates).watch_all_threads()
    door = Door(compose.bot_services(settings), settings, Pace({}, (1000.0, 1000)))
    door.start()
    ended.wait()
    door.stop()
    return 0


def _prepared(settings: Any) -> bool:
    try:
        return compose.is_prepared(settings)
    except Broken:
        return False


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
