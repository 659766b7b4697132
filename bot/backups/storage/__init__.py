"""Where backups lie: the contract, the local folder, the bucket, and the registry of URLs."""

from datetime import timedelta
from pathlib import Path

from bot.backups.storage.base import Storage, Upload
from bot.backups.storage.local import LocalStorage
from bot.backups.storage.names import bucket_of_url, folder_of_url
from bot.backups.storage.s3 import Lock, S3Storage
from bot.buckets.client import Address

__all__ = ["Storage", "Upload", "open_store"]


def open_store(
    url: str,
    base: Path,
    endpoint: str | None = None,
    region: str | None = None,
    lock: str | None = None,
    keep: timedelta = timedelta(0),
) -> Storage:
    """The store that ``url`` names.

    Args:
        url: ``file:./backups`` (relative to ``base``), ``file:/var/backups/x`` or ``s3://bucket/prefix``.
        base: where relative folders start.
        endpoint: of a store of buckets other than Amazon's.
        region: of the bucket; else the machine's own.
        lock: ``governance`` or ``compliance``: objects of a bucket are locked for ``keep``.
        keep: how long a backup is kept.

    Raises:
        BadInput: no such kind of store.
        StorageDown: it cannot be opened.
    """
    if url.startswith("s3:"):
        address = Address(*bucket_of_url(url), endpoint, region)
        return S3Storage(address, Lock(lock, keep) if lock else None)
    return LocalStorage(folder_of_url(url, base))
