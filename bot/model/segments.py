"""How far a job has come that is done in segments, and how long it rests between two. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_COUNTED = ("rows", "nullified", "reassigned")
_DONE, _OF = "segments_done", "segments"


@dataclass(frozen=True)
class Progress:
    """So many segments of so many are done for good, and with them so many rows."""

    done: int
    of: int
    rows: int

    @property
    def part_way(self) -> bool:
        """Something has been changed for good, and not everything."""
        return 0 < self.done < self.of


def progress(facts: Mapping[str, Any]) -> Progress:
    """What the facts of a job say; a job that is not done in segments has none."""
    rows = facts.get("rows") or {}
    return Progress(int(facts.get(_DONE, 0)), int(facts.get(_OF, 0)), sum(map(int, rows.values())))


def added_up(before: Mapping[str, Any], segment: Mapping[str, Any], of: int) -> dict[str, Any]:
    """The facts of a job after one more segment: counts, checksums and times of all of them together."""
    facts = {**before, **segment, _DONE: progress(before).done + 1, _OF: of}
    for name in _COUNTED:
        facts[name] = _summed(before.get(name) or {}, segment.get(name) or {})
    facts["sums"] = _checksums(before.get("sums") or {}, segment.get("sums") or {})
    facts["test_restore_ms"] = int(before.get("test_restore_ms", 0)) + int(segment.get("test_restore_ms", 0))
    # What one of them could not confirm stays unconfirmed.
    facts["problem"] = before.get("problem") or segment.get("problem")
    facts.pop("sha256", None)
    return facts


def rest(rows: int, seconds: float, pace: int | None) -> float:
    """Seconds to wait after so many rows in so many seconds, so that no more than ``pace`` go in a second."""
    return 0.0 if pace is None else max(0.0, rows / pace - seconds)


def _summed(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    names = dict.fromkeys([*first, *second])
    return {name: int(first.get(name, 0)) + int(second.get(name, 0)) for name in names}


def _checksums(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Order-independent sums modulo 2^256 (``bot.backups.rows``): sums of two sets add up to that of both."""
    names = dict.fromkeys([*first, *second])
    return {
        name: f"{(int(first.get(name, '0'), 16) + int(second.get(name, '0'), 16)) % 2**256:064x}"
        for name in names
    }
