"""What an operation asks of whoever runs it, and the orders it takes."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from bot.config.record_types import Attachment
from bot.config.types import Target
from bot.errors import Stale
from bot.model.backups import SealedBackup
from bot.model.choices import EVERYTHING, RestoreChoice
from bot.model.drift import Drift
from bot.model.leftovers import Offer, ResiduePart
from bot.model.meter import Stage, Unit
from bot.model.plans import Plan, Subject, Told
from bot.model.row_keys import Key
from bot.targets.reporting import Report


class Drifted(Stale):
    """What was approved no longer holds; nothing was changed. ``drift`` says what is different."""

    def __init__(self, target: str, drift: Drift) -> None:
        super().__init__("operations.drifted", target=target)
        self.drift = drift


class Gate(Protocol):
    """The way back to the requests: every step is seen, and the last word is not ours."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """Around each step; ``name`` is a catalogue key such as ``step.lock``."""

    def progress(self, done: int, total: int) -> None:
        """Rows done within the step; called now and then."""

    def measure(self, part: str, stage: Stage, expected: Mapping[Unit, int], /) -> Report:
        """A part of the step is next, and so much of it is expected; what is done is told to the result.

        Neither this nor the result waits for anything or raises.
        """

    def check(self) -> None:
        """A safe point.

        Raises:
            Halted: stopped, frozen, or past the deadline.
        """

    def backup_started(self, backup_id: str) -> None:
        """Note it before the first byte is stored, so that an orphan can be found after a crash."""

    def committing(self, transaction: str, backup_id: str, sha256: str) -> None:
        """The point of no return: note durably that COMMIT comes next. Empty ids when there is no new backup.

        Raises:
            Halted: *Stop* was faster; nothing will be committed.
        """

    def calling(self, backup_id: str, sha256: str) -> None:
        """*Stop* comes too late from here on, although nothing is removed yet. Raises as ``committing``."""

    def removing(self) -> None:
        """Note durably, after ``calling``, that from here on nothing can be put back; again: no harm.

        Raises:
            TakenOver: another worker has the job.
        """


@dataclass(frozen=True)
class DeleteOrder:
    """A permitted deletion. ``backup_id`` is fresh for every attempt.

    ``allowance`` is the rule's ``drift.rows``; ``facts`` go into the backup's manifest (no personal values).
    """

    plan: Plan
    subject: Subject
    spec: Target
    backup_id: str
    hash_key: bytes
    allowance: int = 0
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class DeleteOutcome:
    """What a deletion did; it is committed. ``sums`` are the checksums of the backed-up rows by table.

    ``nullified`` and ``reassigned``: links that were emptied, and that point at another row now, by label.

    ``residue``: where the same people are named still; ``offers``: which of those rows can be asked for.
    ``problem`` is why a look from a new connection could not confirm it, None when it could.
    """

    rows: Mapping[str, int]
    nullified: Mapping[str, int]
    sums: Mapping[str, str]
    backup: SealedBackup
    transaction: str
    test_restore_seconds: float
    problem: Told | None
    reassigned: Mapping[str, int] = field(default_factory=dict)
    residue: tuple[ResiduePart, ...] = ()
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """A choice, with the rows that its values mean: keys of the table ``table``; None for all.

    The keys are personal; what binds them is the keyed hash in the plan.
    """

    choice: RestoreChoice = EVERYTHING
    keys: tuple[Key, ...] | None = None
    table: str = ""

    @property
    def plain(self) -> bool:
        """Whether nothing was chosen."""
        return self.choice.plain and self.keys is None


#: All of a backup, or nothing.
ALL = Wanted()


@dataclass(frozen=True)
class RestoreOrder:
    """A permitted restore of one backup into the target it came from or the one its plan names.

    ``wanted``: which part, and how. ``fresh``: the id of the backup of what is overwritten, new for every
    attempt; ``facts`` go into its manifest (no personal values). ``whose``: which restore it is, for what it
    puts beside the rows. ``over``: the deletion is known to be committed.
    """

    plan: Plan
    backup_id: str
    sha256: str
    hash_key: bytes
    attachments: tuple[Attachment, ...] = ()
    wanted: Wanted = ALL
    fresh: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    whose: str = ""
    over: bool = True


@dataclass(frozen=True)
class RestoreOutcome:
    """What a restore did; it is committed. Rows brought back by table, links put back by label.

    ``sums`` and ``problem`` as in ``DeleteOutcome``. ``overwritten``: rows that got their old values, by
    table, and ``backup`` the one that holds what they were before.
    """

    rows: Mapping[str, int]
    nullified: Mapping[str, int]
    sums: Mapping[str, str]
    transaction: str
    problem: Told | None
    overwritten: Mapping[str, int] = field(default_factory=dict)
    backup: SealedBackup | None = None
    test_restore_seconds: float = 0.0
