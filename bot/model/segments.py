"""How far a job has come that is done in segments, and how long it rests between two. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.model.jobs import Job, JobState

_COUNTED = ("rows", "nullified", "reassigned")
_DONE, _OF, _BEFORE = "segments_done", "segments", "rows_before"
#: Who wants it to stand still before its next segment.
PAUSED = "paused"
#: A job that does nothing any more, or not yet; one that was turned away has what it took over from another.
_STILL = (JobState.HELD, JobState.TURNED_AWAY, JobState.QUEUED)


@dataclass(frozen=True)
class Progress:
    """So many segments of so many are done for good, with so many rows; ``before`` by earlier jobs."""

    done: int
    of: int
    rows: int
    before: int = 0

    @property
    def part_way(self) -> bool:
        """Something has been changed for good, and not everything."""
        return 0 < self.done < self.of


def progress(facts: Mapping[str, Any]) -> Progress:
    """What the facts of a job say; a job that is not done in segments has none."""
    rows = facts.get("rows") or {}
    before = int(facts.get(_BEFORE, 0))
    return Progress(int(facts.get(_DONE, 0)), int(facts.get(_OF, 0)), sum(map(int, rows.values())), before)


def may_pause(facts: Mapping[str, Any], parts: int) -> bool:
    """Whether another one of so many parts comes after the one that is under way."""
    return progress(facts).done < parts - 1


def stands_between(job: Job) -> bool:
    """Whether it stands still between two segments, and what is done and what is not is known."""
    return job.state in _STILL and progress(job.facts).part_way and job.transaction is None


def taken_over(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the facts of the next job begin with; time and pace are its own."""
    kept = {name: value for name, value in facts.items() if name not in ("halted", "head", "sha256", PAUSED)}
    return {**kept, _BEFORE: progress(facts).rows}


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
