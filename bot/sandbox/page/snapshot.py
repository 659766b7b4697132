"""Everything one person sees, as JSON for the page."""

from bot.sandbox.mrkdwn import emoji
from bot.sandbox.page.reading import Marks
from bot.sandbox.people import DELETIONS
from bot.sandbox.slack.core import Core, View
from bot.sandbox.slack.screen import Sight, look
from bot.sandbox.slack.workspace import Channel, Json, Message, User

#: How many messages of one room the page gets, the newest.
SHOWN = 400
NOTICES = 5


def people(core: Core) -> list[Json]:
    """Whom the page can act as, and whose names it shows."""
    workspace = core.workspace
    return [
        {
            "id": user.id,
            "name": user.name,
            "full": user.real_name,
            "bot": user.is_bot,
            "guest": user.is_restricted,
            "playable": _is_playable(user, core),
        }
        for user in workspace.users.values()
    ]


def screen(core: Core, user: str, marks: Marks) -> Json:
    """The whole screen of ``user``: rooms with their messages, forms, Home tab, notices."""
    with core.changed:
        sight = look(core, user)
        rooms = _rooms(core, user)
        serial = len(core.feed)
    shown = {room.id: _messages(sight, room) for room in rooms}
    return {
        "you": user,
        "serial": serial,
        "rooms": [
            {
                "id": room.id,
                "name": room.name,
                "kind": "app" if room.is_im else "private" if room.is_private else "channel",
                "unread": marks.unread(user, room.id, shown[room.id]),
            }
            for room in rooms
        ],
        "messages": {room: [_message(one) for one in found] for room, found in shown.items()},
        "views": [_view(view) for view in sight.views],
        "home": sight.home.body if sight.home else None,
        "notices": [
            {"number": number, "code": notice.code, "about": notice.about}
            for number, notice in enumerate(sight.notices)
        ][-NOTICES:],
    }


def _is_playable(user: User, core: Core) -> bool:
    return not user.is_bot and not user.deleted and user.team_id == core.workspace.team_id


def _rooms(core: Core, user: str) -> list[Channel]:
    """The request channel first; the conversation with the app is there before a word was said."""
    core.workspace.direct(user)
    rooms = list(core.workspace.shared_channels(user))
    return sorted(rooms, key=lambda room: (room.is_im, room.id != DELETIONS, room.name))


def _messages(sight: Sight, room: Channel) -> list[Message]:
    found = sight.direct if room.is_im else sight.channels[room.id]
    private = [one for one in sight.ephemerals if one.channel == room.id]
    mine = [one for one in found if one.channel == room.id]
    return sorted([*mine, *private], key=lambda one: one.ts)[-SHOWN:]


def _message(message: Message) -> Json:
    return {
        "ts": message.ts,
        "user": message.user,
        "app": bool(message.bot_id),
        "text": message.text,
        "blocks": message.blocks,
        "thread": message.thread_ts if message.is_reply else "",
        "broadcast": message.reply_broadcast,
        "edited": bool(message.edited_ts),
        "private": bool(message.only_for),
        "gone": message.tombstone,
        "files": message.files,
        "reactions": [
            {"name": name, "sign": emoji(name), "users": users} for name, users in message.reactions.items()
        ],
    }


def _view(view: View) -> Json:
    return {"id": view.id, "hash": view.hash, "body": view.body}
