"""Errors and answers -> one human sentence, as a message."""

from bot.model.doors import Answer
from bot.texts import say
from handlers.views.blocks import Rendered, actions, button, message, section
from handlers.views.wording import sentence

#: Buttons that stand beside another one.
_BESIDE = {"change-confirm": ("change-cancel",), "restore-overwrite": ("restore-skip",)}


def private(answer: Answer, language: str) -> Rendered:
    """A private sentence, with its button when it has one."""
    text = sentence(answer.key, answer.params, language)
    row = None
    if answer.button is not None:
        names = (answer.button, *_BESIDE.get(answer.button, ()))
        labels = {name: say(f"slack.button.{name}", language) for name in names}
        row = actions([button(name, label, answer.value or "") for name, label in labels.items()])
    return message(text, [section(text), row])
