"""/teardown of a system that has no database: everything that is promised of one holds, and nobody hears of one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.sandbox.slack.responses import shown_text
from tests.stories.rig import ROOT, Rig
from tests.stories.town import ask, press, thread, torn_down, town

pytestmark = pytest.mark.slow

#: A wiki that keeps its pages in files.
PROGRAM = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            text = (Path(sys.argv[3]) / "uploads" / "offer.txt").read_bytes()
        except OSError:
            self.send_error(503)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
"""


def change(text: str) -> str:
    """The same system with its database, and whatever speaks of rows, taken out."""
    return re.sub(r"    max_lock:.*?\n(?=rules:)", "", text, flags=re.DOTALL)


def serviceless(text: str) -> str:
    text = re.sub(r"    (services|checks): .*\n", "", change(text))
    return text.replace("grace: 1h", "grace: 1s")


def program(tmp_path: Path) -> Path:
    path = tmp_path / "wiki.py"
    path.write_text(PROGRAM)
    return path


def ends(rig: Rig, number: int) -> str:
    return rig.wait_state(number, "succeeded", "held", "failed", "stopped", "refused")


def heard(rig: Rig) -> str:
    """Everything that anybody was told by now, and what buttons ask when they are pressed."""
    told = [f"{shown_text(one)}\n{one.blocks}" for one in rig.room()]
    told += [
        shown_text(one) for who in ("U0ALICE", "U0ERIN", "U0BOB") for one in rig.slack.as_user(who).private()
    ]
    return "\n".join(told)


def removed(rig: Rig) -> None:
    rig.approve(ask(rig))
    number = rig.row("SELECT max(number) FROM requests")[0]
    assert ends(rig, number) == "succeeded", rig.log("worker")


def test_it_goes_and_comes_back_without_a_word_of_a_database(tmp_path: Path) -> None:
    with town(tmp_path, change=change, program=program(tmp_path)) as (rig, page):
        uploads = rig.crm.parent / "uploads"
        checked = subprocess.run(
            [sys.executable, "-m", "bot", "check"],
            cwd=ROOT,
            env=rig.environment,
            capture_output=True,
            check=False,
            text=True,
        )
        assert "database" not in checked.stdout.replace("countersign.db", "").partition("own database")[0]
        assert "Traceback" not in checked.stderr
        said = page()
        ballot = torn_down(rig)
        assert (page(), uploads.exists()) == (None, False)
        press(rig, ballot, "U0ERIN", "put-back")
        assert rig.wait_state(1, "stopped", "held") == "stopped", thread(rig, ballot)
        assert rig.wait(page, "the page is back") == said == "an offer"
        since = rig.command("U0ALICE", "/delete-records", "crm customer 1 -- there are no rows")
        assert "no records of type" in rig.told("U0ALICE", since, "records")
        assert not re.search("database", heard(rig), re.IGNORECASE), heard(rig)


@pytest.mark.parametrize("moment", ["step.back-up", "step.rehearse", "step.set-aside", "step.remove"])
def test_a_worker_that_is_killed_finishes_it_and_it_comes_back_to_the_byte(
    tmp_path: Path, moment: str
) -> None:
    with town(tmp_path, change=serviceless, program=program(tmp_path)) as (rig, page):
        uploads = rig.crm.parent / "uploads"
        before = {one.name: one.lstat().st_mtime_ns for one in uploads.iterdir()}
        rig.dies("inside", moment)
        rig.approve(ask(rig))
        rig.comes_back()
        assert ends(rig, 1) == "succeeded", rig.log("worker")
        assert not uploads.exists()
        for number, into in ((2, f" into {uploads.parent}/again"), (3, "")):
            again = rig.ballot(rig.command("U0ERIN", "/restore", f"#1{into} -- we need it after all"))
            rig.approve(again, "U0BOB")
            assert ends(rig, number) == "succeeded", thread(rig, again)
        for place in (uploads, uploads.parent / "again" / "uploads"):
            assert {one.name: one.lstat().st_mtime_ns for one in place.iterdir()} == before
        assert page() == "an offer"
        assert not re.search("database|service", heard(rig), re.IGNORECASE), heard(rig)


def test_what_comes_back_as_a_system_with_a_database_is_refused_by_name(tmp_path: Path) -> None:
    other = f'  shop:\n    host: {{}}\n    roots: ["{tmp_path}"]\n    database: {{url: "sqlite:///{tmp_path}/x.db"}}\n'
    other += f'    files: [{{name: uploads, path: "{tmp_path}/elsewhere"}}]\n'

    def both(text: str) -> str:
        text = serviceless(text)
        host = re.search(r"host: (\S+)", text)
        assert host is not None
        return text.replace("targets:\n", "targets:\n" + other.replace("{}", host[1]), 1)

    with town(tmp_path, change=both, program=program(tmp_path)) as (rig, _):
        removed(rig)
        since = rig.command("U0ERIN", "/restore", "#1 into shop -- a move")
        assert "database" in rig.told("U0ERIN", since, "database")
        assert not (tmp_path / "elsewhere").exists()
