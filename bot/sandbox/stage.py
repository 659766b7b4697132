"""A whole Countersign on this machine: a Slack on loopback, a sample CRM, the real ``serve`` as a process."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

from bot.errors import Broken
from bot.sandbox.home import HOST, Home
from bot.sandbox.people import PEOPLE, installed, seeded
from bot.sandbox.phones import Phones
from bot.sandbox.ports import free_port
from bot.sandbox.slack.server import LOOPBACK, Slack
from bot.schedules import clock
from bot.settings import PLAIN_VARIABLES, read_environment

START_WITHIN = 60.0
STOP_WITHIN = 15.0
#: Long enough to press *Put it back* by hand.
GRACE = "3m"
_RULE = """  - name: teardown
    when: {operation: teardown, target: crm}
    request: [support]
    approve: [1 of dba, 1 of data-owner]
    cooling_off: 2s
  - name: an order
    when: {operation: delete-records, target: crm, record: order}
    request: [support]
    stages:
      - {name: technical, approve: [1 of dba]}
      - {name: business, approve: [any: [1 of data-owner, 1 of responder]]}
    veto: [data-owner]
    cooling_off: 2s
"""


class Stage:
    """``with Stage(port) as stage:``: when it is entered, people can type commands.

    With ``http`` Slack delivers to the bot instead of waiting for its sockets. With ``codes`` small deletions
    are approved with one-time codes, and everybody has a phone.

    Everything lies in one temporary folder, which goes at the end: configuration, CRM, keys, backups, log.
    """

    def __init__(self, port: int = 0, *, http: bool = False, codes: bool = False) -> None:
        grants = installed()
        core = seeded(scopes=grants["scopes"], events=grants["events"], commands=grants["commands"])
        self._http = f"{LOOPBACK}:{free_port() if http else 0}"
        self.slack = Slack(core, port=port, deliver_to=f"http://{self._http}/slack/events" if http else "")
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-sandbox-"))
        self.home = Home(self.folder)
        self.crm = self.home.crm
        self.log = self.folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._codes = codes
        #: Everybody's phone, where approvals take a code.
        self.phones: Phones | None = None

    def __enter__(self) -> Self:
        self.configure(GRACE)
        self.slack.start()
        try:
            self.home.start()
            self.start()
            if self._codes:
                self._hand_out_phones()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.stop()
        if self.phones is not None:
            self.phones.close()
        self.home.stop()
        self.slack.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """What ``countersign …`` needs to work on this stage."""
        return {
            "COUNTERSIGN_CONFIG": str(self.folder / "countersign.yml"),
            "COUNTERSIGN_DATA_DIR": str(self.folder / "data"),
            "COUNTERSIGN_HOST": HOST,
            "COUNTERSIGN_HTTP": self._http,
            "CRM_DATABASE_URL": f"sqlite:///{self.crm}",
            **self.slack.environment(),
        }

    def configure(self, grace: str) -> None:
        """Write the configuration, for the next start: the sandbox's own, and where the CRM lives."""
        text = resources.files("bot.sandbox").joinpath("sandbox.yml").read_text(encoding="utf-8")
        place = "    environment: production\n"
        text = text.replace(place, place.rstrip("\n") + self.home.settings(grace), 1)
        text = text.replace("rules:\n", f"rules:\n{_RULE}", 1)
        if self._codes:
            text = text.replace("    drift: {rows: 0}\n", "    drift: {rows: 0}\n    proof: code\n", 1)
        (self.folder / "countersign.yml").write_text(text, encoding="utf-8")

    def _hand_out_phones(self) -> None:
        self.phones = Phones(self.folder / "data")
        people = (one.id for one in PEOPLE if not (one.is_bot or one.deleted))
        self.phones.enrol(people, clock.now())

    def start(self) -> None:
        """Start ``serve`` and wait until Slack reaches it.

        Raises:
            Broken: it did not come up; the log says why.
        """
        plain = {
            name: value for name, value in read_environment().variables.items() if name in PLAIN_VARIABLES
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "serve"],
                env={**plain, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.slack.wait_for(lambda: self._ended() or self.slack.reaches_app(), START_WITHIN)
        except TimeoutError:
            raise Broken("sandbox.not_up", log=self._tail()) from None
        if self._ended():
            raise Broken("sandbox.not_up", log=self._tail())

    def stop(self) -> None:
        """Stop ``serve``, gently and then not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_WITHIN)
        self._process = None

    @property
    def serve(self) -> int | None:
        """The process id of ``serve``, while it runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
