"""The whole Slack surface: what is listened to, and which handler it reaches.

Whatever comes in is written down, then acknowledged, then handled: a handler that waits for Slack keeps no
acknowledgement waiting. Acknowledgements are empty, and a sweep dispatches again what was left. The one
exception: what is wrong with a form is told in the acknowledgement, because only there Slack shows it beside
the fields.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_bolt import App, BoltRequest, BoltResponse

from bot.errors import Refused
from bot.model.doors import Answer
from handlers import brakes, clearing, copies, filing, listings, overview, parsing, proving, undoing, votes
from handlers.front import Call, Front
from handlers.intake import LASTING, Taken, take
from handlers.views import forms, proof_forms
from handlers.views.wording import sentence

Handler = Callable[[Front, Call], None]

COMMANDS: Mapping[str, Handler] = {
    "/delete-records": filing.delete_command,
    "/restore": filing.restore_command,
    "/teardown": filing.teardown_command,
}
WORDS: Mapping[str, Handler] = {
    "": overview.help_command,
    "help": overview.help_command,
    "plan": filing.plan_command,
    "requests": overview.requests_command,
    "show": overview.show_command,
    "backups": listings.backups_command,
    "targets": listings.targets_command,
    "policy": listings.policy_command,
    "whoami": overview.whoami_command,
    "cancel": brakes.cancel_command,
    "stop": brakes.stop_command,
    "freeze": brakes.freeze_command,
    "unfreeze": filing.unfreeze_command,
    "put-back": brakes.put_back_command,
    "go-on": brakes.go_on_command,
    "pause": brakes.pause_command,
    "enrol": proving.enrol_command,
    "teardown": filing.teardown_command,
    "restore": filing.restore_command,
    "undo": undoing.undo_command,
    "clear": clearing.clear_command,
}
CLICKS: Mapping[str, Handler] = {
    "vote-approve": votes.approve,
    "vote-deny": votes.deny,
    "vote-withdraw": votes.withdraw,
    "deny-reason": votes.ask_reason,
    "code-enter": proving.enter_code,
    "enrol": proving.enrol_button,
    "change-confirm": proving.confirm_change,
    "change-cancel": proving.cancel_change,
    "cancel": brakes.cancel_button,
    "stop": brakes.stop_button,
    "put-back": brakes.put_back_button,
    "go-on": brakes.go_on_button,
    "pause": brakes.pause_button,
    "restore": filing.restore_button,
    "undo": undoing.undo_button,
    "clear": clearing.clear_button,
    "follow-up": filing.follow_up,
    "copy-done": copies.done_button,
    "copy-reopen": copies.reopen_button,
    "try-again": filing.try_again,
    "restore-skip": filing.restore_skipping,
    "restore-overwrite": filing.restore_overwriting,
}
FORMS: Mapping[str, Handler] = {
    forms.DELETE: filing.delete_form,
    forms.RESTORE: filing.restore_form,
    forms.UNFREEZE: filing.unfreeze_form,
    forms.TEARDOWN: filing.teardown_form,
    forms.UNDO: undoing.undo_form,
    forms.CLEAR: clearing.clear_form,
    forms.DENY: votes.reason_form,
    proof_forms.CODE: proving.sealed_form,
    proof_forms.ENROL: proving.sealed_form,
    proof_forms.CHANGE: proving.sealed_form,
}
REPLAY_AFTER = timedelta(seconds=5)
MOST_ATTEMPTS = 5
_log = structlog.get_logger(__name__)


def register(app: App, front: Front, wake: Callable[[], None] = lambda: None) -> None:
    """Listen to everything Slack may send. ``wake`` is called when answers may be waiting."""

    def intake(body: dict[str, Any]) -> BoltResponse:
        answer, taken = _take_in(front, body)
        if taken is not None:
            # Bolt's own listeners would acknowledge only once one of their threads is free.
            app.listener_runner.listener_executor.submit(handle, taken)
        return answer

    def handle(taken: Taken) -> None:
        _serve(front, taken)
        wake()

    def failed(error: Exception, request: BoltRequest) -> BoltResponse:  # noqa: ARG001 - Bolt passes by name
        _log.error("slack.listener-failed", error=type(error).__name__)
        return BoltResponse(status=500, body="")

    app.middleware(intake)
    app.error(failed)


def dispatch(front: Front, key: str, *, trigger_fresh: bool) -> None:
    """Handle one stored delivery. It stays stored when that fails, and is given up after five tries."""
    loaded = front.services.inbox.load(key)
    if loaded is None:
        return
    call = Call(key, loaded[0], loaded[1], trigger_fresh)
    try:
        try:
            _handler(call)(front, call)
        except Refused as refusal:
            front.services.desk.refuse(call.delivery, refusal)
    except Exception as error:  # noqa: BLE001 - whatever it was, the delivery must not be lost
        _log.error("slack.delivery-failed", kind=call.kind, error=type(error).__name__)
        _count(front, call)


def replay(front: Front, now: datetime) -> int:
    """Dispatch again what stayed for more than five seconds; returns how much that was."""
    waiting = front.services.inbox.waiting(now - REPLAY_AFTER)
    for key in waiting:
        dispatch(front, key, trigger_fresh=False)
    return len(waiting)


def quiet_logger() -> logging.Logger:
    """Bolt's own log, without anything that could print a payload."""
    logger = logging.getLogger("countersign.bolt")
    logger.setLevel(logging.CRITICAL)
    return logger


def _serve(front: Front, taken: Taken) -> None:
    if _is_lasting(taken):
        dispatch(front, taken.key, trigger_fresh=True)
    else:
        _hint(front, taken)


def _take_in(front: Front, body: Mapping[str, Any]) -> tuple[BoltResponse, Taken | None]:
    """Write a payload down: its acknowledgement, and what is to be handled now, if anything.

    Whatever is raised here leaves the payload unacknowledged, and Slack sends it again.
    """
    problems = _problems(front, body)
    if problems:
        return BoltResponse(status=200, body={"response_action": "errors", "errors": problems}), None
    taken = take(body)
    if taken is not None and taken.secret is not None:
        try:
            taken = proving.sealed(front, taken)
        except Refused as refusal:
            return _complaint(front, taken.secret or {}, refusal), None
    is_new = taken is not None and _write_down(front, taken)
    return BoltResponse(status=200, body=""), taken if is_new else None


def _complaint(front: Front, view: Mapping[str, Any], refusal: Refused) -> BoltResponse:
    """What is wrong with a form, beside its first field."""
    language = forms.language_of(view, front.config.language)
    said = {"code": sentence(refusal.key, refusal.params, language)}
    return BoltResponse(status=200, body={"response_action": "errors", "errors": said})


def _write_down(front: Front, taken: Taken) -> bool:
    """False when it was seen before. A hint is not written down; a reaction elsewhere is not ours."""
    if not _is_lasting(taken):
        return True
    if taken.kind == "event" and taken.payload.get("channel") not in front.channels.all():
        return False
    return front.services.inbox.accept(taken.key, taken.kind, taken.payload, front.services.clock())


def _is_lasting(taken: Taken) -> bool:
    return taken.kind != "event" or taken.payload["event"] in LASTING


def _hint(front: Front, taken: Taken) -> None:
    """Events that change nothing of ours: somebody's roles, a channel, the Home tab."""
    kind = taken.payload["event"]
    try:
        if kind in ("user_change", "subteam_members_changed"):
            front.people.forget()
        elif kind in ("channel_shared", "channel_unshared", "member_joined_channel"):
            front.channels.forget(str(taken.payload.get("channel") or ""))
        elif kind == "app_home_opened" and taken.payload.get("tab") in (None, "home"):
            overview.home_opened(front, Call(taken.key, taken.kind, taken.payload, fresh=True))
    except Exception as error:  # noqa: BLE001 - nothing is lost with a hint
        _log.warning("slack.hint-failed", event=kind, error=type(error).__name__)


def _handler(call: Call) -> Handler:
    match call.kind:
        case "command":
            return _command(call)
        case "click":
            return CLICKS.get(str(call.payload.get("action")), _stale)
        case "form":
            return FORMS.get(str((call.payload.get("view") or {}).get("callback_id")), _stale)
        case "event":
            return votes.reaction
    return _nothing


def _command(call: Call) -> Handler:
    name = str(call.payload.get("command"))
    if name in COMMANDS:
        return COMMANDS[name]
    if name != "/countersign":
        return overview.help_command
    return _subcommand


def _subcommand(front: Front, call: Call) -> None:
    word, rest = parsing.subcommand(call.text)
    handler = WORDS.get(word)
    if handler is None:
        overview.unknown_command(front, call)
        return
    handler(front, Call(call.key, call.kind, {**call.payload, "text": rest}, call.fresh))


def _stale(front: Front, call: Call) -> None:
    front.answer(call, Answer("slack.stale-button"))


def _nothing(front: Front, call: Call) -> None:
    front.services.inbox.done(call.key)


def _count(front: Front, call: Call) -> None:
    """One more failure; after five the person hears that it did not work."""
    try:
        if front.services.inbox.attempt(call.key) < MOST_ATTEMPTS:
            return
        _log.critical("slack.delivery-given-up", kind=call.kind)
        front.services.desk.refuse(call.delivery, Refused("slack.try-again"))
    except Exception as error:  # noqa: BLE001 - our database is down: the sweep comes back to it
        _log.error("slack.cannot-count", error=type(error).__name__)


def _problems(front: Front, body: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a submitted form, beside its fields."""
    if body.get("type") != "view_submission":
        return {}
    view = body.get("view") or {}
    language = forms.language_of(view, front.config.language)
    found = forms.problems(front.config, view) or proof_forms.problems(view)
    return {field: sentence(wrong.key, wrong.params, language) for field, wrong in found.items()}
