"""The second part of the story: the whole CRM goes, comes back, goes for good, and comes back once more.

The page in the browser, the files and the rows are looked at from outside after every act.
"""

from collections.abc import Callable

from bot.sandbox import crm
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from bot.sandbox.stage import GRACE, Stage
from bot.sandbox.story import Failed, Story
from bot.texts import say

PATIENCE = 60.0
#: How long everything stays set aside in the last act, which waits for the end of it.
SHORT = "4s"


class Teardown:
    """The acts, in order."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self._stage = stage
        self._slack = stage.slack
        self._story = story
        self._tell = story.tell

    def play(self) -> None:
        """Play it.

        Raises:
            Failed: something of it was not true.
        """
        home = self._stage.home
        rows, files, page = crm.contents(self._stage.crm), home.files(), home.page()
        self._tell.act("story.act.teardown", address=home.address)
        card = self._torn_down("moving to the new CRM")
        self._require(lambda: home.page() is None and not home.crm.exists() and not home.uploads.exists())
        self._tell.explain("story.silent", address=home.address)
        self._tell.act("story.act.put-back")
        self._put_back(card)
        self._require(lambda: home.page() == page)
        self._require(lambda: (crm.contents(home.crm), home.files()) == (rows, files))
        self._tell.explain("story.answers", address=home.address)
        self._tell.act("story.act.purge", grace=SHORT)
        self._again_with(SHORT)
        card = self._torn_down("now really")
        self._wait(lambda: self._is(card, "succeeded"))
        self._require(lambda: home.files() == {} and not home.crm.exists() and home.page() is None)
        self._tell.show(self._card(card))
        self._again_with(GRACE)
        self._tell.act("story.act.bring-back")
        self._brought_back(self._number(card))
        self._require(lambda: home.page() == page)
        self._require(lambda: (crm.contents(home.crm), home.files()) == (rows, files))
        self._tell.act("story.whole")

    def _torn_down(self, reason: str) -> Message:
        since = self._story.command("U0ALICE", "/teardown", f"crm -- {reason}")
        ballot = self._story.ballot(since)
        self._wait(lambda: len(ballot.reactions) == 2)
        self._approve(ballot, "U0BOB", "U0CAROL")
        self._wait(lambda: self._is(ballot, "set-aside", "succeeded"))
        self._tell.catch_up()
        return ballot

    def _put_back(self, ballot: Message) -> None:
        self._tell.typed("erin", "Put it back")
        self._slack.as_user("U0ERIN").click(DELETIONS, ballot.thread_ts, "put-back")
        self._wait(lambda: self._stage.home.page() is not None)
        self._wait(lambda: self._is(ballot, "stopped"))

    def _brought_back(self, number: str) -> None:
        since = self._story.command("U0ERIN", "/restore", f"{number} -- the new CRM is not ready")
        ballot = self._story.ballot(since)
        self._wait(lambda: len(ballot.reactions) == 2)
        self._approve(ballot, "U0DAN")
        self._wait(lambda: self._stage.home.page() is not None)
        self._wait(lambda: self._is(ballot, "succeeded"))
        self._tell.show(self._card(ballot))

    def _approve(self, ballot: Message, *people: str) -> None:
        for who in people:
            self._tell.typed(who.removeprefix("U0").lower(), "✅")
            self._slack.as_user(who).react(DELETIONS, ballot.ts, "white_check_mark")

    def _again_with(self, grace: str) -> None:
        self._stage.stop()
        self._stage.configure(grace)
        self._stage.start()

    def _card(self, ballot: Message) -> Message:
        return self._slack.core.workspace.message(DELETIONS, ballot.thread_ts)

    def _is(self, ballot: Message, *states: str) -> bool:
        """Whether the card says that the request is in one of these states."""
        text = shown_text(self._card(ballot))
        return any(f"*{say(f'card.state.{state}')}*" in text for state in states)

    def _number(self, ballot: Message) -> str:
        text = shown_text(self._card(ballot))
        return next(word.strip(".,:") for word in text.split() if word.startswith("#"))

    def _wait(self, look: Callable[[], object]) -> None:
        self._slack.wait_for(look, PATIENCE)
        self._tell.catch_up()

    def _require(self, true: Callable[[], bool]) -> None:
        if not true():
            raise Failed("story.not-whole")
