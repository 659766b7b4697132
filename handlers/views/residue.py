"""Where else the person is named: before the deletion in the plan, after it on the receipt. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.model.doors import RequestView
from bot.model.leftovers import ResiduePart, residue_in
from bot.texts import say
from handlers.views.blocks import Block, actions, button, context, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import safe

_SHOWN = 20
_STATEMENT = 300
_BUTTONS = 10


def announced(plan: Mapping[str, Any], ink: Ink) -> str | None:
    """What would remain, column by column; None when nothing was to be looked for."""
    parts = residue_in(plan.get("residue"))
    if not parts:
        return None
    lines = [f"*{say('plan.residue', ink.language)}*"]
    for part in ink.shown(parts, _SHOWN):
        lines.append(f"• {ink.code(part.place, 120)}  {_counted(part, ink.language)}")
        if part.index:
            statement = ink.code(part.index, _STATEMENT)
            lines.append(say("plan.residue-index", ink.language, statement=statement))
    if rest := ink.left(parts, _SHOWN):
        lines.append(say("plan.more", ink.language, n=rest))
    return "\n".join(lines)


def found(view: RequestView, language: str) -> list[Block | None]:
    """What a new connection found when the rows were gone, beside the plan, and what can be asked for."""
    parts = residue_in(view.job.facts.get("residue") if view.job else None)
    if not parts:
        return []
    planned = residue_in(view.revision.plan.get("residue") if view.revision else None)
    before = {part.place: part for part in planned}
    lines = [f"*{say('receipt.residue-after', language)}*"]
    ink = Ink(language)
    for part in parts[:_SHOWN]:
        now = _counted(part, language)
        then = _counted(before[part.place], language) if part.place in before else ""
        key = "receipt.residue-same" if then == now else "receipt.residue-line"
        said = say(key, language, now=now, before=then)
        lines.append(f"• {ink.code(part.place, 120)}  {said}")
    if len(parts) > _SHOWN:
        lines.append(say("plan.more", language, n=len(parts) - _SHOWN))
    # Each in a row of its own: Slack refuses a message with two buttons of one name in a row, all of it.
    buttons = [
        actions(
            [
                button(
                    "follow-up",
                    say("receipt.follow-up", language, n=one.count, record=safe(one.record, 40)),
                    f"{view.request.id}.{one.number}",
                )
            ]
        )
        for one in view.follow_ups[:_BUTTONS]
    ]
    hint = context(say("receipt.follow-up-hint", language)) if buttons else None
    return [section("\n".join(lines)), *buttons, hint]


def _counted(part: ResiduePart, language: str) -> str:
    if part.state == "counted":
        return say("card.rows", language, n=part.rows)
    return say(f"residue.{part.state}", language, n=part.rows)
