"""What each person has read, room by room, so that unread marks survive a change of person."""

import threading
from collections.abc import Sequence

from bot.sandbox.slack.workspace import Message


class Marks:
    """The newest stamp that somebody has seen in a room. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], str] = {}

    def read(self, user: str, room: str, ts: str) -> None:
        """``user`` has seen everything up to ``ts``; never back."""
        with self._lock:
            self._seen[user, room] = max(ts, self._seen.get((user, room), ""))

    def unread(self, user: str, room: str, messages: Sequence[Message]) -> int:
        """How many messages of others are newer; replies in a thread count only when broadcast or private."""
        with self._lock:
            seen = self._seen.get((user, room), "")
        return sum(
            message.ts > seen
            and message.user != user
            and (not message.is_reply or message.reply_broadcast or bool(message.only_for))
            for message in messages
        )
