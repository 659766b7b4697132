"""/teardown with real programs: set aside, put back, gone for good; stopped, frozen, killed, in the way."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.audit import certificate
from bot.operations import teardown
from bot.sandbox.slack.responses import shown_text
from tests.fakes.supervisor import service
from tests.stories.rig import PATIENCE
from tests.stories.town import APP, ask, moments, thread, torn_down, town

pytestmark = pytest.mark.slow


def test_gone_and_put_back_and_the_page_answers_again(tmp_path: Path) -> None:
    with town(tmp_path) as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        plan = thread(rig, ballot)
        for told in (
            "uploads",
            "database",
            "Point of no return",
            "shop",
            "web",
            "autostart",
            "If it stops here",
        ):
            assert told in plan
        rig.approve(ballot)
        assert rig.wait_state(1, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert not rig.crm.exists()
        assert not (rig.crm.parent / "uploads").exists()
        receipt = rig.slack.wait_for(lambda: next(iter(rig.receipts()), None), PATIENCE)
        assert receipt is not None
        assert "cs1." in shown_text(receipt)
        assert "After the removal" in shown_text(receipt)
        since = rig.command("U0ALICE", "/delete-records", "crm customer ada@example.com -- meanwhile")
        assert "only set aside by request #1" in rig.told("U0ALICE", since)
        since = rig.command("U0ALICE", "/countersign", "put-back 1")
        assert "responder" in rig.told("U0ALICE", since)
        rig.command("U0ERIN", "/countersign", "put-back #1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows
        assert (rig.crm.parent / "uploads" / "offer.txt").read_text() == "an offer"
        rig.wait(lambda: "After the removal" not in thread(rig, ballot), "the receipt speaks of no removal")


def test_gone_for_good_after_the_grace_period_with_a_certificate(tmp_path: Path) -> None:
    with town(tmp_path, grace="1s") as (rig, page):
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert page() is None
        assert not [one for one in rig.crm.parent.rglob("*") if one.is_file()]
        first = json.loads(rig.row("SELECT entry FROM audit_log WHERE seq = 0")[0])
        raw = (rig.folder / "data" / "certificates" / "request-1.json").read_bytes()
        said = certificate.read(raw, first["body"]["public_key"])
        assert said["target"] == "crm"
        assert {user for user, _, _ in said["approvals"]} == {"U0BOB", "U0CAROL"}
        assert all(state == "absent" for _, state in said["residue"])


def test_a_vote_taken_back_during_grace_keeps_everything(tmp_path: Path) -> None:
    with town(tmp_path, grace="4s") as (rig, page):
        ballot = torn_down(rig)
        rig.slack.as_user("U0BOB").unreact("C0DELETIONS", ballot.ts, "white_check_mark")
        rig.slack.wait_for(lambda: "approvals no longer stand" in thread(rig, ballot), PATIENCE)
        assert rig.state(1) == "set-aside"
        rig.command("U0ERIN", "/countersign", "put-back 1")
        rig.wait_state(1, "stopped")
        assert rig.wait(page, "the page is back")


def test_a_freeze_holds_the_purge_and_putting_back_still_works(tmp_path: Path) -> None:
    with town(tmp_path, grace="4s") as (rig, page):
        ballot = torn_down(rig)
        rig.command("U0ERIN", "/countersign", "freeze crm -- wait")
        rig.slack.wait_for(lambda: "removed for good after" in thread(rig, ballot), PATIENCE)
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "succeeded") == "stopped"
        assert rig.wait(page, "the page is back")


def test_a_neighbour_that_falls_ill_holds_it_and_stop_cannot_leave_things_set_aside(tmp_path: Path) -> None:
    with town(tmp_path, leans=True) as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "held", "set-aside", "failed") == "held", thread(rig, ballot)
        assert not rig.crm.exists()
        assert "shop" in thread(rig, ballot)
        since = rig.command("U0ERIN", "/countersign", "stop 1")
        assert "put-back 1" in rig.told("U0ERIN", since)
        assert rig.state(1) == "held"
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows


def test_a_target_on_a_host_that_nobody_serves_is_refused_when_it_is_filed(tmp_path: Path) -> None:
    with town(tmp_path, host="elsewhere") as (rig, page):
        since = rig.command("U0ALICE", "/teardown", "crm -- replaced")
        assert "elsewhere" in rig.told("U0ALICE", since)
        assert page()


@pytest.mark.parametrize(("moment", "step"), moments(teardown.SET_ASIDE))
def test_setting_aside_survives_kill_9(tmp_path: Path, moment: str, step: str) -> None:
    with town(tmp_path) as (rig, page):
        rig.dies(moment, step)
        ballot = ask(rig)
        rig.approve(ballot)
        rig.comes_back()
        assert rig.wait_state(1, "set-aside", "held", "failed") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert rig.row("SELECT count(*) FROM backups WHERE state = 'kept'")[0] == 1
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back")


@pytest.mark.parametrize("step", [one[0] for one in teardown.PURGE])
def test_a_purge_survives_kill_9(tmp_path: Path, step: str) -> None:
    with town(tmp_path, grace="1s") as (rig, _):
        rig.dies("inside", step)
        ballot = ask(rig)
        rig.approve(ballot)
        rig.comes_back()
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert not [one for one in rig.crm.parent.rglob("*") if one.is_file()]


CONTROL = """
case $1 in
start) nohup PYTHON APP crm PORT ROOT </dev/null >/dev/null 2>&1 & echo $! >PID ;;
stop) kill $(cat PID); rm PID ;;
status) kill -0 $(cat PID 2>/dev/null) 2>/dev/null || exit 3 ;;
esac
"""


def test_a_service_behind_commands_goes_and_comes_back(tmp_path: Path) -> None:
    control = tmp_path / "control"
    words = ", ".join(f"{word}: [/bin/sh, {control}, {word}]" for word in ("start", "stop", "status"))

    def by_commands(text: str) -> str:
        return re.sub(r'supervisor: "[^"]*", program: crm', f"commands: {{{words}}}", text)

    with town(tmp_path, change=by_commands) as (rig, page):
        port = re.search(r"ports: \[(\d+)\]", (tmp_path / "countersign.yml").read_text())
        assert port
        names = {"PYTHON": sys.executable, "APP": str(APP), "PORT": port[1], "ROOT": str(tmp_path / "home")}
        text = CONTROL.replace("PID", str(tmp_path / "pid"))
        for name, value in names.items():
            text = text.replace(name, value)
        control.write_text(text)
        supervised = service(str(tmp_path / "programs" / "s.sock"), "crm", int(port[1]))
        supervised.stop(supervised.look())
        subprocess.run(["/bin/sh", control, "start"], check=True)
        try:
            before = rig.wait(page, "the page")
            ballot = torn_down(rig)
            assert page() is None
            rig.command("U0ERIN", "/countersign", "put-back 1")
            assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
            assert rig.wait(page, "the page is back") == before
        finally:
            subprocess.run(["/bin/sh", control, "stop"], check=False)
