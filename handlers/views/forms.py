"""The forms, and what is wrong with what was written into them. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bot.config.types import Config
from bot.errors import BadInput
from bot.model.choices import Mode, RestoreChoice
from bot.model.doors import MAX_REASON, MAX_VALUES, KeptBackup
from bot.texts import say
from handlers import parsing, restoring, words
from handlers.csv_values import MAX_BYTES
from handlers.views import backups
from handlers.views.blocks import section
from handlers.views.mrkdwn import cut

DELETE = "form-delete-records"
RESTORE = "form-restore"
UNFREEZE = "form-unfreeze"
TEARDOWN = "form-teardown"
UNDO = "form-undo"
CLEAR = "form-clear"
DENY = "form-deny-reason"
FILE = "file"

View = dict[str, Any]
Values = Mapping[str, str]


def deletion(config: Config, typed: parsing.Deletion, channel: str, language: str) -> View:
    """The form of ``/delete-records``, with what was typed already filled in."""
    records = sorted({name for target in config.targets.values() for name in target.records})
    fields = [
        _choice("target", config.targets, typed.target, language),
        _choice("record", records, typed.record, language),
        {
            **_text("values", "\n".join(map(words.quoted, typed.values)), language, many=True, limit=3000),
            "optional": True,
        },
        _file(language),
        *_heir(config, typed, language),
        _expected(typed.expected, language),
        _reason(typed.reason, language),
    ]
    return modal(DELETE, fields, {"channel": channel}, language)


def restore(
    typed: restoring.Restore,
    channel: str,
    language: str,
    recent: Sequence[KeptBackup] = (),
    names: Mapping[str, str] = MappingProxyType({}),
) -> View:
    """The form of ``/restore``: a reference or a number, or one of the recent backups to choose from."""
    named = typed.reference or (f"#{typed.number}" if typed.number else "")
    fields = [_text("backup", named, language, limit=1000), _reason(typed.reason, language)]
    if recent:
        fields[0]["optional"] = True
        options = [backups.option(one, names.get(one.requester), language) for one in recent]
        fields.insert(
            0, {**_input("recent", _select("recent", options, language), language), "optional": True}
        )
    fields[-1:-1] = _restore_choice(typed.choice, language)
    if typed.into:
        fields.insert(-1, {**_text("into", typed.into, language, limit=500), "optional": True})
    return modal(RESTORE, fields, {"channel": channel}, language)


def unfreeze(config: Config, target: str, reason: str, channel: str, language: str) -> View:
    """The form of ``/countersign unfreeze``."""
    fields = [_choice("target", config.targets, target, language), _reason(reason, language)]
    return modal(UNFREEZE, fields, {"channel": channel}, language)


def teardown(config: Config, target: str, reason: str, channel: str, language: str) -> View:
    """The form of ``/teardown``: the systems that can be torn down."""
    names = [name for name, one in config.targets.items() if one.is_system]
    fields = [
        _choice("target", names, target, language),
        _expected(None, language),
        _reason(reason, language),
    ]
    return modal(TEARDOWN, fields, {"channel": channel}, language)


def undo(config: Config, typed: parsing.Undo, channel: str, language: str) -> View:
    """The form of ``/countersign undo``: which restore it is stands above the fields."""
    about = section(say("form-undo.about", language, number=typed.number))
    fields = [
        *([about] if about else []),
        *_heir(config, parsing.Deletion(heir=typed.heir), language),
        _expected(typed.expected, language),
        _reason(typed.reason, language),
    ]
    return modal(UNDO, fields, {"channel": channel, "undoes": typed.number}, language)


def clear(typed: parsing.Undo, channel: str, language: str) -> View:
    """The form of ``/countersign clear``: after which teardown it is stands above the fields."""
    about = section(say("form-clear.about", language, number=typed.number))
    fields = [
        *([about] if about else []),
        _expected(typed.expected, language),
        _reason(typed.reason, language),
    ]
    return modal(CLEAR, fields, {"channel": channel, "undoes": typed.number}, language)


def deny(request_id: int, channel: str, language: str) -> View:
    """The form behind *Add a reason*."""
    why = _text("reason", "", language, many=True, limit=MAX_REASON)
    why["hint"] = _plain(say("form.reason.hint-deny", language), 150)
    return modal(DENY, [why], {"channel": channel, "request": request_id}, language)


def values_of(view: Mapping[str, Any]) -> dict[str, str]:
    """What stands in the fields of a submitted form, by field name; an empty field is an empty text."""
    found: dict[str, str] = {}
    for name, actions in ((view.get("state") or {}).get("values") or {}).items():
        for element in actions.values():
            option = element.get("selected_option") or {}
            found[name] = str(element.get("value") or option.get("value") or "")
    return found


def file_of(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Slack says of the one file in a submitted form; empty when there is none."""
    fields = ((view.get("state") or {}).get("values") or {}).get(FILE) or {}
    for element in fields.values():
        for file in element.get("files") or ():
            return dict(file)
    return {}


def private_of(view: Mapping[str, Any]) -> dict[str, Any]:
    """What the form carried along: the channel where it was asked for, the request."""
    try:
        carried = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return carried if isinstance(carried, dict) else {}


def language_of(view: Mapping[str, Any], otherwise: str) -> str:
    """The language the form was shown in, so that nobody need be asked while Slack waits."""
    return str(private_of(view).get("language") or otherwise)


def problems(config: Config, view: Mapping[str, Any]) -> dict[str, BadInput]:
    """What is wrong, by field; empty when the form can be taken."""
    checks = {
        DELETE: _check_deletion,
        RESTORE: _check_restore,
        UNFREEZE: _check_target,
        TEARDOWN: _check_teardown,
        UNDO: _check_undo,
        CLEAR: _check_clear,
        DENY: _nothing,
    }
    check = checks.get(str(view.get("callback_id")))
    if check is None:
        return {}
    values = values_of(view)
    found = check(config, values)
    if check is _check_deletion:
        found |= _check_file(values, file_of(view), found)
    try:
        reason = words.plain(values.get("reason", ""), slack=False)
        if not reason:
            found["reason"] = BadInput("form.no-reason")
        elif len(reason) > MAX_REASON:
            found["reason"] = BadInput("filing.long-reason", limit=MAX_REASON, length=len(reason))
    except BadInput as wrong:
        found["reason"] = wrong
    return found


def _nothing(_config: Config, _values: Values) -> dict[str, BadInput]:
    return {}


def _check_target(config: Config, values: Values) -> dict[str, BadInput]:
    target = values.get("target", "")
    if target in config.targets:
        return {}
    return {"target": BadInput("filing.unknown-target", target=target, known=", ".join(config.targets))}


def _check_teardown(config: Config, values: Values) -> dict[str, BadInput]:
    return _check_target(config, values) | _check_expected(values)


def _check_expected(values: Values) -> dict[str, BadInput]:
    try:
        parsing.count(values.get("expected", ""))
    except BadInput as wrong:
        return {"expected": wrong}
    return {}


def _check_clear(_config: Config, values: Values) -> dict[str, BadInput]:
    return _check_expected(values)


def _check_undo(_config: Config, values: Values) -> dict[str, BadInput]:
    return _check_heir(values) | _check_expected(values)


def _check_heir(values: Values) -> dict[str, BadInput]:
    try:
        parsing.one_value(values.get("heir", ""))
    except BadInput as wrong:
        return {"heir": wrong}
    return {}


def _check_deletion(config: Config, values: Values) -> dict[str, BadInput]:
    found = _check_target(config, values)
    target, record = values.get("target", ""), values.get("record", "")
    if not found and record not in config.targets[target].records:
        known = ", ".join(sorted(config.targets[target].records)) or "-"
        found["record"] = BadInput("filing.unknown-record", record=record, target=target, known=known)
    try:
        typed = words.lines_of_values(values.get("values", ""))
        if len(typed) > MAX_VALUES:
            found["values"] = BadInput("filing.how-many", n=len(typed), limit=MAX_VALUES)
    except BadInput as wrong:
        found["values"] = wrong
    return found | _check_heir(values) | _check_expected(values)


def _check_file(
    values: Values, file: Mapping[str, Any], found: Mapping[str, BadInput]
) -> dict[str, BadInput]:
    """Either values or a file, and no file that is refused by its size anyway."""
    is_typed = bool(values.get("values", "").strip())
    if file and is_typed:
        return {FILE: BadInput("form.values-and-file")}
    if not file and not is_typed and "values" not in found:
        return {"values": BadInput("form.no-values")}
    if file and int(file.get("size") or 0) > MAX_BYTES:
        return {FILE: BadInput("file.too-big", limit=MAX_BYTES // 1024)}
    return {}


def _check_restore(_config: Config, values: Values) -> dict[str, BadInput]:
    named = values.get("backup", "").strip()
    if values.get("recent") and named:
        return {"backup": BadInput("form.two-backups")}
    try:
        typed = restoring.backup_name(words.plain(values.get("recent") or named, slack=False))
    except BadInput as wrong:
        return {"backup": wrong}
    if typed == (None, None):
        return {"backup": BadInput("form.no-backup")}
    try:
        restoring.choice_of(values)
    except BadInput as wrong:
        return {"table" if wrong.key == "restore.choice-both" else "only": wrong}
    return {}


def modal(callback: str, fields: list[View], carried: Mapping[str, Any], language: str) -> View:
    """A form. ``carried`` comes back with it, and the language it was shown in."""
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": json.dumps({**carried, "language": language}),
        "title": _plain(say(f"{callback}.title", language), 24),
        "submit": _plain(say(f"{callback}.submit", language), 24),
        "close": _plain(say("form.close", language), 24),
        "blocks": fields,
    }


def _choice(name: str, options: Iterable[str], chosen: str, language: str) -> View:
    """A list to choose from; a text field when there are too many or too long names for one."""
    known = list(options)
    if not 1 <= len(known) <= 100 or any(len(one) > 75 for one in known):
        return _text(name, chosen, language, limit=200)
    made = [{"text": _plain(one, 75), "value": one} for one in known]
    element = _select(name, made, language)
    if chosen in known:
        element["initial_option"] = made[known.index(chosen)]
    elif len(known) == 1:
        element["initial_option"] = made[0]
    return _input(name, element, language)


def _select(name: str, options: Sequence[View], language: str) -> View:
    return {
        "type": "static_select",
        "action_id": name,
        "placeholder": _plain(say("form.choose", language), 150),
        "options": list(options),
    }


def _text(
    name: str, filled: str, language: str, *, many: bool = False, limit: int, named: str | None = None
) -> View:
    element: View = {"type": "plain_text_input", "action_id": name, "multiline": many, "max_length": limit}
    if filled:
        element["initial_value"] = filled[:limit]
    return _input(name, element, language, named)


def _file(language: str) -> View:
    """Where a list can be handed over as a file."""
    element = {"type": "file_input", "action_id": FILE, "filetypes": ["csv"], "max_files": 1}
    return {**_input(FILE, element, language), "optional": True}


def field(name: str, language: str, *, limit: int, named: str | None = None) -> View:
    """An empty field for one line; ``named`` when its label is another's."""
    return _text(name, "", language, limit=limit, named=named)


def _heir(config: Config, typed: parsing.Deletion, language: str) -> list[View]:
    """The field for whom takes over, where some kind of record can be handed over."""
    records = (record for target in config.targets.values() for record in target.records.values())
    if not typed.heir and not any(record.hands_over for record in records):
        return []
    filled = words.quoted(typed.heir) if typed.heir else ""
    return [{**_text("heir", filled, language, limit=1000), "optional": True}]


def _restore_choice(choice: RestoreChoice, language: str) -> list[View]:
    """The fields for a part of the backup, and for what is in the way."""
    only = "\n".join(map(words.quoted, choice.only))
    made = [{"text": _plain(say(f"form.mode.{one}", language), 75), "value": one} for one in Mode]
    mode = _select("mode", made, language)
    if not choice.plain:
        mode["initial_option"] = next(one for one in made if one["value"] == choice.mode)
    fields = [
        _text("only", only, language, many=True, limit=3000),
        _text("table", choice.table, language, limit=200),
        _input("mode", mode, language),
    ]
    return [{**one, "optional": True} for one in fields]


def _expected(filled: int | None, language: str) -> View:
    typed = "" if filled is None else str(filled)
    return {**_text("expected", typed, language, limit=12), "optional": True}


def _reason(filled: str, language: str) -> View:
    return _text("reason", filled, language, many=True, limit=MAX_REASON)


def _input(name: str, element: View, language: str, named: str | None = None) -> View:
    label = named or name
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(say(f"form.{label}", language), 150),
        "hint": _plain(say(f"form.{label}.hint", language), 150),
        "element": element,
    }


def _plain(text: str, limit: int) -> dict[str, str]:
    return {"type": "plain_text", "text": cut(text, limit)}
