"""A backup of a whole system (format version 2) that must open in every release; ``tests/vectors/README.md``."""

import os
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from bot.backups.vault import OpenedBackup, Vault
from bot.targets.files import FolderHolding
from bot.targets.sqlite_whole import SqliteHolding
from bot.targets.streams import chunks
from tests.fakes.systems import restored
from tests.unit.backups.test_vectors import VECTORS, frozen_master, store

ID = "b20261126-3h8wq5tmz2"
#: Name -> (kind, mode, content or target); the owner was root.
TREE = {
    ".": ("folder", 0o755, b""),
    "link": ("link", 0o777, b"/etc/passwd"),
    "latin-\udce9": ("file", 0o644, "é".encode()),
    "offer.txt": ("file", 0o640, b"an offer\n"),
    "sparse": ("file", 0o644, b"\0" * 8 * 1024 * 1024 + b"end"),
    "sub": ("folder", 0o755, b""),
    "sub/empty": ("folder", 0o755, b""),
    "sub/second name": ("file", 0o640, b"an offer\n"),
    "名 \n*": ("file", 0o644, b"\0\xff" * 5),
}
CUSTOMERS = [
    (1, "Ada", 0.1 + 0.2, b"\x00\xff"),
    (2, "中文", 0.0, None),
    (3, None, float("inf"), b""),
]
WHEN = 1_600_000_000_123_456_789


@pytest.fixture(name="opened")
def opened_backup() -> OpenedBackup:
    vault = Vault(store(ID), frozen_master(), "T0ACME")
    payload = vault.unseal((VECTORS / "reference-2.txt").read_text())
    assert payload.backup_id == ID
    return vault.open(payload.backup_id, payload.sha256)


def test_it_says_what_it_holds(opened: OpenedBackup) -> None:
    manifest = opened.manifest
    assert [one.name for one in manifest.streams] == STREAMS
    assert list(opened.tables()) == []
    assert manifest.extra["holdings"] == {
        "uploads": {"kind": "files", "entries": 9, "size": 8388641},
        "database": {"kind": "database", "tables": 2, "rows": 4, "size": 12288},
    }
    assert manifest.extra["former"]["web"]["ports"] == [8000]


STREAMS = ["uploads.entries.jsonl", "uploads.tar", "database.database.json", "database.sqlite"]


def test_a_tool_that_knows_nothing_of_us_reads_its_streams(opened: OpenedBackup, tmp_path: Path) -> None:
    for name in STREAMS:
        with opened.blob(name) as stream, (tmp_path / name).open("wb") as out:
            for chunk in chunks(stream):
                out.write(chunk)
    with closing(sqlite3.connect(tmp_path / "database.sqlite")) as connection:
        assert list(map(repr, connection.execute("SELECT * FROM customers"))) == list(map(repr, CUSTOMERS))
    with tarfile.open(tmp_path / "uploads.tar") as tar:
        names = {os.path.normpath(one.name) for one in tar.getmembers()}
    assert names == set(TREE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file back to its owner")
def test_the_parts_of_a_system_come_back_from_it(opened: OpenedBackup, tmp_path: Path) -> None:
    root = tmp_path / "srv"
    root.mkdir(mode=0o755)
    files = FolderHolding("uploads", str(root / "uploads"), [str(root)])
    rows = SqliteHolding("database", str(root / "crm.db"), [str(root)])
    for holding in (files, rows):
        holding.rehearse("t1", opened)
        restored(holding, "t1", opened)
    for name, (kind, mode, content) in TREE.items():
        place = root / "uploads" / name
        about = place.lstat()
        assert about.st_mode & 0o777 == mode, name
        assert about.st_mtime_ns == WHEN, name
        if kind == "link":
            assert os.fsencode(place.readlink()) == content
        elif kind == "file":
            assert sha256(place.read_bytes()).digest() == sha256(content).digest()
    assert (root / "uploads" / "offer.txt").samefile(root / "uploads" / "sub" / "second name")
    with closing(sqlite3.connect(root / "crm.db")) as connection:
        assert list(map(repr, connection.execute("SELECT * FROM customers"))) == list(map(repr, CUSTOMERS))


def test_the_age_program_opens_it_too(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs("age", "tar", "zstd")
    key, tar = tmp_path / "key", tmp_path / "tar"
    for source, identity, target in ((".key.age", VECTORS / "master.key", key), (".age", key, tar)):
        subprocess.run(["age", "-d", "-i", identity, "-o", target, VECTORS / (ID + source)], check=True)
    member = "streams/uploads.tar/00001.zst"
    packed = subprocess.run(["tar", "-xOf", tar, member], capture_output=True, check=True).stdout
    plain = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    assert b"an offer" in plain
