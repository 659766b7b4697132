"""Where backups lie: the contract, the local folder, and the registry of URLs."""

from pathlib import Path

from bot.backups.storage.base import Storage, Upload
from bot.backups.storage.local import LocalStorage
from bot.backups.storage.names import folder_of_url

__all__ = ["Storage", "Upload", "open_store"]


def open_store(url: str, base: Path) -> Storage:
    """The store that ``url`` names: ``file:./backups`` (relative to ``base``) or ``file:/var/backups/x``.

    Raises:
        BadInput: no such kind of store.
        StorageDown: it cannot be opened.
    """
    return LocalStorage(folder_of_url(url, base))
