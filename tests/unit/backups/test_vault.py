"""The vault keeps its promises to the operations, and to whoever attacks the store."""

import contextlib
import gc
import io
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO

import pytest

from bot.backups import keyfile
from bot.backups.age import Encryptor
from bot.backups.keyfile import KeyFile
from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Sealing, Vault, any_backup_exists
from bot.errors import (
    BadInput,
    CannotProve,
    CountersignError,
    NotAllowed,
    NotFound,
    NotOurs,
    Refused,
    Stale,
    StorageDown,
)
from bot.model.backups import Column, Manifest, SealedBackup, Table
from tests.fakes.backups import HARD_COLUMNS, HARD_ROWS, identity, master_key, seeded
from tests.fakes.storage import MemoryStorage, MemoryUpload

ID, OTHER = "b20261123-7k2m9qx4tz", "b20261124-0000000000"
MASTER = master_key()


def vault(store: MemoryStorage, master: int = 1, workspace: str = "T0ACME") -> Vault:
    return Vault(store, master_key(master), workspace)


def sealed(store: MemoryStorage, backup_id: str = ID, master: int = 1) -> SealedBackup:
    with vault(store, master).sealing(backup_id) as sealing:
        sealing.table("rows", "customers", HARD_COLUMNS, HARD_ROWS)
        sealing.table("nullified", "deals.owner_id", [Column("id", "text-1")], [("7",)])
        return sealing.finish({"target": "crm"})


def test_what_was_sealed_opens_with_every_value_exact() -> None:
    store = MemoryStorage()
    made = sealed(store)
    archive = store.objects[f"{ID}.age"]
    assert (made.backup_id, made.size, made.sha256) == (ID, len(archive), sha256(archive).hexdigest())
    assert (made.key_id, made.manifest.rows) == (MASTER.key_id, 6)
    with vault(store).open(ID, made.sha256) as opened:
        assert opened.manifest == made.manifest == vault(store).verify(ID)
        for _ in range(2):
            tables = [(table.summary.name, list(map(repr, table.rows))) for table in opened.tables()]
            assert tables == [("customers", list(map(repr, HARD_ROWS))), ("deals.owner_id", ["('7',)"])]
    with pytest.raises(AssertionError):
        next(opened.tables())


def test_a_manifest_known_beforehand_saves_a_reading_and_is_held_against_the_archive_at_its_end() -> None:
    store = MemoryStorage()
    made, other = sealed(store), sealed(store, OTHER)
    with vault(store).open(ID, made.sha256, made.manifest) as opened:
        rows = [list(map(repr, table.rows)) for table in opened.tables()]
    assert rows == [list(map(repr, HARD_ROWS)), ["('7',)"]]
    with vault(store).open(ID, made.sha256, other.manifest) as opened, pytest.raises(NotOurs):
        for table in opened.tables():
            list(table.rows)
    store.objects[f"{ID}.age"] = store.objects[f"{OTHER}.age"]
    with pytest.raises(NotOurs):
        vault(store).open(ID, made.sha256, made.manifest)


def test_a_backup_is_three_files_and_no_two_share_a_key() -> None:
    store = MemoryStorage()
    sealed(store)
    sealed(store, OTHER)
    assert store.list() == sorted(
        one + end for one in (ID, OTHER) for end in (".README.txt", ".age", ".key.age")
    )
    store.objects[f"{ID}.key.age"], store.objects[f"{OTHER}.key.age"] = (
        store.objects[f"{OTHER}.key.age"],
        store.objects[f"{ID}.key.age"],
    )
    for one in (ID, OTHER):
        with pytest.raises(NotOurs, match=r"backups\.key_file"):
            vault(store).open(one)


def test_the_store_sees_no_row_no_table_and_no_secret() -> None:
    store = MemoryStorage()
    with vault(store).sealing(ID) as sealing:
        sealing.table("rows", "geheim", [Column("mail", "text-1")], [("ada@example.com",)] * 1000)
        sealing.finish({"note": "vertraulich"})
    everything = b"".join(store.objects.values())
    for secret in (b"geheim", b"ada@example.com", b"vertraulich", b"AGE-SECRET-KEY-1", b"T0ACME"):
        assert secret not in everything


# Attempts that do not finish


def test_leaving_without_finish_leaves_nothing() -> None:
    store = MemoryStorage()
    with vault(store).sealing(ID) as sealing:
        sealing.table("rows", "customers", HARD_COLUMNS, HARD_ROWS)
    with pytest.raises(RuntimeError), vault(store).sealing(ID) as sealing:
        raise RuntimeError
    with pytest.raises(CannotProve), vault(store).sealing(ID) as sealing:
        sealing.table("rows", "customers", [Column("id", "sqlite-1")], [(2**64,)])
    with pytest.raises(CannotProve), vault(store).sealing(ID) as sealing:
        sealing.finish({"bytes": b""})
    assert (store.objects, store.unfinished) == ({}, 0)
    sealed(store)


def test_nothing_is_a_backup_before_it_was_read_back_to_its_end() -> None:
    store, seen = MemoryStorage(), list[tuple[int, list[list[str]]]]()

    def look(manifest: Manifest, tables: Iterator[Table]) -> None:
        seen.append((manifest.rows, [list(map(repr, table.rows)) for table in tables]))

    def look_away(_: Manifest, tables: Iterator[Table]) -> None:
        next(iter(next(tables).rows))

    def fail(_: Manifest, tables: Iterator[Table]) -> None:
        next(iter(next(tables).rows))
        raise RuntimeError

    def begin(sealing: Sealing) -> Sealing:
        sealing.table("rows", "customers", HARD_COLUMNS, HARD_ROWS)
        sealing.close({})
        return sealing

    with vault(store).sealing(ID) as sealing:
        begin(sealing)
    assert store.objects == {}
    with pytest.raises(RuntimeError), vault(store).sealing(ID) as sealing:
        begin(sealing).read_back(fail)
    assert store.objects == {}
    for rotten in ("the archive", "the key file"):
        with pytest.raises(NotOurs), vault(store).sealing(ID) as sealing:
            begin(sealing)
            name = f"{ID}.age" if rotten == "the archive" else f"{ID}.key.age"
            store.objects[name] = store.objects[name][:-9] + b"123456789"
            sealing.read_back(look_away)
        assert store.objects == {}
    with vault(store).sealing(ID) as sealing:
        made = begin(sealing).read_back(look)
    assert seen == [(len(HARD_ROWS), [list(map(repr, HARD_ROWS))])]
    assert vault(store).verify(ID) == made.manifest


def test_a_failure_after_finish_keeps_the_backup() -> None:
    store = MemoryStorage()
    with contextlib.suppress(RuntimeError), vault(store).sealing(ID) as sealing:
        sealing.finish({})
        raise RuntimeError
    assert vault(store).ids() == [ID]


def test_an_id_is_never_used_twice_not_even_after_shredding() -> None:
    store = MemoryStorage()
    sealed(store)
    before = dict(store.objects)
    with pytest.raises(Stale, match=r"backups\.exists"):
        sealed(store)
    assert store.objects == before
    vault(store).shred(ID)
    with pytest.raises(Stale):
        sealed(store)


def test_the_loser_of_two_attempts_with_one_id_does_not_remove_the_winner() -> None:
    store = MemoryStorage()
    with vault(store).sealing(ID) as slow:
        sealed(store)
        with pytest.raises(Stale):
            slow.finish({})
    assert vault(store).verify(ID).rows == 6


@pytest.mark.parametrize("backup_id", ["", "x", "../x", ID.upper(), ID + "\n", ID + ".key"])
def test_a_name_that_is_not_an_id_is_refused(backup_id: str) -> None:
    store = MemoryStorage()
    with pytest.raises(BadInput):
        vault(store).sealing(backup_id)
    asks: list[Callable[[str], object]] = [vault(store).open, vault(store).verify, vault(store).shred]
    for ask in asks:
        with pytest.raises(NotFound):
            ask(backup_id)


def test_a_disk_that_fills_up_anywhere_leaves_nothing() -> None:
    full = MemoryStorage()
    sealed(full)
    size = sum(map(len, full.objects.values()))
    for quota in range(0, size, 211):
        store = MemoryStorage(quota)
        with pytest.raises(StorageDown, match=r"backups\.store_full"):
            sealed(store)
        assert (store.objects, store.unfinished) == ({}, 0)
    sealed(MemoryStorage(size))


class RottingStorage(MemoryStorage):
    """Says yes to every write and keeps something else."""

    def __init__(self, suffix: str, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._suffix, self._change = suffix, change

    def open_read(self, name: str) -> IO[bytes]:
        if name.endswith(self._suffix):
            self.objects[name] = self._change(self.objects[name])
        return super().open_read(name)


ROT: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a flipped bit in the archive": ("z.age", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]),
    "an archive cut off": ("z.age", lambda data: data[:-1]),
    "an empty archive": ("z.age", lambda _: b""),
    "a flipped bit in the key file": (".key.age", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]),
    "an empty key file": (".key.age", lambda _: b""),
}


@pytest.mark.parametrize("case", ROT)
def test_what_does_not_read_back_is_not_a_backup(case: str) -> None:
    store = RottingStorage(*ROT[case])
    with pytest.raises(NotOurs):
        sealed(store)
    assert store.objects == {}


# Attacks on what lies in the store


def refused(store: MemoryStorage, sha: str | None = None) -> None:
    with pytest.raises(NotOurs):
        vault(store).open(ID, sha)
    with pytest.raises(NotOurs):
        vault(store).verify(ID)


def test_a_flipped_bit_anywhere_in_any_file_of_the_backup_is_refused() -> None:
    store = MemoryStorage()
    sealed(store)
    for end in (".age", ".key.age"):
        whole = store.objects[ID + end]
        for position in [*range(0, len(whole), 37), len(whole) - 1]:
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 8
            store.objects[ID + end] = bytes(changed)
            refused(store)
        store.objects[ID + end] = whole
    assert vault(store).verify(ID).rows == 6


def test_a_file_of_any_other_length_is_refused() -> None:
    store = MemoryStorage()
    with vault(store).sealing(ID) as sealing:
        sealing.table("rows", "blobs", [Column("b", "sqlite-1")], [(seeded(i)(30_000),) for i in range(8)])
        sealing.finish({})
    for end in (".age", ".key.age"):
        whole = store.objects[ID + end]
        head = len(whole) % (64 * 1024 + 16)
        cuts = {0, 1, 100, len(whole) - 1, *range(head, len(whole), 64 * 1024 + 16)} - {len(whole)}
        for data in [*(whole[:cut] for cut in cuts), whole + b"\0", whole * 2]:
            store.objects[ID + end] = data
            refused(store)
        store.objects[ID + end] = whole
    vault(store).verify(ID)


def test_another_backup_of_the_same_worker_cannot_take_its_place() -> None:
    store = MemoryStorage()
    sealed(store)
    sealed(store, OTHER)
    for ends in ([".age"], [".key.age"], [".age", ".key.age"]):
        attacked = MemoryStorage()
        attacked.objects = dict(store.objects)
        for end in ends:
            attacked.objects[ID + end] = attacked.objects[OTHER + end]
        refused(attacked)


def test_a_forger_who_knows_the_public_key_but_not_the_master_key_is_refused() -> None:
    store = MemoryStorage()
    made = sealed(store)
    theirs = MemoryStorage()
    forged = sealed(theirs, ID, master=2)
    archive = theirs.objects[f"{ID}.age"]
    mallory = master_key(2)
    plain = keyfile.dump(KeyFile(identity(9), ID, forged.sha256), mallory)
    out = io.BytesIO()
    with Encryptor(out, [MASTER.recipient], seeded(3)) as age:
        age.write(plain)
    store.objects |= {f"{ID}.age": archive, f"{ID}.key.age": out.getvalue()}
    refused(store)
    refused(store, made.sha256)


def test_a_reference_to_another_archive_is_not_served() -> None:
    store = MemoryStorage()
    sealed(store)
    with pytest.raises(NotOurs, match=r"backups\.not_that_archive"):
        vault(store).open(ID, "0" * 64)


def test_another_master_key_is_told_so() -> None:
    store = MemoryStorage()
    sealed(store)
    vault(store).check_master()
    # A worker that started while the store was silent has not looked yet.
    for ask in (
        vault(store, 2).check_master,
        lambda: vault(store, 2).open(ID),
        lambda: vault(store, 2).sealing("another-backup"),
    ):
        with pytest.raises(NotOurs, match=r"backups\.wrong_key"):
            ask()
    vault(MemoryStorage(), 2).check_master()


def test_an_archive_changed_between_opening_and_reading_is_noticed() -> None:
    store = MemoryStorage()
    sealed(store)
    sealed(store, OTHER)
    with vault(store).open(ID) as opened:
        store.objects[f"{ID}.age"] = store.objects[f"{OTHER}.age"]
        with pytest.raises(NotOurs):
            list(opened.tables())


# Shredding


def test_a_shredded_backup_is_gone_and_said_to_be() -> None:
    store = MemoryStorage()
    made = sealed(store)
    sealed(store, OTHER)
    vault(store).shred(ID)
    vault(store).shred(ID)
    assert [name for name in store.list() if name.startswith(ID)] == [f"{ID}.shredded.txt"]
    assert vault(store).ids() == [OTHER]
    for ask in (lambda: vault(store).open(ID, made.sha256), lambda: vault(store).verify(ID)):
        with pytest.raises(Refused, match=r"backups\.shredded"):
            ask()
    vault(store).verify(OTHER)


class DyingStorage(MemoryStorage):
    """The process dies at the n-th change."""

    left = 10**9

    def delete(self, name: str) -> None:
        self._change()
        super().delete(name)

    def put_new(self, name: str) -> MemoryUpload:
        self._change()
        return super().put_new(name)

    def _change(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", range(5))
def test_shredding_that_broke_off_has_already_shredded_and_can_be_finished(after: int) -> None:
    store = DyingStorage()
    sealed(store)
    store.left = after
    with contextlib.suppress(KeyboardInterrupt):
        vault(store).shred(ID)
    assert (store.left < 0) == (after < 4)
    store.left = 10**9
    if after:
        assert f"{ID}.key.age" not in store.objects
        with pytest.raises(Refused, match=r"backups\.shredded"):
            vault(store).open(ID)
    vault(store).shred(ID)
    assert store.list() == [f"{ID}.shredded.txt"]


def test_shredding_works_on_a_full_disk() -> None:
    store = MemoryStorage()
    sealed(store)
    store.quota = sum(map(len, store.objects.values()))
    vault(store).shred(ID)
    assert store.list() == [f"{ID}.shredded.txt"]


def test_what_never_was_is_not_shredded_but_unknown() -> None:
    for ask in (vault(MemoryStorage()).shred, vault(MemoryStorage()).open):
        with pytest.raises(NotFound, match=r"backups\.unknown"):
            ask(ID)


def test_a_lost_archive_or_key_is_told_apart_and_can_be_shredded() -> None:
    store = MemoryStorage()
    sealed(store)
    archive = store.objects.pop(f"{ID}.age")
    with pytest.raises(NotOurs, match=r"backups\.archive_missing"):
        vault(store).open(ID)
    assert vault(store).ids() == []
    assert any_backup_exists(store)
    store.objects[f"{ID}.age"] = archive
    vault(store).open(ID)
    del store.objects[f"{ID}.age"]
    vault(store).shred(ID)
    assert not any_backup_exists(store)


def test_the_sweep_removes_attempts_that_died_and_nothing_else() -> None:
    store = MemoryStorage()
    sealed(store)
    sealed(store, OTHER)
    running, dead = "b20261125-0000000000", "b20261126-0000000000"
    store.objects[f"{running}.age"] = store.objects[f"{dead}.age"] = b"cut off after its first file"
    assert vault(store).sweep({running}) == 1
    assert vault(store).ids() == [ID, OTHER]
    assert [name for name in store.list() if running in name or dead in name] == [
        f"{running}.age",
        f"{dead}.shredded.txt",
    ]
    assert vault(store).sweep({running}) == 0


# References


def test_a_reference_goes_round_by_way_of_a_person() -> None:
    store = MemoryStorage()
    made = sealed(store)
    one, other = vault(store).reference(made), vault(store).reference(made)
    assert one != other
    for text in (one, f"`{other}`", f" “{one}” "):
        payload = vault(store).unseal(text)
        assert (payload.backup_id, payload.sha256, payload.workspace) == (ID, made.sha256, "T0ACME")
    with pytest.raises(NotAllowed, match=r"backups\.reference_other_workspace"):
        vault(store, workspace="T0OTHER").unseal(one)
    with pytest.raises(BadInput, match=r"backups\.reference_other_key"):
        vault(store, master=2).unseal(one)


def test_no_error_carries_a_row_or_a_secret() -> None:
    store = MemoryStorage()
    caught: list[CountersignError] = []
    for rows in ([("ada@example.com", 2**70)], [("ada@example.com", "\ud800")]):
        try:
            with vault(store).sealing(ID) as sealing:
                sealing.table("rows", "t", [Column("a", "text-1"), Column("b", "sqlite-1")], rows)
        except CountersignError as error:
            caught.append(error)
    assert len(caught) == 2
    assert not any("ada" in f"{error!r}{error.params}{error.__cause__!r}" for error in caught)


# The real folder


def test_in_a_real_folder_everything_is_tight_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "backups")
    with Vault(store, MASTER, "T0").sealing(ID) as sealing:
        sealing.table("rows", "t", HARD_COLUMNS, HARD_ROWS * 5000)
        made = sealing.finish({})
    files = list((tmp_path / "backups").iterdir())
    assert sorted(one.name for one in files) == [f"{ID}.README.txt", f"{ID}.age", f"{ID}.key.age"]
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}
    assert made.size == (tmp_path / "backups" / f"{ID}.age").stat().st_size
    with Vault(store, MASTER, "T0").open(ID) as opened:
        assert sum(1 for table in opened.tables() for _ in table.rows) == 30_000
    gc.collect()


SEALER = """
    import random, re, sys
    from pathlib import Path
    from bot.backups.storage.local import LocalStorage
    from bot.backups.vault import Vault
    from bot.model.backups import Column
    from tests.fakes.backups import master_key
    vault = Vault(LocalStorage(Path(sys.argv[1])), master_key(), "T0")
    with vault.sealing(sys.argv[2]) as sealing:
        print("begun", flush=True)
        rows = ((number, random.Random(number).randbytes(100_000)) for number in range(int(sys.argv[3])))
        sealing.table("rows", "t", [Column("id", "sqlite-1"), Column("b", "sqlite-1")], rows)
        sealing.finish({})
    # Not ru_maxrss: that one begins with the size of whoever started us.
    peak = re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    print(int(peak.group(1)) // 1024, flush=True)
"""


def sealer(folder: Path, rows: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(SEALER), str(folder), ID, str(rows)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_backup(tmp_path: Path) -> None:
    with sealer(tmp_path / "backups", 700) as process:
        said, _ = process.communicate()
    assert process.returncode == 0
    assert int(said.split()[-1]) < 100


@pytest.mark.slow
@pytest.mark.parametrize("rows", [20, 500])
def test_kill_9_while_sealing_shows_no_backup_and_the_sweep_clears_up(tmp_path: Path, rows: int) -> None:
    folder = tmp_path / "backups"
    with sealer(folder, 10**6) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not any(one.stat().st_size > rows * 100_000 for one in folder.iterdir()):
            assert process.poll() is None
        process.kill()
    store = LocalStorage(folder)
    assert store.list() == []
    assert not any_backup_exists(store)
    assert Vault(store, MASTER, "T0").sweep() == 1
    assert list(folder.iterdir()) == []


def test_a_real_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    limit = f"import resource, signal; resource.setrlimit(resource.RLIMIT_FSIZE, ({10**6}, {10**6}))\n"
    command = [sys.executable, "-c", limit + textwrap.dedent(SEALER), str(tmp_path / "backups"), ID, "100"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False)
    assert done.stderr.strip().endswith("bot.errors.StorageDown: backups.store_full")
    assert list((tmp_path / "backups").iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10**6
