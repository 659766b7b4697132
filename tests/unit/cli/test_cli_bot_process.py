"""The bot half as a real process against a Slack on loopback: when it is ready, and when it is not."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.sandbox.people import seeded
from bot.sandbox.slack.server import Slack
from tests.fakes.ports import free_port
from tests.unit.cli.cli_installation import Installation
from tests.unit.cli.processes import until

pytestmark = pytest.mark.slow

Start = Callable[..., "Bot"]


class Bot:
    """The process, and its health page."""

    def __init__(self, installation: Installation, address: str) -> None:
        self.log = installation.folder / "bot.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve-part", "bot"],
                env={**os.environ, "COUNTERSIGN_HTTP": address},
                stdout=log,
                stderr=log,
            )

    def page(self, address: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
                return answer.status, json.load(answer)["parts"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["parts"]
        except OSError:
            return 0, {}


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    with Slack(seeded()) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def start(installation: Installation, slack: Slack) -> Iterator[Start]:
    started: list[Bot] = []

    def begin(address: str) -> Bot:
        started.append(Bot(installation, address))
        return started[-1]

    yield begin
    for bot in started:
        bot.process.kill()
        bot.process.wait()


def beat(installation: Installation, age: float, canary: str = "refused") -> None:
    """A worker's heartbeat that is ``age`` seconds old."""
    store = installation.store()
    with store.transact() as work:
        work.processes.beat(
            "worker", "slot-0", {"canary": canary}, datetime.now(UTC) - timedelta(seconds=age)
        )
    store.database.close()


def test_ready_only_with_database_worker_and_a_connection_to_slack(
    installation: Installation, slack: Slack, start: Start
) -> None:
    address = free_address()
    bot = start(address)
    nothing = {"database": False, "worker": False, "gate": False, "slack": False}
    until(lambda: bot.page(address) == (503, nothing), "the page did not come up before the database")
    installation.prepare()
    no_worker = {"database": True, "worker": False, "gate": False, "roster": True, "slack": True}
    until(lambda: bot.page(address) == (503, no_worker), "the bot did not connect")
    no_gate = {"database": True, "worker": True, "gate": False, "roster": True, "slack": True}
    for canary in ("not-yet", "let-through", "unclear", ""):
        beat(installation, 0, canary)
        until(lambda: bot.page(address) == (503, no_gate), f"ready although the gate is {canary}")
    beat(installation, 0)
    until(lambda: bot.page(address)[0] == 200, "not ready with everything there")
    beat(installation, 16)
    until(lambda: bot.page(address) == (503, no_worker), "ready though the worker was silent for 16 s")
    beat(installation, 0)
    slack.faults.down()
    no_slack = {"database": True, "worker": True, "gate": True, "roster": True, "slack": False}

    def silent() -> bool:
        beat(installation, 0)
        return bot.page(address) == (503, no_slack)

    until(silent, "ready without Slack", within=40)
    bot.process.terminate()
    assert bot.process.wait(timeout=30) == 0
    assert re.search(rf"http://{address}/readyz", bot.log.read_text())


def test_a_taken_port_is_one_sentence_and_two(installation: Installation, start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bot = start(f"127.0.0.1:{taken.getsockname()[1]}")
        assert bot.process.wait(timeout=30) == 2
    said = bot.log.read_text()
    assert said.count("\n") == 1
    assert "COUNTERSIGN_HTTP" in said


def test_a_signal_while_it_waits_for_the_worker_ends_it(installation: Installation, start: Start) -> None:
    bot = start("127.0.0.1:0")
    until(lambda: "waiting for the worker" in bot.log.read_text(), "it did not wait")
    bot.process.terminate()
    assert bot.process.wait(timeout=30) == 0


def test_the_bot_never_loads_what_deletes() -> None:
    """What Slack reaches has no code that opens a target; it also starts in half the time for it."""
    program = (
        "import sys; sys.argv = ['countersign', 'serve-part', '--help']; from bot.cli.entry import run; run(sys.argv[1:]);"
        " import bot.cli.bot_process; print('loaded', *sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = said.rpartition("loaded ")[2].split()
    assert "handlers.running" in loaded
    rooms = (
        "bot.worker",
        "bot.jobs",
        "bot.operations",
        "bot.targets",
        "bot.schedules.sweeps",
        "dbos",
        "pymysql",
    )
    assert not [one for one in loaded if one.startswith(rooms)]
