"""The plan, in full as far as a message goes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.model.doors import RequestView
from bot.model.requests import CLOSED, Operation
from bot.texts import DEFAULT_LANGUAGE, catalogue, number, say
from handlers.views import progress, request_card, system_plan
from handlers.views.blocks import Block, Rendered, context, header, message, section
from handlers.views.mrkdwn import code, safe
from handlers.views.progress import step_name
from handlers.views.wording import sentence

SHOWN_TABLES = 40
SHOWN_LINKS = 15
SHOWN_WARNINGS = 10


def render(view: RequestView, shown: int | None, language: str) -> Rendered:
    """What would happen, table by table.

    ``shown`` is the revision the message was posted for, whose plan is gone once there is a newer one; None
    is a preview for one person's eyes, where nothing was filed.
    """
    preview = shown is None
    revision = view.revision
    if revision and shown is not None and revision.revision != shown:
        text = say("plan.old", language, number=view.request.number or 0, revision=shown)
        return message(text, [section(text)])
    plan = revision.plan if revision else {}
    numbered = view.request.number or 0
    first = (
        say("plan.title.preview", language, target=safe(view.request.target))
        if preview
        else say("plan.title", language, number=numbered, revision=revision.revision if revision else 0)
    )
    closed = view.request.state in CLOSED
    parts = [
        header(first),
        section(request_card.who_and_what(view, language)) if preview else section(_what(view, language)),
        *(section(text) for text in tables(plan, view.request.operation, language)),
        *(section(text) for text in system_plan.sections(plan, language)),
        section(_links(plan, view.request.operation, language)),
        section(_warnings(plan, language)),
        *(_steps_to_come(view, plan, language) if not closed else ()),
        section(progress.steps(view, language)) if plan.get("system") else None,
        section(_way_back(plan, language)),
        section(_support(view, language)),
        context(_binding(view, language, preview=preview)),
    ]
    return message(first, parts)


def tables(plan: Mapping[str, Any], operation: Operation, language: str) -> list[str]:
    """The counted tables, in paragraphs short enough for Slack; what is left out is counted too."""
    counted: Sequence[Sequence[Any]] = plan.get("tables") or []
    if not counted:
        return []
    total = sum(int(part[1]) for part in counted)
    lines = [f"*{say(f'plan.rows.{operation}', language, n=total)}*"]
    lines += [_counted(part, 70, language) for part in counted[:SHOWN_TABLES]]
    rest = counted[SHOWN_TABLES:]
    if rest:
        left = sum(int(part[1]) for part in rest)
        lines.append(
            say(
                "plan.more-tables",
                language,
                tables=say("card.tables", language, n=len(rest)),
                rows=say("card.rows", language, n=left),
            )
        )
    return ["\n".join(lines[start : start + 21]) for start in range(0, len(lines), 21)]


def _counted(part: Sequence[Any], limit: int, language: str) -> str:
    return f"• {code(str(part[0]), limit)}  {number(int(part[1]), language)}"


def _what(view: RequestView, language: str) -> str | None:
    if not view.personal.label:
        return None
    return say("card.what", language, what=code(view.personal.label, 150))


def _links(plan: Mapping[str, Any], operation: Operation, language: str) -> str | None:
    links: Sequence[Sequence[Any]] = plan.get("nullified") or []
    if not links:
        return None
    total = sum(int(part[1]) for part in links)
    lines = [f"*{say(f'plan.links.{operation}', language, n=total)}*"]
    lines += [_counted(part, 120, language) for part in links[:SHOWN_LINKS]]
    if len(links) > SHOWN_LINKS:
        lines.append(say("plan.more-links", language, n=len(links) - SHOWN_LINKS))
    return "\n".join(lines)


def _warnings(plan: Mapping[str, Any], language: str) -> str | None:
    warnings: Sequence[Sequence[Any]] = plan.get("warnings") or []
    if not warnings:
        return None
    told = list(dict.fromkeys(sentence(key, params, language) for key, params in warnings))
    lines = [f"*{say('plan.warnings', language)}*"]
    lines += [f"⚠️ {one}" for one in told[:SHOWN_WARNINGS]]
    if len(told) > SHOWN_WARNINGS:
        lines.append(say("plan.more-warnings", language, n=len(told) - SHOWN_WARNINGS))
    return "\n".join(lines)


def _steps_to_come(view: RequestView, plan: Mapping[str, Any], language: str) -> list[Block | None]:
    """The steps, until they run; a teardown's plan then shows them ticked."""
    if not plan.get("system"):
        return [section(_steps(plan, language))]
    return [] if view.job else [section(text) for text in system_plan.steps(plan, language)]


def _steps(plan: Mapping[str, Any], language: str) -> str | None:
    steps: Sequence[str] = plan.get("steps") or []
    if not steps:
        return None
    names = [f"{place}. {step_name(key, language)}" for place, key in enumerate(steps[:30], start=1)]
    return "\n".join([f"*{say('plan.steps', language)}*", *names])


def _way_back(plan: Mapping[str, Any], language: str) -> str | None:
    way = plan.get("way_back")
    if not way:
        return None
    known = way in catalogue(DEFAULT_LANGUAGE)[0]
    return f"*{say('plan.way-back', language)}* {sentence(way, {}, language) if known else safe(way, 500)}"


def _support(view: RequestView, language: str) -> str | None:
    if not view.support:
        return None
    return say("card.support", language, support=safe(view.support, 300))


def _binding(view: RequestView, language: str, *, preview: bool) -> str | None:
    if preview:
        return say("plan.preview-only", language)
    if view.revision is None:
        return None
    return say("plan.binding", language, digest=view.revision.digest[:16])
