"""``countersign sandbox`` as a program: it says where its page is, stays up, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import PLAIN_VARIABLES, read_environment

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name: the CRM's supervisor has a socket in it."""
    with tempfile.TemporaryDirectory(prefix="cs") as made:
        yield Path(made)


def sandbox(folder: Path, *options: str) -> "subprocess.Popen[str]":
    plain = {name: value for name, value in read_environment().variables.items() if name in PLAIN_VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "sandbox", *options],
        cwd=ROOT,
        env={**plain, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_names_its_page_stays_up_and_goes_without_a_trace(folder: Path, number: signal.Signals) -> None:
    with sandbox(folder) as process:
        assert process.stdout
        address = next(found.group() for line in process.stdout if (found := re.search(r"http://\S+/", line)))
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b'<div id="page">' in answer.read()
        assert list(folder.iterdir())
        os.kill(process.pid, number)
        assert process.wait(60) == 0
    assert list(folder.iterdir()) == []


def test_a_port_that_is_taken_is_one_sentence(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with sandbox(folder, "--port", port) as process:
            assert process.stdout
            said = " ".join(process.stdout.read().split())
            assert process.wait(60) == 1
    assert f"The port {port} is taken by another program." in said
    assert list(folder.iterdir()) == []
