"""A service whose program somebody else starts again, outside of supervisor and of the declared commands."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.errors import CannotProve
from bot.targets import stopping
from bot.targets.stopping import left
from bot.targets.system import ServiceFacts
from bot.texts import say
from tests.contracts.test_services import LISTENER, eventually, listens
from tests.fakes.ports import free_port
from tests.fakes.supervisor import service, supervisor

#: DELAY, PID and the words of a program: once that process has ended it is started again, by this parent.
WATCHDOG = """
import os, subprocess, sys, time
delay, pid, words = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
print("ready", flush=True)
while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX":
    time.sleep(0.01)
time.sleep(delay)
sys.exit(subprocess.Popen(words).wait())
"""
SLEEPER = "import sys, time\nwhile True: time.sleep(1)\n"


@contextmanager
def watched(delay: float, pid: int, *words: object) -> Iterator[None]:
    command = [sys.executable, "-c", WATCHDOG, str(delay), str(pid), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as dog:
        assert dog.stdout is not None
        dog.stdout.readline()
        try:
            yield
        finally:
            os.killpg(dog.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("has_port", "delay"), [(True, 0.0), (False, 0.3)], ids=["by its port", "by its program"]
)
def test_started_by_another_parent_it_is_not_stopped(tmp_path: Path, has_port: bool, delay: float) -> None:
    port, script = free_port(), tmp_path / "program.py"
    script.write_text(LISTENER if has_port else SLEEPER)
    words = [sys.executable, script, port if has_port else "x"]
    with supervisor(tmp_path, {"crm": f"command={' '.join(map(str, words))}"}) as address:
        one = service(address, "crm", *([port] if has_port else []))
        eventually(lambda: one.look().up and (not has_port or listens(port)))
        former = one.look()
        assert ServiceFacts.of(former.plain()) == former
        with watched(delay, former.processes[0][0], *words):
            with pytest.raises(CannotProve) as caught:
                one.stop(former)
            assert caught.value.key in ("services.port-open-by", "services.started-elsewhere-by")
            assert say(caught.value.key, **caught.value.params)
            with pytest.raises(CannotProve):
                one.verify(former)
        one.verify(former)
        assert left(former.processes) == []


def test_one_that_waits_longer_than_we_watch_is_found_by_the_next_look(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(SLEEPER)
    words = [sys.executable, script]
    with supervisor(tmp_path, {"crm": f"command={sys.executable} {script}"}) as address:
        one = service(address, "crm")
        eventually(lambda: one.look().up)
        former = one.look()
        with watched(1.5, former.processes[0][0], *words):
            one.stop(former)
            eventually(lambda: bool(stopping.elsewhere(former.program)))
            with pytest.raises(CannotProve, match="started-elsewhere"):
                one.verify(former)


def test_another_that_ran_before_and_one_of_another_folder_are_not_taken_for_it(tmp_path: Path) -> None:
    for name in ("crm", "shop"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "program.py").write_text(SLEEPER)
    here = f"directory={tmp_path}/crm"
    lines = f"command={sys.executable} program.py\n{here}"
    with supervisor(tmp_path, {"crm": lines, "twin": lines}) as address:
        one, twin = service(address, "crm"), service(address, "twin")
        eventually(lambda: one.look().up and twin.look().up)
        former = one.look()
        with subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path / "shop") as neighbour:
            try:
                one.stop(former)
                one.verify(former)
                assert twin.look().up
            finally:
                neighbour.kill()
        assert one.start(former).up
