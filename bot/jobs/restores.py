"""From a request for a restore to an order of ``bot.operations`` and back to what our books need."""

from dataclasses import dataclass

from bot.approvals.execution import Planned
from bot.backups.vault import OpenedBackup
from bot.errors import BadInput, Broken, CannotProve, NotFound
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Reach, Result, told
from bot.jobs.segment_orders import before
from bot.model.backups import Manifest
from bot.model.choices import RestoreChoice
from bot.model.jobs import Job
from bot.model.plans import Plan, Told
from bot.model.requests import Request
from bot.model.segments import progress
from bot.operations import attached, restore
from bot.operations.archived import extra_of
from bot.operations.bring_back import is_whole
from bot.operations.gate import RestoreOrder
from bot.operations.together import part_of, together
from bot.targets import kind_of
from bot.targets.base import RecordTarget


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
            origin, record = str(opened.manifest.extra["target"]), opened.manifest.extra.get("record")
            name = request.target or origin
            if is_whole(opened.manifest) and name != origin:
                raise BadInput("filing.other-target", target=origin)
            if is_whole(opened.manifest):
                return self.reach.whole_systems.plan_restore(opened, sha256, into)
            if into:
                raise BadInput("restore.into-folder")
            if not choice.plain:
                raise BadInput("restore.choice-later")
            if before(opened.manifest) is None:
                plan = self._plan_one(name, opened, sha256)
                return Planned(name, record, plan.to_data(), plan.rows, None, "", backup_id)
        plan, parts = self._plan_parts(name, backup_id, sha256)
        return Planned(name, record, plan.to_data(), plan.rows, None, parts, backup_id)

    def _plan_one(self, target: str, opened: OpenedBackup, sha256: str) -> Plan:
        files, opens = self.reach.attachments(target), self.reach.target(target)
        origin = extra_of(opened.manifest).target
        elsewhere = origin if origin != target else ""
        if elsewhere:
            self._require_fit(opened.manifest, opens)
        plan, _ = restore.plan(opens, opened, sha256, self.reach.hash_key, files, origin=elsewhere)
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
            attached.placed(plan.backup or "", plan.files, plan.elsewhere)
        facts = {"rows": {part.name: part.rows for part in plan.tables}}
        return fate, Result(facts, segments=len(whole.segments))

    def clear(self, job: Job, request: Request) -> None:
        """Take away the files that an attempt put in place whose rows did not come back."""
        whole = self.reach.plan_of(job)
        if whole is not None and whole.system is not None:
            self.reach.whole_systems.clear_restore(job, request)
        elif whole is not None:
            plan = self._part(job, request, whole)
            attached.unplace(plan.backup or "", plan.files, plan.elsewhere)

    def _part(self, job: Job, request: Request, whole: Plan) -> Plan:
        """What comes next of a restore in parts; of any other, all of it."""
        text = self.reach.personal(request, "subject") if whole.segments else None
        return part_of(whole, text, progress(job.facts).done)

    def _require_fit(self, manifest: Manifest, target: RecordTarget) -> None:
        """The rows come from one database of the same kind: what another makes of a value is not proven.

        Raises:
            CannotProve: from another kind, or nobody knows from which, or some from a database beside it.
        """
        extra = extra_of(manifest)
        spec = self.reach.ground.config.targets.get(extra.target)
        # Backups of earlier releases do not say; the system they are of may still be configured.
        kind = extra.engine or (kind_of(spec.database.url) if spec else "")
        names = {"target": target.name, "origin": extra.target}
        if not kind:
            raise CannotProve("restore.kind-unknown", **names)
        if kind != target.identity["kind"]:
            raise CannotProve("restore.other-kind", kind=kind, other=target.identity["kind"], **names)
        tables = (*extra.shapes, *(link.table for link in extra.links.values()))
        beside = next((table for table in tables if kind == "mariadb" and "." in table), None)
        if beside is not None:
            # The same name means the same table for both, and that one is not the destination's.
            raise CannotProve("restore.beside", table=beside, **names)

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
