"""From a request for a teardown to the orders of ``bot.operations``, and back to what our books need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.approvals.execution import Planned
from bot.approvals.ground import Ground
from bot.audit import certificate
from bot.backups.ids import backup_id
from bot.backups.vault import Vault
from bot.config.types import Target
from bot.errors import Broken, NotFound, NotOurs
from bot.model.backups import SealedBackup
from bot.model.doors import Answer
from bot.model.jobs import Backup, Job
from bot.model.plans import Plan
from bot.model.requests import Request
from bot.operations import teardown
from bot.operations.purge import PurgeOrder
from bot.operations.set_aside import TeardownOrder
from bot.operations.teardown import Host
from bot.store.unit_of_work import Store
from bot.targets.system import System


@dataclass(frozen=True)
class SystemHands:
    """Everything that touches whole systems on behalf of a request.

    ``open_system`` makes the parts from the configuration; ``sign_key`` signs certificates, which lie in
    ``certificates``.
    """

    store: Store
    ground: Ground
    vault: Vault
    host: Host
    open_system: Callable[[Target, Mapping[str, Target]], System]
    sign_key: bytes
    certificates: Path
    clock: Callable[[], datetime]

    def plan(self, request: Request) -> Planned:
        """What tearing the system down would mean, read-only.

        Raises:
            Refused: it must not be touched, or not from here.
            Broken: the machine does not answer.
        """
        spec = self._spec(request)
        made, open_files = teardown.plan(spec, self.system(request), self.host, self.name(request))
        return Planned(request.target, None, made.to_data(), made.digest(), 0, open_files, "")

    def name(self, request: Request) -> str:
        """What the parts call this teardown."""
        return teardown.name_of(request.id)

    def system(self, request: Request) -> System:
        """The parts of the request's target."""
        return self.open_system(self._spec(request), self.ground.config.targets)

    def order(self, job: Job, request: Request) -> TeardownOrder:
        """The permitted teardown.

        Raises:
            NotOurs: the plan is not the one whose digest was voted on.
        """
        with self.store.read() as work:
            revision = work.requests.revision(request.id, job.revision)
        if revision is None:
            raise Broken("job.broken", code="revision")
        plan = Plan.from_data(revision.plan)
        if plan.digest() != revision.digest:
            raise NotOurs("outcome.not-what-was-approved")
        return TeardownOrder(
            plan=plan,
            spec=self._spec(request),
            host=self.host,
            operation=self.name(request),
            new_backup=lambda: backup_id(self.clock(), self.ground.entropy(8)),
            drop_backup=self._drop,
            announce=lambda: self._announce(job, request, plan),
            facts={"request": request.number or 0, "job": job.id, "plan": revision.digest},
        )

    def purge_order(self, job: Job, request: Request, first: Job) -> PurgeOrder:
        """The permitted purge of what ``first`` set aside.

        Raises:
            Broken: it left no sealed backup.
        """
        sealed = first.facts.get("sealed")
        if sealed is None:
            raise Broken("job.broken", code="sealed")
        return PurgeOrder(
            operation=self.name(request),
            backup_id=sealed["id"],
            sha256=sealed["sha256"],
            certify=lambda facts: self._certify(job, request, sealed, facts),
        )

    def book(self, request: Request, sealed: Mapping[str, Any], milliseconds: int) -> Backup:
        """The backup as our books have it: kept from the end of the grace period on."""
        now = self.clock()
        config = self.ground.config
        with self.vault.open(sealed["id"], sealed["sha256"]) as opened:
            whole = SealedBackup(sealed["id"], sealed["sha256"], sealed["size"], "", opened.manifest)
            reference = self.vault.reference(whole)
        return Backup(
            id=sealed["id"],
            request_id=request.id,
            target=request.target,
            record=None,
            sha256=sealed["sha256"],
            size=sealed["size"],
            rows=0,
            state="kept",
            reference=reference,
            created_at=now,
            keep_until=now + config.targets[request.target].grace + config.backups.keep,
            test_restore_ms=milliseconds,
        )

    def _spec(self, request: Request) -> Target:
        spec = self.ground.config.targets.get(request.target)
        if spec is None:
            known = ", ".join(sorted(self.ground.config.targets))
            raise NotFound("filing.unknown-target", target=request.target, known=known)
        return spec

    def _drop(self, backup: str) -> None:
        try:
            self.vault.shred(backup)
        except NotFound:
            return

    def _announce(self, job: Job, request: Request, plan: Plan) -> None:
        """Tell the people and channels that the target names, each once."""
        now = self.clock()
        params: dict[str, str | int] = {"target": request.target, "number": request.number or 0}
        with self.store.transact() as work:
            for who in (plan.system or {}).get("tell", ()):
                once = f"announce:{job.id}:{who}"
                if who.startswith(("U", "W")):
                    self.ground.tell(work, who, None, Answer("note.announce", params), now, once=once)
                elif not work.outbox.known(f"note:{once}"):
                    work.erasable.put(
                        f"note:{once}", "answer", {"key": "note.announce", "params": params}, b"", now
                    )
                    work.outbox.want(f"note:{once}", "note", who, now)

    def _certify(
        self, job: Job, request: Request, sealed: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> str:
        """Sign and keep the certificate; the name of its file."""
        with self.store.read() as work:
            permit = work.permits.of_job(job.id)
            votes = work.votes.of(request.id, request.revision)
            booked = work.backups.get(sealed["id"])
        raw = certificate.issue(
            {
                "request": request.number or 0,
                "target": request.target,
                "requester": request.requester,
                "approvals": [[vote.user, str(vote.choice), list(vote.roles)] for vote in votes],
                "plan": permit.digest if permit else "",
                "backup": sealed["id"],
                "sha256": sealed["sha256"],
                "recoverable_until": booked.keep_until.isoformat() if booked else "",
                "purged_at": self.clock().isoformat(),
                **facts,
            },
            self.sign_key,
        )
        self.certificates.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.certificates / f"request-{request.number or 0}.json"
        path.write_bytes(raw)
        return path.name
