"""What the administrators of a workspace do: membership, groups, sharing, accounts. Safe from any thread."""

from typing import Any

from bot.sandbox.slack.core import Core, Happening
from bot.sandbox.slack.workspace import Json, Message


class Admin:
    """Changes to the state, each with the event that Slack sends for it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def join(self, user: str, channel: str) -> None:
        """Add ``user`` to a channel."""
        with self._core.changed:
            room = self._core.workspace.channels[channel]
            if user not in room.members:
                room.members.append(user)
            self._membership("member_joined_channel", user, channel)

    def leave(self, user: str, channel: str) -> None:
        """Take ``user`` out of a channel."""
        with self._core.changed:
            self._core.workspace.channels[channel].members.remove(user)
            self._membership("member_left_channel", user, channel)

    def share(self, channel: str, *, shared: bool = True) -> None:
        """Share a channel with another company, or end that."""
        with self._core.changed:
            self._core.workspace.channels[channel].is_ext_shared = shared
            name = "channel_shared" if shared else "channel_unshared"
            event: Json = {"type": name, "channel": channel, "event_ts": self._core.stamp()}
            event |= (
                {"connected_team_id": "T0OTHER"} if shared else {"previously_connected_team_id": "T0OTHER"}
            )
            self._core.event(event, channel)

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel, or bring it back."""
        with self._core.changed:
            self._core.workspace.channels[channel].is_archived = archived

    def change_user(self, user: str, **flags: Any) -> None:
        """Change fields of an account, such as ``deleted=True``; unknown names raise AttributeError."""
        with self._core.changed:
            account = self._core.workspace.users[user]
            for name, value in flags.items():
                getattr(account, name)
                setattr(account, name, value)
            shown = account.public(include_locale=True)
            self._core.event({"type": "user_change", "user": shown, "event_ts": self._core.stamp()})

    def change_group(self, group: str, users: list[str], *, disabled: bool = False) -> None:
        """Set the members of a user group."""
        with self._core.changed:
            entry = self._core.workspace.groups[group]
            before, entry.users, entry.disabled = entry.users, list(users), disabled
            event: Json = {
                "type": "subteam_members_changed",
                "subteam_id": group,
                "team_id": self._core.workspace.team_id,
                "added_users": [user for user in users if user not in before],
                "removed_users": [user for user in before if user not in users],
                "event_ts": self._core.stamp(),
            }
            self._core.event(event)

    def delete_message(self, channel: str, ts: str) -> None:
        """Delete any message, as an administrator can."""
        with self._core.changed:
            message = self._core.workspace.message(channel, ts)
            self._core.workspace.remove(message)
            self._core.tell(Happening("deleted", channel, message.user, message=message))

    def post_as(self, user: str, channel: str, text: str, thread_ts: str = "") -> Message:
        """A message by anybody, for instance by another bot."""
        with self._core.changed:
            account = self._core.workspace.users[user]
            message = Message(
                channel, self._core.stamp(), user, text=text, thread_ts=thread_ts, bot_id=account.bot_id
            )
            self._core.workspace.put(message)
            self._core.tell(Happening("posted", channel, user, message=message))
            return message

    def _membership(self, name: str, user: str, channel: str) -> None:
        account = self._core.workspace.users[user]
        event: Json = {
            "type": name,
            "user": user,
            "channel": channel,
            "channel_type": "G" if self._core.workspace.channels[channel].is_private else "C",
            "team": account.team_id,
            "event_ts": self._core.stamp(),
        }
        self._core.event(event, channel)
