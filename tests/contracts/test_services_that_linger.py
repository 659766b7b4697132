"""Services that take their time to go: they are waited for, and started again only once they are gone."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.config.database_types import Database
from bot.config.types import Target
from bot.errors import CannotProve
from bot.operations import teardown
from bot.operations.teardown import Host
from bot.targets.services import SupervisorService
from bot.targets.services_commands import Commands, CommandService
from bot.targets.stopping import Patience
from bot.targets.system import ServiceFacts, System
from bot.texts import say
from tests.contracts.test_services import eventually, listens
from tests.fakes.ports import free_port
from tests.fakes.supervisor import supervisor

#: Does not hear SIGTERM, and listens until it is killed.
DEAF = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: time.sleep(1)
"""
#: While the file ``late`` names a moment to come, it says that it runs.
STATUS = """
test -e late && test $(date +%s%N) -lt $(cat late) && exit 0
test -e pid || exit 3
"""


def _slow_to_tell(folder: Path, seconds: int, port: int) -> CommandService:
    """Its status goes on saying for so long that it runs, when it does not any more."""
    (folder / "deaf.py").write_text(DEAF)
    (folder / "status").write_text(STATUS)
    start = f"rm -f late; {sys.executable} deaf.py {port} </dev/null >/dev/null 2>&1 & echo $! >pid"
    (folder / "start").write_text(start)
    stop = (
        f"test -e pid || exit 0; kill -9 $(cat pid); rm pid; echo $(($(date +%s%N)+{seconds}000000000)) >late"
    )
    (folder / "stop").write_text(stop)
    words = {name: ["sh", "-c", f"cd {folder} && . ./{name}"] for name in ("start", "stop", "status")}
    return CommandService("crm", Commands(**words), [port], Patience(answer=5, stop=2.5, watch=0.3, start=10))


def _started(one: CommandService, port: int) -> ServiceFacts:
    one.start(ServiceFacts("crm", "running", (), (port,), (), 0))
    return one.look()


def test_commands_whose_status_is_behind_are_waited_for(tmp_path: Path) -> None:
    port = free_port()
    one = _slow_to_tell(tmp_path, 1, port)
    former = _started(one, port)
    assert one.stop(former).state == "stopped"
    one.verify(former)
    assert not listens(port)


def test_what_is_on_its_way_out_is_started_once_it_is_gone(tmp_path: Path) -> None:
    port = free_port()
    one = _slow_to_tell(tmp_path, 4, port)
    former = _started(one, port)
    with pytest.raises(CannotProve, match="does-not-stop") as no:
        one.stop(former)
    assert say(no.value.key, **no.value.params)
    # The way back begins while its status still says that it runs.
    try:
        assert one.start(former).state == "running"
        assert listens(port)
    finally:
        subprocess.run(["sh", "./stop"], cwd=tmp_path, check=True)


def test_a_program_that_supervisor_is_still_stopping_is_started_once_it_is_gone(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "deaf.py").write_text(DEAF)
    line = f"command={sys.executable} {tmp_path}/deaf.py {port}\nstopwaitsecs=2"
    with supervisor(tmp_path, {"crm": line}) as address:
        one = SupervisorService(
            "crm", address, "crm", [port], Patience(answer=5, stop=0.5, watch=0.3, start=10)
        )
        eventually(lambda: listens(port) and one.look().up)
        former = one.look()
        with pytest.raises(CannotProve, match="does-not-stop"):
            one.stop(former)
        again = one.start(former)
        assert again.state == "running"
        assert set(again.processes).isdisjoint(former.processes), "it is about to be killed"


@pytest.mark.parametrize("startsecs", [0, 1])
def test_who_has_taken_its_port_is_named_when_it_does_not_start_again(tmp_path: Path, startsecs: int) -> None:
    port = free_port()
    (tmp_path / "deaf.py").write_text(DEAF)
    line = f"command={sys.executable} {tmp_path}/deaf.py {port}\nstartretries=1\nstopwaitsecs=1"
    with supervisor(tmp_path, {"crm": f"{line}\nautorestart=true"}, startsecs) as address:
        one = SupervisorService("crm", address, "crm", [port], Patience(answer=5, stop=4, watch=0.3, start=3))
        eventually(lambda: listens(port) and one.look().state == "running")
        former = one.look()
        one.stop(former)
        with subprocess.Popen([sys.executable, str(tmp_path / "deaf.py"), str(port)]) as other:
            eventually(lambda: listens(port))
            # With 0 seconds supervisor calls it running from the first moment on, and the port answers.
            try:
                with pytest.raises(CannotProve, match="port-taken") as no:
                    one.start(former)
            finally:
                other.kill()
        assert str(other.pid) in say(no.value.key, **no.value.params)


def test_what_goes_on_starting_is_refused_while_planning(tmp_path: Path) -> None:
    line = "command=sh -c 'sleep 0.2; exit 3'\nautorestart=true\nstartretries=1000"
    with supervisor(tmp_path, {"crm": line}, 1) as address:
        one = SupervisorService("crm", address, "crm", [], Patience())
        spec = Target(
            name="crm", host="here", roots=("/srv",), database=Database(url="sqlite:////srv/crm.db")
        )
        with pytest.raises(CannotProve, match="starting") as no:
            teardown.plan(spec, System((one,), (), (), ()), Host("here", "m"), "t1")
        assert say(no.value.key, **no.value.params)
