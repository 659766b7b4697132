"""A look from a new connection at what a deletion should have taken away."""

from bot.backups.vault import OpenedBackup, Vault
from bot.errors import CountersignError
from bot.model.backups import SealedBackup
from bot.model.plans import Told
from bot.operations import archived, heirs
from bot.targets.base import RecordTarget


def verify(target: RecordTarget, vault: Vault, sealed: SealedBackup) -> Told | None:
    """Look from a new connection: every row gone, every link empty or at its heir. None when it is so."""
    try:
        with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
            still, astray = _look(target, opened, keys_only=True)
            if still:
                # A database may have given a key to a new row already: then the rows themselves are compared.
                still, astray = _look(target, opened)
    except CountersignError:
        # Its own sentence may say that nothing was changed.
        return Told("operations.no-look", {"target": target.name})
    if still:
        return Told("operations.still-there", {"n": still})
    return Told("operations.astray", {"n": astray}) if astray else None


def _look(target: RecordTarget, opened: OpenedBackup, *, keys_only: bool = False) -> tuple[int, int]:
    """How much of a backup a new connection finds as it was, and how much of it went astray.

    Rows (or only their keys) and links count for the former; the latter were handed over and point elsewhere.
    """
    extra = archived.extra_of(opened.manifest)
    with target.reading() as session:
        for table in opened.tables():
            if keys_only and table.summary.kind == "rows":
                archived.load_keys(session, table, extra.shapes[table.summary.name].key)
            else:
                archived.load(session, table, extra.links)
        still = sum(archived.rows_of(session, name).identical for name in extra.shapes)
        links = {label: archived.links_of(session, link) for label, link in extra.links.items()}
        identical = sum(one.identical for one in links.values())
        moved = [link for link in extra.links.values() if link.heir is not None]
        rows = sum(_rows(opened, link.label) for link in moved)
        there = sum(heirs.handed_over(session, link) for link in moved)
    return still + identical, rows - there - sum(links[link.label].identical for link in moved)


def _rows(opened: OpenedBackup, label: str) -> int:
    summary = opened.manifest.table("nullified", label)
    return summary.rows if summary else 0
