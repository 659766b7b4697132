"""Errors and answers -> one human sentence, as a message."""

from bot.model.doors import Answer
from bot.texts import say
from handlers.views.blocks import Rendered, actions, button, message, section
from handlers.views.wording import sentence


def private(answer: Answer, language: str) -> Rendered:
    """A private sentence, with its button when it has one."""
    text = sentence(answer.key, answer.params, language)
    row = None
    if answer.button is not None:
        label = say(f"slack.button.{answer.button}", language)
        row = actions([button(answer.button, label, answer.value or "")])
    return message(text, [section(text), row])
