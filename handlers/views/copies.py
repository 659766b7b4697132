"""What else holds copies of what an operation removes: announced, ticked off, still open. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.model.doors import RequestView
from bot.model.leftovers import CopyPart, copies_in
from bot.model.requests import Tick
from bot.texts import say
from handlers.views.blocks import Block, button, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import moment, safe, user

_SHOWN = 100
_TASK = "task"


def announced(plan: Mapping[str, Any], ink: Ink) -> str | None:
    """What people will have to see to afterwards; None when nothing was declared."""
    lines = []
    for kind, title in (("", "plan.copies"), (_TASK, "plan.tasks")):
        found = [one for one in copies_in(plan) if one.kind == kind]
        if found:
            lines.append(f"*{say(title, ink.language, n=len(found))}*")
        for one in found:
            name, who = ink.safe(one.name, _SHOWN), _who(one, ink.language)
            lines.append(f"• {say('plan.copy', ink.language, copy=name, who=who)}")
    return "\n".join(lines) or None


def checklist(view: RequestView, language: str) -> list[Block | None]:
    """Each of them with its button, and who has seen to it."""
    parts: list[Block | None] = []
    for kind, title in (("", "receipt.copies"), (_TASK, "receipt.tasks")):
        found = [(copy, tick) for copy, tick in _ticked(view) if copy.kind == kind]
        if found:
            done = sum(tick.done_by is not None for _, tick in found)
            parts.append(section(f"*{say(title, language, done=done, n=len(found))}*"))
            parts += [_line(view, copy, tick, language) for copy, tick in found]
    return parts


def in_short(view: RequestView, language: str) -> str | None:
    """A line for each kind: what is still open, or that nothing is."""
    lines = []
    for kind, word in (("", "copies"), (_TASK, "tasks")):
        found = [(copy, tick) for copy, tick in _ticked(view) if copy.kind == kind]
        left = [safe(copy.name, _SHOWN) for copy, tick in found if tick.done_by is None]
        said = {"done": len(found) - len(left), "n": len(found), "left": ", ".join(left)}
        if found:
            lines.append(say(f"card.{word}-open" if left else f"card.{word}-done", language, **said))
    return "\n".join(lines) or None


def _line(view: RequestView, copy: CopyPart, tick: Tick, language: str) -> Block | None:
    value = f"{view.request.id}.{tick.place}"
    name = safe(copy.name, _SHOWN)
    if tick.done_by is None or tick.done_at is None:
        said = say("receipt.copy-open", language, copy=name, who=_who(copy, language))
        pressed = button("copy-done", say("receipt.copy-button", language), value)
    else:
        by, at = user(tick.done_by), moment(tick.done_at)
        said = say("receipt.copy-done", language, copy=name, user=by, at=at)
        pressed = button("copy-reopen", say("receipt.copy-reopen", language), value)
    made = section(said)
    return made and {**made, "accessory": pressed}


def _who(copy: CopyPart, language: str) -> str:
    return safe(copy.role) if copy.role else say("copies.anybody", language)


def _ticked(view: RequestView) -> list[tuple[CopyPart, Tick]]:
    declared = copies_in(view.revision.plan) if view.revision else ()
    return [(declared[one.place], one) for one in view.ticks if one.place < len(declared)]
