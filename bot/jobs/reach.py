"""What everybody needs who plans or carries out a request: the store, the targets, the backups, the books."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.approvals.ground import Ground, subject
from bot.backups.storage import Storage
from bot.backups.vault import Vault
from bot.config.record_types import Attachment
from bot.errors import Broken, NotFound
from bot.jobs.system_hands import SystemHands
from bot.model.backups import SealedBackup
from bot.model.jobs import Backup, Job
from bot.model.leftovers import Offer
from bot.model.plans import Plan, Told
from bot.model.requests import CLOSED, Request, State
from bot.model.segments import progress
from bot.operations import replicas
from bot.operations.attachment_stores import stores_at
from bot.store.unit_of_work import Store
from bot.targets import open_target
from bot.targets.attachment_store import AttachmentStore
from bot.targets.base import RecordTarget


@dataclass(frozen=True)
class Result:
    """What was committed adds to the books: facts, its backup, what a follow-up may ask for.

    ``segments``: it was one of so many; 0: it was everything.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    backup: Backup | None = None
    offers: tuple[Offer, ...] = ()
    segments: int = 0


@dataclass(frozen=True)
class Reach:
    """Everything within reach of the hands of a worker."""

    store: Store
    ground: Ground
    vault: Vault
    storage: Storage
    hash_key: bytes
    clock: Callable[[], datetime]
    systems: SystemHands | None = None

    @property
    def whole_systems(self) -> SystemHands:
        """The hands for teardowns.

        Raises:
            Broken: this worker was put together without them.
        """
        if self.systems is None:
            raise Broken("job.broken", code="systems")
        return self.systems

    def target(self, name: str) -> RecordTarget:
        """The configured database of that name.

        Raises:
            NotFound: it is not configured any more, or has none.
        """
        spec = self.ground.config.targets.get(name)
        if spec is None:
            raise NotFound(
                "filing.unknown-target", target=name, known=", ".join(sorted(self.ground.config.targets))
            )
        if spec.database is None:
            raise NotFound("target.no-rows", target=name)
        return open_target(name, spec.database.url, spec.max_lock)

    def is_behind(self, name: str, lag: timedelta) -> bool:
        """Whether a replica of a target is further behind; raises as ``replicas.told``."""
        return replicas.is_behind(self.target(name), lag)

    def attachments(self, target: str) -> tuple[Attachment, ...]:
        """Which columns of a target name files."""
        spec = self.ground.config.targets.get(target)
        return spec.attachments if spec else ()

    def stores_of(self, plan: Plan) -> tuple[AttachmentStore, ...]:
        """The places of the files that a plan names.

        Raises:
            CannotProve: one is not among the attachments any more.
        """
        roots = [part.root for part in plan.files]
        return stores_at(roots, self.attachments(plan.target), self.hash_key, plan.target)

    def was_committed(self, backup_id: str) -> bool:
        """Whether the deletion that made this backup surely was committed, by our books."""
        with self.store.read() as work:
            booked = work.backups.get(backup_id)
            request = work.requests.get(booked.request_id) if booked else None
            job = work.jobs.latest(request.id) if request else None
        if request is None:
            return False
        # Between two segments those are committed whose backups are booked.
        partly = job is not None and progress(job.facts).done > 0 and job.transaction is None
        return request.state is State.SUCCEEDED or (request.state in (*CLOSED, State.HELD) and partly)

    def personal(self, request: Request, name: str) -> Any:
        """One personal text of a request; None once it is erased."""
        with self.store.read() as work:
            return work.erasable.get(subject(request.id), name)

    def plan_of(self, job: Job) -> Plan | None:
        """The plan that a job carries out; None when it is gone."""
        with self.store.read() as work:
            revision = work.requests.revision(job.request_id, job.revision)
        return None if revision is None else Plan.from_data(revision.plan)

    def book(self, request: Request, sealed: SealedBackup, seconds: float) -> Backup:
        """A sealed backup as it stands in our books."""
        now = self.clock()
        return Backup(
            id=sealed.backup_id,
            request_id=request.id,
            target=request.target,
            record=request.record,
            sha256=sealed.sha256,
            size=sealed.size,
            rows=sealed.manifest.rows,
            state="kept",
            reference=self.vault.reference(sealed),
            created_at=now,
            keep_until=now + self.ground.config.backups.keep,
            test_restore_ms=int(seconds * 1000),
        )


def told(problem: Told | None) -> list[Any] | None:
    """A problem as the facts of a job hold it."""
    return None if problem is None else [problem.key, dict(problem.params)]
