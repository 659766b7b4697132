"""chat.*: what the app posts, changes and takes away. The caller holds the lock."""

import json
from typing import Any

from bot.sandbox.slack.core import Core, Happening
from bot.sandbox.slack.limits import UPDATE_TEXT, check_message, check_metadata
from bot.sandbox.slack.tree import elements_of, kind_of
from bot.sandbox.slack.workspace import ApiError, Channel, Json, Message


def post_message(core: Core, args: Json) -> Json:
    """chat.postMessage; a user id as channel means the direct message with that person."""
    room = writable(core, args["channel"])
    message = compose(core, room, args)
    if "metadata" in args:
        message.metadata = decoded(args["metadata"], "invalid_metadata_format")
        check_metadata(message.metadata)
    publish(core, message)
    return {
        "channel": room.id,
        "ts": message.ts,
        "message": message.public(preview=core.reaction_preview, metadata=True),
    }


def post_ephemeral(core: Core, args: Json) -> Json:
    """chat.postEphemeral; the person must be in the channel and is the only one to see it."""
    room = writable(core, args["channel"])
    reader = core.workspace.users.get(args["user"])
    if reader is None or reader.deleted or reader.id not in room.members:
        raise ApiError("user_not_in_channel")
    message = compose(core, room, args, text_most=UPDATE_TEXT)
    message.only_for = reader.id
    publish(core, message)
    return {"message_ts": message.ts}


def update(core: Core, args: Json) -> Json:
    """chat.update; only own messages, no ephemerals; text without blocks takes the blocks away."""
    room = core.workspace.channel(args["channel"])
    message = core.workspace.message(room.id, str(args["ts"]))
    if message.user != core.workspace.app_user:
        raise ApiError("cant_update_message")
    fresh = compose(core, room, args, text_most=UPDATE_TEXT)
    if "metadata" in args:
        fresh.metadata = decoded(args["metadata"], "invalid_metadata_format")
        check_metadata(fresh.metadata)
        message.metadata = fresh.metadata
    if "text" in args or "blocks" in args:
        message.blocks = fresh.blocks
        message.text = fresh.text
    message.edited_ts = fresh.ts
    core.tell(Happening("updated", room.id, message.user, message=message))
    return {
        "channel": room.id,
        "ts": message.ts,
        "text": message.text,
        "message": message.public(preview=core.reaction_preview, metadata=True),
    }


def delete(core: Core, args: Json) -> Json:
    """chat.delete; only own messages."""
    room = core.workspace.channel(args["channel"])
    message = core.workspace.message(room.id, str(args["ts"]))
    if message.user != core.workspace.app_user:
        raise ApiError("cant_delete_message")
    core.workspace.remove(message)
    core.tell(Happening("deleted", room.id, message.user, message=message))
    return {"channel": room.id, "ts": message.ts}


def get_permalink(core: Core, args: Json) -> Json:
    """chat.getPermalink."""
    room = core.workspace.channel(args["channel"])
    message = core.workspace.message(room.id, str(args["message_ts"]))
    link = f"https://{core.workspace.domain}.slack.com/archives/{room.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={room.id}"
    return {"channel": room.id, "permalink": link}


def writable(core: Core, channel: str) -> Channel:
    """The channel if the app may write there."""
    if channel in core.workspace.users:
        return core.workspace.direct(channel)
    room = core.workspace.channel(channel)
    if room.is_archived:
        raise ApiError("is_archived")
    if core.workspace.app_user not in room.members:
        raise ApiError("not_in_channel")
    return room


def compose(core: Core, room: Channel, args: Json, *, text_most: int | None = None) -> Message:
    """A message by the app from call arguments, checked and with ids filled in, not yet stored."""
    blocks = decoded(args["blocks"], "invalid_blocks_format") if args.get("blocks") else None
    if blocks is not None and not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    text = str(args.get("text") or args.get("markdown_text") or "")
    if not text and not blocks and not args.get("attachments") and "metadata" not in args:
        raise ApiError("no_text")
    if text_most is None:
        check_message(blocks, text)
    else:
        check_message(blocks, text, text_most=text_most)
    thread = str(args.get("thread_ts") or "")
    if thread:
        parent = core.workspace.messages.get(room.id, {}).get(thread)
        if parent is None or parent.is_reply:
            raise ApiError("cannot_reply_to_message")
        parent.thread_ts = parent.ts
    return Message(
        room.id,
        core.stamp(),
        core.workspace.app_user,
        text=text,
        blocks=with_ids(core, blocks or []),
        thread_ts=thread,
        bot_id=core.workspace.users[core.workspace.app_user].bot_id,
        reply_broadcast=truth(args.get("reply_broadcast")),
    )


def publish(core: Core, message: Message) -> None:
    """Store a new message and show it."""
    core.workspace.put(message)
    kind = "ephemeral" if message.only_for else "posted"
    core.tell(Happening(kind, message.channel, message.only_for or message.user, message=message))


def decoded(value: Any, code: str) -> Any:
    """A JSON argument that may have come as text; ``code`` is the refusal when it is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ApiError(code) from None


def truth(value: Any) -> bool:
    """A boolean argument, which a form sends as text."""
    return value in (True, 1, "1", "true", "True")


def with_ids(core: Core, blocks: list[Json]) -> list[Json]:
    """The blocks with the block and action ids that Slack makes up when they are missing."""
    for block in blocks:
        block.setdefault("block_id", core.fresh("b"))
        for element in elements_of(block):
            if kind_of(element) in INTERACTIVE:
                element.setdefault("action_id", core.fresh("a"))
    return blocks


INTERACTIVE = frozenset({
    "button", "overflow", "checkboxes", "radio_buttons", "datepicker", "timepicker", "plain_text_input",
    "number_input", "static_select", "external_select", "users_select", "conversations_select",
    "channels_select", "multi_static_select", "multi_external_select", "multi_users_select",
})  # fmt: skip
