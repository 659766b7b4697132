"""From a request for a restore to an order of ``bot.operations`` and back to what our books need."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.approvals.execution import Planned
from bot.backups.ids import backup_id
from bot.backups.vault import OpenedBackup
from bot.errors import BadInput, Broken, CannotProve, NotFound
from bot.jobs.gatekeeper import Gatekeeper
from bot.jobs.reach import Reach, Result, told
from bot.jobs.segment_orders import before
from bot.model.backups import Manifest, SealedBackup
from bot.model.choices import EVERYTHING, Mode, RestoreChoice
from bot.model.jobs import Job
from bot.model.plans import Plan, Told
from bot.model.requests import Request
from bot.model.row_keys import pack, unpack
from bot.model.segments import progress
from bot.operations import attached, replicas, restore
from bot.operations.archived import extra_of
from bot.operations.bring_back import is_whole
from bot.operations.choosing import Naming
from bot.operations.conflicts import Conflict
from bot.operations.gate import ALL, RestoreOrder, Wanted
from bot.operations.together import part_of, together
from bot.targets import kind_of
from bot.targets.base import RecordTarget

_SKIPPING = RestoreChoice(mode=Mode.SKIP)


@dataclass(frozen=True)
class Restores:
    """Plan, carry out and settle the restores of backups."""

    reach: Reach

    def plan(self, request: Request) -> Planned:
        """Compute, read-only, what a restore would do; raises as ``Hands.plan``."""
        source, sha256 = self._named_backup(request)
        into = self.reach.personal(request, "into") or ""
        choice = RestoreChoice.from_data(self.reach.personal(request, "choice"))
        with self.reach.vault.open(source, sha256) as opened:
            if is_whole(opened.manifest) and not choice.plain:
                raise BadInput("restore.choice-whole")
            origin, record = str(opened.manifest.extra["target"]), opened.manifest.extra.get("record")
            name = request.target or origin
            if is_whole(opened.manifest):
                return self.reach.whole_systems.plan_restore(opened, sha256, name, into)
            if into:
                raise BadInput("restore.into-folder")
            if before(opened.manifest) is None:
                plan, wanted = self._plan_one(name, opened, sha256, choice)
                return Planned(name, record, plan.to_data(), plan.rows, None, _to_json(wanted), source)
            if choice not in (EVERYTHING, _SKIPPING):
                raise BadInput("restore.choice-parts")
        plan, parts = self._plan_parts(name, source, sha256, choice)
        return Planned(name, record, plan.to_data(), plan.rows, None, parts, source)

    def _plan_one(
        self, target: str, opened: OpenedBackup, sha256: str, choice: RestoreChoice = EVERYTHING
    ) -> tuple[Plan, Wanted]:
        files, opens = self.reach.attachments(target), self.reach.target(target)
        origin, record = extra_of(opened.manifest).target, opened.manifest.extra.get("record")
        elsewhere = origin if origin != target else ""
        if elsewhere:
            self._require_fit(opened.manifest, opens)
        naming = self._naming(origin, record) or self._naming(target, record)
        key, over = self.reach.hash_key, self.reach.was_committed(opened.manifest.backup_id)
        plan, _, wanted = restore.plan(
            opens, opened, sha256, key, files, choice=choice, naming=naming, origin=elsewhere, over=over
        )
        return plan, wanted

    def _plan_parts(self, target: str, newest: str, sha256: str, choice: RestoreChoice) -> tuple[Plan, str]:
        """A deletion done in segments, the last one first; those that are there already are left out.

        Raises:
            NotFound: all of them are there.
        """
        plans: list[Plan] = []
        there: NotFound | None = None
        left, out = 0, []
        named: tuple[str, str] | None = (newest, sha256)
        while named is not None:
            with self.reach.vault.open(*named) as opened:
                try:
                    plans.append(self._plan_one(target, opened, named[1], choice)[0])
                except NotFound as error:
                    there = error
                    left += int(error.params.get("n", 0))
                    out.append(named[0])
                except Conflict as error:
                    # Each part goes by itself: what is in the way of one can be left out, not overwritten.
                    error.params = {**error.params, "choices": str(Mode.SKIP)}
                    raise
                named = before(opened.manifest)
        if there is not None and not plans:
            raise there
        told: tuple[Told, ...] = (Told("told.parts-left", {"n": left}),) if left else ()
        spec = self.reach.ground.config.targets.get(target)
        if spec is not None and len(plans) > 1:
            told += replicas.told(self.reach.target(target), spec.segments.lag)
        return together(plans, self.reach.hash_key, told, out)

    def run(self, job: Job, request: Request, whole: Plan, gate: Gatekeeper) -> Result:
        """One attempt at a restore of rows, or at the next part of it; raises as ``Hands.carry_out``."""
        plan = self._part(job, request, whole)
        if plan.backup is None or plan.sha256 is None:
            raise Broken("job.broken", code="backup")
        order = RestoreOrder(
            plan,
            plan.backup,
            plan.sha256,
            self.reach.hash_key,
            self.reach.attachments(request.target),
            self._wanted(request, plan),
            backup_id(self.reach.clock(), self.reach.ground.entropy(8)),
            {"request": request.number or 0, "job": job.id},
            whose=str(request.id),
            over=self.reach.was_committed(plan.backup),
        )
        done = restore.run(order, self.reach.target(request.target), self.reach.vault, gate)
        facts = {
            "rows": dict(done.rows),
            "nullified": dict(done.nullified),
            "sums": dict(done.sums),
            "problem": told(done.problem),
        }
        if done.backup is None:
            return Result(facts, segments=len(whole.segments))
        seconds = done.test_restore_seconds
        facts |= {"overwritten": dict(done.overwritten), "test_restore_ms": int(seconds * 1000)}
        return Result(facts, self.reach.book(request, done.backup, seconds))

    def look(self, job: Job, request: Request) -> tuple[str, Result | None]:
        """After a crash around COMMIT: committed, not-committed or unclear."""
        whole = self.reach.plan_of(job)
        if whole is None:
            return "unclear", None
        if whole.system is not None:
            return "committed", brought_back(self.reach.whole_systems.go_on_bringing_back(job, request))
        plan, target = self._part(job, request, whole), self.reach.target(request.target)
        with self.reach.vault.open(plan.backup or "", plan.sha256) as opened:
            wanted = self._wanted(request, plan)
            if not restore.genuine(plan, wanted, self.reach.hash_key):
                return "unclear", None
            fate = restore.settle(target, opened, plan, job.transaction or "", self.reach.hash_key, wanted)
        if fate != "committed":
            return fate, None
        # A bucket that is configured no more says nothing about the rows.
        with suppress(CannotProve):
            attached.placed(plan.backup or "", self.reach.stores_of(plan), str(request.id))
        return fate, self._remembered(job, request, plan, len(whole.segments))

    def clear(self, job: Job, request: Request) -> None:
        """Take away the files that an attempt put in place whose rows did not come back."""
        whole = self.reach.plan_of(job)
        if whole is not None and whole.system is not None:
            self.reach.whole_systems.clear_restore(job, request)
        elif whole is not None:
            plan = self._part(job, request, whole)
            attached.unplace(plan.backup or "", self.reach.stores_of(plan), str(request.id))

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
        kind = extra.engine or (kind_of(spec.address) if spec else "")
        names = {"target": target.name, "origin": extra.target}
        if not kind:
            raise CannotProve("restore.kind-unknown", **names)
        if kind != target.identity["kind"]:
            raise CannotProve("restore.other-kind", kind=kind, other=target.identity["kind"], **names)
        tables = (*extra.shapes, *(link.table for link in extra.links.values()))
        beside = next((table for table in tables if kind in ("mariadb", "mysql") and "." in table), None)
        if beside is not None:
            # The same name means the same table for both, and that one is not the destination's.
            raise CannotProve("restore.beside", table=beside, **names)

    def _remembered(self, job: Job, request: Request, plan: Plan, segments: int) -> Result:
        """What is left of a job whose own memory was lost: its plan, and the backup it made."""
        facts: dict[str, Any] = {"rows": {part.name: part.rows for part in plan.tables}}
        if not plan.overwritten or job.backup_id is None:
            return Result(facts, segments=segments)
        sha256 = str(job.facts.get("sha256", ""))
        with self.reach.vault.open(job.backup_id, sha256 or None) as opened:
            size = self.reach.storage.size(f"{job.backup_id}.age")
            sealed = SealedBackup(job.backup_id, sha256, size, "", opened.manifest)
        facts["overwritten"] = {part.name: part.rows for part in plan.overwritten}
        return Result(facts, self.reach.book(request, sealed, 0.0))

    def _naming(self, target: str, record: str | None) -> Naming | None:
        """By what the configuration names the records of a backup."""
        spec = self.reach.ground.config.targets.get(target)
        kind = spec.records.get(record or "") if spec else None
        return Naming(kind.table, tuple(kind.find_by)) if kind else None

    def _wanted(self, request: Request, plan: Plan) -> Wanted:
        """What was approved: the choice of the plan, and the rows that it binds by their keyed hash."""
        if plan.choice is None:
            return ALL
        choice = RestoreChoice((), plan.choice.table, plan.choice.mode)
        stored = self.reach.personal(request, "subject")
        if not plan.choice.only or not stored:
            return Wanted(choice)
        data = json.loads(stored)
        keys = tuple(tuple(unpack(cell) for cell in key) for key in data["keys"])
        return Wanted(choice, keys, data["table"])

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


def _to_json(wanted: Wanted) -> str:
    """The rows that values mean, for the erasable table; empty when nobody asked for some."""
    if wanted.keys is None:
        return ""
    return json.dumps({"table": wanted.table, "keys": [[pack(cell) for cell in key] for key in wanted.keys]})


def brought_back(problem: Told | None) -> Result:
    """What a restored system adds to the books."""
    return Result({"rows": {}, "problem": told(problem)})
