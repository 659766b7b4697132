"""The text that tells how to open a backup by hand; it lies beside every archive and inside it."""

from bot.texts import say

#: The last line, in every language: from this version on a reader needs it before the manifest comes.
FORMAT_LINE = "Countersign backup format 3\n"


def readme(backup_id: str) -> str:
    """Shell commands with ``age``, ``tar`` and ``zstd`` only; lines to run begin with four spaces."""
    return f"{say('backups.readme', id=backup_id).rstrip()}\n\n{FORMAT_LINE}"
