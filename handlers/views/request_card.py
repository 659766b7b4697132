"""The card: one request, readable on a phone, redrawn whenever anything changes. Pure."""

from bot.model.doors import RequestView
from bot.model.jobs import JobKind, JobState
from bot.model.requests import CLOSED, Operation, State
from bot.model.segments import PAUSED, may_pause, stands_between
from bot.texts import say
from handlers.views import copies, hours, progress, slots
from handlers.views.blocks import Block, Rendered, actions, button, context, header, message, section
from handlers.views.ink import Ink
from handlers.views.mrkdwn import code, escape, moment, safe, size, tame, user
from handlers.views.wording import sentence

_ICONS = {
    State.PLANNING: "🔎",
    State.PENDING: "🗳️",
    State.APPROVED: "✅",
    State.DENIED: "⛔",
    State.RUNNING: "⏳",
    State.SUCCEEDED: "✅",
    State.HELD: "⚠️",
    State.SET_ASIDE: "📦",
}
_STOPPABLE = (State.APPROVED, State.RUNNING, State.HELD)
_VOTED = (State.PENDING, State.DENIED, State.APPROVED, State.SET_ASIDE, State.HELD)
_CANCELLABLE = (State.PLANNING, State.PENDING, State.APPROVED, State.DENIED)
_IN_THE_WAY = ("told.locked", "told.locked-somewhere", "told.locked-file", "told.takes-too-long")
SHOWN_IN_THE_WAY = 3
SHOWN_VALUES = 5
SHOWN_PEOPLE = 3
#: What waits for a worker, and how that is said.
_WAITING = {
    State.PLANNING: "",
    State.RUNNING: "",
    State.APPROVED: ".approved",
    State.SET_ASIDE: ".aside",
}


def render(view: RequestView, language: str) -> Rendered:
    """The card of a request as it stands."""
    closed = view.request.state in CLOSED
    parts = [
        header(title(view, language)),
        section(state_line(view, language)),
        section(who_and_what(view, Ink(language))),
        section(_decision(view, language)),
        section(_steps(view, language)),
        section(copies.in_short(view, language)),
        context(_until(view, language)),
        section(_notices(view, language)),
        None if closed else actions(_buttons(view, language)),
    ]
    return message(summary(view, language), parts)


def title(view: RequestView, language: str) -> str:
    """“Deletion #42 · crm · customer”, plain."""
    request = view.request
    words = [f"{say(f'card.operation.{request.operation}', language)} #{request.number or '…'}"]
    words += [escape(tame(word, 60)) for word in (request.target, request.record) if word]
    return " · ".join(words)


def summary(view: RequestView, language: str) -> str:
    """One line without anything personal, for notifications and lists."""
    state = say(f"card.state.{view.request.state}", language)
    return say("card.summary", language, title=title(view, language), state=state)


def state_line(view: RequestView, language: str) -> str:
    """The state in words, and why."""
    request = view.request
    icon = _ICONS.get(request.state, "▪️")
    line = f"{icon} *{say(f'card.state.{request.state}', language)}*"
    if request.outcome and request.state is not State.SUCCEEDED:
        line += f"\n{sentence(request.outcome, request.outcome_params, language)}"
    elif request.state is State.DENIED and request.denied_by:
        line += f"\n{sentence('card.denied-by', {'user': request.denied_by}, language)}"
    return line


def rows_line(view: RequestView, language: str) -> str | None:
    """“24 rows in 6 tables”, or None while there is no plan or nothing to count."""
    plan = view.revision.plan if view.revision else {}
    tables = plan.get("tables") or []
    system = plan.get("system") or {}
    if view.request.operation in (Operation.RESTORE, Operation.TEARDOWN) and "size" in system:
        weight = size(int(system["size"]), language)
        # Files that were left over are no whole system.
        key = "card.parts-left-over" if "parts" in system else "card.parts"
        return say(key, language, n=len(system["holdings"]), size=weight)
    if not tables:
        return None
    rows = sum(int(part[1]) for part in tables)
    return say(
        "card.rows-in-tables",
        language,
        rows=say("card.rows", language, n=rows),
        tables=say("card.tables", language, n=len(tables)),
    )


def asked(view: RequestView, ink: Ink) -> list[str]:
    """What a request is about, and who decides nothing because of that."""
    return [who_and_what(view, ink), *own_accounts(view, ink)]


def who_and_what(view: RequestView, ink: Ink) -> str:
    """Who asks, for what, and why; without the personal part once it is erased."""
    request, personal, language = view.request, view.personal, ink.language
    clears = request.undoes is not None and request.operation is Operation.TEARDOWN
    lines = [
        say(
            "card.asks.clearing" if clears else f"card.asks.{request.operation}",
            language,
            user=user(request.requester),
            target=ink.safe(request.target),
        )
    ]
    lines += origin(view, ink)
    if request.undoes is not None:
        lines.append(say("card.clears" if clears else "card.undoes", language, number=request.undoes))
    counted = rows_line(view, language)
    if counted:
        lines.append(say(f"card.counted.{request.operation}", language, counted=counted))
    lines += overwriting(view, language)
    if request.expected is not None:
        expected = say("card.rows", language, n=request.expected)
        lines.append(say("card.expected", language, counted=expected, user=user(request.requester)))
    lines += heir(view, ink)
    if view.environment:
        lines.append(say("card.environment", language, environment=ink.safe(view.environment)))
    what = [ink.code(personal.label)] if personal.label else []
    if personal.values and request.operation in (Operation.DELETE_RECORDS, Operation.RESTORE):
        shown = ", ".join(ink.code(value, 80) for value in ink.shown(personal.values, SHOWN_VALUES))
        more = ink.left(personal.values, SHOWN_VALUES)
        what.append(f"{shown}{say('card.more-values', language, n=more) if more else ''}")
    if what:
        lines.append(say(what_key(request.operation), language, what=" · ".join(what)))
    if personal.reason:
        lines.append(say("card.why", language, reason=ink.code(personal.reason, 400)))
    return "\n".join(lines)


def what_key(operation: Operation) -> str:
    """How the label of a request is called; of a teardown it is what is held open, and by whom."""
    return "card.what-open" if operation is Operation.TEARDOWN else "card.what"


def origin(view: RequestView, ink: Ink) -> list[str]:
    """The system that the rows were deleted from, when they go into another one."""
    plan = view.revision.plan if view.revision else {}
    if "origin" not in plan:
        return []
    names = {"origin": ink.safe(plan["origin"][0]), "target": ink.safe(view.request.target)}
    return [say("card.origin", ink.language, **names)]


def overwriting(view: RequestView, language: str) -> list[str]:
    """How many rows get their old values, and how many stay out, where a choice was made."""
    plan = view.revision.plan if view.revision else {}
    over = sum(int(part[1]) for part in plan.get("overwritten") or ())
    left = sum(int(one[2]) for one in (plan.get("choice") or {}).get("left") or ())
    counts = (("card.overwritten", over), ("card.left", left))
    return [say(key, language, n=n) for key, n in counts if n]


def heir(view: RequestView, ink: Ink) -> list[str]:
    """How many rows stay and go to whom; without the name once it is erased."""
    parts = (view.revision.plan.get("reassigned") if view.revision else None) or ()
    if parts:
        total = sum(int(part[1]) for part in parts)
        return [say("card.reassigned", ink.language, n=total, heir=heir_name(view, ink))]
    if view.personal.heir and view.revision is None:
        return [say("card.heir", ink.language, heir=heir_name(view, ink))]
    return []


def heir_name(view: RequestView, ink: Ink) -> str:
    """Who takes over; somebody, once the name is erased."""
    name = view.personal.heir
    return ink.code(name, 150) if name else say("card.heir.erased", ink.language)


def _decision(view: RequestView, language: str) -> str | None:
    if view.revision is None:
        return None
    lines = [say("card.rule", language, rule=safe(view.revision.rule.name))]
    if view.needs_code:
        lines.append(say("card.needs-code.confirm" if view.confirm else "card.needs-code", language))
    lines += votes(view, language)
    if view.request.state in _VOTED:
        lines += [line for line in (missing_line(view, language),) if line]
        lines += own_accounts(view, Ink(language))
    lines += hours.lines(view, language)
    return "\n".join(lines)


def own_accounts(view: RequestView, ink: Ink) -> list[str]:
    """Who decides nothing, because it is about them; few by name."""
    people = sorted(view.revision.people) if view.revision else []
    if not people:
        return []
    if len(people) > ink.limit(SHOWN_PEOPLE):
        return [say("card.own-accounts", ink.language, n=len(people))]
    return [sentence("card.own-account", {"users": ",".join(people)}, ink.language)]


def votes(view: RequestView, language: str) -> list[str]:
    """One line per vote, with the slot it fills."""
    filled = {one.user: one.role for one in view.verdict.filled} if view.verdict else {}
    lines = []
    for vote in view.votes[:20]:
        if vote.choice == "deny":
            lines.append(say("card.vote.deny", language, user=user(vote.user)))
        elif vote.user in filled:
            lines.append(
                say("card.vote.approve", language, user=user(vote.user), role=safe(filled[vote.user]))
            )
        else:
            lines.append(say("card.vote.spare", language, user=user(vote.user)))
    if len(view.votes) > 20:
        lines.append(say("card.vote.more", language, n=len(view.votes) - 20))
    lines += [_wish(view, one.user, language) for one in view.intents[:20]]
    if view.personal.deny_reason:
        lines.append(say("card.deny-reason", language, reason=code(view.personal.deny_reason, 300)))
    return lines


def _wish(view: RequestView, person: str, language: str) -> str:
    """Who wants to approve, and what is still missing for it to count."""
    key = "card.wish" if person in view.enrolled else "card.wish.not-enrolled"
    return say(key, language, user=user(person))


def missing_line(view: RequestView, language: str) -> str | None:
    """“Needs 1 more dba; 1 more data-owner”, or None when nothing is missing or a no outweighs it all."""
    if view.request.state is State.DENIED:
        return None
    return None if view.verdict is None else slots.missing(view.verdict, language)


def _steps(view: RequestView, language: str) -> str | None:
    """The steps; of a teardown that is over only how many, for its receipt lists them."""
    if view.request.operation is Operation.TEARDOWN and view.request.state is State.SUCCEEDED:
        return progress.in_short(view, language)
    return progress.steps(view, language)


def denied_line(view: RequestView, language: str) -> str | None:
    """Who can still take a no back, and until when; None when there is none."""
    request = view.request
    if request.state is not State.DENIED or not (request.denied_by and request.denied_until):
        return None
    until, by = moment(request.denied_until), user(request.denied_by)
    return say("card.denied-until", language, until=until, user=by)


def _until(view: RequestView, language: str) -> str | None:
    request = view.request
    if request.state is State.RUNNING:
        return _while_running(view, language)
    if request.state is State.DENIED:
        return denied_line(view, language)
    for state, at, key in (
        (State.PENDING, request.expires_at, "card.expires"),
        (State.SET_ASIDE, request.grace_until, "card.grace"),
    ):
        if request.state is state and at:
            return say(key, language, until=moment(at))
    if request.state is State.APPROVED and request.starts_at:
        return hours.starts(view, language)
    return say("card.closed", language, at=moment(request.closed_at)) if request.closed_at else None


def _while_running(view: RequestView, language: str) -> str | None:
    job = view.job
    if job is None:
        return None
    if job.state is JobState.HALTING and job.kind is JobKind.PURGE:
        return say("card.stays-aside", language)
    if job.state is JobState.HALTING or job.kind is JobKind.PUT_BACK:
        return say("card.going-back", language)
    if job.state not in (JobState.QUEUED, JobState.RUNNING):
        return say("card.stop-too-late", language)
    if job.kind is JobKind.PURGE:
        return say("card.stop-possible.purge", language)
    whole = view.request.operation is Operation.TEARDOWN
    rest = "card.stop-possible.parts" if _in_parts(view) else "card.stop-possible"
    return say("card.stop-possible.teardown" if whole else rest, language)


def _notices(view: RequestView, language: str) -> str | None:
    """What stands in the way, and whom to call."""
    request = view.request
    lines = []
    if view.file is not None and not view.file.there and not view.file.gone:
        lines.append(say("card.file-coming", language))
    if view.frozen is not None and request.operation is not Operation.RESTORE and request.state not in CLOSED:
        lines.append(say("card.frozen", language, target=safe(request.target), user=user(view.frozen.by)))
    if not view.worker_alive and request.state in _WAITING:
        key = f"card.no-worker{_WAITING[request.state]}"
        lines.append(say(key, language, target=safe(request.target)))
    lines += _in_the_way(view, language)
    called_for = view.frozen is not None or request.state in (State.FAILED, State.HELD)
    if view.job is not None and view.job.facts.get(PAUSED) and request.state is State.RUNNING:
        lines.append(say("card.pausing", language, user=user(str(view.job.facts[PAUSED]))))
    if view.support and called_for:
        lines.append(say("card.support", language, support=safe(view.support, 300)))
    return "\n".join(lines) or None


def _in_the_way(view: RequestView, language: str) -> list[str]:
    """What the plan expects to stop the job, while it can still be put off."""
    if view.revision is None or view.request.state not in (State.PENDING, State.APPROVED):
        return []
    told = [one for one in view.revision.plan.get("warnings") or () if one[0] in _IN_THE_WAY]
    return [f"⚠️ {sentence(key, params, language, 200)}" for key, params in told[:SHOWN_IN_THE_WAY]]


def _buttons(view: RequestView, language: str) -> list[Block]:
    request = view.request
    made = []
    for action, states, style in (("cancel", _CANCELLABLE, None), ("stop", _STOPPABLE, "danger")):
        if request.state in states and not (action == "stop" and _past_return(view)):
            made.append(_asking(action, view, language, style))
    if _may_pause(view):
        made.append(_asking("pause", view, language))
    if may_be_put_back(view):
        made.append(put_back_button(view, language))
    if may_go_on(view):
        made.append(_asking("go-on", view, language))
    return made


def _past_return(view: RequestView) -> bool:
    """Whether the change is being committed, or is: a *Stop* would promise what it cannot do."""
    committed = (JobState.COMMITTING, JobState.COMMITTED)
    return view.request.state is State.RUNNING and view.job is not None and view.job.state in committed


def _may_pause(view: RequestView) -> bool:
    """Whether more than one part is left, and nobody has asked for it already."""
    job, revision = view.job, view.revision
    if view.request.state is not State.RUNNING or job is None or revision is None or job.facts.get(PAUSED):
        return False
    return may_pause(job.facts, len(revision.plan.get("segments") or ()))


def may_go_on(view: RequestView) -> bool:
    """Whether it stands still and can go on: in its removal, or between two parts."""
    job = view.job
    if view.request.state is not State.HELD or job is None:
        return False
    return job.kind is JobKind.PURGE or stands_between(job)


def may_be_put_back(view: RequestView) -> bool:
    """Whether something is set aside that nobody has begun to remove or to put back."""
    request, job = view.request, view.job
    if request.operation is not Operation.TEARDOWN or request.put_back_by is not None:
        return False
    if request.state is State.SET_ASIDE:
        return True
    purged = job is not None and job.kind is JobKind.PURGE and not job.facts.get("whole")
    return request.state is State.HELD and not purged


def put_back_button(view: RequestView, language: str) -> Block:
    """*Put it back*, which asks once more."""
    return _asking("put-back", view, language)


def _what_stops(view: RequestView) -> str:
    """Which words say what *Stop* does: it depends on how far things are."""
    if view.request.state is State.HELD:
        return ".held"
    if _in_parts(view):
        return ".parts"
    if view.request.state is not State.RUNNING or view.request.operation is not Operation.TEARDOWN:
        return ""
    return ".purge" if view.job is not None and view.job.kind is JobKind.PURGE else ".teardown"


def _in_parts(view: RequestView) -> bool:
    """Whether it goes part by part, so that *Stop* may come after something is gone."""
    return view.revision is not None and bool(view.revision.plan.get("segments"))


def _asking(action: str, view: RequestView, language: str, style: str | None = None) -> Block:
    """A button that asks once more."""
    keys = {part: f"card.{action}.{part}" for part in ("title", "text", "confirm", "deny")}
    if action == "stop":
        keys["text"] += _what_stops(view)
    if action == "go-on" and _in_parts(view):
        keys |= {"text": "card.go-on.text.parts", "confirm": "card.go-on.confirm.parts"}
    question = {part: say(key, language, number=view.request.number or 0) for part, key in keys.items()}
    return button(action, say(f"card.button.{action}", language), f"{view.request.id}", style, question)
