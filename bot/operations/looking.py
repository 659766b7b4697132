"""A look from a new connection at what a deletion should have taken away."""

from bot.backups.vault import OpenedBackup, Vault
from bot.errors import CountersignError
from bot.model.backups import SealedBackup
from bot.model.plans import Told
from bot.operations import archived
from bot.targets.base import RecordTarget


def verify(target: RecordTarget, vault: Vault, sealed: SealedBackup) -> Told | None:
    """Look from a new connection: every row gone, every link empty. None when it is so."""
    try:
        with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
            # A database may have given a key to a new row already: then the rows themselves are compared.
            still = _still_there(target, opened, keys_only=True) and _still_there(target, opened)
    except CountersignError:
        # Its own sentence may say that nothing was changed.
        return Told("operations.no-look", {"target": target.name})
    return Told("operations.still-there", {"n": still}) if still else None


def _still_there(target: RecordTarget, opened: OpenedBackup, *, keys_only: bool = False) -> int:
    """Rows (or only keys of rows) and links of a backup that a new connection still finds as they were."""
    extra = archived.extra_of(opened.manifest)
    with target.reading() as session:
        for table in opened.tables():
            if keys_only and table.summary.kind == "rows":
                archived.load_keys(session, table, extra.shapes[table.summary.name].key)
            else:
                archived.load(session, table, extra.links)
        still = sum(archived.rows_of(session, name).identical for name in extra.shapes)
        return still + sum(archived.links_of(session, link).identical for link in extra.links.values())
