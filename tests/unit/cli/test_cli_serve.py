"""``countersign serve`` as a real process: what its halves may see, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.cli.cli_installation import Installation
from tests.unit.cli.processes import alive, pids, running, until

STAND_IN = Path(__file__).with_name("part_stand_in.py")
SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-bot-token",
    "SLACK_APP_TOKEN": "xapp-app-token",
    "SLACK_SIGNING_SECRET": "signing-secret",
    "COUNTERSIGN_HTTP": "127.0.0.1:0",
    "UNRELATED_PASSWORD": "nobody-needs-this",
}

pytestmark = pytest.mark.slow

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COUNTERSIGN_MASTER_KEY_FILE", str(installation.folder / "secret" / "master.key"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bot", "serve", "--stand-in", str(STAND_IN), *arguments]
        process = subprocess.Popen(
            command, cwd=installation.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def environment(pid: int) -> dict[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(one.split("=", 1) for one in raw if one)


def test_each_half_sees_its_own_secrets_and_both_die_with_serve(
    serve: Serve, installation: Installation
) -> None:
    process = serve()
    children = running(installation.folder, "worker", "bot")
    bot, worker = environment(children["bot"]), environment(children["worker"])
    assert bot["SLACK_BOT_TOKEN"] == SECRETS["SLACK_BOT_TOKEN"]
    assert "CRM_URL" not in bot
    assert "COUNTERSIGN_MASTER_KEY_FILE" not in bot
    assert worker["CRM_URL"] == os.environ["CRM_URL"]
    assert worker["COUNTERSIGN_MASTER_KEY_FILE"]
    assert not [name for name in worker if name.startswith("SLACK_")]
    for seen in (bot, worker):
        assert "UNRELATED_PASSWORD" not in seen
        assert seen["COUNTERSIGN_DATA_DIR"] == os.environ["COUNTERSIGN_DATA_DIR"]
    process.kill()
    until(lambda: not any(alive(pid) for pid in children.values()), "a half outlived serve")


def test_a_configuration_that_names_a_slack_token_starts_nothing(
    serve: Serve, installation: Installation
) -> None:
    text = installation.config.read_text().replace("${CRM_URL}", "sqlite:///${SLACK_BOT_TOKEN}")
    installation.config.write_text(text)
    assert serve("--only", "worker").wait(timeout=30) == 2
    assert pids(installation.folder, "worker") == []


@pytest.mark.parametrize("only", ["bot", "worker"])
def test_only_one_half_is_started_and_filtered_all_the_same(
    serve: Serve, installation: Installation, only: str
) -> None:
    process = serve("--only", only)
    child = running(installation.folder, only)[only]
    assert ("CRM_URL" in environment(child)) is (only == "worker")
    assert ("SLACK_BOT_TOKEN" in environment(child)) is (only == "bot")
    process.terminate()
    assert process.wait(timeout=20) == 0
    other = {"bot": "worker", "worker": "bot"}[only]
    assert pids(installation.folder, other) == []


def test_serve_tells_one_line_per_event_and_no_secret(serve: Serve, installation: Installation) -> None:
    process = serve()
    running(installation.folder, "worker", "bot")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    told, *lines = out.splitlines()
    assert "Socket Mode is used" in told
    assert [line.split(":")[0] for line in lines] == ["worker", "bot", "worker", "bot"]
    assert not [value for value in SECRETS.values() if value in out]


def test_the_answer_of_a_half_is_the_answer_of_serve(serve: Serve, installation: Installation) -> None:
    (installation.folder / "worker.mood").write_text("1")
    assert serve().wait(timeout=30) == 1


@pytest.mark.parametrize(
    ("arguments", "missing", "named"),
    [
        (("--targets", "crm,nosuch"), None, "nosuch"),
        (("--targets", ","), None, "crm"),
        ((), "SLACK_APP_TOKEN", "Neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set"),
        ((), "SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_before_anything_starts(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    missing: str | None,
    named: str,
) -> None:
    for name in {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"} - {missing}:
        monkeypatch.setenv(name, "xoxb-x")
    answer = installation.command("serve", "--stand-in", str(STAND_IN), *arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert named in answer.err


def test_a_wrong_configuration_is_told_once_and_nothing_starts(installation: Installation) -> None:
    installation.config.write_text("surprise: true\n")
    answer = installation.command("serve", "--stand-in", str(STAND_IN))
    assert (answer.code, answer.out) == (2, "")
    assert "surprise" in answer.err
