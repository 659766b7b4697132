"""conversations.* and reactions.*. The caller holds the lock."""

import re
from typing import Any

from bot.sandbox.slack.core import Core, Happening
from bot.sandbox.slack.methods_chat import truth
from bot.sandbox.slack.methods_people import page
from bot.sandbox.slack.workspace import ApiError, Channel, Json, Message

EMOJI = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")
KINDS_OF_EMOJI = 50
REACTIONS_OF_ONE = 23


def open_direct(core: Core, args: Json) -> Json:
    """conversations.open for one person."""
    users = str(args.get("users") or "").split(",") if args.get("users") else []
    if not users and not args.get("channel"):
        raise ApiError("users_list_not_supplied")
    if len(users) > 1:
        raise ApiError("method_not_supported_for_channel_type")
    room = core.workspace.direct(users[0]) if users else core.workspace.channel(args["channel"])
    if not truth(args.get("return_im")):
        return {"channel": {"id": room.id}}
    return {"channel": _channel(core, room)}


def info(core: Core, args: Json) -> Json:
    """conversations.info."""
    room = readable(core, args["channel"], "read")
    shown = _channel(core, room)
    if truth(args.get("include_num_members")):
        shown["num_members"] = len(room.members)
    return {"channel": shown}


def members(core: Core, args: Json) -> Json:
    """conversations.members, in pages."""
    room = readable(core, args["channel"], "read")
    shown, more = page(room.members, args, usual=100)
    return {"members": shown, **more}


def history(core: Core, args: Json) -> Json:
    """conversations.history: newest first, replies only if they were broadcast."""
    room = readable(core, args["channel"], "history")
    if core.workspace.app_user not in room.members:
        raise ApiError("not_in_channel")
    found = [message for message in reversed(core.workspace.history(room.id)) if _within(message, args)]
    shown, more = page(found, args, usual=100)
    answer = {"messages": _messages(core, shown, args), **more}
    return {**answer, "has_more": bool(more["response_metadata"]["next_cursor"]), "pin_count": 0}


def replies(core: Core, args: Json) -> Json:
    """conversations.replies: the parent and its replies, oldest first."""
    room = readable(core, args["channel"], "history")
    if core.workspace.app_user not in room.members:
        raise ApiError("not_in_channel")
    thread = core.workspace.thread(room.id, str(args["ts"]))
    if not thread:
        raise ApiError("thread_not_found")
    found = [message for message in thread if message.ts == args["ts"] or _within(message, args)]
    shown, more = page(found, args, usual=1000)
    answer = {"messages": _messages(core, shown, args), **more}
    return {**answer, "has_more": bool(more["response_metadata"]["next_cursor"])}


def add_reaction(core: Core, args: Json) -> Json:
    """reactions.add by the app."""
    message = _item(core, args)
    if core.workspace.app_user not in core.workspace.channels[message.channel].members:
        raise ApiError("not_in_channel")
    react(core, core.workspace.app_user, message, args["name"])
    return {}


def remove_reaction(core: Core, args: Json) -> Json:
    """reactions.remove by the app."""
    unreact(core, core.workspace.app_user, _item(core, args), args["name"])
    return {}


def get_reactions(core: Core, args: Json) -> Json:
    """reactions.get; lists of users are cut short unless ``full``."""
    message = _item(core, args)
    preview = None if truth(args.get("full")) else core.reaction_preview
    shown = message.public(preview=preview, metadata=False)
    return {"type": "message", "channel": message.channel, "message": shown}


def react(core: Core, user: str, message: Message, name: str) -> None:
    """Put a reaction of ``user`` on a message and tell the app."""
    if not EMOJI.fullmatch(name):
        raise ApiError("invalid_name")
    if core.workspace.channels[message.channel].is_archived:
        raise ApiError("is_archived")
    if user in message.reactions.get(name, ()):
        raise ApiError("already_reacted")
    if name not in message.reactions and len(message.reactions) >= KINDS_OF_EMOJI:
        raise ApiError("too_many_emoji")
    if sum(user in users for users in message.reactions.values()) >= REACTIONS_OF_ONE:
        raise ApiError("too_many_reactions")
    message.reactions.setdefault(name, []).append(user)
    _tell_reaction(core, "reaction_added", user, message, name)


def unreact(core: Core, user: str, message: Message, name: str) -> None:
    """Take a reaction of ``user`` away and tell the app."""
    if not EMOJI.fullmatch(name):
        raise ApiError("invalid_name")
    if user not in message.reactions.get(name, ()):
        raise ApiError("no_reaction")
    message.reactions[name].remove(user)
    if not message.reactions[name]:
        del message.reactions[name]
    _tell_reaction(core, "reaction_removed", user, message, name)


def readable(core: Core, channel: str, what: str) -> Channel:
    """The channel if a scope for its kind lets the app ``read`` it or its ``history``."""
    room = core.workspace.channel(channel)
    kind = "im" if room.is_im else "groups" if room.is_private else "channels"
    if core.scopes is not None and f"{kind}:{what}" not in core.scopes:
        raise ApiError("missing_scope", needed=f"{kind}:{what}", provided=",".join(sorted(core.scopes)))
    return room


def _tell_reaction(core: Core, kind: str, user: str, message: Message, name: str) -> None:
    done = "reacted" if kind == "reaction_added" else "unreacted"
    core.tell(Happening(done, message.channel, user, name, message=message))
    event: Json = {
        "type": kind,
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
        "event_ts": core.stamp(),
    }
    core.event(event, message.channel)


def _item(core: Core, args: Json) -> Message:
    if not args.get("channel") or not args.get("timestamp"):
        raise ApiError("no_item_specified")
    if not re.fullmatch(r"\d+\.\d{6}", str(args["timestamp"])):
        raise ApiError("bad_timestamp")
    room = core.workspace.channel(args["channel"])
    return core.workspace.message(room.id, str(args["timestamp"]))


def _within(message: Message, args: Json) -> bool:
    oldest, latest = str(args.get("oldest") or ""), str(args.get("latest") or "")
    if truth(args.get("inclusive")) and message.ts in (oldest, latest):
        return True
    return (not oldest or message.ts > oldest) and (not latest or message.ts < latest)


def _messages(core: Core, messages: list[Message], args: Json) -> list[Json]:
    metadata = truth(args.get("include_all_metadata"))
    shown = []
    for message in messages:
        one = message.public(preview=core.reaction_preview, metadata=metadata)
        if message.thread_ts == message.ts:
            below = [reply for reply in core.workspace.thread(message.channel, message.ts) if reply.is_reply]
            one |= {"reply_count": len(below), "latest_reply": below[-1].ts if below else message.ts}
        shown.append(one)
    return shown


def _channel(core: Core, room: Channel) -> dict[str, Any]:
    if room.is_im:
        return {"id": room.id, "is_im": True, "user": room.user, "is_archived": False}
    return {
        "id": room.id,
        "name": room.name,
        "is_channel": not room.is_private,
        "is_group": room.is_private,
        "is_im": False,
        "is_private": room.is_private,
        "is_archived": room.is_archived,
        "is_ext_shared": room.is_ext_shared,
        "is_shared": room.is_ext_shared,
        "is_pending_ext_shared": False,
        "is_member": core.workspace.app_user in room.members,
        "context_team_id": core.workspace.team_id,
    }
