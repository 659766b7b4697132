"""What the backups of format versions 1 and 2 hold, in one of version 3; see ``tests/vectors/README.md``."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.backups.vault import OpenedBackup, Vault
from bot.targets.streams import chunks
from tests.unit.backups import test_vectors as first
from tests.unit.backups import test_vectors_2 as second
from tests.unit.backups.test_vectors import VECTORS, frozen_master, store

ID = "b20261129-gh16ejqvm1"
#: Folder, parts, rows, the beginning of the sum over its lines.
SUMMARIES = [
    ("rows/%E5%AE%A2%E6%88%B7%2Fcustomers", 11, 10, "570576e44290758e"),
    ("rows/notes", 4, 3, "1f7213c2dc83ec2c"),
    ("rows/empty", 1, 0, "0000000000000000"),
    ("nullified/1", 3, 2, "d32a12159c729613"),
]


def opened(prefix: str, reference: str) -> OpenedBackup:
    vault = Vault(store(prefix), frozen_master(), "T0ACME")
    payload = vault.unseal((VECTORS / reference).read_text())
    assert payload.backup_id == prefix
    return vault.open(payload.backup_id, payload.sha256)


@pytest.fixture(name="third")
def third_backup() -> OpenedBackup:
    return opened(ID, "reference-3.txt")


def content(backup: OpenedBackup, stream: str) -> bytes:
    with backup.blob(stream) as source:
        return b"".join(chunks(source))


def test_its_rows_are_those_of_version_1(third: OpenedBackup) -> None:
    def rows(backup: OpenedBackup) -> list[tuple[object, ...]]:
        return [
            (one.summary.kind, one.summary.name, one.summary.columns, list(map(repr, one.rows)))
            for one in backup.tables()
        ]

    assert rows(third) == rows(opened(first.ID, "reference.txt"))
    manifest = third.manifest
    assert [(one.folder, one.parts, one.rows, one.sum[:16]) for one in manifest.tables] == SUMMARIES
    assert (manifest.version, {one.over for one in manifest.tables}) == (3, {"lines"})


def test_its_streams_are_those_of_version_2(third: OpenedBackup) -> None:
    other = opened(second.ID, "reference-2.txt")
    manifest = third.manifest
    assert [(one.name, one.parts, one.sha256) for one in manifest.streams] == list(
        zip(second.STREAMS, (1, 6, 1, 4), [None] * 4, strict=True)
    )
    for name in second.STREAMS:
        assert content(third, name) == content(other, name), name


def test_programs_that_know_nothing_of_us_read_it(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs("age", "tar", "zstd")
    key, tar = tmp_path / "key", tmp_path / "tar"
    for source, identity, target in ((".key.age", VECTORS / "master.key", key), (".age", key, tar)):
        subprocess.run(["age", "-d", "-i", identity, "-o", target, VECTORS / (ID + source)], check=True)
    listed = subprocess.run(["tar", "-tf", tar], capture_output=True, text=True, check=True).stdout.split()
    assert (listed[0], listed[-1]) == ("README.txt", "MANIFEST.json")
    members = [one for one in listed if one.startswith("streams/uploads.tar/")]
    packed = subprocess.run(["tar", "-xOf", tar, *members], capture_output=True, check=True).stdout
    plain = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    assert plain == content(opened(second.ID, "reference-2.txt"), "uploads.tar")
