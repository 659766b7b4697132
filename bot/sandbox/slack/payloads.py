"""The payloads that Slack sends for what a person does. The caller holds the lock."""

import copy
import json

from bot.sandbox.slack.core import APP_ID, Core, View
from bot.sandbox.slack.workspace import Json, Message


def command(core: Core, user: str, channel: str, name: str, text: str) -> Json:
    """A slash command."""
    room = core.workspace.channels[channel]
    who = core.workspace.users[user]
    return {
        "token": "sandbox",
        "team_id": core.workspace.team_id,
        "team_domain": core.workspace.domain,
        "channel_id": channel,
        "channel_name": "directmessage" if room.is_im else "privategroup" if room.is_private else room.name,
        "user_id": user,
        "user_name": who.name,
        "command": name,
        "text": text,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url(core, user, channel, ""),
        "trigger_id": core.issue_trigger(user),
    }


def message_click(core: Core, user: str, message: Message, action: Json) -> Json:
    """``block_actions`` on a message or an ephemeral."""
    private = bool(message.only_for)
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": private,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = {
        **_interaction(core, user, "block_actions"),
        "container": container,
        "channel": _channel(core, message.channel),
        "state": {"values": {}},
        "response_url": response_url(core, user, message.channel, message.ts),
        "actions": [{**action, "action_ts": core.stamp()}],
    }
    if not private:
        payload["message"] = message.public(preview=core.reaction_preview, metadata=True)
    return payload


def view_click(core: Core, view: View, action: Json) -> Json:
    """``block_actions`` in a form or a Home tab."""
    return {
        **_interaction(core, view.user, "block_actions", view.id),
        "container": {"type": "view", "view_id": view.id},
        "view": copy.deepcopy(view.body),
        "actions": [{**action, "action_ts": core.stamp()}],
    }


def submission(core: Core, view: View, values: Json) -> Json:
    """``view_submission`` with these state values."""
    body = copy.deepcopy(view.body)
    body["state"] = {"values": values}
    return {
        **_interaction(core, view.user, "view_submission", view.id),
        "view": body,
        "response_urls": [],
    }


def closing(core: Core, view: View, *, cleared: bool) -> Json:
    """``view_closed``."""
    payload = _interaction(core, view.user, "view_closed")
    del payload["trigger_id"]
    return {**payload, "view": copy.deepcopy(view.body), "is_cleared": cleared}


def message_shortcut(core: Core, user: str, message: Message, callback_id: str) -> Json:
    """``message_action``: a shortcut from the menu of a message."""
    return {
        **_interaction(core, user, "message_action"),
        "callback_id": callback_id,
        "action_ts": core.stamp(),
        "message_ts": message.ts,
        "channel": _channel(core, message.channel),
        "message": message.public(preview=core.reaction_preview, metadata=False),
        "response_url": response_url(core, user, message.channel, message.ts),
    }


def global_shortcut(core: Core, user: str, callback_id: str) -> Json:
    """``shortcut``: from the lightning menu."""
    return {**_interaction(core, user, "shortcut"), "callback_id": callback_id, "action_ts": core.stamp()}


def suggestion(core: Core, view: View, block_id: str, action_id: str, typed: str) -> Json:
    """``block_suggestion``: the options of an external select."""
    payload = _interaction(core, view.user, "block_suggestion")
    del payload["trigger_id"]
    return {
        **payload,
        "container": {"type": "view", "view_id": view.id},
        "view": copy.deepcopy(view.body),
        "block_id": block_id,
        "action_id": action_id,
        "value": typed,
    }


def response_url(core: Core, user: str, channel: str, message_ts: str) -> str:
    """An address for up to five answers."""
    key = core.fresh("R")
    core.replies[key] = {"user": user, "channel": channel, "ts": message_ts, "left": 5}
    return f"{core.base_url}/response/{key}"


def _interaction(core: Core, user: str, kind: str, view: str = "") -> Json:
    who = core.workspace.users[user]
    return {
        "type": kind,
        "user": {"id": user, "username": who.name, "name": who.name, "team_id": who.team_id},
        "api_app_id": APP_ID,
        "token": "sandbox",
        "trigger_id": core.issue_trigger(user, view),
        "team": {"id": core.workspace.team_id, "domain": core.workspace.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _channel(core: Core, channel: str) -> Json:
    return {"id": channel, "name": core.workspace.channels[channel].name or "directmessage"}


def frozen(payload: Json) -> Json:
    """A deep copy by way of JSON, so that later changes do not show in a redelivery."""
    copied: Json = json.loads(json.dumps(payload))
    return copied
