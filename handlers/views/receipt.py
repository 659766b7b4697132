"""The receipt: what went or came back, and how to get it back. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.model import undoing
from bot.model.doors import RequestView
from bot.model.jobs import Backup, JobKind
from bot.model.requests import DESTRUCTIVE, Operation, State
from bot.model.segments import progress
from bot.texts import listed, number, say
from handlers.views import amounts, copies, plan, remains, request_card, residue, restore_plan
from handlers.views import progress as running
from handlers.views.blocks import Block, Rendered, actions, button, context, header, message, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import code, moment, safe, size
from handlers.views.wording import sentence

#: How the lines about a system's own parts begin.
_PARTS = ("holding", "service", "check")
_DESTROYED = ("deleting", "gone")
#: What a plan says of a bucket, and what stays true afterwards.
_VERSIONS = ("told.objects-versions", "told.objects-versions-days", "told.objects-locked")
#: What a target calls its kind of database.
_ENGINES = ("postgresql", "mariadb", "mysql", "sqlite")


def render(view: RequestView, language: str) -> Rendered:
    """The receipt of a finished request. Nothing in it is personal."""
    request = view.request
    first = say(f"receipt.title.{request.operation}", language, number=request.number or 0)
    backup = view.backup if request.operation in DESTRUCTIVE else None
    if request.operation is Operation.TEARDOWN:
        return _teardown(view, first, language)
    data = view.revision.plan if view.revision else {}
    parts: list[Block | None] = [
        header(first),
        section("\n".join([_done(view, language), *request_card.origin(view, Ink(language))])),
        _took(view, "receipt.took.restore", language) if data.get("system") else None,
        *(section(text) for text in _tables(view, language)),
        section(restore_plan.overwritten(data, Ink(language), "receipt.overwritten")),
        section(_handed_over(view, language)),
        section(plan.files(data, f"receipt.files.{request.operation}", Ink(language))),
    ]
    if backup is not None:
        parts += _backup(backup, language)
        of = progress(view.job.facts) if view.job else None
        if of is not None and of.done > 1:
            parts.append(section(say("receipt.parts", language, n=of.done)))
    elif view.backup is not None and request.operation is Operation.RESTORE:
        parts.append(
            section(say("receipt.from-backup", language, reference=code(view.backup.reference, 1000)))
        )
    if view.fresh is not None:
        parts.append(section(say("receipt.before-overwrite", language)))
        parts += _backup(view.fresh, language)
    parts += residue.found(view, language)
    parts.append(section(_remains(view, language)))
    parts += copies.checklist(view, language)
    parts += [section(text) for text in _kept_versions(data, language)]
    if view.head:
        parts.append(context(say("receipt.head", language, head=code(view.head, 200))))
    parts += _next(view, backup, language)
    return message(say("receipt.summary", language, title=first, target=safe(request.target)), parts)


def _next(view: RequestView, backup: Backup | None, language: str) -> list[Block | None]:
    """The button that takes it back, where one step does."""
    request = view.request
    plan = view.revision.plan if view.revision else {}
    if backup is not None and backup.state not in _DESTROYED:
        return [actions([button("restore", say("receipt.restore", language), f"{request.id}")])]
    done = request.operation is Operation.RESTORE and request.state is State.SUCCEEDED
    if done and any(told[0] == "told.undo-first" for told in plan.get("warnings") or ()):
        return [section(say("receipt.undo-rest", language, number=request.undoes or 0))]
    if done and undoing.problem(plan) is None:
        return [actions([button("undo", say("receipt.undo", language), f"{request.id}")])]
    return []


def _handed_over(view: RequestView, language: str) -> str | None:
    """What stayed and points at somebody else now."""
    moved: Mapping[str, int] = (view.job.facts.get("reassigned") if view.job else None) or {}
    total = sum(moved.values())
    return plan.links(list(moved.items()), "receipt.reassigned", Ink(language)) if total else None


def _remains(view: RequestView, language: str) -> str | None:
    """Where traces of deleted rows lie on, out of everybody's sight, by what kind of database it is."""
    engine = view.job.facts.get("engine") if view.job else None
    if view.request.operation is not Operation.DELETE_RECORDS or engine not in _ENGINES:
        return None
    said = say(f"receipt.remains.{engine}", language)
    if view.backup is None or view.backup.state in _DESTROYED:
        return said
    own = say("receipt.remains.own", language, until=moment(view.backup.keep_until))
    return f"{said} {own}"


def _kept_versions(data: Mapping[str, Any], language: str) -> list[str]:
    """What a bucket keeps of objects that are gone from its sight; the plan has said so before."""
    return [sentence(key, params, language) for key, params in data.get("warnings") or () if key in _VERSIONS]


def _done(view: RequestView, language: str) -> str:
    """What happened; "verified" is said only when the last look found it so."""
    request = view.request
    counted = request_card.rows_line(view, language) or say("receipt.nothing-counted", language)
    facts = view.job.facts if view.job else {}
    part, problem = progress(facts), facts.get("problem")
    if part.part_way:
        counted = say("receipt.part-way", language, done=part.done, of=part.of, n=part.rows)
    said = {"target": safe(request.target), "counted": counted}
    if problem is None:
        return say(f"receipt.done.{request.operation}", language, **said)
    key, params = problem
    unsure = say(f"receipt.unsure.{request.operation}", language, **said)
    return f"{unsure}\n{sentence(key, params, language)}"


def _tables(view: RequestView, language: str) -> list[str]:
    """Rows by table: as planned, or those that went when not everything did."""
    data = view.revision.plan if view.revision else {}
    facts = view.job.facts if view.job else {}
    if progress(facts).part_way:
        gone = facts.get("rows") or {}
        kept = [[part[0], gone[part[0]]] for part in data.get("tables") or () if gone.get(part[0])]
        emptied = [[name, n, ""] for name, n in (facts.get("nullified") or {}).items() if n]
        data = {**data, "tables": kept, "nullified": emptied, "reassigned": [], "files": []}
    return plan.tables(data, view.request.operation, Ink(language))


def _teardown(view: RequestView, first: str, language: str) -> Rendered:
    """The receipt of a teardown: set aside first, later gone or back, with every step that ran."""
    request, backup = view.request, view.backup
    state = {State.SUCCEEDED: "gone", State.STOPPED: "back"}.get(request.state, "aside")
    until = moment(request.grace_until) if request.grace_until else "-"
    what = "teardown" if request.undoes is None else "clearing"
    done = say(f"receipt.{what}.{state}", language, target=safe(request.target), until=until)
    parts: list[Block | None] = [header(first), section(done)]
    if backup is not None and state == "gone":
        parts += _backup(backup, language, rows=False)
    elif backup is not None:
        parts += _backup(backup, language, rows=False)[:1]
    if backup is not None and state == "aside":
        parts.append(section(say("receipt.after-removal", language, number=request.number or 0)))
    facts = view.job.facts if view.job else {}
    if facts.get("certificate"):
        parts.append(section(_certificate(facts, language)))
    parts += remains.found(view, language)
    parts.append(_took(view, "receipt.took.put-back", language, kind=JobKind.PUT_BACK))
    parts.append(section(running.steps(view, language)))
    parts += copies.checklist(view, language)
    if view.head:
        parts.append(context(say("receipt.head", language, head=code(view.head, 200))))
    if request_card.may_be_put_back(view):
        parts.append(actions([request_card.put_back_button(view, language)]))
    if state == "gone" and backup is not None and backup.state not in _DESTROYED:
        parts.append(actions([button("restore", say("receipt.restore", language), f"{request.id}")]))
    return message(say("receipt.summary", language, title=first, target=safe(request.target)), parts)


def _took(view: RequestView, key: str, language: str, kind: JobKind = JobKind.RUN) -> Block | None:
    """How long the newest job took, by its own steps; None for one of another kind, or without any."""
    if view.job is None or view.job.kind is not kind:
        return None
    own = [step for step in view.steps if step.job_id == view.job.id]
    ends = [step.ended_at for step in own if step.ended_at is not None]
    if not ends:
        return None
    seconds = (max(ends) - min(step.started_at for step in own)).total_seconds()
    return section(say(key, language, time=amounts.time(seconds, language)))


def _certificate(facts: Mapping[str, Any], language: str) -> str:
    lines = [
        say(
            "receipt.purged",
            language,
            n=int(facts.get("removed") or 0),
            size=size(int(facts.get("bytes") or 0), language),
        )
    ]
    if facts.get("left"):
        lines.append(say("receipt.left", language, n=int(facts["left"])))
    # What else was looked for has a place of its own.
    parts = [(*what.partition(" "), state) for what, state in facts.get("residue") or ()]
    found = [name for kind, _, name, state in parts if kind in _PARTS and state == "found"]
    if found:
        lines.append(say("receipt.residue", language, found=safe(listed(found, language), 500)))
    lines.append(say("receipt.certificate", language, name=code(str(facts["certificate"]), 100)))
    return "\n".join(lines)


def _backup(backup: Backup, language: str, *, rows: bool = True) -> list[Block | None]:
    if backup.state in _DESTROYED:
        return [section(say("receipt.destroyed", language, sha256=code(backup.sha256, 100)))]
    weight = size(backup.size, language)
    command = f"/restore {backup.reference} -- "
    facts = [
        say("receipt.reference", language, reference=code(backup.reference, 1000)),
        say("receipt.checksum", language, sha256=code(backup.sha256, 100)),
        say("receipt.size", language, size=weight, rows=say("card.rows", language, n=backup.rows))
        if rows
        else say("receipt.bytes", language, size=weight),
        say("receipt.until", language, until=moment(backup.keep_until)),
        say("receipt.proven", language, seconds=_seconds(backup.test_restore_ms, language)),
    ]
    back = say(
        "receipt.way-back", language, command=code(command + say("receipt.reason-word", language), 1200)
    )
    return [section("\n".join(facts)), section(back)]


def _seconds(milliseconds: int, language: str) -> str:
    shown = number(max(milliseconds, 100) / 1000, language, places=1)
    return safe(f"< {shown}") if milliseconds < 100 else shown
