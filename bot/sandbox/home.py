"""Where the sample CRM lives: its folder, its database, its program and a neighbour, under a supervisor."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from bot.errors import Broken
from bot.sandbox import crm
from bot.sandbox.ports import free_port
from bot.sandbox.slack.server import LOOPBACK

START_WITHIN = 20.0
STOP_WITHIN = 10.0
HOST = "sandbox"
#: Bytes: the path of a socket holds 107, and supervisor adds its name and a number.
LONGEST = 85
_APP = Path(__file__).with_name("app.py")
_OVERSEER = Path(__file__).with_name("overseer.py")
_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
    '<rect width="40" height="40" rx="9" fill="#4263eb"/>'
    '<path d="M11 21l6 6 12-14" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)


class Home:
    """``start`` gives a CRM that answers at ``address``; ``stop`` ends everything that was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "system"
        self.crm = self.folder / "crm.db"
        self.uploads = self.folder / "uploads"
        self.port, self._shop = free_port(), free_port()
        self.address = f"http://{LOOPBACK}:{self.port}/"
        self._under = _near(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Furnish the folder, start both programs and wait until they answer.

        Raises:
            Broken: they do not.
        """
        for place in (self.folder, self._under):
            place.mkdir(mode=0o700)
        crm.create(self.crm)
        self.uploads.mkdir()
        (self.uploads / "logo.svg").write_text(_LOGO, encoding="utf-8")
        (self.uploads / "settings.json").write_text(json.dumps({"company": "Example CRM"}), encoding="utf-8")
        (self.uploads / "offer 4711.txt").write_text("Dear Ada,\n\nour offer …\n", encoding="utf-8")
        config = self._under / "supervisord.conf"
        config.write_text(self._config(), encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, str(_OVERSEER), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + START_WITHIN
        while not (self.page() and _get(f"http://{LOOPBACK}:{self._shop}/")):
            if self._process.poll() is not None or time.monotonic() > until:
                raise Broken("sandbox.no-crm")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop both programs and whoever keeps them running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        shutil.rmtree(self._under, ignore_errors=True)

    def page(self) -> str | None:
        """What the CRM's page says; None while it is silent."""
        return _get(self.address)

    def files(self) -> dict[str, bytes]:
        """Every file of the CRM but its database; also what is only set aside."""
        found = {str(one.relative_to(self.folder)): one for one in self.folder.rglob("*") if one.is_file()}
        return {name: one.read_bytes() for name, one in found.items() if not name.startswith("crm.db")}

    def settings(self, grace: str) -> str:
        """What a target's configuration says besides its database and records."""
        service = (
            f'name: web, supervisor: "{self._under}/s.sock", program: crm, ports: [{self.port}], wait: 10s, '
            "stays_down: 1s"
        )
        return f"""
    host: {HOST}
    grace: {grace}
    roots: ["{self.folder}"]
    services: [{{{service}}}]
    files: [{{name: uploads, path: "{self.uploads}"}}]
    checks: [{{name: page, http: "{self.address}"}}]
    neighbours: [{{name: shop, http: "http://{LOOPBACK}:{self._shop}/"}}]
    tell: [U0CAROL]
"""

    def _config(self) -> str:
        def program(name: str, *arguments: str) -> str:
            words = " ".join(f'"{word}"' for word in (sys.executable, str(_APP), *arguments)).replace(
                "%", "%%"
            )
            return f"[program:{name}]\ncommand={words}\nautorestart=true\nstartsecs=0\nstopwaitsecs=3\n"

        under = str(self._under).replace("%", "%%")
        return (
            f"[unix_http_server]\nfile={under}/s.sock\nchmod=0700\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisord]\nnodaemon=true\nlogfile={under}/log\npidfile={under}/pid\nchildlogdir={under}\n"
            + program("crm", "crm", str(self.port), str(self.folder))
            + program("shop", "shop", str(self._shop))
        )


def _near(folder: Path) -> Path:
    """The supervisor's folder: below ``folder``, or in /tmp where the path of a socket would be too long."""
    place = folder / "supervisor"
    if len(os.fsencode(place)) <= LONGEST:
        return place
    return Path("/tmp") / f"countersign-{secrets.token_hex(8)}"  # noqa: S108 - nobody can guess it, and it is ours alone


def _get(address: str) -> str | None:
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:  # noqa: S310 - our own address on loopback
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return None
