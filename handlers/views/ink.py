"""How a plan is written: for a message, which has limits, or whole, for a file. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from handlers.views import mrkdwn

Item = TypeVar("Item")
_ENDLESS = 10**9


@dataclass(frozen=True)
class Ink:
    """One language, and whether limits hold.

    Danger: what is told to the reader of a message as left out or shortened must go through here, or else
    nobody notices that the file is needed.
    """

    language: str
    whole: bool = False

    def code(self, text: str, limit: int = 200) -> str:
        """Foreign text between backticks."""
        return mrkdwn.code(text, self.limit(limit))

    def safe(self, text: str, limit: int = 200) -> str:
        """Foreign text as plain words."""
        return mrkdwn.safe(text, self.limit(limit))

    def shown(self, items: Sequence[Item], limit: int) -> Sequence[Item]:
        """The items that there is room for."""
        return items[: self.limit(limit)]

    def left(self, items: Sequence[object], limit: int) -> int:
        """How many items there is no room for."""
        return max(0, len(items) - self.limit(limit))

    def limit(self, limit: int) -> int:
        """The limit, where limits hold."""
        return _ENDLESS if self.whole else limit
