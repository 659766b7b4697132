"""The plan, in full as far as a message goes; what it leaves out stands in a file beside it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.model.doors import RequestView
from bot.model.requests import CLOSED, Operation
from bot.texts import DEFAULT_LANGUAGE, catalogue, number, say
from handlers.views import copies, progress, request_card, residue, restore_plan, system_plan
from handlers.views.blocks import MAX_SECTION, Rendered, context, header, message, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import size
from handlers.views.progress import step_name
from handlers.views.wording import sentence

SHOWN_TABLES = 40
SHOWN_LINKS = 15
SHOWN_WARNINGS = 10
SHOWN_STEPS = 30


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
    ink = Ink(language)
    first = title(view, language, preview=preview)
    parts = [
        header(first),
        section(request_card.who_and_what(view, ink)) if preview else section(_what(view, ink)),
        *(section(text) for text in paragraphs(view, ink)),
        section(_file(view, language)),
        context(_binding(view, language, preview=preview)),
    ]
    return message(first, parts)


def title(view: RequestView, language: str, *, preview: bool = False) -> str:
    """“Plan of request #42, version 1”."""
    if preview:
        return say("plan.title.preview", language, target=Ink(language).safe(view.request.target))
    number = view.request.number or 0
    return say("plan.title", language, number=number, revision=view.revision.revision if view.revision else 0)


def paragraphs(view: RequestView, ink: Ink) -> list[str]:
    """What a plan says, one text for each part of it."""
    plan = view.revision.plan if view.revision else {}
    found = [
        *tables(plan, view.request.operation, ink),
        *system_plan.sections(plan, ink),
        *restore_plan.sections(plan, ink),
        links(plan.get("nullified") or [], f"plan.links.{view.request.operation}", ink),
        links(plan.get("reassigned") or [], "plan.reassigned", ink, heir=request_card.heir_name(view, ink)),
        files(plan, f"plan.files.{view.request.operation}", ink),
        _warnings(plan, ink),
        *(_steps_to_come(view, plan, ink) if view.request.state not in CLOSED else ()),
        progress.steps(view, ink.language) if plan.get("system") else None,
        residue.announced(plan, ink),
        copies.announced(plan, ink),
        _way_back(plan, ink),
        _support(view, ink),
    ]
    return [text for text in found if text]


def is_whole(view: RequestView, language: str) -> bool:
    """Whether the messages about a request leave nothing of its plan out, and shorten nothing."""
    ink, whole = Ink(language), Ink(language, whole=True)
    shown = [*request_card.asked(view, ink), *paragraphs(view, ink)]
    if shown != [*request_card.asked(view, whole), *paragraphs(view, whole)]:
        return False
    if any(len(text) > MAX_SECTION for text in shown):
        return False
    number = view.revision.revision if view.revision else 0
    return render(view, number, language).whole and request_card.render(view, language).whole


def tables(plan: Mapping[str, Any], operation: Operation, ink: Ink) -> list[str]:
    """The counted tables, in paragraphs short enough for Slack; what is left out is counted too."""
    counted: Sequence[Sequence[Any]] = plan.get("tables") or []
    if not counted:
        return []
    total = sum(int(part[1]) for part in counted)
    lines = [f"*{say(f'plan.rows.{operation}', ink.language, n=total)}*"]
    lines += [_counted(part, 70, ink) for part in ink.shown(counted, SHOWN_TABLES)]
    if rest := ink.left(counted, SHOWN_TABLES):
        left = sum(int(part[1]) for part in counted[-rest:])
        lines.append(
            say(
                "plan.more-tables",
                ink.language,
                tables=say("card.tables", ink.language, n=rest),
                rows=say("card.rows", ink.language, n=left),
            )
        )
    return ["\n".join(lines[start : start + 21]) for start in range(0, len(lines), 21)]


def _counted(part: Sequence[Any], limit: int, ink: Ink) -> str:
    return f"• {ink.code(str(part[0]), limit)}  {number(int(part[1]), ink.language)}"


def _what(view: RequestView, ink: Ink) -> str | None:
    if not view.personal.label:
        return None
    return say(
        request_card.what_key(view.request.operation), ink.language, what=ink.code(view.personal.label)
    )


def links(counted: Sequence[Sequence[Any]], heading: str, ink: Ink, **params: str) -> str | None:
    """Links with their counts under a heading that says the sum; None when there are none."""
    if not counted:
        return None
    total = sum(int(part[1]) for part in counted)
    lines = [f"*{say(heading, ink.language, n=total, **params)}*"]
    lines += [_counted(part, 120, ink) for part in ink.shown(counted, SHOWN_LINKS)]
    if rest := ink.left(counted, SHOWN_LINKS):
        lines.append(say("plan.more-links", ink.language, n=rest))
    return "\n".join(lines)


def files(plan: Mapping[str, Any], heading: str, ink: Ink) -> str | None:
    """The files that rows name, folder by folder, with their sum; None when there are none."""
    counted: Sequence[Sequence[Any]] = plan.get("files") or []
    if not counted:
        return None
    total = sum(int(part[1]) for part in counted)
    weight = size(sum(int(part[2]) for part in counted), ink.language)
    lines = [f"*{say(heading, ink.language, n=total, size=weight)}*"]
    lines += [f"{_counted(part, 120, ink)}, {size(int(part[2]), ink.language)}" for part in counted]
    return "\n".join(lines)


def _warnings(plan: Mapping[str, Any], ink: Ink) -> str | None:
    warnings: Sequence[Sequence[Any]] = plan.get("warnings") or []
    if not warnings:
        return None
    told = [sentence(key, params, ink.language, ink.limit(500)) for key, params in warnings]
    told = list(dict.fromkeys(told))
    lines = [f"*{say('plan.warnings', ink.language)}*"]
    lines += [f"⚠️ {one}" for one in ink.shown(told, SHOWN_WARNINGS)]
    if rest := ink.left(told, SHOWN_WARNINGS):
        lines.append(say("plan.more", ink.language, n=rest))
    return "\n".join(lines)


def _steps_to_come(view: RequestView, plan: Mapping[str, Any], ink: Ink) -> list[str | None]:
    """The steps, until they run; a teardown's plan then shows them ticked."""
    if not plan.get("system"):
        return [_steps(plan, ink)]
    return [] if view.job else [*system_plan.steps(plan, ink)]


def _steps(plan: Mapping[str, Any], ink: Ink) -> str | None:
    steps: Sequence[str] = plan.get("steps") or []
    if not steps:
        return None
    names = [
        f"{place}. {step_name(key, ink.language)}"
        for place, key in enumerate(ink.shown(steps, SHOWN_STEPS), start=1)
    ]
    if rest := ink.left(steps, SHOWN_STEPS):
        names.append(say("plan.more", ink.language, n=rest))
    return "\n".join([f"*{say('plan.steps', ink.language)}*", *names])


def _way_back(plan: Mapping[str, Any], ink: Ink) -> str | None:
    way = plan.get("way_back")
    if not way:
        return None
    known = way in catalogue(DEFAULT_LANGUAGE)[0]
    said = sentence(way, {}, ink.language) if known else ink.safe(way, 500)
    return f"*{say('plan.way-back', ink.language)}* {said}"


def _support(view: RequestView, ink: Ink) -> str | None:
    if not view.support:
        return None
    return say("card.support", ink.language, support=ink.safe(view.support, 300))


def _file(view: RequestView, language: str) -> str | None:
    """Where the whole plan is, when it does not fit into this message."""
    file = view.file
    if file is None:
        return None
    if file.gone:
        return say("plan.file.gone", language, name=file.name, sha256=file.sha256)
    if not file.there:
        return say("plan.file.coming", language)
    return say("plan.file", language, name=file.name, sha256=file.sha256)


def _binding(view: RequestView, language: str, *, preview: bool) -> str | None:
    if preview:
        return say("plan.preview-only", language)
    if view.revision is None:
        return None
    return say("plan.binding", language, digest=view.revision.digest[:16])
