"""From a request to an order of ``bot.operations`` and back to what our books need."""

from dataclasses import dataclass
from typing import Any

from bot.approvals.execution import Planned, asked
from bot.backups.ids import backup_id
from bot.errors import Broken, CannotProve, CountersignError, NotFound, Stale
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Reach, Result, told
from bot.jobs.restores import Restores, brought_back
from bot.jobs.segment_orders import after, next_segment, segments_of
from bot.jobs.undoing import Undoing
from bot.model.backups import Manifest, SealedBackup
from bot.model.jobs import Backup, Job, JobState
from bot.model.leftovers import Offer, ResiduePart, residue_data
from bot.model.plans import Plan, Subject, Told
from bot.model.requests import DESTRUCTIVE, Operation, Request, Revision, State
from bot.model.segments import progress
from bot.operations import attached, delete_records
from bot.operations.archived import extra_of
from bot.operations.attachment_stores import stores_at, stores_of
from bot.operations.gate import DeleteOrder
from bot.policy import rules
from bot.targets.base import RecordTarget


@dataclass(frozen=True)
class Hands(Reach):
    """Everything that touches a target or the backup store on behalf of a request."""

    def plan(self, request: Request) -> Planned:
        """Compute, read-only, what a request would do.

        Raises:
            Refused: it cannot be done, or not exactly.
            Broken: the target or the store cannot be reached.
        """
        if request.operation is Operation.DELETE_RECORDS and request.undoes is not None:
            return Undoing(self).plan(request)
        if request.operation is Operation.DELETE_RECORDS:
            return self._plan_deletion(request)
        if request.operation is Operation.RESTORE:
            if request.undoes is not None:
                return Undoing(self).first(request, Restores(self).plan)
            return Restores(self).plan(request)
        if request.operation is Operation.TEARDOWN:
            return self.whole_systems.plan(request)
        plan = Plan.bare(Operation.UNFREEZE, request.target, ("step.unfreeze",), "way-back.freeze")
        return Planned(request.target, None, plan.to_data(), 0, None, "")

    def carry_out(self, job: Job, request: Request, revision: Revision, gate: Gatekeeper) -> Result:
        """One attempt; everything or nothing.

        Raises:
            Halted: stopped or frozen.
            Drifted: the plan no longer holds.
            Refused: a rule of the target forbids it.
            Broken: the machinery failed; nothing was changed unless the job is committing.
        """
        plan = Plan.from_data(revision.plan)
        if request.operation is Operation.RESTORE and plan.system is not None:
            return brought_back(self.whole_systems.bring_back(job, request, gate))
        if request.operation is Operation.RESTORE:
            return Restores(self).run(job, request, plan, gate)
        return self._delete(job, request, revision, plan, gate)

    def look(self, job: Job, request: Request) -> tuple[str, Result | None]:
        """After a crash around COMMIT: committed, not-committed or unclear, by the manifest's keys."""
        if request.operation is Operation.RESTORE:
            return Restores(self).look(job, request)
        target = self.target(request.target)
        sha256 = str(job.facts.get("sha256", "")) or None
        if job.backup_id is None:
            return "unclear", None
        with self.vault.open(job.backup_id, sha256) as opened:
            verdict = delete_records.settle(target, opened, job.transaction or "")
            problem = self._removed(opened.manifest, request) if verdict == "committed" else None
            size = self.storage.size(f"{job.backup_id}.age")
            sealed = SealedBackup(job.backup_id, sha256 or "", size, "", opened.manifest)
        facts = {**_facts_of(opened.manifest), "engine": target.identity["kind"], "problem": told(problem)}
        of, done = segments_of(opened.manifest), progress(job.facts).done + 1
        looked = verdict == "committed" and done >= of
        left, offers = self._residue(job, request, target) if looked else ((), ())
        booked = after(self.book(request, sealed, 0.0), self._before(request))
        return verdict, Result({**facts, **_left(left)}, booked, offers, of)

    def _residue(
        self, job: Job, request: Request, target: RecordTarget
    ) -> tuple[tuple[ResiduePart, ...], tuple[Offer, ...]]:
        """The last look of a job whose own memory was lost in a crash."""
        plan, who = self.plan_of(job), self.personal(request, "subject")
        if plan is None:
            return (), ()
        texts = Subject.from_json(who).identifiers if who else ()
        return delete_records.residue_of(plan, self.ground.config.targets[request.target], target, texts)

    def clear(self, job: Job) -> None:
        """Remove what an attempt that changed nothing has left; a backup in our books stays."""
        with self.store.read() as work:
            request = work.requests.get(job.request_id)
            booked = job.backup_id is not None and work.backups.get(job.backup_id) is not None
        if request is not None and request.operation is Operation.RESTORE and job.state is JobState.RUNNING:
            Restores(self).clear(job, request)
        if job.backup_id is None or booked or request is None or job.backup_id == request.backup_id:
            return
        if request.operation in DESTRUCTIVE:
            attached.put_back(job.backup_id, stores_of(self.attachments(request.target), self.hash_key))
        try:
            self.vault.shred(job.backup_id)
        except NotFound:
            return

    def salvage(self, job: Job, request: Request) -> Backup | None:
        """The backup of what may be gone or overwritten, for our books; None when none opens."""
        sha256 = str(job.facts.get("sha256", "")) or None
        of_rows = (Operation.DELETE_RECORDS, Operation.RESTORE)
        if job.backup_id is None or sha256 is None or request.operation not in of_rows:
            return None
        try:
            with self.vault.open(job.backup_id, sha256) as opened:
                size = self.storage.size(f"{job.backup_id}.age")
                return self.book(request, SealedBackup(job.backup_id, sha256, size, "", opened.manifest), 0.0)
        except CountersignError:
            return None

    def sweep_files(self) -> None:
        """Finish with files what a crash cut off and no job takes up again."""
        targets = self.ground.config.targets.values()
        stores = [store for spec in targets for store in stores_of(spec.attachments, self.hash_key)]
        attached.clean(stores, self._is_over, self._came_back)

    def _removed(self, manifest: Manifest, request: Request) -> Told | None:
        """What of the files of committed rows could not go."""
        problem = None
        for root in attached.roots_in(manifest):
            try:
                stores = stores_at([root], self.attachments(request.target), self.hash_key, request.target)
            except CannotProve:
                problem = Told("attached.not-removed", {"root": root})
                continue
            problem = attached.remove(manifest.backup_id, stores) or problem
        return problem

    def _is_over(self, backup_id: str) -> bool:
        """Whether a deletion was committed, and no restore is at work on what it left.

        A restore finishes by itself what the deletion has left, and nobody may come in between.
        """
        with self.store.read() as work:
            booked = work.backups.get(backup_id)
            named = {one.backup_id for one in work.requests.in_states([State.RUNNING]) if one.backup_id}
            needed = [work.backups.get(one) for one in named]
        if booked is None or any(one is not None and one.request_id == booked.request_id for one in needed):
            return False
        return self.was_committed(backup_id)

    def _came_back(self, operation: str) -> bool | None:
        """Whether the last restore called so was committed; None: not sure, as where a person closed it."""
        backup_id = attached.backup_of(operation) or ""
        with self.store.read() as work:
            jobs = [
                work.jobs.latest(one.id)
                for one in work.requests.restores_of(backup_id)
                if attached.operation_of(backup_id, str(one.id)) == operation
            ]
        last = next((job for job in reversed(jobs) if job is not None), None)
        if last is None:
            return None
        if progress(last.facts).done:
            # Some of its parts are back, and nobody here knows which of them this is about.
            return True if last.state is JobState.DONE else None
        if last.state in (JobState.FAILED, JobState.DRIFTED):
            return False
        if last.state is JobState.STOPPED and last.transaction is None:
            return False
        return True if last.state is JobState.DONE else None

    def _plan_deletion(self, request: Request) -> Planned:
        spec = self.ground.config.targets[request.target]
        values = self.personal(request, "values")
        if not values or request.record is None:
            # Cancelled meanwhile: its texts are erased.
            raise Stale("request.unknown")
        named, heir = self.target(request.target), self.personal(request, "heir")
        column = self.personal(request, "column")
        plan, who = delete_records.plan(named, spec, request.record, values, self.hash_key, heir, column)
        return Planned(
            request.target,
            request.record,
            plan.to_data(),
            plan.rows,
            who.label,
            who.to_json(),
            heir=who.heir.label if who.heir else None,
        )

    def _delete(self, job: Job, request: Request, revision: Revision, plan: Plan, gate: Gatekeeper) -> Result:
        who = self.personal(request, "subject")
        if not who:
            raise Broken("job.broken", code="subject")
        order = DeleteOrder(
            plan=plan,
            subject=Subject.from_json(who),
            spec=self.ground.config.targets[request.target],
            backup_id=backup_id(self.clock(), self.ground.entropy(8)),
            hash_key=self.hash_key,
            allowance=self._allowance(request, revision, plan),
            facts={"request": request.number or 0, "job": job.id, "plan": revision.digest},
        )
        target = self.target(request.target)
        if plan.segments:
            order = next_segment(order, target, progress(job.facts).done, self._before(request))
        done = delete_records.run(order, target, self.vault, gate)
        facts = {
            "rows": dict(done.rows),
            "nullified": dict(done.nullified),
            "reassigned": dict(done.reassigned),
            "sums": dict(done.sums),
            "test_restore_ms": int(done.test_restore_seconds * 1000),
            "problem": told(done.problem),
            "engine": target.identity["kind"],
            **_left(done.residue),
        }
        booked = after(self.book(request, done.backup, done.test_restore_seconds), self._before(request))
        return Result(facts, booked, done.offers, len(plan.segments))

    def _before(self, request: Request) -> Backup | None:
        with self.store.read() as work:
            return work.backups.of_request(request.id)

    def _allowance(self, request: Request, revision: Revision, plan: Plan) -> int:
        """How many more rows may go than were approved: what was allowed then and still is."""
        config = self.ground.config
        today = rules.match(config.rules, asked(config, request, plan.rows))
        return min(revision.rule.drift_rows, today.drift.rows if today else 0)


def _left(residue: tuple[ResiduePart, ...]) -> dict[str, Any]:
    return {"residue": residue_data(residue)} if residue else {}


def _facts_of(manifest: Manifest) -> dict[str, Any]:
    """Counts and checksums of a job whose own memory was lost in a crash."""
    rows = [table for table in manifest.tables if table.kind == "rows"]
    links = [table for table in manifest.tables if table.kind == "nullified"]
    moved = {link.label for link in extra_of(manifest).links.values() if link.heir is not None}
    return {
        "rows": {table.name: table.rows for table in rows},
        "nullified": {table.name: table.rows for table in links if table.name not in moved},
        "reassigned": {table.name: table.rows for table in links if table.name in moved},
        "sums": {table.name: table.sum for table in rows},
    }
