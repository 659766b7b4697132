"""Which names a store takes, and which store a URL means."""

import re
from pathlib import Path
from urllib.parse import unquote

from bot.errors import BadInput

_BUCKET = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])(?:/([A-Za-z0-9._/=+-]{1,500}?))?/?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def check_name(name: str) -> None:
    """Raise BadInput for a name that is not flat and plain."""
    if not _NAME.fullmatch(name):
        raise BadInput("backups.bad_name")


def folder_of_url(url: str, base: Path) -> Path:
    """The folder a ``file:`` URL means; a relative one starts at ``base``.

    Raises:
        BadInput: another scheme, a host, or no path.
    """
    scheme, colon, rest = url.partition(":")
    if scheme != "file" or not colon:
        raise BadInput("backups.unknown_store", url=url[:200])
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise BadInput("backups.unknown_store", url=url[:200])
        rest = rest[2:]
    if not rest or "?" in rest or "#" in rest or "\0" in unquote(rest):
        raise BadInput("backups.unknown_store", url=url[:200])
    return base / unquote(rest)


def bucket_of_url(url: str) -> tuple[str, str]:
    """The bucket that an ``s3:`` URL means, and how its keys begin; never with credentials in it.

    Raises:
        BadInput: anything else.
    """
    found = _BUCKET.fullmatch(url)
    if found is None or {".", "..", ""} & {*(found[2] or "x").split("/")}:
        raise BadInput("backups.unknown_bucket")
    return found[1], f"{found[2]}/" if found[2] else ""
