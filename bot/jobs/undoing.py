"""What takes a restore back, planned from the backup which that restore has read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bot.approvals.execution import Planned
from bot.backups.vault import OpenedBackup
from bot.errors import CannotProve, NotFound, Refused, Stale
from bot.jobs.reach import Reach
from bot.jobs.segment_orders import before
from bot.model.plans import Plan
from bot.model.requests import Request
from bot.model.undoing import takes_two
from bot.operations import delete_records, undoing
from bot.operations.selecting import record_of


@dataclass(frozen=True)
class Undoing:
    """Plan it; what is planned is a deletion like any other, and runs as one."""

    reach: Reach

    def plan(self, request: Request) -> Planned:
        """What deleting the records that a restore brought back would mean; raises as ``Hands.plan``."""
        number, record = request.undoes or 0, request.record or ""
        if self.reach.personal(request, "values") is None:
            # Cancelled meanwhile: its texts are erased.
            raise Stale("request.unknown")
        restored = self._restored(number)
        said: dict[str, str | int] = {"number": number, "target": request.target, "record": record}
        spec, target = self.reach.ground.config.targets[request.target], self.reach.target(request.target)
        brought = self._brought(restored, said)
        heir, hash_key = self.reach.personal(request, "heir"), self.reach.hash_key
        plan, who = delete_records.plan(target, spec, record, brought.values, hash_key, heir, brought.column)
        if plan.roots != brought.roots:
            # Between the two looks somebody else has taken the place of one of them.
            raise CannotProve("taken-back.others", **said, n=1)
        plan = replace(plan, warnings=(*undoing.told(number, restored, plan, brought), *plan.warnings))
        label, heir_label = who.label, who.heir.label if who.heir else None
        return Planned(
            request.target, record, plan.to_data(), plan.rows, label, who.to_json(), heir=heir_label
        )

    def first(self, request: Request, plan: Callable[[Request], Planned]) -> Planned:
        """The restore of old values, as ``plan`` has it, and the word that a deletion is to follow if one is.

        Raises:
            Refused: that deletion could not be asked for, so that only half of it would be taken back.
        """
        number = request.undoes or 0
        restored = self._restored(number)
        if not takes_two(restored.to_data()):
            return plan(request)
        said: dict[str, str | int] = {
            "number": number,
            "target": restored.target,
            "record": restored.record or "",
        }
        follows = True
        try:
            self._brought(restored, said)
        except NotFound as error:
            follows = error.key != "taken-back.gone"
            if follows:
                raise
        try:
            planned = plan(request)
        except NotFound as error:
            if error.key == "restore.nothing-missing" and follows:
                raise NotFound("taken-back.old-values", **said) from None
            raise
        told = [["told.undo-first", {"number": number}]] if follows else []
        return replace(planned, data={**planned.data, "warnings": [*told, *planned.data["warnings"]]})

    def _brought(self, restored: Plan, said: dict[str, str | int]) -> undoing.Brought:
        """The records that a restore brought back; raises as ``undoing.records_of``."""
        spec, target = self.reach.ground.config.targets[restored.target], self.reach.target(restored.target)
        kind, backups = record_of(spec, restored.record or ""), self._backups(restored)
        try:
            return undoing.records_of(target, kind, backups, restored, self.reach.hash_key, said)
        except Refused as error:
            if error.key == "backups.shredded":
                raise NotFound("taken-back.no-backup", **said) from None
            raise

    def _backups(self, restored: Plan) -> Iterator[OpenedBackup]:
        """The backup that a restore has read; of one in parts those of all parts, one after the other."""
        named: tuple[str, str] | None = (restored.backup or "", restored.sha256 or "")
        while named is not None:
            with self.reach.vault.open(*named) as opened:
                yield opened
                named = before(opened.manifest) if restored.segments else None

    def _restored(self, number: int) -> Plan:
        with self.reach.store.read() as work:
            request = work.requests.by_number(number)
            revision = work.requests.revision(request.id, request.revision) if request else None
        if revision is None:
            raise NotFound("request.no-number", number=number)
        return Plan.from_data(revision.plan)
