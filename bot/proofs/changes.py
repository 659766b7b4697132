"""A new secret in place of one in use: asked for with a ticket, confirmed by another, a day later. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.proofs.codes import Secret

#: From the confirmation to the new secret; the old one goes on working.
WAIT = timedelta(days=1)
#: For so long somebody may confirm it.
OPEN = timedelta(days=1)


@dataclass(frozen=True)
class Change:
    """``step``: the time step of the first code, used up. ``due``: when it takes effect, once confirmed."""

    id: str
    secret: Secret
    step: int
    asked_at: int
    confirmed_by: str | None = None
    due: int | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether the new secret takes the place of the old one now."""
        return self.due is not None and int(now.timestamp()) >= self.due

    def is_over(self, now: datetime) -> bool:
        """Whether nobody confirmed it in time."""
        return self.due is None and int(now.timestamp()) >= self.asked_at + OPEN.total_seconds()
