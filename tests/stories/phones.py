"""People with phones on a rig: enrolled by the real command, with codes by the wall's clock."""

import json
import subprocess
import sys
import time
from typing import Any

from pyotp import TOTP

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.screen import Answer
from bot.sandbox.slack.workspace import Message
from tests.stories.rig import PATIENCE, ROOT, Rig

STEP = 30


class Phone:
    """One person's phone; ``next`` never shows the same code twice."""

    def __init__(self, rig: Rig, user: str) -> None:
        self.rig = rig
        self.user = user
        self.handed: dict[str, Any] = {}
        self._used = 0

    def ticket(self) -> None:
        """What an operator does on the worker's machine."""
        ran = enrol(self.rig, self.user, "--json")
        assert ran.returncode == 0, ran.stderr
        self.handed = json.loads(ran.stdout)

    def next(self) -> str:
        """A code that was not shown before, of the oldest time step that is still good."""
        found = self.rig.wait(self._fresh, f"a fresh code for {self.user}", patience=3 * STEP)
        assert found is not None
        self._used = found
        return TOTP(self.handed["key"]).generate_otp(self._used)

    def _fresh(self) -> int | None:
        """The oldest time step that is still good and was not used; None: its time has yet to come."""
        now = time.time()
        oldest = max(int(now) // STEP - 1, self._used + 1)
        # Nobody is that fast: close to the end of a step the next one is safer.
        good = (step for step in (oldest, oldest + 1) if step * STEP + 2 * STEP - now > 8)
        return next((step for step in good if step <= int(now) // STEP + 1), None)

    def enrol(self) -> str:
        """Ticket and first code, through Slack."""
        self.ticket()
        since = self.rig.command(self.user, "/countersign", "enrol")
        return self.fill(since, {"ticket": self.handed["ticket"], "code": self.next()}, "Set up your codes")

    def fill(self, since: str, values: dict[str, str], title: str = "Approve with a code") -> str:
        """Fill in the form that is open; what the person is told."""
        person = self.rig.slack.as_user(self.user)
        view = person.wait_for_view(title, timeout=PATIENCE)
        answer = person.submit(view.id, values)
        assert answer.acked, answer.errors
        assert not answer.errors, answer.errors
        return self.rig.told(self.user, since)

    def wish(self, ballot: Message) -> Message:
        """Tap ✅; the direct message that asks for the code."""
        since = self.rig.react(self.user, ballot)
        person = self.rig.slack.as_user(self.user)
        return person.wait_for_private("one-time code", newer_than=since, timeout=PATIENCE)

    def press(self, asked: Message) -> None:
        """*Enter code…*."""
        person = self.rig.slack.as_user(self.user)
        answer = person.click(asked.channel, asked.ts, "code-enter")
        assert answer.acked, answer.error
        person.wait_for_view("Approve with a code", timeout=PATIENCE)

    def type(self, code: str, **more: str) -> str:
        """Type a code into the open form; what the person is told."""
        since = self.rig.slack.core.stamp()
        return self.fill(since, {"code": code, **more})

    def approve(self, ballot: Message) -> str:
        """The whole way."""
        self.press(self.wish(ballot))
        return self.type(self.next())

    def complaints(self, **values: str) -> Answer:
        """Submit the open form; what is told beside its fields."""
        person = self.rig.slack.as_user(self.user)
        return person.submit(person.wait_for_view("Approve with a code", timeout=PATIENCE).id, values)


def enrol(rig: Rig, user: str, *options: str) -> subprocess.CompletedProcess[str]:
    """``countersign enrol`` as the worker's user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "bot", "enrol", user, *options],
        cwd=ROOT,
        env={**rig.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def thread_text(rig: Rig, ballot: Message) -> str:
    """Everything that can be read in the thread of a ballot, the card included."""
    shown = [rig.card(ballot), *rig.thread(ballot.thread_ts)]
    return "\n".join(shown_text(one) for one in shown)
