"""Services whose commands lie, hang, fork and shout, and what is started again behind everybody's back."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.config.database_types import Database
from bot.config.types import Target
from bot.errors import CannotProve, CountersignError, TargetDown
from bot.operations import teardown
from bot.operations.teardown import Host
from bot.targets import processes
from bot.targets.services_commands import Commands, CommandService
from bot.targets.stopping import Patience
from bot.targets.system import System
from bot.texts import say
from tests.contracts.test_services import command, eventually, listens
from tests.fakes.ports import free_port
from tests.fakes.supervisor import service, supervisor

HASTY = Patience(answer=1, stop=1, watch=0.3, start=1)


class Bench:
    """A listener in the background, and a service whose commands a test makes up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        command(folder)
        words = [sys.executable, str(folder / "listener.py"), str(self.port)]
        self.program = subprocess.Popen(words)
        eventually(lambda: listens(self.port))

    def service(self, stop: str, status: str, patience: Patience = HASTY) -> CommandService:
        words = {"PORT": str(self.port), "PID": str(self.program.pid), "HERE": str(self.folder)}
        for name, value in words.items():
            stop, status = stop.replace(name, value), status.replace(name, value)
        commands = Commands(["false"], ["sh", "-c", stop], ["sh", "-c", status])
        return CommandService("crm", commands, [self.port], patience)


#: A child of ours that nobody has waited for has ended all the same.
ALIVE = "grep -q '^State:.[RS]' /proc/PID/status || exit 3"
#: how it lies -> stop, status, the key of what is said; "" when it is stopped all the same
LIES: dict[str, tuple[str, str, str]] = {
    "stop says it did and does nothing": ("true", ALIVE, ""),
    "status goes on saying that it runs": ("kill PID", "true", "services.does-not-stop"),
    "status says nothing that is understood": ("kill PID", "exit 1", "services.unclear"),
    "stop refuses": ("exit 5", ALIVE, "services.refused"),
    "stop hangs": ("sleep 60", ALIVE, "services.no-answer"),
    "stop hangs in a child that would go on": (
        "sh -c 'echo $$ >HERE/child; sleep 60; true' & wait",
        ALIVE,
        "services.no-answer",
    ),
    "stop prints ten megabytes": ("yes | head -c 10000000; kill PID", ALIVE, ""),
    "status prints ten megabytes": ("kill PID", f"yes | head -c 10000000; {ALIVE}", ""),
    "stop leaves something in the background that holds its output": ("sleep 2 & kill PID", ALIVE, ""),
}


@pytest.mark.parametrize("case", LIES)
def test_a_declared_command_that_lies_is_found_out(tmp_path: Path, case: str) -> None:
    stop, status, key = LIES[case]
    bench = Bench(tmp_path)
    with bench.program:
        try:
            one = bench.service(stop, status)
            if key == "":
                one.stop(one.look())
                assert not listens(bench.port)
                one.verify(one.look())
                return
            with pytest.raises(CountersignError) as no:
                one.stop(one.look())
            assert no.value.key == key
            assert say(key, **no.value.params)
        finally:
            bench.program.kill()
    if "would go on" in case:
        child = Path("/proc") / (tmp_path / "child").read_text().strip() / "status"
        eventually(lambda: not child.exists() or "State:\tZ" in child.read_text())


@pytest.mark.parametrize(
    ("status", "key"), [("true", "services.silent"), ("exit 3", ""), ("exit 7", "unclear")]
)
def test_what_says_that_it_runs_and_is_silent_is_refused_before_anything_is_touched(
    tmp_path: Path, status: str, key: str
) -> None:
    bench = Bench(tmp_path)
    with bench.program:
        bench.program.kill()
    spec = Target(name="crm", host="here", roots=("/srv",), database=Database(url="sqlite:////srv/crm.db"))
    system = System((bench.service("touch HERE/touched", status),), (), (), ())
    if key:
        with pytest.raises((CannotProve, TargetDown), match=key):
            teardown.plan(spec, system, Host("here", "m"), "t1")
    else:
        teardown.plan(spec, system, Host("here", "m"), "t1")
    assert not (tmp_path / "touched").exists()


def test_supervisor_started_anew_in_between_is_found_out_and_named(tmp_path: Path) -> None:
    port = free_port()
    programs = {"crm": command(tmp_path, port)}
    with supervisor(tmp_path, programs) as address:
        one = service(address, "crm", port)
        eventually(lambda: listens(port) and one.look().up)
        planned = one.look()
    eventually(lambda: not listens(port) and not Path(address).exists())
    with supervisor(tmp_path, programs) as address:
        eventually(lambda: listens(port) and one.look().up)
        former = one.look()
        assert former.processes != planned.processes
        one.stop(former)
        one.verify(former)
    eventually(lambda: not Path(address).exists())
    # In the grace period: autostart does what the plan warned of.
    with supervisor(tmp_path, programs) as address:
        eventually(lambda: listens(port) and one.look().up)
        with pytest.raises(CannotProve) as no:
            one.verify(former)
        assert no.value.key == "services.came-back-by"
        assert say(no.value.key, **no.value.params)
        one.stop(one.look())


def test_what_a_cron_started_is_traced_to_it(tmp_path: Path) -> None:
    port = free_port()
    line = command(tmp_path, port).removeprefix("command=")
    with supervisor(tmp_path, {"crm": f"command={line}"}) as address:
        one = service(address, "crm", port)
        eventually(lambda: listens(port))
        former = one.look()
        one.stop(former)
        # What cron does: a shell of its own, and the program in it.
        cron = subprocess.Popen(["sh", "-c", f"{line.replace(str(port), str(free_port()))}; true"])
        other = subprocess.Popen(["sh", "-c", f"{line}; true"])
        with cron, other:
            eventually(lambda: listens(port))
            with pytest.raises(CannotProve) as no:
                one.verify(former)
            assert no.value.key in ("services.port-open-by", "services.started-elsewhere-by")
            assert no.value.params["who"]
            found = processes.family([cron.pid, other.pid], processes.table())
            assert processes.starter(max(found)) == processes.starter(other.pid)
            for pid in found:
                subprocess.run(["kill", "-9", str(pid)], check=False)
