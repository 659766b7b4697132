"""A backup that was sealed once and must open in every release; see ``tests/vectors/README.md``."""

import math
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from bot.backups.age import Identity
from bot.backups.keys import MasterKey
from bot.backups.reference import clean, unseal
from bot.backups.vault import Vault
from bot.model.backups import Column, InvalidText, ReferencePayload, Value
from tests.fakes.storage import MemoryStorage

VECTORS = Path(__file__).parents[2] / "vectors"
ID = "b20261123-7k2m9qx4tz"

COLUMNS = [Column("id", "sqlite-1"), Column('wert, "value"', "sqlite-1"), Column("名", "sqlite-1")]
CUSTOMERS: list[tuple[Value, ...]] = [
    (1, None, ""),
    (2, "", None),
    (-(2**63), 2**63 - 1, 0),
    ("7", 7, 7.0),
    (-0.0, 0.1 + 0.2, 5e-324),
    (math.inf, -math.inf, 1.7976931348623157e308),
    ('a,"b"\nc\r\nd', "\0nul\0", "中文 𐐷 <!channel>"),
    (b"", b"\x00\xff", InvalidText(b"a\xff")),
    ("twice", "twice", "twice"),
    ("twice", "twice", "twice"),
]
NOTES: list[tuple[Value, ...]] = [("1", None), ("2", ""), ("3", 'x"y\n')]
NULLIFIED: list[tuple[Value, ...]] = [(7, 1), (9, 2)]
EXTRA = {"target": "crm", "plan": "sha256:00", "edges": [{"from": "deals.owner_id", "to": "customers.id"}]}


def store(prefix: str = ID) -> MemoryStorage:
    found = MemoryStorage()
    found.objects = {one.name: one.read_bytes() for one in VECTORS.iterdir() if one.name.startswith(prefix)}
    return found


def frozen_master() -> MasterKey:
    return MasterKey(Identity.parse((VECTORS / "master.key").read_text().splitlines()[-1]))


@pytest.fixture
def master() -> MasterKey:
    return frozen_master()


def test_the_vectors_are_the_ones_that_were_frozen() -> None:
    found = {
        one.name: sha256(one.read_bytes()).hexdigest() for one in VECTORS.iterdir() if one.name != "README.md"
    }
    assert found == FROZEN


FROZEN = {
    "b20261126-3h8wq5tmz2.README.txt": "5843dc41ed498a4a09b7ca0df5e1510392377c43db6e38828a66212ef978a4f8",
    "b20261126-3h8wq5tmz2.age": "4a97f5b223251a33707666e728fbbe2a137566c2454e45998cd71b0e9d45fc4f",
    "b20261126-3h8wq5tmz2.key.age": "846cd277d29cff3cdcb86f1e983af60ec6842804d4ac334e9e56cf0ac4da4789",
    "reference-2.txt": "7b6fe852e824f0890c7e24528af778d21e1d6c60bc93592a7aa5f36dc2e09115",
    "b20261129-gh16ejqvm1.README.txt": "accf4219ef1ddcb7cbe01379c304cf0339dc399b2de7266a6bd5f54dcd413205",
    "b20261129-gh16ejqvm1.age": "14ceb0611b7728917de4904611b6a677a245a2e99ed0bf9aa92559ce421632be",
    "b20261129-gh16ejqvm1.key.age": "777d26d1792569af6cb6cb39f4b8c28a88a42c6039ab2c8708bf375dbb083d38",
    "reference-3.txt": "03e8853efa9e7f3baee2b34dbc4ec1cb2d905ade5e550269c96c3d2e684c2131",
    "b20261123-7k2m9qx4tz.README.txt": "30a4bfad2f270fcb37da7a0e334362bd2394958564cf053eff79100562ddf5a7",
    "b20261123-7k2m9qx4tz.age": "8bfa624b49665615c455a2084e8aa429263dcb0d0313642a046cb5b81c26050c",
    "b20261123-7k2m9qx4tz.key.age": "8935870f7fcda528397ecf4b33dca8e858bbe588fe3f39e58e38f0989b665878",
    "master.key": "4496b554499ea2ed2b660feeb0a7c9d7d729788cce5113abaa8c6cce78ff4aca",
    "reference.txt": "edce329277e42ec193d6d6bb9b6fb6b08f63307813e53fd6535df128f2f7ff9c",
}


def test_a_backup_of_format_1_opens_and_is_exactly_what_it_was(master: MasterKey) -> None:
    vault = Vault(store(), master, "T0ACME")
    payload = vault.unseal((VECTORS / "reference.txt").read_text())
    with vault.open(payload.backup_id, payload.sha256) as opened:
        tables = [
            (table.summary.kind, table.summary.name, table.summary.columns, list(map(repr, table.rows)))
            for table in opened.tables()
        ]
        manifest = opened.manifest
    text = (Column("id", "text-1"), Column("body", "text-1"))
    two = (Column("id", "sqlite-1"), Column("owner_id", "sqlite-1"))
    assert tables == [
        ("rows", "客户/customers", tuple(COLUMNS), list(map(repr, CUSTOMERS))),
        ("rows", "notes", text, list(map(repr, NOTES))),
        ("rows", "empty", (Column("id", "sqlite-1"),), []),
        ("nullified", "deals.owner_id", two, list(map(repr, NULLIFIED))),
    ]
    assert manifest.extra == EXTRA
    assert [(table.folder, table.parts, table.rows, table.sum[:16]) for table in manifest.tables] == SUMMARIES


SUMMARIES = [
    ("rows/%E5%AE%A2%E6%88%B7%2Fcustomers", 4, 10, "caf2f739e61c25e3"),
    ("rows/notes", 1, 3, "e19b2f2fbc87b5b8"),
    ("rows/empty", 1, 0, "0000000000000000"),
    ("nullified/1", 1, 2, "7e9258069d2b1dcb"),
]


def test_a_reference_of_version_1_still_names_it(master: MasterKey) -> None:
    text = clean((VECTORS / "reference.txt").read_text())
    payload = ReferencePayload(ID, FROZEN[f"{ID}.age"], "T0ACME")
    assert unseal(master.derive("reference"), master.key_id, text, "T0ACME") == payload


def test_the_age_program_opens_it_too(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs("age", "tar")
    key = tmp_path / "key"
    for source, identity, target in (
        (".key.age", VECTORS / "master.key", key),
        (".age", key, tmp_path / "tar"),
    ):
        subprocess.run(["age", "-d", "-i", identity, "-o", target, VECTORS / (ID + source)], check=True)
    listed = subprocess.run(["tar", "-tf", tmp_path / "tar"], capture_output=True, text=True, check=True)
    names = listed.stdout.splitlines()
    assert (names[0], names[-1], len(names)) == ("README.txt", "MANIFEST.json", MEMBERS)


MEMBERS = 9
