"""Backups in a bucket of Amazon S3 or of a store that speaks like it.

A bucket knows no owner of an unfinished upload. Ours is removed with its name, which is how the job that died
with it is tidied up, and otherwise once nothing has come for ``silence``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any

from bot.backups.storage.names import check_name
from bot.backups.storage.s3_reading import open_object
from bot.backups.storage.s3_upload import PART, S3Upload
from bot.backups.storage.s3_wire import Wire
from bot.buckets.client import UNMADE, Address
from bot.errors import NotFound, Stale, StorageDown

_SILENCE = timedelta(days=1)
_PROBE = "check-probe"


@dataclass(frozen=True)
class Lock:
    """How objects are locked when they are written: ``governance`` or ``compliance``, and for how long."""

    mode: str
    keep: timedelta


class S3Storage:
    """A bucket and a prefix; nothing is asked before the first use. ``part``: the size of the first parts."""

    def __init__(
        self, address: Address, lock: Lock | None = None, part: int = PART, silence: timedelta = _SILENCE
    ) -> None:
        self._wire = Wire(address)
        self._lock = lock
        self._part = part
        self._silence = silence
        self._living: set[str] = set()

    @property
    def where(self) -> str:
        """The bucket, as people know it."""
        return self._wire.address.name

    def put_new(self, name: str) -> S3Upload:
        """Begin a new object; see the contract."""
        key = self._key(name)
        if self._wire.head(key) is not None:
            raise Stale("backups.exists", name=name)
        return self._begin(key, name)

    def open_read(self, name: str) -> IO[bytes]:
        """The bytes as a stream."""
        return open_object(self._wire, self._key(name), name)

    def exists(self, name: str) -> bool:
        """Whether the name is there."""
        return self._wire.head(self._key(name)) is not None

    def size(self, name: str) -> int:
        """Bytes."""
        found = self._wire.head(self._key(name))
        if found is None:
            raise NotFound("backups.not_there", name=name)
        return int(found["ContentLength"])

    def delete(self, name: str) -> None:
        """Remove the name with all its versions, and what was never finished under it.

        Raises:
            StorageDown: also while it is locked. It is there as before then.
        """
        key = self._key(name)
        for upload in self._unfinished(key):
            if upload["Key"] == key:
                self._abort(upload)
        asked = self._wire.now()
        for version in self._versions(key):
            try:
                self._wire.ask("delete_object", absent=True, Key=key, VersionId=version)
            except StorageDown:
                self._say_lock(key, name, version, asked)
                raise

    def list(self) -> "list[str]":
        """All names."""
        prefix = self._wire.address.prefix
        pages = self._wire.pages("list_objects_v2", Prefix=prefix, Delimiter="/")
        keys = [str(one["Key"]) for page in pages for one in page.get("Contents", ())]
        return sorted(name for key in keys if (name := key.removeprefix(prefix)))

    def sweep(self) -> int:
        """Abort uploads into which nothing has come for long; ours are spared."""
        removed, prefix = 0, self._wire.address.prefix
        for upload in tuple(self._unfinished(prefix)):
            if "/" not in upload["Key"].removeprefix(prefix) and self._is_silent(upload):
                removed += self._abort(upload)
        return removed

    def try_out(self) -> None:
        """Begin to write, and leave no trace; also that objects are locked where they shall be."""
        self.list()
        key = self._key(_PROBE)
        begun = self._wire.ask(
            "create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256", **self._about()
        )
        try:
            self._wire.ask(
                "upload_part",
                Key=key,
                UploadId=begun["UploadId"],
                PartNumber=1,
                Body=b"probe",
                ChecksumAlgorithm="SHA256",
            )
        finally:
            self._wire.ask("abort_multipart_upload", absent=True, Key=key, UploadId=begun["UploadId"])
        for _ in (*self._unfinished(key), *self._versions(key)):
            break

    def _key(self, name: str) -> str:
        check_name(name)
        return self._wire.address.prefix + name

    def _begin(self, key: str, name: str) -> S3Upload:
        return S3Upload(self._wire, key, name, self._about(), self._part, self._living)

    def _about(self) -> dict[str, Any]:
        """How an object is locked. The time is the store's: ours could lock for too short or for ever."""
        if self._lock is None:
            return {}
        if not self._wire.is_locking():
            raise StorageDown("backups.bucket_no_lock", path=self.where)
        until = self._wire.now() + self._lock.keep
        return {"ObjectLockMode": self._lock.mode.upper(), "ObjectLockRetainUntilDate": until}

    def _unfinished(self, prefix: str) -> Iterator[Any]:
        try:
            for page in self._wire.pages("list_multipart_uploads", Prefix=prefix):
                yield from page.get("Uploads", ())
        except StorageDown as error:
            if error.params.get("reason") not in UNMADE:
                raise

    def _is_silent(self, upload: Any) -> bool:
        since = self._wire.now() - self._silence
        if upload["Initiated"] > since:
            return False
        pages = self._wire.pages("list_parts", Key=upload["Key"], UploadId=upload["UploadId"])
        return all(part["LastModified"] <= since for page in pages for part in page.get("Parts", ()))

    def _abort(self, upload: Any) -> bool:
        if upload["UploadId"] in self._living:
            return False
        self._wire.ask("abort_multipart_upload", absent=True, Key=upload["Key"], UploadId=upload["UploadId"])
        return True

    def _versions(self, key: str) -> Sequence[str]:
        """Every version of one key, then what hides them."""
        pages = tuple(self._wire.pages("list_object_versions", Prefix=key))
        kinds = ("Versions", "DeleteMarkers")
        found = [one for kind in kinds for page in pages for one in page.get(kind, ()) if one["Key"] == key]
        return [str(one["VersionId"]) for one in found]

    def _say_lock(self, key: str, name: str, version: str, asked: datetime) -> None:
        """Say that a lock is why something stays, if it is one; it may be over by now."""
        found = self._wire.ask("head_object", absent=True, Key=key, VersionId=version) or {}
        until = found.get("ObjectLockRetainUntilDate")
        if found.get("ObjectLockLegalHoldStatus") == "ON":
            raise StorageDown("backups.bucket_held", path=self.where, name=name)
        if until is not None and until > asked:
            raise StorageDown(
                "backups.bucket_locked", path=self.where, name=name, until=f"{until:%Y-%m-%d %H:%M} UTC"
            )
