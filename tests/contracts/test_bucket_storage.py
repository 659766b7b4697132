"""What a bucket adds to the contract of stores: parts, lost answers, versions, locks, and every way to say no."""

import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.backups.storage import open_store
from bot.backups.storage.s3 import Lock, S3Storage
from bot.errors import BadInput, NotFound, Stale, StorageDown
from bot.texts import say
from tests.fakes.buckets import KEY_ID, SECRET, Pail, endpoint, faults
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PART = 1000
AT_ONCE = timedelta(0)
DATA = bytes(range(256)) * 20
COMPLETING = {"method": "POST", "contains": "uploadId="}


@pytest.fixture
def pail() -> Pail:
    return Pail("kept/")


def stored(pail: Pail, lock: Lock | None = None, silence: timedelta = AT_ONCE) -> S3Storage:
    return S3Storage(pail.address, lock, PART, silence)


def put(store: S3Storage, name: str, data: bytes = DATA) -> None:
    with store.put_new(name) as upload:
        for at in range(0, len(data), 300):
            upload.write(data[at : at + 300])
        upload.commit()


def get(store: S3Storage, name: str) -> bytes:
    with store.open_read(name) as stream:
        return stream.read()


def unfinished(pail: Pail) -> int:
    return len(pail.client.list_multipart_uploads(Bucket=pail.name).get("Uploads", ()))


def nothing_is_left(pail: Pail) -> None:
    found = pail.client.list_object_versions(Bucket=pail.name)
    assert (found.get("Versions", []), found.get("DeleteMarkers", []), unfinished(pail)) == ([], [], 0)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 5 * PART, len(DATA)])
def test_any_size_goes_up_and_comes_back(pail: Pail, size: int) -> None:
    store = stored(pail)
    put(store, "a", DATA[:size])
    assert (get(store, "a"), store.size("a"), unfinished(pail)) == (DATA[:size], size, 0)


def test_every_object_goes_up_with_its_sum(pail: Pail) -> None:
    put(stored(pail), "a", b"small")
    put(stored(pail), "b")
    for name in "ab":
        found = pail.client.head_object(Bucket=pail.name, Key=f"kept/{name}", ChecksumMode="ENABLED")
        assert found["ChecksumSHA256"], name


def test_memory_does_not_grow_with_the_size(pail: Pail) -> None:
    part, piece = 256 * 1024, bytes(64 * 1024)
    store = S3Storage(pail.address, part=part)
    put(store, "warm", b"x")
    tracemalloc.start()
    with store.put_new("a") as upload:
        for _ in range(160):
            upload.write(piece)
        upload.commit()
    digest = hashlib.sha256()
    with store.open_read("a") as stream:
        while data := stream.read(len(piece)):
            digest.update(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert store.size("a") == 160 * len(piece)
    assert digest.hexdigest() == hashlib.sha256(bytes(160 * len(piece))).hexdigest()
    assert peak < 16 * part


def test_more_names_than_one_answer_holds(pail: Pail) -> None:
    names = sorted(f"n{number}" for number in range(23))
    for name in (*names, "deeper/one"):
        pail.put(name, b"x")
    with faults({"method": "GET", "contains": "list-type=2", "query": "max-keys=5"}):
        assert stored(pail).list() == names


def test_neighbours_in_the_bucket_are_none_of_ours(pail: Pail) -> None:
    other = Pail.__new__(Pail)
    other.__dict__ |= {**pail.__dict__, "prefix": "kept/deeper/"}
    pail.client.create_multipart_upload(Bucket=pail.name, Key="kept/deeper/a")
    pail.client.create_multipart_upload(Bucket=pail.name, Key="elsewhere")
    other.put("b", b"x")
    store = stored(pail)
    assert (store.sweep(), store.list(), unfinished(pail)) == (0, [], 2)


# An upload that breaks


@pytest.mark.parametrize("where", ["partNumber=1", "partNumber=3"])
def test_an_upload_that_breaks_leaves_no_object_and_no_parts(pail: Pail, where: str) -> None:
    broken = pytest.raises(StorageDown, match=r"backups\.bucket_failed")
    with faults({"method": "PUT", "contains": where, "status": 500}), broken:
        put(stored(pail), "a")
    nothing_is_left(pail)


@pytest.mark.parametrize(
    "rule", [COMPLETING, {"method": "PUT", "contains": "kept/a"}], ids=["in parts", "at once"]
)
def test_a_completion_that_breaks_leaves_nothing(pail: Pail, rule: dict[str, Any]) -> None:
    with faults({**rule, "status": 500}), pytest.raises(StorageDown):
        put(stored(pail), "a", DATA if rule is COMPLETING else b"small")
    nothing_is_left(pail)


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize(
    "rule", [COMPLETING, {"method": "PUT", "contains": "kept/a"}], ids=["in parts", "at once"]
)
def test_what_was_written_counts_although_its_answer_was_lost(
    pail: Pail, rule: dict[str, Any], times: int
) -> None:
    data = DATA if rule is COMPLETING else b"small"
    store = stored(pail)
    with faults({**rule, "lost": True, "times": times}):
        put(store, "a", data)
    assert (get(store, "a"), unfinished(pail)) == (data, 0)


def test_what_cannot_be_aborted_is_swept_once_it_is_silent(pail: Pail) -> None:
    broken = [{"method": "PUT", "contains": "partNumber=2"}, {"method": "DELETE", "contains": "uploadId"}]
    with faults(*({**rule, "status": 500} for rule in broken)), pytest.raises(StorageDown):
        put(stored(pail), "a")
    assert unfinished(pail) == 1
    assert stored(pail, silence=timedelta(days=1)).sweep() == 0
    assert (stored(pail).list(), stored(pail).sweep(), unfinished(pail)) == ([], 1, 0)


def test_the_sweep_spares_what_this_process_is_writing(pail: Pail) -> None:
    store = stored(pail)
    with store.put_new("a") as upload:
        upload.write(DATA)
        assert (unfinished(pail), store.sweep()) == (1, 0)
        upload.commit()
    assert get(store, "a") == DATA


WRITER = """
    import sys
    from bot.backups.storage.s3 import S3Storage
    from bot.buckets.client import Address
    store = S3Storage(Address(sys.argv[1], "kept/", sys.argv[2], None, sys.argv[3], sys.argv[4]), part=1000)
    print("here", flush=True)
    sys.stdin.readline()
    with store.put_new("a") as upload:
        upload.write(b"x" * 10_000)
        upload.commit()
"""


@pytest.mark.parametrize("where", ["partNumber=1", "partNumber=7", "uploadId="])
@pytest.mark.parametrize("lost", [False, True])
def test_kill_9_shows_nothing_and_its_name_takes_the_rest_with_it(pail: Pail, where: str, lost: bool) -> None:
    method = "POST" if where == "uploadId=" else "PUT"
    command = [sys.executable, "-c", "\n".join(line[4:] for line in WRITER.splitlines())]
    with subprocess.Popen(
        [*command, pail.name, endpoint(), KEY_ID, SECRET],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with faults({"method": method, "contains": where, "die": process.pid, "lost": lost, "times": 1}):
            process.communicate(b"\n", timeout=60)
        assert process.returncode == -signal.SIGKILL
    store = stored(pail, silence=timedelta(days=1))
    whole = where == "uploadId=" and lost
    assert store.list() == (["a"] if whole else [])
    assert unfinished(pail) == (0 if whole else 1)
    store.delete("a")
    nothing_is_left(pail)


# A name that is taken


@pytest.mark.parametrize("data", [b"small", DATA], ids=["at once", "in parts"])
def test_who_was_faster_keeps_what_he_wrote(pail: Pail, data: bytes) -> None:
    rule = COMPLETING if data is DATA else {"method": "PUT", "contains": "kept/a"}
    with faults({**rule, "put": "theirs", "times": 1}), pytest.raises(Stale, match=r"backups\.exists"):
        put(stored(pail), "a", data)
    assert get(stored(pail), "a") == b"theirs"
    assert unfinished(pail) == 0


def test_a_store_that_knows_no_condition_does_not_overwrite_what_was_there(pail: Pail) -> None:
    store = stored(pail)
    with faults({"method": "*", "deaf": True}), store.put_new("a") as upload:
        upload.write(DATA)
        pail.put("a", b"theirs")
        with pytest.raises(Stale):
            upload.commit()
    assert (get(store, "a"), unfinished(pail)) == (b"theirs", 0)


# Reading


def test_a_connection_that_breaks_is_taken_up_where_it_broke(pail: Pail) -> None:
    store = stored(pail)
    put(store, "a")
    with faults({"method": "GET", "contains": "kept/a", "cut": 1500, "times": 3}):
        assert get(store, "a") == DATA


def test_what_changes_while_it_is_read_is_not_read_on(pail: Pail) -> None:
    store = stored(pail)
    put(store, "a")
    with faults({"method": "GET", "contains": "kept/a", "cut": 100, "times": 1}):
        stream = store.open_read("a")
    pail.put("a", DATA[::-1])
    with stream, pytest.raises(StorageDown, match=r"backups\.bucket_cut"):
        stream.read()


def test_a_store_that_gives_nothing_any_more_is_said(pail: Pail) -> None:
    store = stored(pail)
    put(store, "a")
    with store.open_read("a") as whole:
        assert whole.read() == DATA
    with (
        faults({"method": "GET", "contains": "kept/a", "cut": 0}),
        store.open_read("a") as stream,
        pytest.raises(StorageDown),
    ):
        stream.read()


# Versions and locks


@pytest.mark.parametrize("lock", [False, True])
def test_a_deleted_name_leaves_no_version(lock: bool) -> None:
    pail = Pail("kept/", versions=True, lock=lock)
    store = stored(pail)
    put(store, "a")
    pail.drop("a")
    assert pail.versions("a") == [DATA]
    assert not store.exists("a")
    store.delete("a")
    nothing_is_left(pail)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
@pytest.mark.parametrize("data", [b"small", DATA], ids=["at once", "in parts"])
def test_an_object_is_locked_for_as_long_as_it_is_kept(mode: str, data: bytes) -> None:
    pail, keep = Pail("kept/", lock=True), timedelta(days=30)
    store = stored(pail, Lock(mode, keep))
    store.try_out()
    nothing_is_left(pail)
    put(store, "a", data)
    found = pail.client.head_object(Bucket=pail.name, Key="kept/a")
    until = found["ObjectLockRetainUntilDate"]
    assert found["ObjectLockMode"] == mode.upper()
    ahead = until - datetime.now(UTC)
    assert keep - timedelta(minutes=5) < ahead <= keep
    with pytest.raises(StorageDown, match=r"backups\.bucket_locked") as caught:
        store.delete("a")
    assert f"{until:%Y-%m-%d}" in say(caught.value.key, "en", **caught.value.params)
    assert (get(store, "a"), store.list()) == (data, ["a"])


def test_what_is_locked_no_longer_goes() -> None:
    pail = Pail("kept/", lock=True)
    store = stored(pail, Lock("governance", timedelta(seconds=1)))
    put(store, "a")

    def is_gone() -> bool:
        try:
            store.delete("a")
        except StorageDown as error:
            assert error.key == "backups.bucket_locked"
            return False
        return True

    while not is_gone():
        pass
    nothing_is_left(pail)


def test_a_legal_hold_is_said() -> None:
    pail = Pail("kept/", lock=True)
    store = stored(pail)
    put(store, "a")
    pail.client.put_object_legal_hold(Bucket=pail.name, Key="kept/a", LegalHold={"Status": "ON"})
    with pytest.raises(StorageDown, match=r"backups\.bucket_held"):
        store.delete("a")
    assert store.list() == ["a"]


def test_a_bucket_that_does_not_lock_takes_nothing_when_it_shall(pail: Pail) -> None:
    store = stored(pail, Lock("compliance", timedelta(days=1)))
    for ask in (store.try_out, partial(put, store, "a")):
        with pytest.raises(StorageDown, match=r"backups\.bucket_no_lock"):
            ask()
    nothing_is_left(pail)


# Every way to say no


def asks(store: S3Storage) -> dict[str, Callable[[], object]]:
    return {
        "put": partial(put, store, "a"),
        "read": partial(get, store, "a"),
        "exists": partial(store.exists, "a"),
        "size": partial(store.size, "a"),
        "delete": partial(store.delete, "a"),
        "list": store.list,
        "sweep": store.sweep,
        "try": store.try_out,
    }


#: What is answered, what it means, and who is asked. A HEAD has no body, and so no code beside its status.
GETS = ("read", "delete", "list", "sweep", "try")
FAULTS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "no right": ({"method": "*", "status": 403, "code": "AccessDenied"}, "backups.bucket_denied", ()),
    "old credentials": (
        {"method": "GET", "status": 400, "code": "ExpiredToken"},
        "backups.bucket_denied",
        GETS,
    ),
    "a wrong clock": (
        {"method": "GET", "status": 403, "code": "RequestTimeTooSkewed"},
        "backups.bucket_clock",
        GETS,
    ),
    "too many at once": (
        {"method": "*", "status": 503, "code": "SlowDown"},
        "backups.bucket_failed",
        ("list", "exists"),
    ),
    "an archive": (
        {"method": "GET", "status": 403, "code": "InvalidObjectState"},
        "backups.bucket_archived",
        ("read",),
    ),
    "no such bucket": ({"method": "GET", "status": 404, "code": "NoSuchBucket"}, "backups.bucket_gone", GETS),
}


def said_by(store: S3Storage, key: str, *which: str) -> None:
    for name, ask in asks(store).items():
        if not which or name in which:
            with pytest.raises(StorageDown) as caught:
                ask()
            assert (name, caught.value.key) == (name, key)
            assert store.where in say(key, "en", **caught.value.params)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_store_refuses_is_one_sentence_with_its_name(pail: Pail, fault: str) -> None:
    rule, key, which = FAULTS[fault]
    put(stored(pail), "a")
    with faults({"contains": pail.name, **rule}):
        said_by(stored(pail), key, *which)


def test_a_bucket_that_went_away_is_not_an_empty_one(pail: Pail) -> None:
    store = S3Storage(replace(pail.address, bucket=pail.name + "-gone"))
    said_by(store, "backups.bucket_gone")


def test_a_store_that_does_not_answer_is_said(pail: Pail) -> None:
    store = S3Storage(replace(pail.address, endpoint=f"http://127.0.0.1:{free_port()}"))
    said_by(store, "backups.bucket_unreachable", "list", "exists")


def test_what_is_not_there_is_not_found(pail: Pail) -> None:
    for ask in (stored(pail).size, stored(pail).open_read):
        with pytest.raises(NotFound):
            ask("a")


def test_who_has_no_credentials_is_told_where_they_go() -> None:
    script = (
        "from pathlib import Path\nfrom bot.backups.storage import open_store\nfrom bot.errors import Broken\n"
        f"try: open_store('s3://bucket-x/kept', Path('.'), {endpoint()!r}).list()\n"
        "except Broken as error: print(error.key)\n"
    )
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, check=False)
    assert done.stdout == "backups.bucket_no_credentials\n", done.stderr


URLS = {
    "s3://bucket": "s3://bucket/",
    "s3://bucket/": "s3://bucket/",
    "s3://bucket/a": "s3://bucket/a/",
    "s3://bu.ck-et/a/b=c/": "s3://bu.ck-et/a/b=c/",
}


@pytest.mark.parametrize("url", URLS)
def test_an_address_names_a_bucket_and_a_prefix(url: str) -> None:
    assert open_store(url, Path()).where == URLS[url]


@pytest.mark.parametrize(
    "url",
    ["s3:", "s3://", "s3://k:hush@bucket/a", "s3://bucket/a?k=hush", "s3://bucket//a", "s3://bucket/../a"],
)
def test_any_other_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput, match=r"backups\.unknown_bucket") as caught:
        open_store(url, Path())
    assert "hush" not in say(caught.value.key, "en", **caught.value.params)
