"""A system's own uninstall that talks, hangs, dies, lies about others or leaves somebody behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.config.types import Target
from bot.errors import CannotProve
from bot.jobs.parts import Surroundings, open_system
from bot.targets import processes
from bot.targets.calls import CommandCall, Credential, HttpCall
from bot.texts import say
from tests.contracts.test_services import eventually

TOKEN = Credential("ADMIN_TOKEN", "s3cret-of-the-administrator")
#: Whatever carries this name is ended: suites beside this one must not share it.
OP = f"t42-{os.getpid()}"
#: Leaves its session, its parent and its environment, as a daemon does that does not want to be found.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for one in (0, 1, 2): os.dup2(os.open(os.devnull, os.O_RDWR), one)
        os.execve(sys.executable, [sys.executable, "-c", CODE, sys.argv[1]], {})
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""
STAYS = "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, HOW)\n"
STAYS += (
    "open(sys.argv[1] + '.new', 'w').write(str(os.getpid()))\nos.rename(sys.argv[1] + '.new', sys.argv[1])\n"
)
STAYS += "time.sleep(600)"


def script(folder: Path, text: str) -> str:
    place = folder / "uninstall.py"
    place.write_text(text)
    return str(place)


def daemon(folder: Path, *, deaf: bool, then: str = "") -> CommandCall:
    code = STAYS.replace("HOW", "signal.SIG_IGN" if deaf else "signal.SIG_DFL")
    text = DAEMON.replace("CODE", repr(code)) + then
    return CommandCall([sys.executable, script(folder, text), str(folder / "pid")], None, 3 if then else 20)


def alive(folder: Path) -> bool:
    found = processes.one(int((folder / "pid").read_text()))
    return found is not None and found.alive


def test_a_daemon_that_left_everything_behind_is_ended_with_the_call(tmp_path: Path) -> None:
    call = daemon(tmp_path, deaf=False)
    began = time.monotonic()
    assert call.run(OP) == "exit 0"
    assert time.monotonic() - began < 15, "a daemon keeps nobody waiting"
    assert alive(tmp_path)
    call.end("t1")
    assert alive(tmp_path), "it is of another teardown"
    CommandCall(["/bin/true"], None, 20, "another").end(OP)
    assert alive(tmp_path), "it is of another installation"
    call.end(OP)
    assert not alive(tmp_path)
    call.end(OP)


def test_one_that_hangs_is_ended_with_its_deaf_daemon(tmp_path: Path) -> None:
    call = daemon(tmp_path, deaf=True, then="time.sleep(600)")
    with pytest.raises(CannotProve, match="too-slow"):
        call.run(OP)
    assert not alive(tmp_path)


LOUD = "import os, sys\nfor out in (1, 2): os.write(out, os.environ['ADMIN_TOKEN'].encode())\n"
ENDS = {
    "well": ("", "exit 0"),
    "with a code": ("sys.exit(7)", "ended with 7"),
    "by a signal": ("os.kill(os.getpid(), 9)", "ended with -9"),
    "in an error of its own": ("raise ValueError(os.environ['ADMIN_TOKEN'])", "ended with 1"),
}


@pytest.mark.parametrize("how", ENDS)
def test_what_it_says_reaches_nobody_however_it_ends(
    tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    more, told = ENDS[how]
    call = CommandCall([sys.executable, script(tmp_path, LOUD + more)], TOKEN, 20)
    try:
        said = call.run(OP)
    except CannotProve as error:
        said = say(error.key, **error.params) + str(error) + repr(error.__context__)
    assert told in said
    heard = capfd.readouterr()
    assert TOKEN.value not in said + heard.out + heard.err + repr(call.place) + repr(TOKEN)


def test_it_sees_no_variable_but_its_own(tmp_path: Path) -> None:
    os.environ["CRM_DATABASE_URL"] = "of the worker"
    try:
        text = f"import os, sys\nopen({str(tmp_path / 'seen')!r}, 'w').write(' '.join(sorted(os.environ)))"
        CommandCall([sys.executable, script(tmp_path, text)], TOKEN, 20).run(OP)
    finally:
        del os.environ["CRM_DATABASE_URL"]
    seen = set((tmp_path / "seen").read_text().split()) - {"LC_CTYPE"}
    assert seen == {"ADMIN_TOKEN", "COUNTERSIGN_OPERATION", "LC_ALL", "PATH"}


def test_a_program_that_is_replaced_has_another_seal_and_data_has_none(tmp_path: Path) -> None:
    place, data = script(tmp_path, "pass"), tmp_path / "crm.db"
    data.write_text("rows")
    call = CommandCall([sys.executable, place, str(data)], TOKEN, 20)
    alone = CommandCall([place], TOKEN, 20)
    seals = call.seal(), alone.seal()
    data.write_text("more rows")
    assert (call.seal(), alone.seal()) == seals
    Path(place).write_text("import shutil")
    assert call.seal() != seals[0]
    assert alone.seal() != seals[1]
    Path(place).unlink()
    assert alone.seal() not in seals


class Rude(BaseHTTPRequestHandler):
    elsewhere = ""

    def do_POST(self) -> None:
        if self.path.startswith("/never"):
            time.sleep(3)
            return
        self.send_response(int(self.path.strip("/").partition("?")[0]))
        self.send_header("Location", self.elsewhere)
        body = f"{TOKEN.value} {self.headers['Authorization']}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Elsewhere(Rude):
    met: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.met.append(self.path)

    do_GET = do_POST  # noqa: N815 - the library calls it so


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


ANSWERS = [
    ("/500?token=s3cret-of-the-administrator", "500"),
    ("/302", "302"),
    ("/307", "307"),
    ("/never", "within 1 s"),
]


@pytest.mark.parametrize(("path", "told"), ANSWERS)
def test_over_http_it_is_never_led_elsewhere_nor_kept_waiting_nor_quoted(path: str, told: str) -> None:
    with serving(Rude) as rude, serving(Elsewhere) as elsewhere:
        Rude.elsewhere = f"{elsewhere}/take-the-token"
        call = HttpCall(rude + path, "POST", TOKEN, 1)
        with pytest.raises(CannotProve) as caught:
            call.run(OP)
        said = say(caught.value.key, **caught.value.params)
        assert told in said
        assert TOKEN.value not in said + str(caught.value) + repr(caught.value.params) + call.place
        assert Elsewhere.met == []


def test_what_others_on_this_machine_keep_is_looked_at_around_an_uninstall(tmp_path: Path) -> None:
    shop, crm = tmp_path / "shop", tmp_path / "crm"
    for place in (shop / "files", crm / "files"):
        place.mkdir(parents=True)
    (shop / "files" / "one").write_text("of the shop")
    (shop / "shop.db").write_text("of the shop")

    def target(name: str, folder: Path, **more: Any) -> Target:
        parts = {
            "database": {"url": f"sqlite:///{folder}/{name}.db"},
            "host": "here",
            "roots": [str(folder)],
            "files": [{"name": "files", "path": f"{folder}/files"}],
        }
        return Target.model_validate({**parts, **more}).model_copy(update={"name": name})

    own = {"uninstall": {"command": [sys.executable, "-V"]}}
    targets = {"crm": target("crm", crm, builtin=own), "shop": target("shop", shop)}
    system = open_system(targets["crm"], targets, (), Surroundings({}, tmp_path))
    assert [check.probe().well for check in system.neighbours] == [True, True]
    (shop / "files" / "one").unlink()
    (shop / "shop.db").unlink()
    assert [check.probe().well for check in system.neighbours] == [False, False]
    assert all(say(one.key, **one.params) for one in (check.probe() for check in system.neighbours))
    assert open_system(targets["shop"], targets, (), Surroundings({}, tmp_path)).neighbours == ()


def test_nothing_of_a_call_is_left_in_this_process(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        CommandCall([sys.executable, "-c", "pass"], None, 20).run(OP)
    eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)
    mine = [one for one in processes.table().values() if one.parent == os.getpid() and one.name == "python3"]
    eventually(lambda: not any(processes.one(one.pid) for one in mine if not one.alive))
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_IGN
