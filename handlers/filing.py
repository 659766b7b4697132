"""/delete-records, /teardown and /restore: read the text or the form, open a request."""

from dataclasses import replace

from bot.errors import BadInput, Stale
from bot.model.choices import Mode
from bot.model.doors import Wish
from bot.model.requests import CLOSED, Operation
from bot.texts import say
from handlers import csv_values, downloading, parsing, restoring, words
from handlers.front import Call, Front, request_of
from handlers.views import forms
from handlers.views.forms import private_of, values_of


def delete_command(front: Front, call: Call) -> None:
    """``/delete-records``: files at once when everything is there, else opens the form with what is."""
    typed = parsing.deletion(call.text)
    if typed.complete:
        ask(front, call, _deletion(typed), call.channel)
        return
    actor = front.member(call)
    language = front.people.language(actor.user)
    view = forms.deletion(front.config, typed, call.channel, language)
    front.open_form(call, view, BadInput("usage.delete-records"))


def plan_command(front: Front, call: Call) -> None:
    """``/countersign plan``: shows what would go, files nothing."""
    typed = parsing.deletion(call.text)
    if not (typed.target and typed.record and typed.values):
        raise BadInput("usage.plan")
    wish = replace(_deletion(typed), preview=True)
    front.settle(call, lambda life, work, actor, now: life.file(work, wish, actor, call.channel, now))


def restore_command(front: Front, call: Call) -> None:
    """``/restore``: files at once when everything is there, else opens the form with what is."""
    typed = restoring.restore(call.text)
    if typed.complete:
        ask(front, call, _restore(typed), call.channel)
        return
    actor = front.member(call)
    recent = [] if typed.reference or typed.number else front.services.reading.kept_backups()
    names = front.people.names({one.requester for one in recent})
    view = forms.restore(typed, call.channel, front.people.language(actor.user), recent, names)
    front.open_form(call, view, BadInput("usage.restore"))


def restore_button(front: Front, call: Call) -> None:
    """*Restore…* on a receipt: the form, with the reference filled in."""
    request_id, _ = request_of(call.value)
    view = front.services.reading.view(request_id)
    if view is None or view.backup is None or view.request.state not in CLOSED:
        raise BadInput("slack.stale-button")
    actor = front.member(call)
    reference = view.backup.reference
    typed = restoring.Restore(reference=reference)
    form = forms.restore(typed, call.channel, front.people.language(actor.user))
    front.open_form(call, form, BadInput("usage.restore-number", number=view.request.number or 0))


def try_again(front: Front, call: Call) -> None:
    """*Try again…* under a refusal: the form, with what was asked for filled in."""
    actor = front.member(call)
    wish = front.services.reading.wished(call.value, actor.user)
    if wish is None:
        raise Stale("filing.again-gone")
    view = _form_of(front, wish, call.channel, front.people.language(actor.user))
    front.open_form(call, view, Stale("filing.again-late"))


def follow_up(front: Front, call: Call) -> None:
    """*Ask for…* on a receipt: the form, with the rows that were found filled in."""
    request_id, number = request_of(call.value)
    actor = front.member(call)
    wish = front.services.reading.follow_up(request_id, number, actor)
    view = front.services.reading.view(request_id)
    if wish is None or view is None:
        raise Stale("residue.follow-up-gone")
    language = front.people.language(actor.user)
    reason = say("residue.follow-up-reason", language, number=view.request.number or 0)
    form = _form_of(front, replace(wish, reason=reason), call.channel, language)
    front.open_form(call, form, Stale("residue.follow-up-late"))


def restore_skipping(front: Front, call: Call) -> None:
    """*Leave those out* under a refusal: the same restore again, without what is in the way."""
    _restore_again(front, call, Mode.SKIP)


def restore_overwriting(front: Front, call: Call) -> None:
    """*Overwrite them* under a refusal: the same restore again, over what is different."""
    _restore_again(front, call, Mode.OVERWRITE)


def _restore_again(front: Front, call: Call, mode: Mode) -> None:
    actor = front.member(call)
    wish = front.services.reading.wished(call.value, actor.user)
    if wish is None or wish.operation is not Operation.RESTORE:
        raise Stale("filing.again-gone")
    ask(front, call, replace(wish, choice=replace(wish.choice, mode=mode)), call.channel)


def _form_of(front: Front, wish: Wish, channel: str, language: str) -> forms.View:
    """The form for a wish."""
    if wish.undoes is not None and wish.operation is Operation.TEARDOWN:
        return forms.clear(parsing.Undo(wish.undoes, wish.reason, wish.expected), channel, language)
    if wish.undoes is not None:
        typed_undo = parsing.Undo(wish.undoes, wish.reason, wish.expected, wish.heir or "")
        return forms.undo(front.config, typed_undo, channel, language)
    target = wish.target or ""
    match wish.operation:
        case Operation.DELETE_RECORDS:
            typed = parsing.Deletion(
                target,
                wish.record or "",
                # Values of a file stand in the file, which has to be chosen anew.
                () if wish.column else wish.values,
                wish.reason,
                wish.expected,
                wish.heir or "",
            )
            return forms.deletion(front.config, typed, channel, language)
        case Operation.RESTORE:
            into = wish.into or wish.target
            named = restoring.Restore(wish.reference, wish.number, into, wish.reason, wish.choice)
            return forms.restore(named, channel, language)
        case Operation.TEARDOWN:
            return forms.teardown(front.config, target, wish.reason, channel, language)
    return forms.unfreeze(front.config, target, wish.reason, channel, language)


def unfreeze_command(front: Front, call: Call) -> None:
    """``/countersign unfreeze``: a request like any other, for its rule decides."""
    typed = parsing.named(call.text)
    if typed.name and typed.reason:
        ask(front, call, _unfreeze(typed.name, typed.reason), call.channel)
        return
    actor = front.member(call)
    language = front.people.language(actor.user)
    view = forms.unfreeze(front.config, typed.name, typed.reason, call.channel, language)
    front.open_form(call, view, BadInput("usage.unfreeze"))


def teardown_command(front: Front, call: Call) -> None:
    """``/teardown``: files at once when target and reason are there, else opens the form with what is."""
    typed = parsing.teardown(call.text)
    if typed.name and typed.reason:
        ask(front, call, _teardown(typed.name, typed.reason, typed.expected), call.channel)
        return
    actor = front.member(call)
    language = front.people.language(actor.user)
    view = forms.teardown(front.config, typed.name, typed.reason, call.channel, language)
    front.open_form(call, view, BadInput("usage.teardown"))


def delete_form(front: Front, call: Call) -> None:
    """The submitted form of ``/delete-records``."""
    values, channel = _submitted(call)
    typed = parsing.Deletion(
        values.get("target", ""),
        values.get("record", ""),
        words.lines_of_values(values.get("values", "")),
        words.plain(values.get("reason", ""), slack=False),
        parsing.count(values.get("expected", "")),
        parsing.one_value(values.get("heir", "")),
    )
    wish = _deletion(typed)
    file = str(forms.file_of(call.payload.get("view") or {}).get("id") or "")
    if not file:
        ask(front, call, wish, channel)
        return
    front.member(call)
    record = front.config.targets[typed.target].records[typed.record]
    try:
        content = downloading.content_of(front.slack, file)
        column, listed = csv_values.read(content, record.find_by, typed.record)
    except BadInput as refusal:
        front.refuse(call, refusal, replace(wish, column=record.find_by[0]))
        return
    ask(front, call, replace(wish, values=listed, column=column), channel)


def restore_form(front: Front, call: Call) -> None:
    """The submitted form of ``/restore``."""
    values, channel = _submitted(call)
    named = values.get("backup", "").strip() or values.get("recent", "")
    reference, number = restoring.backup_name(words.plain(named, slack=False))
    reason = words.plain(values.get("reason", ""), slack=False)
    into = words.plain(values.get("into", ""), slack=False) or None
    choice = restoring.choice_of(values)
    ask(front, call, _restore(restoring.Restore(reference, number, into, reason, choice)), channel)


def unfreeze_form(front: Front, call: Call) -> None:
    """The submitted form of ``/countersign unfreeze``."""
    values, channel = _submitted(call)
    reason = words.plain(values.get("reason", ""), slack=False)
    ask(front, call, _unfreeze(values.get("target", ""), reason), channel)


def teardown_form(front: Front, call: Call) -> None:
    """The submitted form of ``/teardown``."""
    values, channel = _submitted(call)
    reason = words.plain(values.get("reason", ""), slack=False)
    expected = parsing.count(values.get("expected", ""))
    ask(front, call, _teardown(values.get("target", ""), reason, expected), channel)


def ask(front: Front, call: Call, wish: Wish, channel: str) -> None:
    """Ask for it, unless the channel in which it would be decided cannot be trusted."""
    actor = front.actor(call)
    problem = front.channels.problem(front.channels.of_target(wish.target))
    if problem is not None:
        raise problem
    now = front.services.clock()
    front.services.desk.settle(
        call.delivery, lambda work: front.services.lifecycle.file(work, wish, actor, channel, now), wish
    )


def _submitted(call: Call) -> tuple[dict[str, str], str]:
    view = call.payload.get("view") or {}
    return values_of(view), str(private_of(view).get("channel") or "")


def _deletion(typed: parsing.Deletion) -> Wish:
    return Wish(
        Operation.DELETE_RECORDS,
        typed.target,
        typed.record,
        typed.values,
        typed.reason,
        expected=typed.expected,
        heir=typed.heir or None,
    )


def _restore(typed: restoring.Restore) -> Wish:
    folder = typed.into if typed.into and typed.into.startswith("/") else None
    return Wish(
        Operation.RESTORE,
        None if folder else typed.into,
        None,
        (),
        typed.reason,
        reference=typed.reference,
        number=typed.number,
        into=folder,
        choice=typed.choice,
    )


def _unfreeze(target: str, reason: str) -> Wish:
    return Wish(Operation.UNFREEZE, target, None, (), reason)


def _teardown(target: str, reason: str, expected: int | None) -> Wish:
    return Wish(Operation.TEARDOWN, target, None, (), reason, expected=expected)
