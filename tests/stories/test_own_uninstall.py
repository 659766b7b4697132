"""A teardown by the system's own uninstall, with real programs: it works, it is not there, it fails, it lies."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.audit import certificate
from bot.backups import keys
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.operations import teardown
from bot.sandbox.people import TEAM
from bot.sandbox.slack.workspace import Message
from tests.stories import own_crm
from tests.stories.rig import Rig
from tests.stories.town import ask, moments, press, thread, torn_down, town

pytestmark = pytest.mark.slow

CRM = Path(own_crm.__file__)
SECRET = {"CRM_ADMIN_TOKEN": own_crm.TOKEN}
HTTP = '{http: "http://127.0.0.1:PORT/WORD"}'
COMMAND = f"{{command: [{sys.executable}, {CRM}, WORD, HOME]}}"
BUILTIN = """
    builtin:
      uninstall: UNINSTALL
      export: EXPORT
      credential: CRM_ADMIN_TOKEN
      requires: {checks: [page]}
      timeout: 4s
"""


@contextmanager
def own(
    folder: Path, call: str = HTTP, grace: str = "1s", mode: str = "well", more: str = "", **how: Any
) -> Iterator[tuple[Rig, Callable[[], str | None]]]:
    (folder / "mode").write_text(mode)

    def with_builtin(text: str) -> str:
        port = re.search(r"ports: \[(\d+)\]", text)
        assert port
        part = BUILTIN.replace("UNINSTALL", call.replace("WORD", "uninstall"))
        part = part.replace("EXPORT", call.replace("WORD", "export")).rstrip() + more
        part = part.replace("PORT", port[1]).replace("HOME", str(folder / "home"))
        return text.replace("    tell: [", f"{part[1:]}\n    tell: [", 1)

    settings = {"secrets": SECRET, **how}
    with town(folder, grace, change=with_builtin, program=CRM, **settings) as (rig, page):
        yield rig, page


def calls(rig: Rig) -> list[str]:
    file = rig.folder / "calls"
    return file.read_text().split() if file.exists() else []


def says(rig: Rig, ballot: Message, words: str) -> None:
    """Card and thread follow what happened in a moment of their own."""
    rig.wait(lambda: words in thread(rig, ballot), f"the thread says: {words}")


def certified(rig: Rig) -> dict[str, Any]:
    first = json.loads(rig.row("SELECT entry FROM audit_log WHERE seq = 0")[0])
    raw = (rig.folder / "data" / "certificates" / "request-1.json").read_bytes()
    return dict(certificate.read(raw, first["body"]["public_key"]))


def files(rig: Rig) -> list[Path]:
    return [one for one in rig.crm.parent.rglob("*") if one.is_file()]


@pytest.mark.parametrize("call", [HTTP, COMMAND], ids=["over HTTP", "as a command"])
def test_it_is_called_once_after_the_grace_period_and_its_export_lies_in_the_backup(
    tmp_path: Path, call: str
) -> None:
    with own(tmp_path, call) as (rig, page):
        ballot = ask(rig)
        plan = thread(rig, ballot)
        assert "own uninstall" in plan
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert page() is None
        assert len(calls(rig)) == 1
        assert files(rig) == []
        said = certified(rig)
        assert said["method"] == "builtin"
        assert said["uninstall"] in ("status 200", "exit 0")
        assert all(state == "absent" for _, state in said["residue"])
        vault = Vault(
            LocalStorage(next(rig.folder.rglob(f"{said['backup']}.age")).parent),
            keys.load(rig.folder / "data" / "worker" / "master.key"),
            TEAM,
        )
        with vault.open(str(said["backup"])) as opened, opened.blob("builtin.export") as stream:
            read = iter(lambda: stream.read(1 << 20), b"")
            assert b"".join(read) == own_crm.EXPORT
        assert not list((rig.folder / "data" / "worker" / "exports").iterdir())
        everything = rig.log("worker") + rig.log("bot") + thread(rig, ballot)
        everything += "".join(str(row) for row in rig.rows("SELECT entry FROM audit_log"))
        everything += "".join(str(row) for row in rig.rows("SELECT facts FROM jobs"))
        assert own_crm.TOKEN not in everything


def test_without_its_credential_it_goes_by_steps_and_the_plan_says_why(tmp_path: Path) -> None:
    with own(tmp_path, secrets={}) as (rig, _):
        ballot = ask(rig)
        assert "CRM_ADMIN_TOKEN" in thread(rig, ballot)
        assert "Step by step, because" in thread(rig, ballot)
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert calls(rig) == []
        assert certified(rig)["method"] == "by-steps"


def test_where_nothing_else_is_allowed_a_missing_requirement_refuses(tmp_path: Path) -> None:
    with own(tmp_path, more="\n    method: builtin", secrets={}) as (rig, page):
        since = rig.command("U0ALICE", "/teardown", "crm -- replaced")
        told = rig.told("U0ALICE", since, "CRM_ADMIN_TOKEN")
        assert "was not given" in told
        assert rig.row("SELECT state FROM requests")[0] == "refused"
        assert page()


WRONG = [
    ("fails", HTTP, "500"),
    ("half", HTTP, "500"),
    ("hangs", HTTP, "no answer within"),
    ("moved", HTTP, "302"),
    ("greedy", HTTP, "more than is taken in"),
    ("dies", HTTP, "broke off"),
    ("lies", HTTP, "still stands in its place"),
    ("leaves", HTTP, "still stands in its place"),
    ("fails", COMMAND, "ended with 1"),
    ("hangs", COMMAND, "no answer within"),
    ("dies", COMMAND, "ended with 9"),
    ("lies", COMMAND, "still stands in its place"),
]


@pytest.mark.parametrize(("mode", "call", "told"), WRONG, ids=[f"{w[0]} {w[1][1:5]}" for w in WRONG])
def test_whatever_is_not_clear_is_held_and_everything_can_be_put_back(
    tmp_path: Path, mode: str, call: str, told: str
) -> None:
    with own(tmp_path, call, mode=mode) as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "held", "succeeded", "failed") == "held", thread(rig, ballot)
        for words in ("Still set aside: ", told):
            says(rig, ballot, words)
        assert page() is None
        assert not (rig.folder / "data" / "certificates").exists()
        press(rig, ballot, "U0ERIN", "put-back")
        assert rig.wait_state(1, "stopped") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows
        assert (rig.crm.parent / "uploads" / "offer.txt").read_text() == "an offer"
        assert not (rig.crm.parent / ".countersign-quarantine").exists()
        assert len(calls(rig)) == 1


@pytest.mark.parametrize("mode", ["fails", "half", "lies"])
def test_what_went_wrong_is_gone_on_with_step_by_step_and_never_called_again(
    tmp_path: Path, mode: str
) -> None:
    with own(tmp_path, mode=mode) as (rig, page):
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "held", "succeeded") == "held", thread(rig, ballot)
        press(rig, ballot, "U0ALICE", "go-on")
        assert rig.wait_state(1, "succeeded") == "succeeded", thread(rig, ballot)
        assert page() is None
        assert files(rig) == []
        assert len(calls(rig)) == 1
        assert certified(rig)["method"] == "by-steps"


@pytest.mark.parametrize(("mode", "more"), [("late", ""), ("leaves", "\n      leaves: [uploads]")])
def test_it_may_take_its_time_and_leave_what_it_is_known_to_leave(
    tmp_path: Path, mode: str, more: str
) -> None:
    with own(tmp_path, mode=mode, more=more) as (rig, _):
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held") == "succeeded", thread(rig, ballot)
        assert files(rig) == []
        assert certified(rig)["method"] == "builtin"


def test_one_that_takes_the_quarantine_with_it_leaves_the_backup(tmp_path: Path) -> None:
    with own(tmp_path, mode="scorches") as (rig, _):
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "succeeded", "held") == "succeeded", thread(rig, ballot)
        assert not rig.crm.parent.exists()


def test_one_that_takes_the_quarantine_with_it_and_fails_is_restored_from_the_backup(tmp_path: Path) -> None:
    with own(tmp_path, mode="scorches and fails") as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        rig.approve(ballot)
        assert rig.wait_state(1, "held", "succeeded") == "held", thread(rig, ballot)
        says(rig, ballot, "Still set aside: -")
        press(rig, ballot, "U0ERIN", "put-back")
        says(rig, ballot, "Only the backup has it")
        rig.command("U0ERIN", "/countersign", "stop 1")
        assert rig.wait_state(1, "stopped") == "stopped"
        rig.crm.parent.mkdir(mode=0o700)
        since = rig.command("U0ERIN", "/restore", "#1 -- its own uninstall took everything")
        rig.approve(rig.ballot(since), "U0BOB")
        assert rig.wait_state(2, "succeeded", "failed", "held") == "succeeded"
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows


def test_a_call_that_the_worker_did_not_survive_is_not_made_again(tmp_path: Path) -> None:
    with own(tmp_path, COMMAND, mode="hangs") as (rig, page):
        before, rows = page(), rig.contents()
        ballot = ask(rig)
        rig.approve(ballot)
        rig.wait(lambda: calls(rig), "the call")
        rig.kill("worker")
        rig.start_worker()
        assert rig.wait_state(1, "held", "succeeded") == "held", thread(rig, ballot)
        says(rig, ballot, "is not known")
        press(rig, ballot, "U0ERIN", "put-back")
        assert rig.wait_state(1, "stopped") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert rig.contents() == rows
        assert len(calls(rig)) == 1


@pytest.mark.parametrize(("moment", "step"), moments(teardown.BUILTIN_PURGE))
def test_a_worker_killed_around_every_step_calls_it_once(tmp_path: Path, moment: str, step: str) -> None:
    with own(tmp_path) as (rig, _):
        rig.dies(moment, step)
        ballot = ask(rig)
        rig.approve(ballot)
        rig.comes_back()
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert files(rig) == []
        assert len(calls(rig)) == 1


@pytest.mark.parametrize("moment", ["inside", "after"])
def test_a_worker_killed_around_the_export_has_it_in_the_backup(tmp_path: Path, moment: str) -> None:
    with own(tmp_path) as (rig, _):
        rig.dies(moment, "step.export")
        ballot = ask(rig)
        rig.approve(ballot)
        rig.comes_back()
        assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)


def test_put_back_during_the_grace_period_it_was_never_called(tmp_path: Path) -> None:
    with own(tmp_path, grace="1h") as (rig, page):
        before = page()
        ballot = torn_down(rig)
        assert page() is None
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == before
        assert calls(rig) == []


def test_stopped_while_the_copy_is_out_it_is_not_called_and_all_is_set_aside_again(tmp_path: Path) -> None:
    with own(tmp_path) as (rig, page):
        rig.dies("linger", "step.bring-out")
        ballot = ask(rig)
        rig.approve(ballot)
        lingering = rig.folder / "data" / "lingering"
        rig.wait(lingering.exists, "the copy is about to be brought out")
        rig.command("U0ERIN", "/countersign", "stop 1")
        lingering.unlink()
        assert rig.wait_state(1, "set-aside", "held") == "set-aside", thread(rig, ballot)
        assert page() is None
        assert calls(rig) == []
        assert not rig.crm.exists()
        rig.command("U0ERIN", "/countersign", "put-back 1")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back")
