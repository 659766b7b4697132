"""Real processes: the children die with their parent, come back when they fall, and are stopped in order."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.processes import alive, pids, running, until

SCRIPT = Path(__file__).with_name("supervise.py")

pytestmark = pytest.mark.slow

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(*names: str, pause: float = 0.05, stop: float = 10.0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(pause), str(stop), *names],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SECRET_OF_THE_PARENT": "hush"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def finish(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    out, _ = process.communicate(timeout=30)
    return process.returncode, [line.split(" {")[0] for line in out.splitlines()]


def test_a_kill_of_the_parent_takes_the_children_with_it(serve: Serve, tmp_path: Path) -> None:
    process = serve("worker", "bot")
    children = running(tmp_path, "worker", "bot")
    process.kill()
    until(lambda: not any(alive(pid) for pid in children.values()), "a child outlived its parent")


def test_a_kill_of_the_parent_takes_even_stubborn_children(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "worker.mood").write_text("stubborn")
    process = serve("worker")
    child = running(tmp_path, "worker")["worker"]
    process.kill()
    until(lambda: not alive(child), "a stubborn child outlived its parent")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_both_and_the_answer_is_done(
    serve: Serve, tmp_path: Path, number: signal.Signals
) -> None:
    process = serve("worker", "bot")
    children = running(tmp_path, "worker", "bot")
    process.send_signal(number)
    code, told = finish(process)
    assert code == 0
    assert told == ["started worker", "started bot", "stopping worker", "stopping bot"]
    assert not any(alive(pid) for pid in children.values())


def test_a_child_that_does_not_stop_in_time_is_killed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "worker.mood").write_text("stubborn")
    process = serve("worker", "bot", stop=0.3)
    children = running(tmp_path, "worker", "bot")
    process.terminate()
    code, told = finish(process)
    assert (code, told[-1]) == (0, "killed worker")
    assert not alive(children["worker"])


def test_a_second_signal_does_not_wait_any_longer(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "worker.mood").write_text("stubborn")
    process = serve("worker", stop=60.0)
    running(tmp_path, "worker")
    process.terminate()
    assert process.stdout is not None
    while "stopping" not in process.stdout.readline():
        pass
    process.terminate()
    assert finish(process) == (0, ["killed worker"])


def test_a_killed_child_comes_back_and_the_other_stays(serve: Serve, tmp_path: Path) -> None:
    process = serve("worker", "bot")
    first = running(tmp_path, "worker", "bot")
    os.kill(first["worker"], signal.SIGKILL)
    until(lambda: len(pids(tmp_path, "worker")) == 2, "the worker did not come back")
    assert alive(first["bot"])
    assert len(pids(tmp_path, "bot")) == 1
    process.terminate()
    code, told = finish(process)
    assert code == 0
    assert told[2:5] == ["ended worker", "again worker", "started worker"]


def test_a_child_that_ends_unasked_comes_back(serve: Serve, tmp_path: Path) -> None:
    serve("worker")
    os.kill(running(tmp_path, "worker")["worker"], signal.SIGTERM)
    until(lambda: len(pids(tmp_path, "worker")) == 2, "the worker did not come back")


def test_a_child_that_keeps_falling_stops_everything(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "bot.mood").write_text("70")
    process = serve("worker", "bot", pause=0.01)
    code, told = finish(process)
    assert code == 70
    assert told.count("started bot") == 6
    assert told[-2:] == ["too-often bot", "stopping worker"]


@pytest.mark.parametrize("answer", ["1", "2"])
def test_a_child_that_says_no_stops_everything_with_its_answer(
    serve: Serve, tmp_path: Path, answer: str
) -> None:
    (tmp_path / "worker.mood").write_text(answer)
    process = serve("worker", "bot")
    code, told = finish(process)
    assert code == int(answer)
    assert "final worker" in told
    assert "again worker" not in told
    assert not any(alive(pid) for pid in pids(tmp_path, "bot"))


def test_a_child_sees_its_own_environment_and_nothing_else(serve: Serve, tmp_path: Path) -> None:
    serve("worker", "bot")
    for name, pid in running(tmp_path, "worker", "bot").items():
        seen = Path(f"/proc/{pid}/environ").read_bytes()
        assert f"SEEN_BY={name}".encode() in seen.split(b"\0")
        assert b"SECRET_OF_THE_PARENT" not in seen


def test_signals_reach_the_children_as_usual(serve: Serve, tmp_path: Path) -> None:
    """The parent waits for signals by blocking them; its children must not inherit that."""
    serve("worker")
    pid = running(tmp_path, "worker")["worker"]
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    assert int(blocked.split()[1], 16) == 0
