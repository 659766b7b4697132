"""``countersign sandbox --codes``: everybody has a phone, and a deletion takes codes."""

import io

import pytest
from rich.console import Console

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS
from bot.sandbox.prompt import Prompt
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from bot.sandbox.stage import Stage
from bot.schedules import clock
from tests.stories.rig import PATIENCE, YES

pytestmark = pytest.mark.slow


def test_a_deletion_in_the_sandbox_is_approved_with_the_phones_of_its_people() -> None:
    with Stage(codes=True) as stage:
        slack, phones = stage.slack, stage.phones
        assert phones is not None
        alice = slack.as_user("U0ALICE")
        alice.command("/delete-records", f"crm customer {crm.ADA_EMAIL} -- why", channel=DELETIONS)

        def ballot() -> str | None:
            room = slack.core.workspace.messages.get(DELETIONS, {}).values()
            return next((one.ts for one in room if YES in one.reactions), None)

        slack.wait_for(ballot, PATIENCE)
        for user in ("U0BOB", "U0CAROL"):
            person = slack.as_user(user)
            person.react(DELETIONS, ballot() or "", YES)
            asked = person.wait_for_private("one-time code", timeout=PATIENCE)
            person.click(asked.channel, asked.ts, "code-enter")
            form = person.wait_for_view("Approve with a code", timeout=PATIENCE)
            code = phones.code(user, clock.now())
            assert not person.submit(form.id, {"code": code}).errors
            person.wait_for_private("approval", newer_than=asked.ts, timeout=PATIENCE)

        def receipts() -> list[Message]:
            room = slack.core.workspace.messages[DELETIONS].values()
            return [one for one in room if one.reply_broadcast]

        slack.wait_for(receipts, PATIENCE)
        assert "cs1." in shown_text(receipts()[0])

        console = Console(file=io.StringIO(), record=True, width=100)
        lines = iter(["bob code"])

        def read(_prompt: str) -> str:
            line = next(lines, None)
            if line is None:
                raise EOFError
            return line

        Prompt(stage, console, read, quiet_for=0.1).run()
        shown = console.export_text()
        assert "bob's phone shows" in shown
