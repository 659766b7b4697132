"""One object on its way into a bucket: in parts, each with its sum, and visible only when all are there."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from bot.backups.storage.s3_wire import TakenError, Wire
from bot.errors import Stale, StorageDown

#: Larger objects go up in parts of this size; every so many parts they grow by it, because a store takes no
#: more than ``_PARTS``: 4 GB with 16 MiB of memory, 800 GB with 320 MiB.
PART = 8 * 1024 * 1024
_GROWS = 500
_PARTS = 10_000
#: Tells whose object it is when the answer to its writing was lost.
_TOKEN = "countersign-upload"  # noqa: S105 - the name of a mark


class S3Upload:
    """See ``Upload``.

    Args:
        wire: the bucket.
        key: the whole key.
        name: as people know it.
        about: what each object gets, such as its lock.
        part: the size of the first parts.
        living: the uploads of this process, which its sweep spares.
    """

    def __init__(
        self, wire: Wire, key: str, name: str, about: Mapping[str, Any], part: int, living: set[str]
    ) -> None:
        self._wire = wire
        self._key = key
        self._name = name
        self._token = secrets.token_hex(16)
        self._about = {**about, "Metadata": {_TOKEN: self._token}}
        self._part = part
        self._living = living
        self._held = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._upload: str | None = None
        self._open = True
        self._maybe_there = False

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``."""
        assert self._open
        self._held += data
        size = self._next_size()
        while len(self._held) >= size:
            self._send(bytes(self._held[:size]))
            del self._held[:size]
            size = self._next_size()
        return len(data)

    def commit(self) -> None:
        """Durable and visible at once, unless the name is taken."""
        assert self._open
        # A store that does not know the condition would overwrite; what stands there for longer shows here.
        if self._wire.head(self._key) is not None:
            raise Stale("backups.exists", name=self._name)
        if self._upload is not None and self._held:
            self._send(bytes(self._held))
            self._held.clear()
        self._maybe_there = True
        try:
            self._finish()
        except TakenError:
            # Also when our own request was carried out and its answer lost, and it was sent again.
            if self._ours() is None:
                self._maybe_there = False
                raise Stale("backups.exists", name=self._name) from None
        except StorageDown:
            if self._ours() is None:
                raise
        self._keep_locked()
        self._maybe_there = False
        self._over()

    def discard(self) -> None:
        """Leave no trace; what cannot be removed now is removed by the sweep, or with the name."""
        if not self._open:
            return
        with suppress(StorageDown):
            if self._upload is not None:
                self._wire.ask("abort_multipart_upload", absent=True, Key=self._key, UploadId=self._upload)
        with suppress(StorageDown):
            found = self._ours() if self._maybe_there else None
            if found is not None:
                version = {"VersionId": found["VersionId"]} if "VersionId" in found else {}
                self._wire.ask("delete_object", absent=True, Key=self._key, **version)
        self._over()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.discard()

    def _next_size(self) -> int:
        return self._part * (1 + len(self._parts) // _GROWS)

    def _send(self, piece: bytes) -> None:
        if len(self._parts) == _PARTS:
            raise StorageDown("backups.bucket_too_large", path=self._wire.address.name)
        if self._upload is None:
            made = self._wire.ask(
                "create_multipart_upload", Key=self._key, ChecksumAlgorithm="SHA256", **self._about
            )
            self._upload = str(made["UploadId"])
            self._living.add(self._upload)
        number, digest = len(self._parts) + 1, _sha256(piece)
        made = self._wire.ask(
            "upload_part",
            Key=self._key,
            UploadId=self._upload,
            PartNumber=number,
            Body=piece,
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=digest,
        )
        self._parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": digest})

    def _finish(self) -> None:
        if self._upload is None:
            body = bytes(self._held)
            self._wire.ask(
                "put_object",
                Key=self._key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_sha256(body),
                IfNoneMatch="*",
                **self._about,
            )
        else:
            self._wire.ask(
                "complete_multipart_upload",
                Key=self._key,
                UploadId=self._upload,
                MultipartUpload={"Parts": self._parts},
                IfNoneMatch="*",
            )

    def _ours(self) -> Any:
        """What stands under the name, if this upload has written it; else None."""
        found = self._wire.head(self._key)
        return found if found and found.get("Metadata", {}).get(_TOKEN) == self._token else None

    def _keep_locked(self) -> None:
        """A store may take the order to lock a new object and not follow it: it is told again, and seen."""
        wanted = self._about.get("ObjectLockRetainUntilDate")
        if wanted is None or self._is_locked(wanted):
            return
        order = {"Mode": self._about["ObjectLockMode"], "RetainUntilDate": wanted}
        self._wire.ask("put_object_retention", Key=self._key, ChecksumAlgorithm="SHA256", Retention=order)
        if not self._is_locked(wanted):
            raise StorageDown("backups.bucket_no_lock", path=self._wire.address.name)

    def _is_locked(self, wanted: datetime) -> bool:
        found = self._ours() or {}
        until = found.get("ObjectLockRetainUntilDate")
        return until is not None and until >= wanted.replace(microsecond=0)

    def _over(self) -> None:
        self._open = False
        self._living.discard(self._upload or "")
        self._held.clear()


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
