"""The contract of ``bot.backups.storage.base``, against every store there is."""

import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bot.backups.storage import Storage, open_store
from bot.backups.storage.local import LocalStorage
from bot.backups.storage.s3 import S3Storage
from bot.errors import BadInput, NotFound, Refused, Stale, StorageDown
from tests.fakes.buckets import Pail
from tests.fakes.storage import MemoryStorage

STORES: dict[str, Callable[[Path], Storage]] = {
    "local": lambda folder: LocalStorage(folder / "backups"),
    "memory": lambda _: MemoryStorage(),
    "bucket": lambda _: S3Storage(Pail("kept/").address),
    "bucket without a prefix": lambda _: S3Storage(Pail().address),
    "bucket in parts": lambda _: S3Storage(Pail("kept/").address, part=1),
    "bucket with versions": lambda _: S3Storage(Pail("kept/", versions=True).address),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return STORES[request.param](tmp_path)


def put(store: Storage, name: str, data: bytes) -> None:
    with store.put_new(name) as upload:
        upload.write(data)
        upload.commit()


def get(store: Storage, name: str) -> bytes:
    with store.open_read(name) as stream:
        return stream.read()


def test_what_is_committed_is_there_whole(store: Storage) -> None:
    with store.put_new("a.age") as upload:
        assert upload.write(b"one ") == 4
        upload.write(b"")
        upload.write(b"two")
        assert not store.exists("a.age")
        assert store.list() == []
        upload.commit()
        assert get(store, "a.age") == b"one two"
    put(store, "B", b"")
    assert (store.exists("a.age"), store.size("a.age"), store.size("B")) == (True, 7, 0)
    assert store.list() == ["B", "a.age"]


def test_a_name_is_written_once(store: Storage) -> None:
    put(store, "a", b"first")
    with pytest.raises(Stale, match=r"backups\.exists"):
        store.put_new("a")
    assert get(store, "a") == b"first"


def test_of_two_writers_the_second_to_commit_loses_and_changes_nothing(store: Storage) -> None:
    with store.put_new("a") as one, store.put_new("a") as other:
        one.write(b"one")
        other.write(b"other")
        other.commit()
        with pytest.raises(Stale):
            one.commit()
    assert get(store, "a") == b"other"
    assert store.list() == ["a"]


def test_of_many_writers_at_once_exactly_one_wins(store: Storage) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def write(number: int) -> None:
        with store.put_new("a") as upload:
            upload.write(str(number).encode())
            start.wait()
            with contextlib.suppress(Stale):
                upload.commit()
                won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(store, "a") == str(*won).encode()


def test_what_is_not_committed_leaves_no_trace(store: Storage) -> None:
    with store.put_new("a") as upload:
        upload.write(b"x")
    with contextlib.suppress(RuntimeError), store.put_new("b") as upload:
        upload.write(b"x")
        raise RuntimeError
    upload.discard()
    assert (store.list(), store.exists("a"), store.sweep()) == ([], False, 0)
    put(store, "a", b"again")


def test_discarding_what_was_committed_does_nothing(store: Storage) -> None:
    upload = store.put_new("a")
    upload.write(b"x")
    upload.commit()
    upload.discard()
    assert get(store, "a") == b"x"


def test_deleting_is_final_and_harmless_to_repeat(store: Storage) -> None:
    put(store, "a", b"x")
    store.delete("a")
    store.delete("a")
    assert store.list() == []
    for ask in (store.open_read, store.size):
        with pytest.raises(NotFound):
            ask("a")


def test_a_reader_keeps_what_it_opened(store: Storage, request: pytest.FixtureRequest) -> None:
    # Where every byte is a part of its own, a thousand of them are long enough.
    size = 1_000 if "in parts" in request.node.name else 100_000
    put(store, "a", b"x" * size)
    with store.open_read("a") as stream:
        first = stream.read(1)
        store.delete("a")
        assert len(first + stream.read()) == size


def test_names_that_begin_alike_are_apart(store: Storage) -> None:
    for name in ("a", "a.age", "a.age.txt"):
        put(store, name, name.encode())
    store.delete("a")
    assert store.list() == ["a.age", "a.age.txt"]
    assert (get(store, "a.age"), store.exists("a")) == (b"a.age", False)


def test_trying_out_leaves_no_trace(store: Storage) -> None:
    store.try_out()
    store.try_out()
    assert (store.list(), store.sweep()) == ([], 0)
    assert store.where


BAD_NAMES = ["", ".", "..", "../a", "/a", "a/b", ".a", "a b", "a\0", "a\n", "ä", "a" * 201, "-a", "a\\b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_not_plain_is_refused_everywhere(store: Storage, name: str) -> None:
    asks: list[Callable[[str], object]] = [
        store.put_new, store.open_read, store.exists, store.size, store.delete
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(BadInput):
            ask(name)


# The local folder


def test_folder_and_files_belong_to_the_worker_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = LocalStorage(tmp_path / "deep" / "backups")
        put(store, "a", b"x")
    finally:
        os.umask(before)
    folder = tmp_path / "deep" / "backups"
    assert [stat.S_IMODE(one.stat().st_mode) for one in (folder, folder / "a")] == [0o700, 0o600]


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(StorageDown, match=r"backups\.store_open_to_others"):
        LocalStorage(tmp_path)


def test_a_link_in_place_of_a_backup_is_not_followed(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "backups")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "backups" / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(StorageDown):
        store.open_read("a")
    with pytest.raises(Stale):
        store.put_new("a")
    store.delete("a")
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_folder_that_went_away_is_said(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "backups")
    (tmp_path / "backups").rmdir()
    asks: list[Callable[[], object]] = [store.list, store.sweep]
    methods = (store.put_new, store.delete, store.exists, store.size, store.open_read)
    asks += [partial(method, "a") for method in methods]
    for ask in asks:
        with pytest.raises(StorageDown, match=r"backups\.store_gone"):
            ask()


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "backups").write_text("")
    with pytest.raises(StorageDown):
        LocalStorage(tmp_path / "backups")


@pytest.fixture
def file_limit() -> Iterator[int]:
    """No file may grow beyond this; the same error as a full quota, from the real kernel."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_disk_that_is_full_in_the_middle_leaves_nothing(tmp_path: Path, file_limit: int) -> None:
    store = LocalStorage(tmp_path / "backups")
    with store.put_new("a") as upload, pytest.raises(StorageDown, match=r"backups\.store_full"):
        upload.write(b"x" * file_limit * 2)
    assert list((tmp_path / "backups").iterdir()) == []


WRITER = """
    import sys
    from pathlib import Path
    from bot.backups.storage.local import LocalStorage
    store = LocalStorage(Path(sys.argv[1]))
    for number in range(10**9):
        with store.put_new(f"n{number}") as upload:
            for _ in range(20):
                upload.write(str(number).encode() * 1000)
            upload.commit()
        print(number, flush=True)
"""


def writer(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("after", range(6))
def test_kill_9_at_any_moment_shows_no_half_file_and_the_sweep_removes_the_rest(
    tmp_path: Path, after: int
) -> None:
    folder = tmp_path / "backups"
    with writer(folder) as process:
        assert process.stdout is not None
        for _ in range(1 + after):
            last = int(process.stdout.readline())
        # A different moment of the next write each time.
        for _ in range(after * 3000):
            pass
        process.kill()
    store = LocalStorage(folder)
    names = store.list()
    assert len(names) >= last + 1
    for name in names:
        assert get(store, name) == name[1:].encode() * 20_000
    store.sweep()
    assert [one.name for one in folder.iterdir() if one.name.startswith(".")] == []
    assert store.list() == names


def test_the_sweep_spares_living_writers_and_takes_dead_ones(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "backups")
    dead = tmp_path / "backups" / ".old.age.0123.part"
    dead.write_bytes(b"x")
    with store.put_new("a") as upload:
        upload.write(b"x")
        assert LocalStorage(tmp_path / "backups").sweep() == 1
        upload.commit()
    assert not dead.exists()
    assert get(store, "a") == b"x"


URLS = {
    "file:./backups": "base/backups",
    "file:backups": "base/backups",
    "file:../elsewhere": "elsewhere",
    "file:with%20space": "base/with space",
}


@pytest.mark.parametrize("url", URLS)
def test_relative_urls_start_at_the_base(url: str, tmp_path: Path) -> None:
    open_store(url, tmp_path / "base")
    assert (tmp_path / URLS[url]).is_dir()


def test_absolute_urls_are_taken_as_they_are(tmp_path: Path) -> None:
    for url in (f"file:{tmp_path}/one", f"file://{tmp_path}/two"):
        open_store(url, Path("base"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one", "two"]


BAD_URLS = [
    "",
    "backups",
    "file:",
    "gs://bucket",
    "file://host/x",
    "file:a?b",
    "file:a#b",
    "file:%00",
    "FILE:x",
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_any_other_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"backups\.unknown_store"):
        open_store(url, tmp_path)
    assert list(tmp_path.iterdir()) == []
