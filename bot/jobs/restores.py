"""From a request for a restore to an order of ``bot.operations`` and back to what our books need."""

from dataclasses import dataclass

from bot.approvals.execution import Planned
from bot.errors import BadInput, Broken
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Reach, Result, told
from bot.model.choices import RestoreChoice
from bot.model.jobs import Job
from bot.model.plans import Plan, Told
from bot.model.requests import Request
from bot.operations import attached, restore
from bot.operations.bring_back import is_whole
from bot.operations.gate import RestoreOrder


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
            files = self.reach.attachments(name)
            plan, _ = restore.plan(self.reach.target(name), opened, sha256, self.reach.hash_key, files)
        return Planned(
            name,
            record,
            plan.to_data(),
            plan.rows,
            None,
            "",
            backup_id,
        )

    def run(self, request: Request, plan: Plan, gate: Gatekeeper) -> Result:
        """One attempt at a restore of rows; raises as ``Hands.carry_out``."""
        if plan.backup is None or plan.sha256 is None:
            raise Broken("job.broken", code="backup")
        files = self.reach.attachments(request.target)
        order = RestoreOrder(plan, plan.backup, plan.sha256, self.reach.hash_key, files)
        done = restore.run(order, self.reach.target(request.target), self.reach.vault, gate)
        return Result(
            {
                "rows": dict(done.rows),
                "nullified": dict(done.nullified),
                "sums": dict(done.sums),
                "problem": told(done.problem),
            }
        )

    def look(self, job: Job, request: Request) -> tuple[str, Result | None]:
        """After a crash around COMMIT: committed, not-committed or unclear."""
        plan = self.reach.plan_of(job)
        if plan is None:
            return "unclear", None
        if plan.system is not None:
            return "committed", brought_back(self.reach.whole_systems.go_on_bringing_back(job, request))
        target = self.reach.target(request.target)
        with self.reach.vault.open(plan.backup or "", plan.sha256) as opened:
            fate = restore.settle(target, opened, plan, job.transaction or "")
        if fate == "committed":
            attached.placed(plan.backup or "", plan.files)
        return fate, Result({"rows": {part.name: part.rows for part in plan.tables}})

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
