"""What bounds a start besides approvals: hours, caps, a count that must match; frozen with each revision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bot.model.calendar import Closed, Window


@dataclass(frozen=True)
class Limit:
    """How much may be done under one rule on one target in any ``seconds``; None is no cap."""

    rows: int | None
    requests: int | None
    seconds: int


@dataclass(frozen=True)
class Bounds:
    """Without any of them, nothing is bounded. ``expected``: the requester has to say how many rows."""

    windows: tuple[Window, ...] = ()
    closed: tuple[Closed, ...] = ()
    limit: Limit | None = None
    expected: bool = False

    def to_data(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "windows": [asdict(one) for one in self.windows],
            "closed": [[one.begins.isoformat(), one.ends.isoformat(), one.why] for one in self.closed],
            "limit": asdict(self.limit) if self.limit else None,
            "expected": self.expected,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> "Bounds":
        """From its stored form; what an earlier release stored has no bounds."""
        if data is None:
            return cls()
        moment = datetime.fromisoformat
        return cls(
            windows=tuple(Window(**{**one, "days": tuple(one["days"])}) for one in data["windows"]),
            closed=tuple(Closed(moment(begins), moment(ends), why) for begins, ends, why in data["closed"]),
            limit=Limit(**data["limit"]) if data["limit"] else None,
            expected=data["expected"],
        )


def written(seconds: int) -> str:
    """A length of time as the configuration writes it: 30m, 24h."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
