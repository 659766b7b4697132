"""A whole Countersign for stories: the sandbox Slack in this process, bot and worker as real processes."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS, installed, seeded
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.server import Slack
from bot.sandbox.slack.workspace import Message
from bot.settings import PLAIN_VARIABLES, environment_for, read_environment
from tests.fakes.ports import free_port
from tests.stories.nursery import Process, shared

ROOT = Path(__file__).resolve().parents[2]
KILLER = Path(__file__).with_name("killed_worker.py")
# Seconds; generous, because a full machine is slow: what passes does not wait for it.
PATIENCE = 90.0
YES, NO = "white_check_mark", "x"
Result = TypeVar("Result")


class Rig:
    """``with Rig(folder) as rig:`` starts Slack, worker and bot; ``change`` may change the sandbox's own file.

    ``database`` is the URL of our own database, a file in the folder when left out. Further workers and bots
    have names of their own: ``rig.start_worker(name="worker-2")``.

    ``http`` lets Slack deliver by HTTP; the other dials are those of :class:`Slack`.
    """

    def __init__(
        self,
        folder: Path,
        change: Callable[[str], str] = lambda text: text,
        database: str = "",
        *,
        http: bool = False,
        **dials: Any,
    ) -> None:
        self.folder = folder
        self.database = database
        self._server: psycopg.Connection[Any] | None = None
        self.crm = folder / "crm.db"
        crm.create(self.crm)
        text = (ROOT / "bot/sandbox/sandbox.yml").read_text(encoding="utf-8")
        text = text.replace("cooling_off: 2s", "cooling_off: 0s")
        (folder / "countersign.yml").write_text(change(text), encoding="utf-8")
        grants = installed()
        core = seeded(scopes=grants["scopes"], events=grants["events"], commands=grants["commands"])
        self._http = f"127.0.0.1:{free_port() if http else 0}"
        if http:
            dials["deliver_to"] = f"http://{self._http}/slack/events"
        self.slack = Slack(core, **dials)
        self.processes: dict[str, Process] = {}
        #: Variables that the configuration names and only the worker gets.
        self.secrets: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.slack.start()
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self) -> None:
        """What runs when the story begins."""
        self.start_worker()
        self.start_bot()

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name in list(self.processes):
            self.stop(name)
        self.look_anew()
        self.slack.stop()

    @property
    def environment(self) -> dict[str, str]:
        plain = {
            name: value for name, value in read_environment().variables.items() if name in PLAIN_VARIABLES
        }
        return {
            **plain,
            "COUNTERSIGN_CONFIG": str(self.folder / "countersign.yml"),
            "COUNTERSIGN_DATA_DIR": str(self.folder / "data"),
            "COUNTERSIGN_HTTP": self._http,
            "CRM_DATABASE_URL": f"sqlite:///{self.crm}",
            **self.secrets,
            **({"COUNTERSIGN_DATABASE_URL": self.database} if self.database else {}),
            **self.slack.environment(),
        }

    def _environment_of(self, part: str) -> dict[str, str]:
        if part == "serve":
            return self.environment
        return environment_for(
            part, read_environment(self.environment), frozenset({"CRM_DATABASE_URL", *self.secrets})
        )

    def start_worker(self, *script: str, name: str = "worker", targets: str = "") -> Process:
        """The real worker, or one that kills itself as ``script`` says."""
        chosen = ["--targets", targets] if targets else []
        return self.start(name, [str(KILLER), *script] if script else ["serve-part", "worker", *chosen])

    def start_bot(self, name: str = "bot") -> None:
        # By name and not by number: those of a bot that was just killed may still be counted.
        before = self.slack.links.open
        self.start(name, ["serve-part", "bot"])

        def arrived() -> bool:
            if self.slack.endpoint:
                return self.slack.reaches_app()
            return len({*self.slack.links.open} - {*before}) >= 2

        self.slack.wait_for(lambda: self._died(name) or arrived(), PATIENCE)
        assert not self._died(name), self.log(name)

    def start(self, name: str, words: Sequence[str]) -> Process:
        """A process that runs ``countersign WORDS``; its name up to a ``-`` says what it may know."""
        environment = {**self._environment_of(name.partition("-")[0]), "PYTHONPATH": str(ROOT)}
        self.processes[name] = shared().run(words, environment, self.folder / f"{name}.log")
        return self.processes[name]

    def _died(self, name: str) -> bool:
        return self.processes[name].poll() is not None

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(15)

    def wait(self, look: Callable[[], Result], what: str, patience: float = PATIENCE) -> Result:
        """Look again and again, up to a bound, at something outside Slack."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{what}\nworker: {self.log('worker')}\nbot: {self.log('bot')}")

    def dies(self, *moment: str) -> None:
        """Replace the worker by one that will kill itself at a moment."""
        self.stop("worker")
        self.start_worker(*moment)

    def comes_back(self) -> None:
        """The worker has killed itself; start an ordinary one."""
        worker = self.processes["worker"]
        self.wait(lambda: worker.poll() is not None, "the worker should have killed itself")
        assert worker.returncode == -signal.SIGKILL, self.log("worker")
        self.start_worker()

    # what people do

    def command(self, who: str, name: str, text: str, channel: str = DELETIONS) -> str:
        since = self.slack.core.stamp()
        answer = self.slack.as_user(who).command(name, text, channel=channel)
        assert answer.acked, answer.error
        return since

    def told(self, who: str, since: str, text: str = "") -> str:
        """What the app said to one person alone since then."""
        message = self.slack.as_user(who).wait_for_private(text, newer_than=since, timeout=PATIENCE)
        return shown_text(message)

    def react(self, who: str, message: Message, emoji: str = YES) -> str:
        since = self.slack.core.stamp()
        self.slack.as_user(who).react(DELETIONS, message.ts, emoji)
        return since

    def ballot(self, since: str) -> Message:
        """The newest ballot that is ready for votes."""

        def found() -> Message | None:
            ready = [one for one in self.room() if one.ts > since and {YES, NO} <= set(one.reactions)]
            return max(ready, key=lambda one: one.ts, default=None)

        ballot = self.wait(found, "a ballot that is ready for votes")
        assert ballot is not None
        return ballot

    def room(self) -> list[Message]:
        return list(self.slack.core.workspace.messages.get(DELETIONS, {}).values())

    def thread(self, ts: str) -> list[Message]:
        return sorted((one for one in self.room() if one.thread_ts == ts), key=lambda one: one.ts)

    def card(self, ballot: Message) -> Message:
        return self.slack.core.workspace.message(DELETIONS, ballot.thread_ts)

    def receipts(self) -> list[Message]:
        return [one for one in self.room() if one.reply_broadcast]

    def ask_to_delete(self, email: str = crm.ADA_EMAIL, who: str = "U0ALICE") -> Message:
        since = self.command(who, "/delete-records", f"crm customer {email} -- GDPR request 4711")
        return self.ballot(since)

    def somebody(self, *but: str) -> str:
        """A customer who can be named exactly and has not been deleted yet; none of those named."""
        found = [row[1] for row in self.contents()["customers"] if "@" in str(row[1])]
        return str(next(one for one in found if found.count(one) == 1 and " " not in one and one not in but))

    def approve(self, ballot: Message, *who: str) -> None:
        for person in who or ("U0BOB", "U0CAROL"):
            self.react(person, ballot)

    # what is true

    @contextmanager
    def books(self) -> Iterator[Any]:
        path = self.folder / "data" / "countersign.db"
        if self.database:
            # One for all looks: a server takes its time to end a session, and has a hundred for everybody.
            if self._server is None or self._server.closed:
                self._server = psycopg.connect(self.database, autocommit=True)
            yield self._server
            return
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            yield connection

    def look_anew(self) -> None:
        """The server was stopped by the test, and our own connection with it."""
        if self._server is not None:
            self._server.close()

    def row(self, query: str, *params: Any) -> Any:
        rows = self.rows(query, *params)
        return rows[0] if rows else None

    def rows(self, query: str, *params: Any) -> list[Any]:
        """What a query of our own database gives; ``?`` stands for a value on every database."""
        with self.books() as connection:
            if self.database:
                query, params = query.replace("%", "%%").replace("?", "%s"), params or ()
            return list(connection.execute(query, params).fetchall())

    def state(self, number: int) -> str | None:
        row = self.row("SELECT state FROM requests WHERE number = ?", number)
        return None if row is None else str(row[0])

    def wait_state(self, number: int, *states: str, patience: float = PATIENCE) -> str:
        try:
            self.wait(lambda: self.state(number) in states, "", patience)
        except TimeoutError as late:
            said = f"#{number} is {self.state(number)}, wanted {states}{late}"
            raise TimeoutError(said) from None
        found = self.state(number)
        assert found is not None
        return found

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        return crm.contents(self.crm)

    def ada_is_there(self) -> bool:
        return any(row[1] == crm.ADA_EMAIL for row in self.contents()["customers"])
