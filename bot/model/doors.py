"""What passes between the Slack door and the rooms behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.model.choices import EVERYTHING, RestoreChoice
from bot.model.jobs import Backup, Job, Step
from bot.model.leftovers import FollowUp
from bot.model.proofs import Intent
from bot.model.quorums import Verdict
from bot.model.requests import Freeze, Operation, Request, Revision, Tick, Vote

#: The longest reason, and how many values one request may name: typed, and in the rows of a file.
MAX_REASON = 500
MAX_VALUES = 100
MAX_ROWS = 1000


@dataclass(frozen=True)
class Delivery:
    """One payload of Slack's: ``key`` is its event id or trigger id, ``channel`` where to answer.

    ``ts`` is the message that was pressed or reacted to, ``about`` the request that a form was opened for:
    the answer goes into that thread.
    """

    key: str
    channel: str | None
    user: str
    ts: str | None = None
    about: int | None = None


@dataclass(frozen=True)
class Wish:
    """What somebody asks for, as understood from the text or the form.

    For a restore, either ``reference`` or ``number`` names the backup, and ``into`` a new folder for a whole
    system. ``preview`` shows the plan and files nothing. ``expected``: a number of rows that must match.
    ``heir``: the record at which rows that stay will point instead. ``column``: where alone ``values`` are
    looked for; they came out of a file, the first of them out of its second row. ``choice``: how a restore
    differs from all of it or nothing. ``undoes``: the number of a restore to take back, or of a
    teardown to clear up after; what that takes is found out while filing.
    """

    operation: Operation
    target: str | None
    record: str | None
    values: tuple[str, ...]
    reason: str
    reference: str | None = None
    number: int | None = None
    preview: bool = False
    into: str | None = None
    expected: int | None = None
    heir: str | None = None
    column: str | None = None
    choice: RestoreChoice = EVERYTHING
    undoes: int | None = None


@dataclass(frozen=True)
class Answer:
    """One private sentence: a catalogue key and what fills it.

    ``button`` names a button under it that the door knows how to draw (``deny-reason``), with ``value``.
    ``direct``: better as a direct message, which stays, than as a sentence that vanishes.
    """

    key: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    button: str | None = None
    value: str | None = None
    direct: bool = False


@dataclass(frozen=True)
class Personal:
    """The erasable texts of a request; all empty once it is closed.

    ``mark`` is chance alone: a file that holds the others ends with it, so that its checksum tells nothing.
    ``heir``: to whom goes what is not deleted.
    """

    label: str | None = None
    values: tuple[str, ...] = ()
    reason: str | None = None
    deny_reason: str | None = None
    mark: str | None = None
    heir: str | None = None


@dataclass(frozen=True)
class PlanFile:
    """The file that holds the whole plan of one revision, when the messages cannot show it.

    ``there``: Slack has it. ``gone``: it was there and is deleted, or can be no more.
    """

    name: str
    sha256: str
    there: bool
    gone: bool


@dataclass(frozen=True)
class RequestView:
    """Everything a message about one request is rendered from.

    ``intents``: who wants to approve and has not given the code that the rule needs (``needs_code``, with
    ``confirm`` target and count besides); ``enrolled``: whose codes can be checked.
    ``follow_ups``: rows that a deletion left and that can be asked for still.
    ``ticks``: what became of the copies in the plan; empty until the operation has done its part.
    ``head`` is the signed head of the log (``seq:hash``) at the time the job finished. ``fresh``: what a
    restore has overwritten, beside ``backup``, which it has read.
    """

    request: Request
    revision: Revision | None
    personal: Personal
    votes: tuple[Vote, ...]
    verdict: Verdict | None
    job: Job | None
    steps: tuple[Step, ...]
    backup: Backup | None
    frozen: Freeze | None
    worker_alive: bool
    support: str | None
    environment: str | None
    head: str | None
    file: PlanFile | None = None
    intents: tuple[Intent, ...] = ()
    needs_code: bool = False
    confirm: bool = False
    enrolled: frozenset[str] = frozenset()
    ticks: tuple[Tick, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    fresh: Backup | None = None


@dataclass(frozen=True)
class KeptBackup:
    """A backup that can be restored, of the request that people call #``number``."""

    backup: Backup
    number: int
    requester: str


@dataclass(frozen=True)
class OutboxItem:
    """One message that should be in Slack and look like its subject.

    ``kind`` is card, plan, plan-file, ballot, note, receipt, private or private-card. ``wanted`` counts the
    changes, ``shown`` the last one that Slack has; ``state`` is new, posting (a first post whose answer is
    not known), posted, gone. ``file`` is Slack's id of the file it carries, ``sha256`` its checksum.
    """

    subject: str
    kind: str
    request_id: int | None
    revision: int | None
    channel: str
    user: str | None
    ts: str | None
    wanted: int
    shown: int
    state: str
    attempts: int
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class RosterQuestion:
    """Whom the worker wants to know about."""

    nonce: str
    users: tuple[str, ...]
    groups: tuple[str, ...]
    asked_at: datetime
