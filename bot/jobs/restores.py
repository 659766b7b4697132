"""From a request for a restore to an order of ``bot.operations`` and back to what our books need."""

from dataclasses import dataclass

from bot.approvals.execution import Planned
from bot.backups.vault import OpenedBackup
from bot.errors import BadInput, Broken, NotFound
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Reach, Result, told
from bot.jobs.segment_orders import before
from bot.model.choices import RestoreChoice
from bot.model.jobs import Job
from bot.model.plans import Plan, Told
from bot.model.requests import Request
from bot.model.segments import progress
from bot.operations import attached, restore
from bot.operations.bring_back import is_whole
from bot.operations.gate import RestoreOrder
from bot.operations.together import part_of, together


@dataclass(frozen=True)
class Restores:
    """Plan, carry out and settle the restores of backups."""

    reach: Reach

    def plan(self, request: Request) -> Planned:
        """Compute, read-only, what a restore would do; raises as ``Hands.plan``."""
        backup_id, sha256 = self._named_backup(request)
        into = self.reach.personal(request, "into") or ""
        choice = RestoreChoice.from_data(self.reach.personal(request, "choice"))
        with self.reach.vault.open(backup_id, sha256) as opened:
            if is_whole(opened.manifest) and not choice.plain:
                raise BadInput("restore.choice-whole")
            if is_whole(opened.manifest):
                return self.reach.whole_systems.plan_restore(opened, sha256, into)
            if into:
                raise BadInput("restore.into-folder")
            if not choice.plain:
                raise BadInput("restore.choice-later")
            extra = opened.manifest.extra
            name, record = str(extra["target"]), extra.get("record")
            if request.target and request.target != name:
                raise BadInput("filing.other-target", target=name)
            if before(opened.manifest) is None:
                plan = self._plan_one(name, opened, sha256)
                return Planned(name, record, plan.to_data(), plan.rows, None, "", backup_id)
        plan, parts = self._plan_parts(name, backup_id, sha256)
        return Planned(name, record, plan.to_data(), plan.rows, None, parts, backup_id)

    def _plan_one(self, target: str, opened: OpenedBackup, sha256: str) -> Plan:
        files = self.reach.attachments(target)
        plan, _ = restore.plan(self.reach.target(target), opened, sha256, self.reach.hash_key, files)
        return plan

    def _plan_parts(self, target: str, backup_id: str, sha256: str) -> tuple[Plan, str]:
        """A deletion done in segments, the last one first; those that are there already are left out.

        Raises:
            NotFound: all of them are there.
        """
        plans: list[Plan] = []
        there: NotFound | None = None
        named: tuple[str, str] | None = (backup_id, sha256)
        while named is not None:
            with self.reach.vault.open(*named) as opened:
                try:
                    plans.append(self._plan_one(target, opened, named[1]))
                except NotFound as error:
                    there = error
                named = before(opened.manifest)
        if there is not None and not plans:
            raise there
        return together(plans, self.reach.hash_key)

    def run(self, job: Job, request: Request, whole: Plan, gate: Gatekeeper) -> Result:
        """One attempt at a restore of rows, or at the next part of it; raises as ``Hands.carry_out``."""
        plan = self._part(job, request, whole)
        if plan.backup is None or plan.sha256 is None:
            raise Broken("job.broken", code="backup")
        files = self.reach.attachments(request.target)
        order = RestoreOrder(plan, plan.backup, plan.sha256, self.reach.hash_key, files)
        done = restore.run(order, self.reach.target(request.target), self.reach.vault, gate)
        facts = {
            "rows": dict(done.rows),
            "nullified": dict(done.nullified),
            "sums": dict(done.sums),
            "problem": told(done.problem),
        }
        return Result(facts, segments=len(whole.segments))

    def look(self, job: Job, request: Request) -> tuple[str, Result | None]:
        """After a crash around COMMIT: committed, not-committed or unclear."""
        whole = self.reach.plan_of(job)
        if whole is None:
            return "unclear", None
        if whole.system is not None:
            return "committed", brought_back(self.reach.whole_systems.go_on_bringing_back(job, request))
        plan, target = self._part(job, request, whole), self.reach.target(request.target)
        with self.reach.vault.open(plan.backup or "", plan.sha256) as opened:
            fate = restore.settle(target, opened, plan, job.transaction or "")
        if fate == "committed":
            attached.placed(plan.backup or "", plan.files)
        facts = {"rows": {part.name: part.rows for part in plan.tables}}
        return fate, Result(facts, segments=len(whole.segments))

    def clear(self, job: Job, request: Request) -> None:
        """Take away the files that an attempt put in place whose rows did not come back."""
        whole = self.reach.plan_of(job)
        if whole is not None and whole.system is not None:
            self.reach.whole_systems.clear_restore(job, request)
        elif whole is not None:
            plan = self._part(job, request, whole)
            attached.unplace(plan.backup or "", plan.files)

    def _part(self, job: Job, request: Request, whole: Plan) -> Plan:
        """What comes next of a restore in parts; of any other, all of it."""
        text = self.reach.personal(request, "subject") if whole.segments else None
        return part_of(whole, text, progress(job.facts).done)

    def _named_backup(self, request: Request) -> tuple[str, str]:
        """Which backup a restore means, and its checksum: by the reference, else by our books."""
        reference = self.reach.personal(request, "reference")
        if reference is not None:
            payload = self.reach.vault.unseal(reference)
            return payload.backup_id, payload.sha256
        with self.reach.store.read() as work:
            booked = work.backups.get(request.backup_id or "")
        if booked is None:
            raise BadInput("filing.no-reference")
        return booked.id, booked.sha256


def brought_back(problem: Told | None) -> Result:
    """What a restored system adds to the books."""
    return Result({"rows": {}, "problem": told(problem)})
