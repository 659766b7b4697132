"""What a workspace holds: people, groups, channels, messages. In memory, no I/O, no clock.

Nothing here locks: whoever calls holds the lock of :class:`bot.sandbox.slack.core.Core`.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """Slack's answer is ``ok: false`` with this code; ``more`` goes into the answer beside it."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


@dataclass
class User:
    """One account, as ``users.info`` knows it."""

    id: str
    name: str
    real_name: str
    team_id: str
    locale: str = "en-US"
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    bot_id: str = ""

    def public(self, *, include_locale: bool) -> Json:
        """The user object. Slack leaves most flags out for a deactivated account, so this does too."""
        shown: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1,
            "profile": {"display_name": self.name, "real_name": self.real_name, "team": self.team_id},
        }
        if self.bot_id:
            shown["profile"]["bot_id"] = self.bot_id
        if self.deleted:
            return shown
        shown |= {
            "real_name": self.real_name,
            "tz": "Europe/Berlin",
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
        }
        if self.is_stranger:
            shown["is_stranger"] = True
        if include_locale:
            shown["locale"] = self.locale
        return shown


@dataclass
class Group:
    """A user group (``<!subteam^S…>``)."""

    id: str
    handle: str
    name: str
    users: list[str]
    disabled: bool = False


@dataclass
class Channel:
    """A channel or a direct message; ``user`` is the other side of a direct message."""

    id: str
    name: str
    members: list[str]
    is_private: bool = False
    is_ext_shared: bool = False
    is_archived: bool = False
    is_im: bool = False
    user: str = ""


@dataclass
class Message:
    """One message, ordinary or ephemeral (then ``only_for`` names its single reader)."""

    channel: str
    ts: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str = ""
    bot_id: str = ""
    metadata: Json | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[Json] = field(default_factory=list)
    reply_broadcast: bool = False
    edited_ts: str = ""
    only_for: str = ""
    tombstone: bool = False

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread below another message."""
        return bool(self.thread_ts) and self.thread_ts != self.ts

    def public(self, *, preview: int | None, metadata: bool) -> Json:
        """The message object; each reaction shows at most ``preview`` users (None: all of them)."""
        shown: Json = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        reactions = [
            {"name": name, "users": users[:preview], "count": len(users)}
            for name, users in self.reactions.items()
        ]
        subtype = "tombstone" if self.tombstone else "thread_broadcast" if self.reply_broadcast else ""
        extras: Json = {
            "bot_id": self.bot_id,
            "app_id": "A0COUNTERSIGN" if self.bot_id == "B0COUNTERSIGN" else "",
            "blocks": self.blocks,
            "thread_ts": self.thread_ts,
            "subtype": subtype,
            "edited": {"user": self.user, "ts": self.edited_ts} if self.edited_ts else None,
            "files": self.files,
            "metadata": self.metadata if metadata else None,
            "reactions": reactions,
        }
        shown |= copy.deepcopy({key: value for key, value in extras.items() if value})
        return shown


class Workspace:
    """The whole state of one team, looked up by id.

    Args:
        team_id: the team (``T…``).
        domain: its address, for permalinks.
        app_user: the account of the app's own bot.
    """

    def __init__(self, team_id: str, domain: str, app_user: str) -> None:
        self.team_id = team_id
        self.domain = domain
        self.app_user = app_user
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, dict[str, Message]] = {}
        self.ephemerals: list[Message] = []
        self.files: dict[str, Json] = {}

    def user(self, user: str) -> User:
        """The account; raises ``user_not_found``."""
        if user not in self.users:
            raise ApiError("user_not_found")
        return self.users[user]

    def channel(self, channel: str) -> Channel:
        """The channel as the app sees it; a private one without the app does not exist for it."""
        room = self.channels.get(channel)
        if room is None or (room.is_private and self.app_user not in room.members):
            raise ApiError("channel_not_found")
        return room

    def direct(self, user: str) -> Channel:
        """The direct message between the app and ``user``, opened if need be."""
        who = self.user(user)
        if who.deleted:
            raise ApiError("user_disabled")
        if who.is_bot:
            raise ApiError("cannot_dm_bot")
        name = "D0" + user[2:]
        if name not in self.channels:
            self.channels[name] = Channel(name, "", [self.app_user, user], is_im=True, user=user)
        return self.channels[name]

    def message(self, channel: str, ts: str) -> Message:
        """The message; raises ``message_not_found``, also for a deleted one."""
        found = self.messages.get(channel, {}).get(ts)
        if found is None or found.tombstone:
            raise ApiError("message_not_found")
        return found

    def put(self, message: Message) -> None:
        """Store a new message, or an ephemeral."""
        if message.only_for:
            self.ephemerals.append(message)
        else:
            self.messages.setdefault(message.channel, {})[message.ts] = message

    def remove(self, message: Message) -> None:
        """Delete a message; one with replies leaves a tombstone, as in Slack."""
        if any(reply.is_reply for reply in self.thread(message.channel, message.ts)):
            message.tombstone = True
            message.text, message.blocks, message.reactions = "This message was deleted.", [], {}
        else:
            del self.messages[message.channel][message.ts]

    def history(self, channel: str) -> list[Message]:
        """What stands in the channel itself, oldest first."""
        return [
            message for message in self._ordered(channel) if not message.is_reply or message.reply_broadcast
        ]

    def thread(self, channel: str, ts: str) -> list[Message]:
        """The message and its replies, oldest first; empty when there is no such message."""
        return [message for message in self._ordered(channel) if ts in (message.ts, message.thread_ts)]

    def _ordered(self, channel: str) -> Iterator[Message]:
        yield from sorted(self.messages.get(channel, {}).values(), key=lambda message: message.ts)

    def shared_channels(self, user: str) -> Iterable[Channel]:
        """The channels that ``user`` is in."""
        return (room for room in self.channels.values() if user in room.members)
