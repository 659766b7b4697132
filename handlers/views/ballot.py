"""The ballot: where one revision is decided, by reaction or button. Pure."""

from bot.model.doors import RequestView
from bot.model.requests import State
from bot.texts import say
from handlers.views import request_card
from handlers.views.blocks import Block, Rendered, actions, button, context, message, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import safe

OPEN = (State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE)


def is_open(view: RequestView, revision: int) -> bool:
    """Whether votes on this revision still count."""
    is_asked = view.request.state in OPEN or request_card.may_go_on(view)
    return is_asked and view.request.revision == revision


def render(view: RequestView, revision: int, language: str) -> Rendered:
    """The ballot of one revision; without buttons once it no longer counts."""
    number = view.request.number or 0
    if view.request.revision != revision:
        text = say("ballot.old", language, number=number)
        return message(text, [section(text)])
    if not is_open(view, revision):
        state = say(f"card.state.{view.request.state}", language)
        text = say("ballot.over", language, number=number, state=state)
        return message(text, [section(text), section("\n".join(request_card.votes(view, language)))])
    text = say("ballot.open", language, number=number)
    lines = [say("ballot.question", language, number=number, target=safe(view.request.target))]
    lines += request_card.votes(view, language)
    lines.append(
        request_card.denied_line(view, language)
        or request_card.missing_line(view, language)
        or say("ballot.complete", language)
    )
    lines += request_card.own_accounts(view, Ink(language))
    return message(
        text,
        [
            section("\n".join(lines)),
            actions(_buttons(view, revision, language)),
            context(say("ballot.how", language)),
        ],
    )


def _buttons(view: RequestView, revision: int, language: str) -> list[Block]:
    value = f"{view.request.id}.{revision}"
    return [
        button("vote-approve", say("ballot.approve", language), value, "primary"),
        button("vote-deny", say("ballot.deny", language), value, "danger"),
        button("vote-withdraw", say("ballot.withdraw", language), value),
    ]
