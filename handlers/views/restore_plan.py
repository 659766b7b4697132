"""What only the plan of a restore says: what was chosen, what stays out, what is overwritten. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.texts import number, say
from handlers.views.ink import Ink

SHOWN = 15


def sections(plan: Mapping[str, Any], ink: Ink) -> list[str]:
    """One text for each; none where a restore is all or nothing."""
    found = [overwritten(plan, ink)]
    choice = plan.get("choice")
    if choice is not None:
        found += [chosen(choice, ink), left_out(choice, ink)]
    return [text for text in found if text]


def chosen(choice: Mapping[str, Any], ink: Ink) -> str | None:
    """Which part of the backup was asked for."""
    lines = []
    if choice["only"]:
        lines.append(say("plan.choice.only", ink.language, n=int(choice["only"])))
    if choice["table"]:
        lines.append(say("plan.choice.table", ink.language, table=ink.code(str(choice["table"]), 70)))
    if choice["mode"] != "fail":
        lines.append(say(f"plan.choice.{choice['mode']}", ink.language))
    return "\n".join(lines) or None


def left_out(choice: Mapping[str, Any], ink: Ink) -> str | None:
    """What stays out, and why."""
    left: Sequence[Sequence[Any]] = choice.get("left") or []
    if not left:
        return None
    lines = [f"*{say('plan.left', ink.language, n=sum(int(n) for _, _, n in left))}*"]
    for name, why, n in ink.shown(left, SHOWN):
        lines.append(f"• {ink.code(str(name), 120)}  {say(f'plan.left.{why}', ink.language, n=int(n))}")
    if rest := ink.left(left, SHOWN):
        lines.append(say("plan.more", ink.language, n=rest))
    return "\n".join(lines)


def overwritten(plan: Mapping[str, Any], ink: Ink, heading: str = "plan.overwritten") -> str | None:
    """The rows that get their old values, table by table."""
    counted: Sequence[Sequence[Any]] = plan.get("overwritten") or []
    if not counted:
        return None
    lines = [f"*{say(heading, ink.language, n=sum(int(part[1]) for part in counted))}*"]
    lines += [
        f"• {ink.code(str(part[0]), 70)}  {number(int(part[1]), ink.language)}"
        for part in ink.shown(counted, SHOWN)
    ]
    if rest := ink.left(counted, SHOWN):
        lines.append(say("plan.more", ink.language, n=rest))
    return "\n".join(lines)
