"""A small CRM that runs, on a rig: its program under supervisor, its folder, its database and a neighbour."""

import os
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bot.operations.timing import Steps
from bot.sandbox import app
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.fakes.ports import free_port
from tests.fakes.supervisor import supervisor
from tests.stories.rig import Rig

APP = Path(app.__file__)
SYSTEM = """
    host: HOST
    grace: GRACE
    roots: ["ROOT"]
    services: [{name: web, supervisor: "SOCKET", program: crm, ports: [PORT], wait: 10s, stays_down: 1s}]
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


def moments(steps: Steps) -> list[tuple[str, str]]:
    """When a worker is killed: inside each step or after it, in turns; both in the whole kill matrix."""
    both = [(moment, one[0]) for one in steps for moment in ("inside", "after")]
    if os.environ.get("KILL_MATRIX") == "all":
        return both
    return [one for place, one in enumerate(both) if place % 6 in (0, 5)]


def home(tmp_path: Path) -> Path:
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    uploads = root / "uploads"
    uploads.mkdir()
    (uploads / "offer.txt").write_text("an offer")
    (uploads / "settings.json").write_text('{"company": "Example CRM"}')
    (uploads / "link").symlink_to("/etc/passwd")
    return root


@contextmanager
def town(
    tmp_path: Path,
    grace: str = "1h",
    host: str = "",
    *,
    leans: bool = False,
    programs: Mapping[str, str] | None = None,
    change: Callable[[str], str] = lambda text: text,
    program: Path = APP,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[tuple[Rig, Callable[[], str | None]]]:
    """``leans``: the neighbour falls ill when the CRM goes, because it is the CRM's own port.

    ``programs``: what runs under the same supervisor besides, ``PORT`` being the CRM's. ``change``: of the
    configuration, at last. ``program``: the CRM. ``secrets``: variables for the worker alone.
    """
    port = free_port()
    root = home(tmp_path)
    neighbour = socket.socket()
    neighbour.bind(("127.0.0.1", 0))
    neighbour.listen()
    folder = tmp_path / "programs"
    folder.mkdir()
    line = f"command={sys.executable} {program} crm {port} {root}\nautorestart=true\nstopwaitsecs=3"
    lines = {name: text.replace("PORT", str(port)) for name, text in (programs or {}).items()}
    with neighbour, supervisor(folder, {"crm": line, **lines}) as address:

        def changed(text: str) -> str:
            parts = SYSTEM.replace("HOST", host or socket.gethostname()).replace("GRACE", grace)
            parts = parts.replace("ROOT", str(root)).replace("SOCKET", address)
            shop = port if leans else neighbour.getsockname()[1]
            parts = parts.replace("PORT", str(port)).replace("NEXT", str(shop))
            text = text.replace("    environment: production\n", f"    environment: production{parts}", 1)
            return change(text.replace("rules:\n", f"rules:\n{RULE}", 1))

        def page() -> str | None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
                    return str(answer.read().decode())
            except OSError:
                return None

        rig = Rig(tmp_path, changed)
        rig.secrets.update(secrets or {})
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


def press(rig: Rig, ballot: Message, who: str, action: str) -> None:
    """Press a button of the card, as soon as it is there."""
    rig.wait(lambda: f"'action_id': '{action}'" in str(rig.card(ballot).blocks), f"the button {action}")
    rig.slack.as_user(who).click("C0DELETIONS", ballot.thread_ts, action)
