"""A store of objects for tests: one server a process of tests, a fresh bucket each."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import boto3

from bot.buckets.client import Address
from tests.fakes.faults import order_faults
from tests.fakes.ports import free_port

_ROOT = Path(__file__).resolve().parents[2]
_NUMBERS = count()
KEY_ID, SECRET = "tester", "not a secret at all"


@cache
def endpoint() -> str:
    """The server of this process; it ends with us."""
    port = free_port()
    log = Path(tempfile.mkdtemp(prefix="countersign-s3-"), "log")
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.bucket_server", str(port)],
            cwd=_ROOT,
            # Parts may be as small as a test wants them.
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                "S3_UPLOAD_PART_MIN_SIZE": "1",
                "MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "5000000",
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    atexit.register(shutil.rmtree, log.parent)
    atexit.register(server.wait)
    atexit.register(server.kill)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            order_faults(url, [])
        except urllib.error.URLError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise RuntimeError(log.read_text()[-2000:]) from None
            time.sleep(0.05)
        else:
            return url


@contextmanager
def faults(*rules: dict[str, Any]) -> Iterator[None]:
    """Let the server misbehave; see ``bucket_server``."""
    order_faults(endpoint(), list(rules))
    try:
        yield
    finally:
        order_faults(endpoint(), [])


@cache
def _owner() -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint(),
        region_name="us-east-1",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
    )


class Pail:
    """A bucket of its own, seen by its owner."""

    def __init__(self, prefix: str = "", *, versions: bool = False, lock: bool = False) -> None:
        self.name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
        self.prefix = prefix
        self.address = Address(self.name, prefix, endpoint(), None, KEY_ID, SECRET)
        self.client = _owner()
        self.client.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=lock)
        if versions:
            self.client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def put(self, name: str, content: bytes, **about: Any) -> None:
        self.client.put_object(Bucket=self.name, Key=self.prefix + name, Body=content, **about)

    def drop(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=self.prefix + name)

    def contents(self) -> dict[str, Any]:
        """Everything that is there to be seen: content, type, metadata and tags by key."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        return {one["Key"]: self._one(one["Key"]) for one in listed}

    def _one(self, key: str) -> tuple[object, ...]:
        found = self.client.get_object(Bucket=self.name, Key=key)
        tags = self.client.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        about: Mapping[str, str] = found["Metadata"]
        return (
            found["Body"].read(),
            found["ContentType"],
            dict(about),
            sorted((tag["Key"], tag["Value"]) for tag in tags),
        )

    def versions(self, name: str) -> list[bytes]:
        """What a bucket that keeps versions still has under a name."""
        found = self.client.list_object_versions(Bucket=self.name, Prefix=self.prefix + name).get(
            "Versions", ()
        )
        return [
            self.client.get_object(Bucket=self.name, Key=one["Key"], VersionId=one["VersionId"])[
                "Body"
            ].read()
            for one in found
        ]
