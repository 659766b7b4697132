"""The text that tells how to open a backup by hand; it lies beside every archive and inside it."""

from bot.texts import say


def readme(backup_id: str) -> str:
    """Shell commands with ``age``, ``tar`` and ``zstd`` only; lines to run begin with four spaces."""
    return say("backups.readme", id=backup_id)
