"""/restore of a whole system as another one: into the places, the database and the services of that one."""

import json
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.sandbox.slack.workspace import Message
from tests.fakes.ports import free_port
from tests.stories.rig import Rig
from tests.stories.town import APP, ask, thread, town

pytestmark = pytest.mark.slow

NEW = """  crm-new:
    environment: production
    host: HOST
    roots: ["NEW"]
    database: {url: "sqlite:///NEW/DATABASE"}
    services: [{name: SERVICE, supervisor: "SOCKET", program: crm-new, ports: [PORT], wait: 10s, stays_down: 1s}]
    files: [{name: uploads, path: "NEW/uploads"}]
    checks: [{name: page, http: "http://127.0.0.1:PORT/"}]
"""
#: Stricter for what is new there than for what comes back in its own place.
RULE = """  - name: restore as the new CRM
    when: {operation: restore, target: crm-new}
    request: [responder]
    approve: [1 of dba, 1 of data-owner]
"""


@contextmanager
def moved(
    tmp_path: Path, service: str = "web"
) -> Iterator[tuple[Rig, Callable[[], str | None], Callable[[], str | None], Path]]:
    """A town whose CRM is gone, and where the new one has its program, its port and an empty folder."""
    port, new = free_port(), tmp_path / "new"
    new.mkdir(mode=0o700)

    def change(text: str) -> str:
        host, socket = re.findall(r"host: (\S+)", text)[0], re.findall(r'supervisor: "([^"]+)"', text)[0]
        words = {"HOST": host, "SOCKET": socket, "PORT": str(port), "NEW": str(new), "SERVICE": service}
        target = NEW
        for word, value in (words | {"DATABASE": "crm.db"}).items():
            target = target.replace(word, value)
        return text.replace("rules:\n", f"{target}rules:\n{RULE}", 1)

    def there() -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    programs = {
        "crm-new": f"command={sys.executable} {APP} crm {port} {new}\nautostart=false\nautorestart=true"
    }
    with town(tmp_path, grace="1s", change=change, programs=programs) as (rig, page):
        yield rig, page, there, new


def gone(rig: Rig) -> None:
    ballot = ask(rig)
    rig.approve(ballot)
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)


def wanted(rig: Rig) -> Message:
    return rig.ballot(rig.command("U0ERIN", "/restore", "#1 into crm-new -- the new server"))


def test_it_comes_back_as_the_new_one_with_its_page_under_the_rules_of_both(tmp_path: Path) -> None:
    with moved(tmp_path) as (rig, page, there, new):
        before = page()
        contents = rig.contents()
        gone(rig)
        ballot = wanted(rig)
        plan = thread(rig, ballot)
        for told in ("crm-new", f"{new}/uploads", f"{new}/crm.db", "may still name the old places", "page"):
            assert told in plan, told
        assert there() is None
        for told in ("dba", "data-owner"):
            assert told in plan, told
        rig.approve(ballot, "U0BOB", "U0CAROL")
        assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded", thread(rig, ballot)
        assert rig.wait(there, "the new page") == before
        assert page() is None
        assert not (rig.crm.parent / "uploads").exists()
        assert (new / "uploads" / "offer.txt").read_text() == "an offer"
        rig.crm = new / "crm.db"
        assert rig.contents() == contents
        entries = [json.loads(row[0])["body"] for row in rig.rows("SELECT entry FROM audit_log")]
        assert ("crm-new", "crm") in [(one.get("target"), one.get("origin")) for one in entries]


@pytest.mark.parametrize(
    ("service", "trouble", "told"),
    [("web", "uploads", "Something stands at"), ("worker", "", "not those in the backup")],
    ids=["something stands in its place", "its services have other names"],
)
def test_what_does_not_fit_is_refused_in_private(
    tmp_path: Path, service: str, trouble: str, told: str
) -> None:
    with moved(tmp_path, service) as (rig, _, there, new):
        gone(rig)
        if trouble:
            (new / trouble).mkdir()
        since = rig.command("U0ERIN", "/restore", "#1 into crm-new -- the new server")
        rig.told("U0ERIN", since, told)
        assert there() is None
        assert not (new / "crm.db").exists()
