"""What was done, or is about to be, on a target: for the caps of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, or_, select

from bot.model.jobs import JobKind, JobState
from bot.model.plans import Plan
from bot.model.requests import DESTRUCTIVE, State
from bot.store import tables as t

_WAITING = (State.PENDING, State.DENIED, State.APPROVED)
_UNDER_WAY = (JobState.RUNNING, JobState.HALTING, JobState.COMMITTING, JobState.COMMITTED)
#: These changed nothing, unless they had come as far as a transaction.
_NOTHING = (JobState.QUEUED, JobState.TURNED_AWAY, JobState.DRIFTED, JobState.FAILED, JobState.STOPPED)


@dataclass(frozen=True)
class Used:
    """One request that counts: the rule it was filed under, and its rows."""

    rule: str
    rows: int


class Usage:
    """Requests that count towards a cap."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on(self, target: str, since: datetime, *, waiting: bool, but: int) -> list[Used]:
        """Requests that run, or whose job began after ``since`` and may have changed something.

        A job that began in the future counts: a clock was set back, and nothing was done any less for that.

        Args:
            target: its name.
            since: the beginning of the time looked at.
            waiting: also those that wait for approval or for their start.
            but: the request that is being decided.
        """
        jobs, requests, revisions = t.jobs.c, t.requests.c, t.revisions.c
        began = exists().where(
            jobs.request_id == requests.id,
            jobs.kind.in_([str(JobKind.RUN), str(JobKind.REST)]),
            or_(
                jobs.state.in_([str(one) for one in _UNDER_WAY]),
                (jobs.started_at > since)
                & (jobs.state.not_in([str(one) for one in _NOTHING]) | jobs.transaction.is_not(None)),
            ),
        )
        # What was stopped between two segments has done some; its backups say so.
        partly = exists().where(t.backups.c.request_id == requests.id, t.backups.c.created_at > since)
        counts = or_(began, partly)
        waits = requests.state.in_([str(one) for one in _WAITING]) & (requests.number.is_not(None))
        query = (
            select(revisions.rule, revisions.plan)
            .join(
                t.requests, (revisions.request_id == requests.id) & (revisions.revision == requests.revision)
            )
            .where(
                requests.target == target,
                requests.id != but,
                requests.operation.in_([str(one) for one in DESTRUCTIVE]),
                counts | waits if waiting else counts,
            )
        )
        found = self._connection.execute(query)
        return [Used(str(row.rule["name"]), _rows(row.plan)) for row in found]


def _rows(plan: Mapping[str, Any]) -> int:
    return Plan.from_data(plan).rows
