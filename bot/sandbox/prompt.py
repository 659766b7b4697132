"""A small prompt: type commands as any of the people, react, press buttons, fill in forms."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.text import Text

from bot.errors import BadInput, CountersignError, NotFound
from bot.sandbox.people import DELETIONS
from bot.sandbox.render import Renderer
from bot.sandbox.slack.core import View
from bot.sandbox.slack.forms import inputs
from bot.sandbox.slack.hand import Person
from bot.sandbox.slack.tree import elements_of, kind_of
from bot.sandbox.slack.workspace import Json, Message
from bot.sandbox.stage import Stage
from bot.sandbox.story import Narrator
from bot.schedules import clock
from bot.texts import say

ANSWER_WITHIN = 5.0
QUIET_FOR = 1.5
RECENT = 6

_EMOJI = {"✅": "white_check_mark", "❌": "x", "yes": "white_check_mark", "no": "x"}
#: What the app may do in answer to a hand; reactions and closed forms are the hand's own.
_ANSWERS = frozenset({"posted", "ephemeral", "updated", "view", "notice"})


class Prompt:
    """Reads lines such as ``/delete-records crm customer 12 -- reason``, ``react ✅``, ``press approve``."""

    def __init__(
        self,
        stage: Stage,
        console: Console,
        read: Callable[[str], str],
        *,
        quiet_for: float = QUIET_FOR,
    ) -> None:
        self._quiet_for = quiet_for
        self._stage = stage
        self._console = console
        self._read = read
        workspace = stage.slack.core.workspace
        self._names = {
            user.name: user.id for user in workspace.users.values() if not (user.is_bot or user.deleted)
        }
        self._who = "alice"
        self._tell = Narrator(stage, console)
        self._renderer = Renderer(workspace)
        self._filled: dict[str, dict[str, str]] = {}
        self._words: dict[str, Callable[[str], None]] = {
            "react": lambda emoji: self._settle(
                lambda: self._person.react(DELETIONS, self._newest_ballot().ts, _emoji(emoji))
            ),
            "unreact": lambda emoji: self._settle(
                lambda: self._person.unreact(DELETIONS, self._newest_ballot().ts, _emoji(emoji))
            ),
            "press": self._press,
            "fill": self._fill,
            "close": lambda _rest: self._close(),
            "code": lambda _rest: self._code(),
            "look": lambda _rest: self._look(),
            "": lambda _rest: self._look(),
        }

    def run(self) -> None:
        """Until ``quit`` or the end of the input."""
        self._help()
        while True:
            try:
                line = self._read(f"{self._who}> ").strip()
            except (EOFError, KeyboardInterrupt):
                return
            if line in ("quit", "exit"):
                return
            with suppress(KeyboardInterrupt):
                self._try(line)
            self._tell.catch_up()

    def _try(self, line: str) -> None:
        try:
            self._one(line)
        except CountersignError as error:
            self._complain(error.key, **error.params)

    def _one(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        name = word.rstrip(">:").lower()
        if name in self._names:
            self._who = name
            if rest.strip():
                self._one(rest.strip())
        elif word.startswith("/"):
            self._settle(lambda: self._person.command(word, rest, channel=DELETIONS))
            self._show_form()
        elif word.lower() in self._words:
            self._words[word.lower()](rest.strip())
        else:
            self._help()

    @property
    def _person(self) -> Person:
        return self._stage.slack.as_user(self._names[self._who])

    def _settle(self, do: Callable[[], object]) -> None:
        """Do it, and wait for what comes of it."""
        seen = len(self._stage.slack.core.feed)
        do()
        self._await(seen)

    def _await(self, seen: int) -> None:
        """Until something has come since ``seen``, and then until nothing more comes."""
        core = self._stage.slack.core
        if not core.wait_until(lambda: any(one.kind in _ANSWERS for one in core.feed[seen:]), ANSWER_WITHIN):
            self._complain("prompt.nothing")
        known = seen
        while len(core.feed) > known:
            known = len(core.feed)
            core.wait_until(partial(self._more_than, known), self._quiet_for)

    def _more_than(self, known: int) -> bool:
        return len(self._stage.slack.core.feed) > known

    def _press(self, wanted: str) -> None:
        """A button of the open form, or of the newest message that has it."""
        form = self._form()
        if form is not None:
            self._press_in(form, wanted)
            return
        for message, element in self._buttons():
            if _means(wanted, element["text"]):
                self._click(message, str(element["action_id"]), str(element.get("value", "")))
                self._show_form()
                return
        raise NotFound("prompt.no-button", button=wanted)

    def _press_in(self, form: View, wanted: str) -> None:
        if _means(wanted, form.body.get("submit")):
            self._submit(form)
        elif _means(wanted, form.body.get("close")):
            self._close()
        else:
            raise NotFound("prompt.no-button", button=wanted)

    def _buttons(self) -> Iterator[tuple[Message, Json]]:
        """Every button on this person's screen, newest message first."""
        sight = self._person.sees()
        messages = [*sight.channels.get(DELETIONS, ()), *sight.direct, *sight.ephemerals]
        for message in sorted(messages, key=lambda one: one.ts, reverse=True):
            for block in message.blocks:
                for element in elements_of(block):
                    if kind_of(element) == "button":
                        yield message, element

    def _click(self, message: Message, action: str, value: str) -> None:
        if message.only_for:
            self._settle(lambda: self._person.click_private(message, action, value))
        else:
            self._settle(lambda: self._person.click(message.channel, message.ts, action, value))

    def _form(self) -> View | None:
        opened = self._person.sees().views
        return opened[-1] if opened else None

    def _show_form(self, *, explained: bool = True) -> None:
        form = self._form()
        if form is None:
            return
        self._tell.catch_up()
        self._console.print(self._renderer.view(with_values(form, self._filled.get(form.id, {}))))
        if explained:
            fields = ", ".join(block["block_id"] for block, _ in inputs(form.body))
            self._console.print(Text(say("prompt.form", fields=fields), "dim"))

    def _fill(self, rest: str) -> None:
        form = self._form()
        if form is None:
            raise NotFound("prompt.no-form")
        field, _, text = rest.partition(" ")
        known = [block["block_id"] for block, _ in inputs(form.body)]
        if field not in known:
            raise BadInput("prompt.no-field", field=field, known=", ".join(known))
        self._filled.setdefault(form.id, {})[field] = text.strip()
        self._show_form(explained=False)

    def _submit(self, form: View) -> None:
        seen = len(self._stage.slack.core.feed)
        complaints = self._person.submit(form.id, self._filled.get(form.id)).errors
        for field, text in complaints.items():
            self._complain("prompt.complaint", field=field, text=text)
        if not complaints:
            self._await(seen)

    def _close(self) -> None:
        form = self._form()
        if form is None:
            raise NotFound("prompt.no-form")
        self._person.close(form.id)

    def _code(self) -> None:
        """What this person's phone shows."""
        phones, now = self._stage.phones, clock.now()
        code = phones.code(self._names[self._who], now) if phones is not None else None
        if phones is None or code is None:
            raise NotFound("prompt.no-phone")
        shown = say("prompt.code", who=self._who, code=code, n=phones.seconds(now))
        self._console.print(Text(shown, "bold"))

    def _look(self) -> None:
        for message in self._recent(RECENT):
            self._tell.show(message)
        self._show_form()

    def _newest_ballot(self) -> Message:
        ballots = [one for one in self._recent(200) if "white_check_mark" in one.reactions]
        if not ballots:
            raise NotFound("prompt.no-ballot")
        return ballots[-1]

    def _recent(self, count: int) -> list[Message]:
        room = self._stage.slack.core.workspace.messages.get(DELETIONS, {})
        return sorted(room.values(), key=lambda message: message.ts)[-count:]

    def _help(self) -> None:
        self._console.print(
            Text(say("prompt.help", people=", ".join(self._names), address=self._stage.home.address))
        )

    def _complain(self, key: str, **params: str | int) -> None:
        self._console.print(Text(say(key, **params), "red"))


def with_values(form: View, filled: Mapping[str, str]) -> View:
    """The form as it looks with these fields filled in."""
    body = copy.deepcopy(form.body)
    for block, element in inputs(body):
        text = filled.get(block["block_id"])
        if text is not None and element.get("options"):
            element["initial_option"] = {"text": {"type": "plain_text", "text": text}, "value": text}
        elif text is not None:
            element["initial_value"] = text
    return replace(form, body=body)


def _means(typed: str, label: Json | None) -> bool:
    """Whether what was typed stands for a button: its beginning, whatever the case."""
    wanted = typed.lower().rstrip(".…")
    return bool(wanted and label) and str((label or {}).get("text", "")).lower().startswith(wanted)


def _emoji(text: str) -> str:
    word = text.strip().strip(":")
    return _EMOJI.get(word, word) or "white_check_mark"
