"""A teardown under attack, through the Slack door: everything in its way is said, and nothing is half and silent."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, Rig
from tests.stories.town import APP, ask, press, thread, torn_down, town

pytestmark = pytest.mark.slow


def aside(rig: Rig) -> Path:
    return rig.crm.parent / ".countersign-quarantine" / "t1"


def chattr(mark: str, path: Path) -> bool:
    return not subprocess.run(["chattr", mark, path], capture_output=True, check=False).returncode


def going_on_without_an_approval_or_while_frozen_is_refused(rig: Rig, ballot: Message) -> None:
    bob = rig.slack.as_user("U0BOB")
    since = rig.slack.core.stamp()
    bob.unreact("C0DELETIONS", ballot.ts, "white_check_mark")
    rig.told("U0BOB", since)
    since = rig.command("U0ALICE", "/countersign", "go-on 1")
    assert "approvals" in rig.told("U0ALICE", since)
    rig.told("U0BOB", rig.react("U0BOB", ballot))
    since = rig.command("U0BOB", "/countersign", "freeze crm")
    rig.told("U0BOB", since)
    since = rig.command("U0ALICE", "/countersign", "go-on 1")
    assert "frozen" in rig.told("U0ALICE", since)
    lifting = rig.ballot(rig.command("U0ERIN", "/countersign", "unfreeze crm -- the obstacle is known"))
    rig.approve(lifting, "U0CAROL")
    rig.wait_state(2, "succeeded")


def test_a_removal_held_half_way_is_gone_on_with_once_the_obstacle_is_gone(tmp_path: Path) -> None:
    with town(tmp_path, grace="6s") as (rig, _):
        ballot = torn_down(rig)
        stubborn = aside(rig) / "uploads" / "offer.txt"
        if not chattr("+i", stubborn):
            pytest.skip("this file system or user has no immutable files")
        try:
            assert rig.wait_state(1, "held", "succeeded") == "held", thread(rig, ballot)
            assert not list(aside(rig).glob("**/crm.db"))
            rig.slack.wait_for(lambda: "Still set aside: uploads" in thread(rig, ballot), PATIENCE)
            rig.slack.wait_for(lambda: "offer.txt" in shown_text(rig.card(ballot)), PATIENCE)
            assert "immutable" in shown_text(rig.card(ballot))
            since = rig.command("U0ERIN", "/countersign", "put-back 1")
            assert "nothing set aside" in rig.told("U0ERIN", since)
            since = rig.command("U0FRANK", "/countersign", "go-on 1")
            assert "角色" in rig.told("U0FRANK", since)
            rig.command("U0ALICE", "/countersign", "go-on 1")
            tries = "SELECT count(*) FROM jobs WHERE kind = 'purge' AND state = 'held'"
            rig.wait(lambda: rig.row(tries)[0] == 2, "the second removal stands still too")
            assert rig.state(1) == "held"
            going_on_without_an_approval_or_while_frozen_is_refused(rig, ballot)
            assert rig.row(tries)[0] == 2
        finally:
            chattr("-i", stubborn)
        press(rig, ballot, "U0ALICE", "go-on")
        assert rig.wait_state(1, "succeeded", "failed") == "succeeded", thread(rig, ballot)
        assert not [one for one in rig.crm.parent.rglob("*") if one.is_file()]
        since = rig.command("U0ALICE", "/countersign", "go-on 1")
        assert "nothing that stands still" in rig.told("U0ALICE", since)


def test_what_is_immutable_is_refused_or_stops_the_job_and_the_page_answers_again(tmp_path: Path) -> None:
    with town(tmp_path) as (rig, page):
        before, stubborn = page(), rig.crm.parent / "uploads" / "offer.txt"
        if not chattr("+i", stubborn):
            pytest.skip("this file system or user has no immutable files")
        try:
            since = rig.command("U0ALICE", "/teardown", "crm -- replaced")
            told = rig.told("U0ALICE", since, "immutable")
            assert "offer.txt" in told
            assert "chattr" in told
            chattr("-i", stubborn)
            rig.dies("linger", "step.close")
            ballot = ask(rig)
            rig.approve(ballot)
            lingering = rig.folder / "data" / "lingering"
            rig.wait(lingering.exists, "the services are stopped")
            assert page() is None
            chattr("+i", stubborn)
            lingering.unlink()
            assert rig.wait_state(1, "failed", "set-aside", "held") == "failed", thread(rig, ballot)
            assert rig.wait(page, "the page is back") == before
            rig.wait(lambda: "immutable" in thread(rig, ballot), "the thread says why")
            assert stubborn.read_text() == "an offer"
        finally:
            chattr("-i", stubborn)


#: PORT and the words of a program: whenever nobody listens there, it is started by this parent.
WATCHDOG = """
import socket, subprocess, sys, time
port, words, child = int(sys.argv[1]), sys.argv[2:], None
try:
    while True:
        with socket.socket() as one:
            closed = one.connect_ex(("127.0.0.1", port)) != 0
        if closed and (child is None or child.poll() is not None):
            child = subprocess.Popen(words)
        time.sleep(0.1)
finally:
    child and child.kill()
"""


def test_a_watchdog_outside_of_supervisor_that_starts_it_again_is_noticed_and_holds_until_it_is_gone(
    tmp_path: Path,
) -> None:
    with town(tmp_path) as (rig, page):
        before, rows = page(), rig.contents()
        port = re.search(r"ports: \[(\d+)\]", (tmp_path / "countersign.yml").read_text())
        assert port
        words = [sys.executable, str(APP), "crm", port[1], str(rig.crm.parent)]
        dog = subprocess.Popen([sys.executable, "-c", WATCHDOG, port[1], *words], start_new_session=True)
        try:
            ballot = ask(rig)
            rig.approve(ballot)
            assert rig.wait_state(1, "failed", "set-aside", "held") == "held", thread(rig, ballot)
            # What answers is the watchdog's, and supervisor's cannot take the port from it.
            rig.wait(lambda: "listens on its port" in thread(rig, ballot), "the card says who has it")
            os.killpg(dog.pid, signal.SIGKILL)
            dog.wait()
            press(rig, ballot, "U0ERIN", "put-back")
            assert rig.wait_state(1, "failed", "stopped", patience=60) in ("failed", "stopped")
            assert rig.wait(page, "the page answers") == before
            assert rig.contents() == rows
            assert not (rig.crm.parent / ".countersign-quarantine").exists()
            assert rig.row("SELECT count(*) FROM backups")[0] == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(dog.pid, signal.SIGKILL)
            dog.wait()


def test_what_listens_again_in_the_grace_period_is_named_and_nothing_is_removed(tmp_path: Path) -> None:
    with town(tmp_path, grace="4s") as (rig, page):
        before = page()
        ballot = torn_down(rig)
        port = re.search(r"ports: \[(\d+)\]", (tmp_path / "countersign.yml").read_text())
        assert port
        with socket.create_server(("127.0.0.1", int(port[1]))):
            who = f"({os.getpid()}) still listens on port {port[1]}"
            rig.wait(lambda: who in thread(rig, ballot), "the card says who listens")
            assert rig.state(1) == "set-aside"
            assert (aside(rig) / "uploads").exists()
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "succeeded") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
