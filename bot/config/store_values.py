"""What the parts of a bucket's address may look like; as ``bot.config.values``."""

import re

from pydantic_core import PydanticCustomError

from bot.config.values import short, text

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_BACKUPS = re.compile(rf"s3://{_BUCKET.pattern}(?:/[A-Za-z0-9._/=+-]{{1,500}})?/?")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def bucket(value: str) -> str:
    """The name of a bucket; no address and no ARN."""
    if not _BUCKET.fullmatch(value) or ".." in value:
        raise PydanticCustomError("config.bucket", "config.bucket", {"value": short(value)})
    return value


def object_prefix(value: str) -> str:
    """How keys begin: nothing, or a text without a slash in front and without steps."""
    if value and (text(value).startswith("/") or {".", ".."} & {*value.split("/")}):
        raise PydanticCustomError("config.object-prefix", "config.object-prefix", {"value": short(value)})
    return value


def region(value: str) -> str:
    """A region, as the store spells it."""
    if not _REGION.fullmatch(value):
        raise PydanticCustomError("config.region", "config.region", {"value": short(value)})
    return value


def backup_bucket(value: str) -> str:
    """A store of backups, looked at if it is a bucket: ``s3://bucket/prefix``, without credentials."""
    if not value.startswith("s3:") or "${" in value:
        return value
    if "@" in value:
        raise PydanticCustomError("config.store-credentials", "config.store-credentials")
    if not _BACKUPS.fullmatch(value) or {".", "..", ""} & {
        *value.removeprefix("s3://").rstrip("/").split("/")
    }:
        raise PydanticCustomError("config.store", "config.store")
    return value
