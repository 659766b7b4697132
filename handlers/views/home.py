"""The Home tab: what is open, and what this person can do. Pure."""

from collections.abc import Sequence
from typing import Any

from bot.model.doors import RequestView
from bot.texts import say
from handlers.views import request_card
from handlers.views.blocks import Block, header, section

SHOWN = 20


def render(requests: Sequence[RequestView], about_you: str, help_text: str, language: str) -> dict[str, Any]:
    """The view for ``views.publish``."""
    parts: list[Block | None] = [header(say("home.open", language))]
    parts += [section(line(view, language)) for view in requests[:SHOWN]]
    if not requests:
        parts.append(section(say("overview.none", language)))
    parts += [
        {"type": "divider"},
        header(say("home.you", language)),
        section(about_you),
        header(say("home.how", language)),
        section(help_text),
    ]
    return {"type": "home", "blocks": [part for part in parts if part is not None]}


def line(view: RequestView, language: str) -> str:
    """One request in a list: number, what, state, what is missing."""
    text = f"*{request_card.summary(view, language)}*"
    missing = request_card.missing_line(view, language)
    if missing and view.request.state in ("pending", "denied"):
        text += f"\n{missing}"
    return text
