"""The worker is killed from the page: only ours, and not so often that nobody starts it again."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bot.errors import BadInput, NotAllowed
from bot.sandbox.page.trouble import KILLS, Trouble
from bot.sandbox.people import seeded
from bot.sandbox.slack.server import Slack

#: A child that looks like a part of `serve` and waits.
WAITS = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack(seeded()) as running:
        yield running


def part(*words: str) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", WAITS, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    child.stdout.readline()
    return child


def test_the_worker_and_nobody_else_is_killed(slack: Slack) -> None:
    trouble = Trouble(slack, os.getpid)
    with part("serve-part", "bot") as bot, part("serve-part", "worker") as worker, part("worker") as other:
        assert trouble.worker_runs
        trouble.make("kill")
        assert worker.wait(10) == -9
        assert not trouble.worker_runs
        assert (bot.poll(), other.poll()) == (None, None)


def test_it_is_not_killed_so_often_that_it_stays_away(slack: Slack) -> None:
    trouble = Trouble(slack, os.getpid)
    for _ in range(KILLS):
        with part("serve-part", "worker") as worker:
            trouble.make("kill")
            worker.wait(10)
    with part("serve-part", "worker") as worker:
        with pytest.raises(NotAllowed, match="killed-often"):
            trouble.make("kill")
        assert worker.poll() is None


@pytest.mark.parametrize("serve", [None, 2**22 + 1])
def test_where_nothing_runs_nothing_is_killed(slack: Slack, serve: int | None) -> None:
    trouble = Trouble(slack, lambda: serve)
    with pytest.raises(NotAllowed, match="no-worker"):
        trouble.make("kill")


def test_a_trouble_that_is_not_known_is_refused(slack: Slack) -> None:
    with pytest.raises(BadInput):
        Trouble(slack, lambda: None).make("fire")


def test_slack_goes_once_and_comes_back(slack: Slack) -> None:
    trouble = Trouble(slack, lambda: None)
    for kind, down in (
        ("down", True),
        ("down", True),
        ("up", False),
        ("up", False),
        ("down", True),
        ("calm", False),
    ):
        trouble.make(kind)
        assert trouble.state()["down"] is down
