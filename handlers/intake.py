"""What Slack hands over, cut down to what handlers need, with the key by which it is done only once. Pure.

A payload is copied field by field: tokens, response addresses and whole messages never reach our database.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.model.proofs import CHANGE, CODE, ENROL

Body = Mapping[str, Any]

#: Forms whose fields only the worker may read: they are sealed before anything is written down.
SEALED = {"form-code": CODE, "form-enrol": ENROL, "form-change": CHANGE}
#: Events that change something and so are written down first; the others are only hints.
LASTING = ("reaction_added", "reaction_removed")


@dataclass(frozen=True)
class Taken:
    """One delivery: its key, the kind that finds its handler, what the handler needs.

    ``secret``: the view of a form that must be sealed first; it is no part of the payload.
    """

    key: str
    kind: str
    payload: dict[str, Any]
    secret: Body | None = field(default=None, repr=False)


def take(body: Body) -> Taken | None:
    """What to write down for a payload; None when there is nothing to do for it."""
    if "command" in body:
        return _command(body)
    match body.get("type"):
        case "block_actions":
            return _click(body)
        case "view_submission":
            return _form(body)
        case "event_callback":
            return _event(body)
    return None


def _command(body: Body) -> Taken:
    payload = {
        "command": str(body.get("command") or ""),
        "text": str(body.get("text") or ""),
        "user": body.get("user_id"),
        "team": body.get("team_id"),
        "channel": body.get("channel_id"),
        "trigger_id": body.get("trigger_id"),
    }
    return Taken(_key("command", body.get("trigger_id"), payload), "command", payload)


def _click(body: Body) -> Taken | None:
    actions = body.get("actions") or []
    if not actions:
        return None
    action, container = actions[0], body.get("container") or {}
    payload = {
        **_person(body),
        "action": str(action.get("action_id") or ""),
        "value": str(action.get("value") or ""),
        "channel": container.get("channel_id") or (body.get("channel") or {}).get("id"),
        "ts": container.get("message_ts"),
        "trigger_id": body.get("trigger_id"),
        "action_ts": action.get("action_ts"),
    }
    return Taken(_key("click", body.get("trigger_id"), payload), "click", payload)


def _form(body: Body) -> Taken:
    view = body.get("view") or {}
    carried = _carried(view)
    sealed = view.get("callback_id") in SEALED
    values = {} if sealed else (view.get("state") or {}).get("values") or {}
    payload = {
        **_person(body),
        "channel": carried.get("channel"),
        "about": carried.get("request"),
        "trigger_id": body.get("trigger_id"),
        "view": {
            "callback_id": view.get("callback_id"),
            "private_metadata": view.get("private_metadata"),
            "state": {"values": values},
        },
    }
    seen = {**payload, "id": view.get("id"), "hash": view.get("hash")}
    key = _key("form", body.get("trigger_id"), seen)
    return Taken(key, "form", payload, view if sealed else None)


def _event(body: Body) -> Taken | None:
    event = body.get("event") or {}
    kind = str(event.get("type") or "")
    user = event.get("user")
    if isinstance(user, Mapping):
        user = user.get("id")
    payload: dict[str, Any] = {
        "event": kind,
        "user": user,
        "team": event.get("user_team"),
        "event_team": body.get("team_id"),
        "channel": event.get("channel"),
    }
    if kind in LASTING:
        item = event.get("item") or {}
        if not user or event.get("bot_id") or item.get("type", "message") != "message":
            return None
        payload |= {
            "channel": item.get("channel"),
            "ts": item.get("ts"),
            "reaction": event.get("reaction"),
            "added": kind == "reaction_added",
            "event_ts": event.get("event_ts"),
        }
    elif kind == "app_home_opened":
        payload |= {"tab": event.get("tab"), "channel": None}
    return Taken(_key("event", body.get("event_id"), payload), "event", payload)


def _person(body: Body) -> dict[str, Any]:
    user = body.get("user") or {}
    return {"user": user.get("id"), "team": user.get("team_id")}


def _carried(view: Body) -> dict[str, Any]:
    try:
        carried = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return carried if isinstance(carried, dict) else {}


def _key(kind: str, given: Any, payload: Body) -> str:
    """The id Slack gives, or one made of the content where it gives none."""
    if isinstance(given, str) and 0 < len(given) <= 150:
        return f"{kind}:{given}"
    text = json.dumps([given, payload], sort_keys=True, default=str)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()}"
