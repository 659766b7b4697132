"""What the page sends when a person does something, turned into the hand of that person."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.errors import BadInput, CountersignError
from bot.sandbox.slack.hand import Person
from bot.sandbox.slack.screen import Answer
from bot.sandbox.slack.server import Slack
from bot.sandbox.slack.workspace import Json, Message
from bot.texts import say

#: Characters of anything typed; Slack itself takes less.
LONGEST = 12_000
Act = Mapping[str, Any]


class Desk:
    """``carry_out({"as": "U0ALICE", "do": "command", …})`` waits for the app's answer, as the hand does."""

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._ways: dict[str, Callable[[Person, Act], Answer | Message | None]] = {
            "command": lambda who, act: who.command(
                _text(act, "name"), _escaped(_text(act, "text")), channel=_text(act, "room")
            ),
            "say": lambda who, act: who.say(
                _text(act, "room"), _words(_text(act, "text")), thread_ts=_text(act, "thread")
            ),
            "react": lambda who, act: who.react(_text(act, "room"), _text(act, "ts"), _text(act, "name")),
            "unreact": lambda who, act: who.unreact(_text(act, "room"), _text(act, "ts"), _text(act, "name")),
            "click": self._click,
            "click-view": lambda who, act: who.click_view(
                _text(act, "view"), _text(act, "action"), act.get("value")
            ),
            "submit": lambda who, act: who.submit(_text(act, "view"), _values(who, act)),
            "close": lambda who, act: who.close(_text(act, "view")),
            "home": lambda who, _act: who.open_home(),
        }

    def carry_out(self, act: Act, language: str) -> Json:
        """Do it.

        Returns:
            ``ok``; else ``problem``, a sentence, or ``errors``, complaints of a form by block id.
        """
        try:
            way = self._ways.get(_text(act, "do"))
            if way is None:
                raise BadInput("page.unknown-act")
            answer = way(self._slack.as_user(_text(act, "as")), act)
        except CountersignError as refusal:
            return {"ok": False, "problem": say(refusal.key, language, **refusal.params)}
        if not isinstance(answer, Answer):
            return {"ok": True}
        if answer.errors:
            return {"ok": False, "errors": answer.errors}
        # What Slack itself says about an app that did not answer comes as a notice in the snapshot.
        return {"ok": answer.acked}

    def _click(self, who: Person, act: Act) -> Answer:
        room, ts, action = _text(act, "room"), _text(act, "ts"), _text(act, "action")
        value = act.get("value")
        for message in who.sees().ephemerals:
            if message.ts == ts:
                return who.click_private(message, action, value)
        return who.click(room, ts, action, value)


def _text(act: Act, key: str) -> str:
    value = act.get(key, "")
    if not isinstance(value, str) or len(value) > LONGEST:
        raise BadInput("page.unknown-act")
    return value


def _words(text: str) -> str:
    if not text.strip():
        raise BadInput("page.nothing-typed")
    return _escaped(text)


def _escaped(text: str) -> str:
    """As Slack's client sends what was typed: the three characters that are markup are escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _values(who: Person, act: Act) -> Mapping[str, Any]:
    values = act.get("values", {})
    if not isinstance(values, Mapping):
        raise BadInput("page.unknown-act")
    return {name: _handed_over(who, one) if isinstance(one, Mapping) else one for name, one in values.items()}


def _handed_over(who: Person, file: Mapping[str, Any]) -> Json:
    """A file that was chosen: Slack's client hands it over before the form is submitted."""
    name, content = file.get("name"), file.get("bytes")
    if not isinstance(name, str) or not isinstance(content, list):
        raise BadInput("page.unknown-act")
    try:
        return who.upload(name, bytes(content))
    except (ValueError, TypeError):
        raise BadInput("page.unknown-act") from None
