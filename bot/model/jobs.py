"""A job, its steps, and the backup it made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where the execution of a permitted request stands."""

    QUEUED = "queued"
    RUNNING = "running"
    HALTING = "halting"
    COMMITTING = "committing"
    COMMITTED = "committed"
    DONE = "done"
    TURNED_AWAY = "turned-away"
    DRIFTED = "drifted"
    STOPPED = "stopped"
    FAILED = "failed"
    HELD = "held"


#: A job in one of these is some worker's to go on with.
UNFINISHED = (
    JobState.QUEUED,
    JobState.RUNNING,
    JobState.HALTING,
    JobState.COMMITTING,
    JobState.COMMITTED,
)


class JobKind(StrEnum):
    """Which job of its request: the approved one, one that ends a grace period, or one for the parts left."""

    RUN = "run"
    PUT_BACK = "put-back"
    PURGE = "purge"
    REST = "rest"


class Canary(StrEnum):
    """What a worker knows of its own gate (``bot.jobs.canary``). It takes work after REFUSED only."""

    NOT_YET = "not-yet"
    REFUSED = "refused"
    LET_THROUGH = "let-through"
    UNCLEAR = "unclear"


class StepState(StrEnum):
    """Where one step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One execution. ``facts`` are counts and checksums for the receipt, never personal values.

    ``halting``: it was stopped or has failed, and takes back what it did.
    """

    id: str
    request_id: int
    revision: int
    target: str
    state: JobState
    backup_id: str | None
    transaction: str | None
    facts: Mapping[str, Any]
    started_at: datetime | None
    ended_at: datetime | None
    kind: JobKind = JobKind.RUN

    @property
    def attempt(self) -> int:
        """How often a worker took this job up; whoever holds an older number has lost it to another."""
        return int(self.facts.get("attempt", 0))


@dataclass(frozen=True)
class Step:
    """One step of a job; ``name`` is a catalogue key such as ``step.lock``.

    ``progress``: how far it had come when that was last written down, see ``bot.model.meter.Reading``.
    """

    job_id: str
    position: int
    name: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None
    progress: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Backup:
    """A backup in our books. ``state``: sealed (not yet relied on), kept, deleting, gone."""

    id: str
    request_id: int
    target: str
    record: str | None
    sha256: str
    size: int
    rows: int
    state: str
    reference: str
    created_at: datetime
    keep_until: datetime
    test_restore_ms: int
