"""The steps of a job as they run. Pure."""

from bot.model.doors import RequestView
from bot.model.jobs import Step, StepState
from bot.model.requests import State
from bot.model.segments import progress
from bot.texts import DEFAULT_LANGUAGE, catalogue, say
from handlers.views import amounts
from handlers.views.mrkdwn import code, safe

_MARKS = {StepState.DONE: "✓", StepState.RUNNING: "▸", StepState.FAILED: "✗"}


def steps(view: RequestView, language: str) -> str | None:
    """One line per step, those still to come included when the plan names them; None without a job."""
    if view.job is None:
        return None
    planned = view.revision.plan.get("steps") if view.revision else None
    begun = {step.name for step in view.steps}
    lines = [_line(step, language) for step in view.steps]
    if view.job.ended_at is None or view.request.state is State.SET_ASIDE:
        lines += [f"· {step_name(name, language)}" for name in planned or () if name not in begun]
    if not lines:
        return None
    shown = lines[:40]
    if len(lines) > 40:
        shown.append(say("card.steps.more", language, n=len(lines) - 40))
    done = sum(step.state is StepState.DONE for step in view.steps)
    first = say("card.steps", language, done=done, n=max(len(lines), len(view.steps)))
    return "\n".join([*segments(view, language), f"*{first}*", *shown])


def _line(step: Step, language: str) -> str:
    """A step; while it runs also how far it has come."""
    line = f"{_MARKS[step.state]} {step_name(step.name, language)}"
    if step.state is not StepState.RUNNING or not step.progress:
        return line
    part = str(step.progress["part"])
    return f"{line}\n      {amounts.told(step.progress, code(part, 60) if part else '', language)}"


def segments(view: RequestView, language: str) -> list[str]:
    """How much of a large operation is done for good, and about how long the rest takes; empty for others."""
    planned = (view.revision.plan.get("segments") if view.revision else None) or ()
    if not planned or view.job is None:
        return []
    part, total = progress(view.job.facts), sum(int(one[0]) for one in planned)
    line = say("card.segments", language, done=part.done, n=len(planned), rows=part.rows, total=total)
    begun, seen = view.job.started_at, view.steps[-1].started_at if view.steps else None
    own = part.rows - part.before
    if not (own and begun and seen) or view.request.state is not State.RUNNING:
        return [line]
    left = (seen - begun).total_seconds() / own * (total - part.rows)
    return [f"{line} {say('card.segments.left', language, n=max(1, round(left / 60)))}"]


def in_short(view: RequestView, language: str) -> str | None:
    """How many steps were done, for where they are listed elsewhere; None without a job."""
    if view.job is None or not view.steps:
        return None
    done = sum(step.state is StepState.DONE for step in view.steps)
    return say("card.steps.in-receipt", language, done=done, n=len(view.steps))


def step_name(key: str, language: str) -> str:
    """What a step is called, or its bare key when this version has no word for it."""
    return say(key, language) if key in catalogue(DEFAULT_LANGUAGE)[0] else safe(key)
