"""How Amazon S3, or a store that speaks like it, is asked; the only file that knows boto3.

What the store says leaves here as a kind and a code, never as a text: it would hold names of objects. Each
side has its own sentences for the kinds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bot.errors import Broken

#: What a store answers that does not know a question.
UNMADE = frozenset({"NotImplemented", "MethodNotAllowed", "XNotImplemented", "UnsupportedOperation"})
_ABSENT = ("404", "NoSuchKey", "NoSuchVersion")
_CHANGED = (409, 412)
#: Which kind a code or a status of the store is.
_KINDS = {
    "NoSuchBucket": "no-bucket",
    "NoSuchUpload": "no-upload",
    "InvalidObjectState": "archived",
    "RequestTimeTooSkewed": "clock",
    "ExpiredToken": "no-right",
    "InvalidToken": "no-right",
    "AuthorizationHeaderMalformed": "elsewhere",
    "301": "elsewhere",
    "307": "elsewhere",
    "401": "no-right",
    "403": "no-right",
}


@dataclass(frozen=True)
class Address:
    """Which bucket, under which prefix, and who asks; without ``key_id`` the machine's own chain says who."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    key_id: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """As people know it."""
        return f"s3://{self.bucket}/{self.prefix}"


class FaultError(Exception):
    """The store did not do it.

    Args:
        kind: ``absent`` (no such object, or no such bucket), ``changed`` (a condition does not hold),
            ``no-bucket``, ``no-upload``, ``no-right``, ``no-credentials``, ``elsewhere`` (another region),
            ``clock`` (ours differs too much), ``archived``, ``unreachable`` or ``machine`` (anything else).
        code: the store's own, or the class of what failed.
    """

    def __init__(self, kind: str, code: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.code = code


def require() -> None:
    """Return when the library is there.

    Raises:
        Broken: it is not installed.
    """
    try:
        import boto3  # noqa: F401, PLC0415 - an optional library
    except ImportError:
        raise Broken("objects.not-installed") from None


def client(address: Address) -> Any:
    """Who speaks with the store behind an address; one for all who ask alike.

    Raises:
        Broken: the library is not installed.
    """
    return _client_at(address.endpoint, address.region, address.key_id, address.secret)


@contextmanager
def faults() -> Iterator[None]:
    """Every error of the library leaves here as a :class:`FaultError`."""
    require()
    from botocore.exceptions import (  # noqa: PLC0415 - an optional library
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as error:
        raise _said(error.response) from None
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise FaultError("no-credentials", type(error).__name__) from None
    except BotoCoreError as error:
        raise FaultError("unreachable", type(error).__name__) from None


def _said(response: Mapping[str, Any]) -> FaultError:
    code = str(response.get("Error", {}).get("Code", ""))[:60]
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _ABSENT:
        return FaultError("absent", code)
    if status in _CHANGED:
        return FaultError("changed", code)
    return FaultError(_KINDS.get(code) or _KINDS.get(str(status)) or "machine", code)


@lru_cache(maxsize=16)
def _client_at(endpoint: str | None, region: str | None, key_id: str | None, secret: str | None) -> Any:
    require()
    import boto3  # noqa: PLC0415 - an optional library
    from botocore.config import Config  # noqa: PLC0415 - same

    how = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=16,
        # Others than Amazon know fewer ways to add up; whoever writes says which sum it sends.
        request_checksum_calculation="when_required",
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    session = boto3.session.Session(
        aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=region
    )
    region = region or session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=how)
