"""Which backups are kept and which are shredded now. Pure."""

from collections.abc import Iterable
from datetime import datetime

from bot.model.backups import Kept, Verdict


def verdict(backup: Kept, now: datetime) -> Verdict:
    """Whether this backup goes now, until when it stays, and why."""
    until = None if backup.keep is None else backup.sealed_at + backup.keep
    if until is None:
        return Verdict(backup.backup_id, shred=False, until=None, reason="backups.kept_for_ever")
    if now < until:
        return Verdict(backup.backup_id, shred=False, until=until, reason="backups.kept")
    if backup.in_use:
        return Verdict(backup.backup_id, shred=False, until=until, reason="backups.kept_in_use")
    return Verdict(backup.backup_id, shred=True, until=until, reason="backups.due")


def due(backups: Iterable[Kept], now: datetime) -> list[str]:
    """The ids to shred now, longest overdue first."""
    verdicts = [verdict(backup, now) for backup in backups]
    gone = sorted((one.until, one.backup_id) for one in verdicts if one.shred and one.until is not None)
    return [backup_id for _, backup_id in gone]
