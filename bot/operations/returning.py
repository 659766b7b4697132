"""Note in the plan of a restore which records come back, where it is not all, so that it can be undone."""

from collections.abc import Sequence

from bot.model.doors import MAX_ROWS
from bot.model.returned import Returned, noted
from bot.model.row_keys import Key, marks
from bot.operations.archived import Extra
from bot.operations.choosing import Naming, keys_of
from bot.operations.conflicts import Meeting
from bot.operations.gate import Wanted
from bot.operations.restoring import Source
from bot.targets.base import Session


def records(session: Session, extra: Extra, wanted: Wanted, naming: Naming | None) -> list[Key] | None:
    """The keys of all records of the staged backup, before some are taken out; None when none will be."""
    if wanted.plain or naming is None or naming.table not in extra.shapes:
        return None
    return keys_of(session, extra, naming.table)


def note(
    session: Session,
    source: Source,
    meeting: Meeting,
    naming: Naming | None,
    staged: Sequence[Key] | None,
    hash_key: bytes,
) -> tuple[Returned, ...]:
    """Which of them come back; nothing when all do, or more than one request may name."""
    extra, manifest = source.extra, source.manifest
    if naming is None or naming.table not in extra.shapes:
        return ()
    coming, summary = meeting.missing[naming.table], manifest.table("rows", naming.table)
    if summary is None or len(coming) == summary.rows or len(coming) > MAX_ROWS:
        return ()
    every = keys_of(session, extra, naming.table) if staged is None else staged
    came = frozenset(marks(hash_key, naming.table, coming))
    return (noted(manifest.backup_id, list(marks(hash_key, naming.table, every)), came),)
