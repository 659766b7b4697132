"""A small prompt: type commands as any of the people, react, press buttons."""

import shlex
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.text import Text

from bot.errors import CountersignError
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.hand import Person
from bot.sandbox.slack.workspace import Message
from bot.sandbox.stage import Stage
from bot.sandbox.story import Narrator
from bot.texts import say

_EMOJI = {"✅": "white_check_mark", "❌": "x", "yes": "white_check_mark", "no": "x"}
LOOK = "look"
QUIT = ("quit", "exit")


class Prompt:
    """Reads lines such as ``/delete-records crm customer 12 -- reason``, ``react ✅``, ``press approve``."""

    def __init__(self, stage: Stage, console: Console, read: Callable[[str], str]) -> None:
        self._stage = stage
        self._console = console
        self._read = read
        self._names = {user.name: user.id for user in stage.slack.core.workspace.users.values()}
        self._who = "alice"
        self._tell = Narrator(stage, console)

    def run(self) -> None:
        """Until ``quit`` or the end of the input."""
        self._console.print(Text(say("prompt.help", people=", ".join(self._names))))
        while True:
            try:
                line = self._read(f"{self._who}> ").strip()
            except (EOFError, KeyboardInterrupt):
                return
            if line in QUIT:
                return
            try:
                self._one(line)
            except (CountersignError, TimeoutError) as error:
                key = error.key if isinstance(error, CountersignError) else "prompt.nothing"
                params = error.params if isinstance(error, CountersignError) else {}
                self._console.print(Text(say(key, **params), "red"))
            self._tell.catch_up()

    def _one(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word.rstrip(">:") in self._names:
            self._who = word.rstrip(">:")
            if rest:
                self._one(rest.strip())
        elif word.startswith("/"):
            self._settle(lambda: self._person.command(word, rest, channel=DELETIONS))
        elif word == "react":
            self._settle(lambda: self._person.react(DELETIONS, self._newest_ballot().ts, _emoji(rest)))
        elif word == "press":
            self._press(shlex.split(rest))
        elif word == LOOK or not word:
            for message in self._recent():
                self._tell.show(message)
        else:
            self._console.print(Text(say("prompt.help", people=", ".join(self._names))))

    @property
    def _person(self) -> Person:
        return self._stage.slack.as_user(self._names[self._who])

    def _settle(self, do: Callable[[], object]) -> None:
        """Do it, and give the answer a moment to arrive."""
        seen = len(self._stage.slack.core.feed)
        do()
        self._stage.slack.wait_for(lambda: len(self._stage.slack.core.feed) > seen + 1, 5.0)

    def _press(self, words: list[str]) -> None:
        wanted = words[0].lower() if words else ""
        for message in reversed(self._recent(50)):
            for block in message.blocks:
                for element in block.get("elements", []):
                    label = element.get("text", {}) if isinstance(element, dict) else {}
                    if isinstance(label, dict) and wanted in str(label.get("text", "")).lower() and wanted:
                        action = str(element.get("action_id", ""))
                        self._settle(partial(self._person.click, DELETIONS, message.ts, action))
                        return
        self._console.print(Text(say("prompt.no-button", button=wanted), "red"))

    def _newest_ballot(self) -> Message:
        ballots = [one for one in self._recent(200) if "white_check_mark" in one.reactions]
        if not ballots:
            raise TimeoutError
        return ballots[-1]

    def _recent(self, count: int = 6) -> list[Message]:
        room = self._stage.slack.core.workspace.messages.get(DELETIONS, {})
        return sorted(room.values(), key=lambda message: message.ts)[-count:]


def _emoji(text: str) -> str:
    word = text.strip().strip(":")
    return _EMOJI.get(word, word)
