"""Services under a real supervisor and behind real commands: stopped means stopped."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bot.errors import BadInput, CannotProve, TargetDown
from bot.targets import processes
from bot.targets.checks import HttpCheck, PortCheck
from bot.targets.services_commands import Commands, CommandService
from bot.targets.stopping import left
from bot.targets.system import ServiceFacts
from bot.texts import say
from tests.fakes.ports import free_port
from tests.fakes.supervisor import QUICK, service, supervisor

LISTENER = """
import os, signal, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def child():
    if os.fork() == 0:
        os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            while True: time.sleep(1)
        while True: time.sleep(1)
if "child" in sys.argv: child()
while True: time.sleep(1)
"""


def command(folder: Path, *words: object) -> str:
    script = folder / "listener.py"
    script.write_text(LISTENER)
    return f"command={sys.executable} {script} {' '.join(map(str, words))}"


def eventually(happened: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def listens(port: int) -> bool:
    return port in processes.listening().values()


def test_stopped_with_everything_it_started_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    with supervisor(tmp_path, {"crm": command(tmp_path, port, "child")}) as address:
        one = service(address, "crm", port)
        eventually(lambda: listens(port) and len(one.look().processes) == 3)
        former = one.look()
        assert former == ServiceFacts.of(former.plain())
        assert (former.state, former.ports, former.hidden) == ("running", (port,), 0)
        assert former.restarted_by == ("services.told-autostart",)
        with pytest.raises(CannotProve, match="came-back"):
            one.verify(former)
        for _ in range(2):
            down = one.stop(former)
            assert (down.state, down.processes) == ("stopped", ())
        assert not listens(port)
        assert left(former.processes) == []
        one.verify(former)
        for _ in range(2):
            assert one.start(former).state == "running"
        assert listens(port)
        assert PortCheck("crm", "127.0.0.1", port).probe().well
        # Its children outlive their supervisor; nothing of a test does.
        eventually(lambda: len(one.look().processes) == 3)
        one.stop(one.look())


def test_a_child_that_outlived_an_earlier_attempt_is_ended_by_the_next(tmp_path: Path) -> None:
    port = free_port()
    with supervisor(tmp_path, {"crm": command(tmp_path, port, "child")}) as address:
        one = service(address, "crm", port)
        eventually(lambda: listens(port) and len(one.look().processes) == 3)
        former = one.look()
        os.kill(former.processes[0][0], signal.SIGSTOP)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "supervisor.supervisorctl",
                "-s",
                f"unix://{address}",
                "signal",
                "KILL",
                "crm",
            ],
            check=True,
            capture_output=True,
        )
        # autorestart brings a new one; the children of the first have lost their parent.
        eventually(lambda: one.look().state == "running" and one.look().processes[0] not in former.processes)
        one.stop(former)
        assert left(former.processes) == []


def test_somebody_else_who_starts_it_again_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    taken: list[socket.socket] = []

    def take() -> None:
        while not taken:
            try:
                taken.append(socket.create_server(("127.0.0.1", port)))
            except OSError:
                time.sleep(0.01)

    with supervisor(tmp_path, {"crm": command(tmp_path, port)}) as address:
        one = service(address, "crm", port)
        eventually(lambda: listens(port))
        thread = threading.Thread(target=take)
        thread.start()
        with pytest.raises(CannotProve) as caught:
            one.stop(one.look())
        thread.join()
        taken[0].close()
        assert caught.value.key in ("services.port-open-by", "services.came-back-by")
        assert f"({os.getpid()})" in str(caught.value.params["who"]) or "came-back" in caught.value.key
        assert say(caught.value.key, **caught.value.params)


def test_what_does_not_come_up_is_said(tmp_path: Path) -> None:
    port = free_port()
    programs = {
        "silent": "command=sleep 1000",
        "broken": "command=sh -c 'exit 3'\nautostart=false\nautorestart=false",
    }
    with supervisor(tmp_path, programs) as address:
        silent = service(address, "silent", port)
        eventually(lambda: silent.look().up)
        former = silent.look()
        silent.stop(former)
        with pytest.raises(CannotProve, match="port-silent"):
            silent.start(former)
        broken = service(address, "broken")
        with pytest.raises(CannotProve, match="not-up"):
            broken.start(ServiceFacts("broken", "running", (), (), (), 0))
        assert broken.start(broken.look()).state in ("failed", "stopped")


def test_nobody_there_and_no_such_program(tmp_path: Path) -> None:
    with pytest.raises(TargetDown, match="no-answer"):
        service(str(tmp_path / "nothing"), "crm").look()
    with supervisor(tmp_path, {"crm": "command=sleep 1000"}) as address:
        other = service(address, "other")
        assert other.look().state == "away"
        other.stop(other.look())
        with pytest.raises(CannotProve, match="away"):
            other.start(ServiceFacts("other", "running", (), (), (), 0))
    with closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.bind(os.path.relpath(tmp_path / "deaf"))
        deaf.listen()
        from bot.targets.services import SupervisorService
        from bot.targets.stopping import Patience

        with pytest.raises(TargetDown, match="no-answer"):
            SupervisorService(
                "crm", os.path.relpath(tmp_path / "deaf"), "crm", (), Patience(answer=0.2)
            ).look()


def test_commands_start_stop_and_tell(tmp_path: Path) -> None:
    port = free_port()
    command(tmp_path)
    pid = tmp_path / "pid"
    start = f"{sys.executable} {tmp_path}/listener.py {port} </dev/null >/dev/null 2>&1 & echo $! >{pid}"
    commands = Commands(
        start=["sh", "-c", start],
        stop=["sh", "-c", f"kill $(cat {pid}) && rm {pid} || true"],
        status=["sh", "-c", f"test -e {pid} && kill -0 $(cat {pid}) || exit 3"],
    )
    one = CommandService("crm", commands, [port], QUICK)
    assert one.look().state == "stopped"
    wanted = ServiceFacts("crm", "running", (), (port,), (), 0)
    one.start(wanted)
    former = one.look()
    assert len(former.processes) == 1
    one.stop(former)
    assert not listens(port)
    one.verify(former)
    with pytest.raises(TargetDown, match="no-command"):
        CommandService("x", Commands(["/nothing"], ["/nothing"], ["/nothing"]), [], QUICK).look()
    with pytest.raises(TargetDown, match="unclear"):
        CommandService("x", Commands([], [], ["sh", "-c", "exit 4"]), [], QUICK).look()
    slow = CommandService("x", Commands([], [], ["sleep", "60"]), [], type(QUICK)(answer=0.1))
    with pytest.raises(TargetDown, match="no-answer"):
        slow.look()


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/drip":
            for _ in range(100):
                self.wfile.write(b"H")
                time.sleep(0.1)
        self.send_response(503 if self.path == "/ill" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


CASES = [("/", True, "checks.status"), ("/ill", False, "checks.status"), ("/drip", False, "checks.no-answer")]


@pytest.mark.parametrize(("path", "well", "key"), CASES)
def test_a_page_is_well_or_not_and_never_keeps_us(path: str, well: bool, key: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}{path}"
        found = HttpCheck("crm", url, seconds=0.5).probe()
        assert (found.well, found.key) == (well, key)
        assert say(found.key, **found.params)
        server.shutdown()


def test_a_closed_port_is_not_well() -> None:
    port = free_port()
    assert not PortCheck("crm", "127.0.0.1", port).probe().well
    assert not HttpCheck("crm", f"http://127.0.0.1:{port}/").probe().well


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "http://a:b@x/", "http://[", "http://x:y/"])
def test_addresses_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(BadInput):
        HttpCheck("crm", url)
