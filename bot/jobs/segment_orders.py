"""The next segment of a large deletion, as an order like any other."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.errors import NotOurs
from bot.model.backups import Manifest
from bot.model.jobs import Backup
from bot.operations import delete_records
from bot.operations.gate import DeleteOrder
from bot.operations.wishing import Asked
from bot.targets.base import RecordTarget


def next_segment(order: DeleteOrder, target: RecordTarget, done: int, before: Backup | None) -> DeleteOrder:
    """What comes after ``done`` segments; ``before`` is the backup of the one before it.

    No further rows are allowed: nobody could say to which segment they would belong.

    Raises:
        Drifted: the segment is not what was approved.
        NotOurs: the subject is not that of the plan.
        TargetDown: the database cannot be used.
    """
    plan, who = order.plan, order.subject
    if len(who.segments) != len(plan.segments) or done >= len(plan.segments):
        raise NotOurs("operations.subject-altered", target=plan.target)
    heir = who.heir.value if who.heir else None
    asked = Asked(target, order.spec, who.record, order.hash_key, heir, who.column)
    made, subject = delete_records.plan_segment(asked, who, plan, done)
    if done + 1 == len(plan.segments):
        # Where else they are named is looked for once, when all of them are gone.
        made = replace(made, residue=plan.residue)
        subject = replace(subject, identifiers=who.identifiers)
    facts = {
        **order.facts,
        "segment": [done + 1, len(plan.segments)],
        "before": [before.id, before.sha256] if before else None,
    }
    return replace(order, plan=made, subject=subject, allowance=0, facts=facts)


def after(backup: Backup, earlier: Backup | None) -> Backup:
    """The backup of a segment as it stands in our books: newer than the one before, whatever a clock says."""
    if earlier is None:
        return backup
    return replace(backup, created_at=max(backup.created_at, earlier.created_at + timedelta(microseconds=1)))


def segments_of(manifest: Manifest) -> int:
    """Of how many segments the one in this backup is; 0: the deletion was done in one."""
    facts: Mapping[str, object] = manifest.extra.get("facts") or {}
    place = facts.get("segment")
    return int(place[1]) if isinstance(place, list) else 0


def before(manifest: Manifest) -> tuple[str, str] | None:
    """Id and SHA-256 of the backup of the segment before the one in this backup."""
    facts: Mapping[str, object] = manifest.extra.get("facts") or {}
    named = facts.get("before")
    return (str(named[0]), str(named[1])) if isinstance(named, list) else None
