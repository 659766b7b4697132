"""/teardown with real programs: set aside, put back, gone for good; stopped, frozen, killed, in the way."""

import json
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.audit import certificate
from bot.operations import teardown
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.fakes.supervisor import supervisor
from tests.stories.rig import Rig

pytestmark = pytest.mark.slow

PAGE = Path(__file__).with_name("crm_page.py")
SYSTEM = """
    host: HOST
    grace: GRACE
    roots: ["ROOT"]
    services: [{name: web, supervisor: "SOCKET", program: crm, ports: [PORT], wait: 10s}]
    files: [{name: uploads, path: "ROOT/uploads"}]
    checks: [{name: page, http: "http://127.0.0.1:PORT/"}]
    neighbours: [{name: shop, port: "127.0.0.1:NEXT"}]
    tell: [U0CAROL, C0DELETIONS]
"""
RULE = """  - name: teardown
    when: {operation: teardown}
    request: [support]
    approve: [1 of dba, 1 of data-owner]
    cooling_off: 0s
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def home(tmp_path: Path) -> Path:
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    uploads = root / "uploads"
    uploads.mkdir()
    (uploads / "offer.txt").write_text("an offer")
    (uploads / "link").symlink_to("/etc/passwd")
    return root


@contextmanager
def town(
    tmp_path: Path, grace: str = "1h", host: str = "", *, leans: bool = False
) -> Iterator[tuple[Rig, Callable[[], str | None]]]:
    """``leans``: the neighbour falls ill when the CRM goes, because it is the CRM's own port."""
    port = free_port()
    root = home(tmp_path)
    neighbour = socket.socket()
    neighbour.bind(("127.0.0.1", 0))
    neighbour.listen()
    programs = tmp_path / "programs"
    programs.mkdir()
    line = f"command={sys.executable} {PAGE} {port} {root / 'crm.db'}\nautorestart=true\nstopwaitsecs=3"
    with neighbour, supervisor(programs, {"crm": line}) as address:

        def change(text: str) -> str:
            parts = SYSTEM.replace("HOST", host or socket.gethostname()).replace("GRACE", grace)
            parts = parts.replace("ROOT", str(root)).replace("SOCKET", address)
            shop = port if leans else neighbour.getsockname()[1]
            parts = parts.replace("PORT", str(port)).replace("NEXT", str(shop))
            text = text.replace("    environment: production\n", f"    environment: production{parts}", 1)
            return text.replace("rules:\n", f"rules:\n{RULE}", 1)

        def page() -> str | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
                    return str(answer.read().decode())
            except OSError:
                return None

        rig = Rig(tmp_path, change)
        rig.crm.rename(root / "crm.db")
        rig.crm = root / "crm.db"
        with rig:
            rig.wait(page, "the CRM's page")
            yield rig, page


def ask(rig: Rig) -> Message:
    since = rig.command("U0ALICE", "/teardown", "crm — replaced by the new CRM")
    return rig.ballot(since)


def torn_down(rig: Rig) -> Message:
    ballot = ask(rig)
    rig.approve(ballot)
    assert rig.wait_state(1, "set-aside", "failed", "held", "stopped") == "set-aside", thread(rig, ballot)
    return ballot


def thread(rig: Rig, ballot: Message) -> str:
    return "\n".join(shown_text(one) for one in [rig.card(ballot), *rig.thread(ballot.thread_ts)])


def test_gone_and_put_back_and_the_page_answers_again(tmp_path: Path) -> None:
    with town(tmp_path) as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        plan = thread(rig, ballot)
        for told in ("uploads", "database", "Point of no return", "shop", "web", "Undo"):
            assert told in plan
        rig.approve(ballot)
        assert rig.wait_state(1, "set-aside", "failed", "held") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert not rig.crm.exists()
        assert not (rig.crm.parent / "uploads").exists()
        receipt = rig.slack.wait_for(lambda: next(iter(rig.receipts()), None), 30)
        assert receipt is not None
        assert "cs1." in shown_text(receipt)
        since = rig.command("U0ALICE", "/countersign", "put-back 1")
        assert "responder" in rig.told("U0ALICE", since)
        rig.command("U0ERIN", "/countersign", "put-back #1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows
        assert (rig.crm.parent / "uploads" / "offer.txt").read_text() == "an offer"


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
        rig.slack.wait_for(lambda: "approvals no longer stand" in thread(rig, ballot), 30)
        assert rig.state(1) == "set-aside"
        rig.command("U0ERIN", "/countersign", "put-back 1")
        rig.wait_state(1, "stopped")
        assert rig.wait(page, "the page is back")


def test_a_freeze_holds_the_purge_and_putting_back_still_works(tmp_path: Path) -> None:
    with town(tmp_path, grace="4s") as (rig, page):
        ballot = torn_down(rig)
        rig.command("U0ERIN", "/countersign", "freeze crm -- wait")
        rig.slack.wait_for(lambda: "removed for good after" in thread(rig, ballot), 30)
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


@pytest.mark.parametrize("step", [one[0] for one in teardown.SET_ASIDE])
@pytest.mark.parametrize("moment", ["inside", "after"])
def test_setting_aside_survives_kill_9(tmp_path: Path, moment: str, step: str) -> None:
    with town(tmp_path) as (rig, page):
        dies(rig, moment, step)
        ballot = ask(rig)
        rig.approve(ballot)
        comes_back(rig)
        assert rig.wait_state(1, "set-aside", "held", "failed") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert rig.row("SELECT count(*) FROM backups WHERE state = 'kept'")[0] == 1
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back")


@pytest.mark.parametrize("step", [one[0] for one in teardown.PURGE])
def test_a_purge_survives_kill_9(tmp_path: Path, step: str) -> None:
    with town(tmp_path, grace="1s") as (rig, _):
        dies(rig, "inside", step)
        ballot = ask(rig)
        rig.approve(ballot)
        comes_back(rig)
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert not [one for one in rig.crm.parent.rglob("*") if one.is_file()]


def dies(rig: Rig, *moment: str) -> None:
    rig.stop("worker")
    rig.start_worker(*moment)


def comes_back(rig: Rig) -> None:
    worker = rig.processes["worker"]
    rig.wait(lambda: worker.poll() is not None, "the worker should have killed itself")
    assert worker.returncode == -signal.SIGKILL, rig.log("worker")
    rig.start_worker()
