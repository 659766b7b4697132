"""Requests to the bucket of the backups; whatever fails is StorageDown with the name of the bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from bot.buckets.client import UNMADE, Address, FaultError, client, faults
from bot.errors import StorageDown

#: Which sentence a kind of fault means.
_SAYS = {
    "absent": "backups.bucket_gone",
    "no-bucket": "backups.bucket_gone",
    "archived": "backups.bucket_archived",
    "no-right": "backups.bucket_denied",
    "no-credentials": "backups.bucket_no_credentials",
    "elsewhere": "backups.bucket_elsewhere",
    "clock": "backups.bucket_clock",
    "unreachable": "backups.bucket_unreachable",
}


class TakenError(Exception):
    """The condition of a request does not hold."""


class Wire:
    """One bucket. Every method raises StorageDown when the store cannot be reached or forbids it."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def ask(self, call: str, *, absent: bool = False, **params: Any) -> Any:
        """One request.

        Args:
            call: what the library calls it.
            absent: what is not there is an answer, None.
            params: what the request says besides the bucket.

        Raises:
            TakenError: a condition in ``params`` does not hold.
        """
        try:
            with faults():
                return getattr(client(self.address), call)(Bucket=self.address.bucket, **params)
        except FaultError as error:
            if absent and error.kind in ("absent", "no-upload"):
                return None
            if error.kind == "changed" and {"IfMatch", "IfNoneMatch"} & set(params):
                raise TakenError from None
            raise self.down(error) from None

    def pages(self, call: str, **params: Any) -> Iterator[Any]:
        """The answers to a question that is answered in pieces."""
        with self.translated():
            found = client(self.address).get_paginator(call)
            yield from found.paginate(Bucket=self.address.bucket, **params)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """For what the library does later, such as reading."""
        try:
            with faults():
                yield
        except FaultError as error:
            raise self.down(error) from None

    def head(self, key: str) -> Any:
        """What the store says of one object; None: it is not there, and the bucket is."""
        found = self.ask("head_object", absent=True, Key=key)
        if found is None:
            # A bucket that went away has no backups to speak of, which is not the same as having none.
            self.ask("head_bucket")
        return found

    def now(self) -> datetime:
        """What time the store has; ours may be wrong, and it is the store that counts."""
        said = self.ask("head_bucket")["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(said)
        except ValueError:
            raise StorageDown("backups.bucket_failed", path=self.address.name, reason="Date") from None

    def is_locking(self) -> bool:
        """Whether the bucket locks objects when told to."""
        try:
            found = self.ask("get_object_lock_configuration")
        except StorageDown as error:
            if error.params.get("reason") in ("ObjectLockConfigurationNotFoundError", *UNMADE):
                return False
            raise
        return bool(found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def down(self, error: FaultError) -> StorageDown:
        """What a fault means to people."""
        key = _SAYS.get(error.kind, "backups.bucket_failed")
        return StorageDown(key, path=self.address.name, reason=error.code)
