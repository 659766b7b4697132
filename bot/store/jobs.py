"""Permits, jobs, steps, backups and freezes."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, or_, select, update

from bot.model.jobs import Backup, Job, JobKind, JobState, Step, StepState
from bot.model.requests import Freeze, Permit
from bot.store import tables as t
from bot.store.database import insert_new


def _values(row: Row[Any]) -> dict[str, Any]:
    return dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row


class Permits:
    """Single-use rights. ``state``: ready, consumed, void."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def issue(self, request_id: int, revision: int, digest: str, expires_at: datetime, now: datetime) -> None:
        """A new permit; any older one of the request becomes void."""
        self.void(request_id)
        self._connection.execute(
            insert(t.permits).values(
                request_id=request_id,
                revision=revision,
                digest=digest,
                state="ready",
                expires_at=expires_at,
                issued_at=now,
            )
        )

    def void(self, request_id: int) -> None:
        """Take back what was not used."""
        self._connection.execute(
            update(t.permits)
            .where(t.permits.c.request_id == request_id, t.permits.c.state == "ready")
            .values(state="void")
        )

    def ready(self, request_id: int) -> Permit | None:
        """The permit of a request that nobody has used."""
        query = select(t.permits).where(t.permits.c.request_id == request_id, t.permits.c.state == "ready")
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Permit(**_values(row))

    def of_job(self, job_id: str) -> Permit | None:
        """The permit that a job used."""
        row = self._connection.execute(select(t.permits).where(t.permits.c.job_id == job_id)).one_or_none()
        return None if row is None else Permit(**_values(row))

    def ask(self, permit_id: int, nonce: str | None) -> None:
        """Remember which roster question this permit waits for."""
        self._connection.execute(update(t.permits).where(t.permits.c.id == permit_id).values(nonce=nonce))

    def consume(self, permit: Permit, job_id: str, now: datetime) -> bool:
        """Use it; False when it is used, void, expired or not what it was."""
        result = self._connection.execute(
            update(t.permits)
            .where(
                t.permits.c.id == permit.id,
                t.permits.c.state == "ready",
                t.permits.c.digest == permit.digest,
                t.permits.c.expires_at > now,
                or_(t.permits.c.issued_at.is_(None), t.permits.c.issued_at <= now),
            )
            .values(state="consumed", job_id=job_id)
        )
        return result.rowcount == 1


class Jobs:
    """Executions and their steps."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self,
        job_id: str,
        request_id: int,
        revision: int,
        target: str,
        kind: JobKind = JobKind.RUN,
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """A job that waits for its worker; ``facts``: what it takes over from another."""
        self._connection.execute(
            insert(t.jobs).values(
                id=job_id,
                request_id=request_id,
                revision=revision,
                target=target,
                state=JobState.QUEUED,
                facts=dict(facts),
                kind=kind,
            )
        )

    def get(self, job_id: str) -> Job | None:
        """One job."""
        row = self._connection.execute(select(t.jobs).where(t.jobs.c.id == job_id)).one_or_none()
        return None if row is None else _job(row)

    def latest(self, request_id: int) -> Job | None:
        """The newest job of a request."""
        newest = func.length(t.jobs.c.id).desc(), t.jobs.c.id.desc()
        query = select(t.jobs).where(t.jobs.c.request_id == request_id).order_by(*newest).limit(1)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _job(row)

    def of_kind(self, request_id: int, kind: JobKind) -> Job | None:
        """The newest job of one kind that came past the gate."""
        newest = func.length(t.jobs.c.id).desc(), t.jobs.c.id.desc()
        query = (
            select(t.jobs)
            .where(t.jobs.c.request_id == request_id, t.jobs.c.kind == kind, t.jobs.c.started_at.is_not(None))
            .order_by(*newest)
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else _job(row)

    def began_removal(self, request_id: int, before: str | None = None) -> bool:
        """Whether a purge of this request, one before that job if it is named, began to remove."""
        query = select(t.jobs.c.id).where(
            t.jobs.c.request_id == request_id,
            t.jobs.c.kind == JobKind.PURGE,
            t.jobs.c.transaction.is_not(None),
            t.jobs.c.id != (before or ""),
        )
        return self._connection.execute(query.limit(1)).first() is not None

    def count(self, request_id: int) -> int:
        """How many jobs a request has had."""
        query = select(func.count()).select_from(t.jobs).where(t.jobs.c.request_id == request_id)
        return int(self._connection.execute(query).scalar_one())

    def active_on(self, target: str) -> list[Job]:
        """Jobs that may be touching a target right now."""
        states = [JobState.RUNNING, JobState.HALTING, JobState.COMMITTING, JobState.COMMITTED]
        query = select(t.jobs).where(t.jobs.c.target == target, t.jobs.c.state.in_(states))
        return [_job(row) for row in self._connection.execute(query)]

    def in_state(self, state: JobState) -> list[Job]:
        """Jobs that stand in one state."""
        query = select(t.jobs).where(t.jobs.c.state == state).order_by(t.jobs.c.id)
        return [_job(row) for row in self._connection.execute(query)]

    def with_leftovers(self) -> list[Job]:
        """Jobs that surely changed nothing and whose attempt may still have a backup in the store.

        A stopped one that had reached the point of no return was closed by a person: nobody knows.
        """
        over = t.jobs.c.state.in_([JobState.FAILED, JobState.DRIFTED])
        halted = (t.jobs.c.state == JobState.STOPPED) & t.jobs.c.transaction.is_(None)
        query = select(t.jobs).where(t.jobs.c.backup_id.is_not(None), over | halted).order_by(t.jobs.c.id)
        return [_job(row) for row in self._connection.execute(query)]

    def save(self, job_id: str, was: JobState, **changes: Any) -> bool:
        """Change a job that is still in state ``was``; False when somebody else was first."""
        result = self._connection.execute(
            update(t.jobs).where(t.jobs.c.id == job_id, t.jobs.c.state == was).values(**changes)
        )
        return result.rowcount == 1

    def begin_step(self, job_id: str, name: str, now: datetime) -> int:
        """A step has begun; returns its position."""
        query = select(func.count()).select_from(t.steps).where(t.steps.c.job_id == job_id)
        position = int(self._connection.execute(query).scalar_one())
        self._connection.execute(
            insert(t.steps).values(
                job_id=job_id, position=position, name=name, state=StepState.RUNNING, started_at=now
            )
        )
        return position

    def end_step(self, job_id: str, position: int, state: StepState, now: datetime) -> None:
        """A step has ended."""
        self._connection.execute(
            update(t.steps)
            .where(t.steps.c.job_id == job_id, t.steps.c.position == position)
            .values(state=state, ended_at=now)
        )

    def note_progress(self, job_id: str, position: int, progress: Mapping[str, Any]) -> bool:
        """How far a step has come; False when it is over."""
        result = self._connection.execute(
            update(t.steps)
            .where(
                t.steps.c.job_id == job_id,
                t.steps.c.position == position,
                t.steps.c.state == StepState.RUNNING,
            )
            .values(progress=dict(progress))
        )
        return result.rowcount == 1

    def forget_steps(self, job_id: str) -> None:
        """A restarted job shows its steps from the beginning."""
        self._connection.execute(delete(t.steps).where(t.steps.c.job_id == job_id))

    def steps_of(self, request_id: int) -> tuple[Step, ...]:
        """The steps of all jobs of a request, job by job, without those that only found their plan untrue."""
        query = (
            select(t.steps)
            .join(t.jobs, t.jobs.c.id == t.steps.c.job_id)
            .where(t.jobs.c.request_id == request_id, t.jobs.c.state != JobState.DRIFTED)
            .order_by(func.length(t.jobs.c.id), t.jobs.c.id, t.steps.c.position)
        )
        return tuple(
            Step(**{**_values(row), "state": StepState(row.state)}) for row in self._connection.execute(query)
        )

    def steps(self, job_id: str) -> tuple[Step, ...]:
        """The steps of a job in order."""
        query = select(t.steps).where(t.steps.c.job_id == job_id).order_by(t.steps.c.position)
        return tuple(
            Step(**{**_values(row), "state": StepState(row.state)}) for row in self._connection.execute(query)
        )


class Backups:
    """Backups in our books. ``state``: sealed, kept, deleting, gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, backup: Backup) -> None:
        """A sealed backup enters the books."""
        self._connection.execute(insert(t.backups).values(asdict(backup)))

    def get(self, backup_id: str) -> Backup | None:
        """One backup."""
        row = self._connection.execute(select(t.backups).where(t.backups.c.id == backup_id)).one_or_none()
        return None if row is None else Backup(**_values(row))

    def of_request(self, request_id: int) -> Backup | None:
        """The newest backup that a request relied on."""
        query = (
            select(t.backups)
            .where(t.backups.c.request_id == request_id, t.backups.c.state != "sealed")
            .order_by(t.backups.c.created_at.desc())
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Backup(**_values(row))

    def by_reference(self, reference: str) -> Backup | None:
        """The backup that this reference names."""
        query = select(t.backups).where(t.backups.c.reference == reference).limit(1)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Backup(**_values(row))

    def all(self, limit: int = 1000) -> list[Backup]:
        """Newest first."""
        query = select(t.backups).order_by(t.backups.c.created_at.desc()).limit(limit)
        return [Backup(**_values(row)) for row in self._connection.execute(query)]

    def kept(self, target: str | None, limit: int) -> list[Backup]:
        """The newest of each request that can be restored, newest first; of one target, or of all."""
        newer = t.backups.alias()
        # One that a later segment follows is named by its reference too.
        last = ~exists().where(
            newer.c.request_id == t.backups.c.request_id,
            newer.c.state == "kept",
            newer.c.created_at > t.backups.c.created_at,
        )
        query = select(t.backups).where(t.backups.c.state == "kept", last)
        if target is not None:
            query = query.where(t.backups.c.target == target)
        query = query.order_by(t.backups.c.created_at.desc()).limit(limit)
        return [Backup(**_values(row)) for row in self._connection.execute(query)]

    def summed(self, backup: Backup) -> Backup:
        """A backup with rows, bytes and time of all segments that its reference names."""
        columns = t.backups.c
        query = select(
            func.sum(columns.rows), func.sum(columns.size), func.sum(columns.test_restore_ms)
        ).where(t.backups.c.request_id == backup.request_id, t.backups.c.created_at <= backup.created_at)
        rows, size, spent = self._connection.execute(query).one()
        return replace(backup, rows=int(rows), size=int(size), test_restore_ms=int(spent))

    def keep_together(self, backup: Backup) -> None:
        """What the reference of this backup names besides is kept as long as itself."""
        self._connection.execute(
            update(t.backups)
            .where(t.backups.c.request_id == backup.request_id, t.backups.c.state == "kept")
            .values(keep_until=backup.keep_until)
        )

    def any(self) -> bool:
        """Whether a backup was ever relied on: then the master key must not be made anew."""
        return self._connection.execute(select(t.backups.c.id).limit(1)).first() is not None

    def move(self, backup_id: str, was: str, now_is: str) -> bool:
        """Change the state; False when somebody else was first."""
        result = self._connection.execute(
            update(t.backups)
            .where(t.backups.c.id == backup_id, t.backups.c.state == was)
            .values(state=now_is)
        )
        return result.rowcount == 1

    def drop(self, backup_id: str) -> None:
        """Forget a backup that was never relied on."""
        self._connection.execute(
            delete(t.backups).where(t.backups.c.id == backup_id, t.backups.c.state == "sealed")
        )

    def due(self, now: datetime) -> list[Backup]:
        """Backups whose time is over, or whose deletion was begun."""
        query = select(t.backups).where(
            ((t.backups.c.state == "kept") & (t.backups.c.keep_until <= now))
            | (t.backups.c.state == "deleting")
        )
        return [Backup(**_values(row)) for row in self._connection.execute(query)]


class Targets:
    """Freezes, and the row that is locked while a permit is consumed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def lock(self, name: str) -> Freeze | None:
        """Lock a target until the end of the transaction; the freeze on it, if any."""
        insert_new(self._connection, t.targets, name=name)
        query = select(t.targets).where(t.targets.c.name == name).with_for_update()
        row = self._connection.execute(query).one()
        return None if row.frozen_by is None else Freeze(name, row.frozen_by, row.frozen_at)

    def frozen(self, name: str) -> Freeze | None:
        """The freeze on a target."""
        row = self._connection.execute(select(t.targets).where(t.targets.c.name == name)).one_or_none()
        if row is None or row.frozen_by is None:
            return None
        return Freeze(name, row.frozen_by, row.frozen_at)

    def set(self, name: str, by: str | None, at: datetime | None) -> None:
        """Freeze (``by`` somebody) or unfreeze (None) a target that is locked."""
        self._connection.execute(
            update(t.targets).where(t.targets.c.name == name).values(frozen_by=by, frozen_at=at)
        )


def _job(row: Row[Any]) -> Job:
    return Job(**{**_values(row), "state": JobState(row.state), "kind": JobKind(row.kind)})
