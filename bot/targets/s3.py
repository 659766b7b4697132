"""One bucket of Amazon S3, or of a store that speaks like it, as a place of attachments.

What the store says leaves here as a code and the name of the place, never as a text: it would hold names of
objects. Writes and removals are conditional, so that of two at once one fails instead of both succeeding.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from bot.buckets.client import UNMADE, Address, FaultError, client, faults
from bot.errors import CannotProve, NotOurs, TargetDown

#: What a PUT takes back of what a HEAD says.
HEADERS = ("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl")
#: Larger objects go up in parts of this size, so that memory stays bounded; at most so many parts.
PART = 8 * 1024 * 1024
_PARTS = 9_000
_READ = 1024 * 1024
#: Bytes: no note of ours is larger, and whoever writes into the bucket must not fill our memory.
MOST_NOTED = 256 * 1024 * 1024
#: Which sentence a kind of fault means.
_SAYS = {
    "no-bucket": "objects.no-bucket",
    "archived": "objects.archived",
    "no-right": "objects.no-right",
    "no-credentials": "objects.no-credentials",
    "elsewhere": "objects.elsewhere",
    "clock": "objects.clock",
    "unreachable": "objects.unreachable",
}


@dataclass(frozen=True)
class Head:
    """What a store says of one object without giving it."""

    size: int
    etag: str
    modified: datetime
    version: str
    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: int
    storage: str
    locked_until: datetime | None
    held: bool


@dataclass(frozen=True)
class Facts:
    """What a bucket does with what is removed. ``days``: how long older versions stay, if that is known."""

    versions: bool
    locks: bool
    days: int | None


class Bucket:
    """The objects of one bucket, by their whole keys.

    Every method raises ``TargetDown`` when the store cannot be reached or forbids it.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def facts(self) -> Facts:
        """How the bucket is set up; also tells whether it is there at all."""
        self._ask("head_bucket")
        status = self._optional("get_bucket_versioning").get("Status")
        locks = self._optional("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError")
        question = "get_bucket_lifecycle_configuration"
        rules = self._optional(question, "NoSuchLifecycleConfiguration", known=False)
        return Facts(
            versions=status in ("Enabled", "Suspended"),
            locks=locks.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled",
            days=_days(rules.get("Rules", ()), self.address.prefix),
        )

    def head(self, key: str) -> Head | None:
        """One object; None: it is not there."""
        found = self._ask("head_object", absent=True, Key=key)
        return None if found is None else _head(found)

    def is_held(self, key: str) -> bool:
        """Whether it is under a legal hold, asked by itself: a HEAD leaves out what we may not know."""
        found = self._optional("get_object_legal_hold", "NoSuchObjectLockConfiguration", Key=key)
        return bool(found.get("LegalHold", {}).get("Status") == "ON")

    def tags(self, key: str) -> Mapping[str, str] | None:
        """The tags of an object; None: they may not be read."""
        try:
            found = self._optional("get_object_tagging", Key=key)
        except TargetDown as error:
            if error.key != "objects.no-right":
                raise
            return None
        return {one["Key"]: one["Value"] for one in found.get("TagSet", ())}

    @contextmanager
    def read(self, key: str, etag: str) -> Iterator[tuple[Head, Callable[[], bytes]]]:
        """An object as it is now, and a function that gives the next bytes of it.

        Raises:
            CannotProve: it is gone, or not the one with this mark.
        """
        found = self._ask("get_object", Key=key, IfMatch=etag, absent=True)
        if found is None:
            raise CannotProve("attached.changed", root=self.address.name)
        body = found["Body"]

        def more() -> bytes:
            with self._translated():
                return bytes(body.read(_READ))

        try:
            yield _head(found), more
        finally:
            body.close()

    def small(self, key: str) -> tuple[bytes, datetime] | None:
        """A whole small object and its time; None: it is not there.

        Raises:
            NotOurs: it is larger than any note.
        """
        found = self._ask("get_object", Key=key, absent=True)
        if found is None:
            return None
        with self._translated(), closing(found["Body"]) as body:
            content = body.read(MOST_NOTED + 1)
        if len(content) > MOST_NOTED:
            raise NotOurs("objects.note")
        return content, found["LastModified"]

    def put_new(self, key: str, size: int, content: Iterator[bytes], **about: Any) -> None:
        """Write an object where there is none.

        Raises:
            CannotProve: there is one. It is untouched.
        """
        # A store that does not know the condition would overwrite; what stands there for longer shows here.
        if self.head(key) is not None:
            raise CannotProve("attached.in-the-way", root=self.address.name)
        pieces = _pieces(content, max(PART, -(-size // _PARTS)))
        if size <= PART:
            body = b"".join(pieces)
            self._ask("put_object", Key=key, Body=body, ContentMD5=_md5(body), IfNoneMatch="*", **about)
        else:
            self._put_parts(key, pieces, about)

    def _put_parts(self, key: str, pieces: Iterator[bytes], about: Mapping[str, Any]) -> None:
        upload = self._ask("create_multipart_upload", Key=key, **about)["UploadId"]
        parts = []
        try:
            for number, piece in enumerate(pieces, start=1):
                made = self._ask(
                    "upload_part",
                    Key=key,
                    UploadId=upload,
                    PartNumber=number,
                    Body=piece,
                    ContentMD5=_md5(piece),
                )
                parts.append({"PartNumber": number, "ETag": made["ETag"]})
            self._ask(
                "complete_multipart_upload",
                Key=key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        except BaseException:
            with suppress(TargetDown, CannotProve):
                self._ask("abort_multipart_upload", Key=key, UploadId=upload)
            raise

    def write(self, key: str, body: bytes) -> None:
        """Write a small object, over whatever is there."""
        self._ask("put_object", Key=key, Body=body, ContentMD5=_md5(body))

    def delete(self, key: str, etag: str) -> bool:
        """Remove an object if it has this mark; whether it is gone.

        Where the bucket keeps versions it is hidden, and its versions stay.
        """
        try:
            self._ask("delete_object", Key=key, IfMatch=etag, absent=True)
        except CannotProve:
            return False
        return True

    def drop(self, key: str) -> None:
        """Remove an object of our own."""
        self._ask("delete_object", Key=key)

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin like this."""
        found: list[str] = []
        with self._translated():
            pages = client(self.address).get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.address.bucket, Prefix=prefix):
                found += [one["Key"] for one in page.get("Contents", ())]
        return found

    def _ask(self, call: str, *, absent: bool = False, **params: Any) -> Any:
        """One request. ``absent``: an object that is not there is an answer, None."""
        try:
            with self._translated():
                return getattr(client(self.address), call)(Bucket=self.address.bucket, **params)
        except _AbsentError:
            if absent:
                return None
            raise TargetDown("objects.no-bucket", root=self.address.name) from None

    def _optional(self, call: str, none: str = "", *, known: bool = True, **params: Any) -> dict[str, Any]:
        """A question that a store may not know, or to which there may be no answer; ``none``: its code then.

        ``known``: whether it must be allowed.
        """
        try:
            return dict(self._ask(call, **params))
        except TargetDown as error:
            code = str(error.params.get("code", ""))
            if code == none or code in UNMADE or error.key == "objects.no-bucket":
                return {}
            if error.key == "objects.no-right" and not known:
                return {}
            raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with faults():
                yield
        except FaultError as error:
            raise self._said(error) from None

    def _said(self, error: FaultError) -> Exception:
        if error.kind == "absent":
            return _AbsentError()
        if error.kind == "changed":
            return CannotProve("attached.changed", root=self.address.name)
        key = _SAYS.get(error.kind, "objects.machine")
        return TargetDown(key, root=self.address.name, code=error.code)


class _AbsentError(Exception):
    """The object, or the bucket, is not there."""


def put_arguments(
    headers: Mapping[str, str], metadata: Mapping[str, str], tags: Mapping[str, str], storage: str
) -> dict[str, Any]:
    """What an object had besides its content, as a PUT takes it."""
    about: dict[str, Any] = {name: headers[name] for name in HEADERS if name in headers}
    if metadata:
        about["Metadata"] = dict(metadata)
    if tags:
        about["Tagging"] = urlencode(dict(tags))
    if storage:
        about["StorageClass"] = storage
    return about


def _head(found: Mapping[str, Any]) -> Head:
    return Head(
        size=int(found["ContentLength"]),
        etag=str(found["ETag"]),
        modified=found["LastModified"],
        version=str(found.get("VersionId") or ""),
        headers={name: str(found[name]) for name in HEADERS if found.get(name)},
        metadata=dict(found.get("Metadata") or {}),
        tags=int(found.get("TagCount") or 0),
        storage=str(found.get("StorageClass") or ""),
        locked_until=found.get("ObjectLockRetainUntilDate"),
        held=found.get("ObjectLockLegalHoldStatus") == "ON",
    )


def _days(rules: Any, prefix: str) -> int | None:
    """After how many days older versions of everything under a prefix surely go."""
    found = [
        int(rule["NoncurrentVersionExpiration"]["NoncurrentDays"])
        for rule in rules
        if rule.get("Status") == "Enabled"
        and "NoncurrentDays" in rule.get("NoncurrentVersionExpiration", {})
        and "NewerNoncurrentVersions" not in rule["NoncurrentVersionExpiration"]
        and _covers(rule, prefix)
    ]
    return min(found, default=None)


def _covers(rule: Mapping[str, Any], prefix: str) -> bool:
    chosen = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
    return set(chosen) <= {"Prefix"} and prefix.startswith(chosen.get("Prefix", ""))


def _pieces(content: Iterator[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for data in content:
        held += data
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
