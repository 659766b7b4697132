"""The whole story, played in the terminal: ask, be refused, approve together, delete, restore.

It shows every message as a person would read it and believes nothing that is only said: at the end the rows
of the real database are compared.
"""

import queue
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS
from bot.sandbox.render import Renderer
from bot.sandbox.slack.core import Happening
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from bot.sandbox.stage import Stage
from bot.texts import say

PATIENCE = 30.0
CUSTOMER_KEPT = 1
_REFERENCE = re.compile(r"cs1\.[A-Za-z0-9_-]+")


class Failed(Exception):  # noqa: N818 - the story failed
    """Something of the story did not happen; the text is a catalogue key."""


class Narrator:
    """Prints what people see, as it happens: new messages and private sentences; changes when asked."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._renderer = Renderer(stage.slack.core.workspace)
        self._seen: queue.SimpleQueue[tuple[str, str, str]] = queue.SimpleQueue()
        stage.slack.subscribe(self._hear)

    def _hear(self, happening: Happening) -> None:
        message = happening.message
        if happening.kind in ("posted", "ephemeral") and message is not None:
            self._seen.put((message.ts, message.only_for, self._text(message)))

    def _text(self, message: Message) -> str:
        return self._renderer.text(message, width=min(self._console.width, 100))

    def act(self, key: str, **params: str) -> None:
        """A heading: who does what."""
        self.catch_up()
        self._console.print(Panel(Text(say(key, **params), "bold"), border_style="cyan"))

    def explain(self, key: str, **params: str | int) -> None:
        """A line of explanation."""
        self.catch_up()
        self._console.print(Padding(Text(say(key, **params), "italic"), (0, 0, 1, 0), expand=False))

    def typed(self, who: str, text: str) -> None:
        """What somebody typed or tapped."""
        self.catch_up()
        self._console.print(Text(f"{who}> {text}", "bold yellow"))

    def catch_up(self) -> None:
        """Print what has arrived."""
        while not self._seen.empty():
            _, reader, text = self._seen.get()
            if reader:
                name = self._stage.slack.core.workspace.users[reader].name
                self._console.print(Text(say("story.only-for", name=name), "magenta"))
            self._console.print(Text(text))

    def show(self, message: Message) -> None:
        """Print a message as it looks now."""
        self.catch_up()
        self._console.print(Text(self._text(message)))


class Story:
    """The acts, in order. Every one waits for what people would wait for."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._slack = stage.slack
        self._tell = Narrator(stage, console)

    def play(self) -> bool:
        """Play it; whether everything was true that was shown."""
        before = crm.contents(self._stage.crm)
        rows = sum(len(table) for table in before.values())
        self._tell.act("story.title")
        self._tell.explain("story.crm", rows=rows)
        self._refused()
        card = self._asked()
        self._votes_that_do_not_count()
        self._approved()
        reference = self._deleted(card, rows)
        restored = self._restored(reference)
        self._tell.show(restored)
        after = crm.contents(self._stage.crm)
        if before != after:
            self._tell.act("story.differs")
            return False
        self._tell.act("story.checked")
        return True

    @property
    def tell(self) -> Narrator:
        """Who prints what is seen."""
        return self._tell

    def command(self, who: str, name: str, text: str) -> str:
        """Type a command; returns the stamp before it, to look for newer answers only."""
        since = self._slack.core.stamp()
        self._tell.typed(who.removeprefix("U0").lower(), f"{name} {text}")
        self._slack.as_user(who).command(name, text, channel=DELETIONS)
        return since

    def private(self, who: str, since: str) -> None:
        """Wait for what only one person is told."""
        self._slack.as_user(who).wait_for_private(newer_than=since, timeout=PATIENCE)
        self._tell.catch_up()

    def _refused(self) -> None:
        self._tell.act("story.act.refused")
        since = self.command("U0FRANK", "/delete-records", "crm customer ada@example.com -- cleaning up")
        self.private("U0FRANK", since)

    def _asked(self) -> Message:
        self._tell.act("story.act.ask")
        since = self.command(
            "U0ALICE", "/delete-records", f"crm customer {crm.ADA_EMAIL} — GDPR request 4711"
        )
        self.private("U0ALICE", since)
        ballot = self.ballot(since)
        self._slack.wait_for(lambda: len(ballot.reactions) == 2, PATIENCE)  # ✅ and ❌
        self._tell.explain("story.seeded")
        return self._slack.core.workspace.message(DELETIONS, ballot.thread_ts)

    def ballot(self, since: str) -> Message:
        """The newest message of the app that carries its own two reactions."""

        def found() -> Message | None:
            mine = [
                message
                for message in self._slack.core.workspace.messages.get(DELETIONS, {}).values()
                if message.ts > since and {"white_check_mark", "x"} <= set(message.reactions)
            ]
            return max(mine, key=lambda message: message.ts, default=None)

        ballot = self._slack.wait_for(found, PATIENCE)
        assert ballot is not None
        return ballot

    def _votes_that_do_not_count(self) -> None:
        self._tell.act("story.act.not-counted")
        ballot = self.ballot("0")
        for who in ("U0ALICE", "U0GUS"):
            since = self._slack.core.stamp()
            self._tell.typed(who.removeprefix("U0").lower(), "✅")
            self._slack.as_user(who).react(DELETIONS, ballot.ts, "white_check_mark")
            self.private(who, since)

    def _approved(self) -> None:
        self._tell.act("story.act.approve")
        ballot = self.ballot("0")
        since = self._slack.core.stamp()
        self._tell.typed("bob", "✅")
        self._slack.as_user("U0BOB").react(DELETIONS, ballot.ts, "white_check_mark")
        self.private("U0BOB", since)
        since = self._slack.core.stamp()
        self._tell.typed("carol", say("story.presses-approve"))
        self._slack.as_user("U0CAROL").click(DELETIONS, ballot.ts, "vote-approve")
        self.private("U0CAROL", since)

    def _deleted(self, card: Message, rows: int) -> str:
        self._tell.act("story.act.run")
        receipt = self.receipt(card.ts)
        self._tell.show(card)
        found = _REFERENCE.search(shown_text(receipt))
        left = sum(len(table) for table in crm.contents(self._stage.crm).values())
        if found is None or self._ada_is_there():
            raise Failed("story.not-deleted")
        self._tell.explain("story.gone", before=rows, after=left)
        return found.group()

    def receipt(self, thread: str) -> Message:
        """The reply that is shown in the channel too."""

        def found() -> Message | None:
            room = self._slack.core.workspace.messages.get(DELETIONS, {}).values()
            return next((one for one in room if one.thread_ts == thread and one.reply_broadcast), None)

        receipt = self._slack.wait_for(found, PATIENCE)
        assert receipt is not None
        return receipt

    def _restored(self, reference: str) -> Message:
        self._tell.act("story.act.restore")
        since = self.command("U0ERIN", "/restore", f"{reference} -- deleted the wrong account")
        self.private("U0ERIN", since)
        ballot = self.ballot(since)
        self._tell.catch_up()
        self._tell.typed("dan", "✅")
        self._slack.as_user("U0DAN").react(DELETIONS, ballot.ts, "white_check_mark")
        self.receipt(ballot.thread_ts)
        return self._slack.core.workspace.message(DELETIONS, ballot.thread_ts)

    def _ada_is_there(self) -> bool:
        with closing(sqlite3.connect(f"file:{self._stage.crm}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM customers WHERE email = ?"
            return bool(connection.execute(query, (crm.ADA_EMAIL,)).fetchone()[0])


def play(stage: Stage, console: Console, more: Callable[[Story], None]) -> int:
    """Play the story; 0 only when the customer was gone, the reference posted, and every row came back.

    ``more``: what follows when that was so; it raises ``Failed`` when something of it was not true.
    """
    story = Story(stage, console)
    try:
        fine = story.play()
        if fine:
            more(story)
    except (Failed, TimeoutError) as error:
        key = str(error) if isinstance(error, Failed) else "story.timeout"
        console.print(Text(say(key, detail=str(error)), "bold red"))
        return 1
    return 0 if fine else 1
