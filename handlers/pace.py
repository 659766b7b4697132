"""How fast messages may go out: Slack's limits, kept without ever sleeping."""

from collections.abc import Mapping
from datetime import datetime, timedelta

#: Method -> (calls per second, burst). ``chat.postMessage`` is counted per channel, the others per workspace.
RATES = {
    "chat.postMessage": (1.0, 3),
    "chat.postEphemeral": (2.5, 60),
    "chat.update": (0.8, 12),
    "reactions.add": (0.8, 10),
}


#: For a method that the table does not name.
OTHERS = (1.0, 3)


class Pace:
    """Token buckets, and the pauses that Slack itself asked for."""

    def __init__(
        self, rates: Mapping[str, tuple[float, int]] = RATES, others: tuple[float, int] = OTHERS
    ) -> None:
        self._rates = rates
        self._others = others
        self._left: dict[tuple[str, str], tuple[float, datetime]] = {}
        self._rest: dict[tuple[str, str], datetime] = {}

    def may(self, method: str, channel: str, now: datetime) -> bool:
        """Whether a call may go out now; True takes one from the bucket."""
        place = _place(method, channel)
        if now < self._rest.get((method, channel), now):
            return False
        rate, burst = self._rates.get(method, self._others)
        left, at = self._left.get(place, (float(burst), now))
        left = min(float(burst), left + max(0.0, (now - at).total_seconds()) * rate)
        if left < 1:
            self._left[place] = (left, now)
            return False
        self._left[place] = (left - 1, now)
        return True

    def rest(self, method: str, channel: str, seconds: float, now: datetime) -> None:
        """Slack asked for a pause."""
        self._rest[(method, channel)] = now + timedelta(seconds=seconds)


def _place(method: str, channel: str) -> tuple[str, str]:
    return (method, channel if method == "chat.postMessage" else "")
