"""The archive gives back what went in, and refuses every archive that a writer of ours would not make."""

import io
import json
import tarfile
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
import zstandard

from bot.backups.archive import ArchiveWriter, folder_of
from bot.backups.unarchive import ArchiveReader, read_manifest, read_tables
from bot.errors import BadInput, CannotProve, NotOurs
from bot.model.backups import Column, Manifest, Value
from tests.fakes.backups import HARD_COLUMNS, HARD_ROWS

ID = "b20261123-7k2m9qx4tz"
COLUMNS = [Column("id", "sqlite-1"), Column("name", "text-1")]
ROWS: list[tuple[Value, ...]] = [(1, "Ada"), (2, None), (3, "")]


def archived(part: int = 16, version: dict[str, object] | None = None) -> tuple[bytes, Manifest]:
    out = io.BytesIO()
    writer = ArchiveWriter(out, ID, rows=part)
    writer.table("rows", "hard", HARD_COLUMNS, HARD_ROWS)
    writer.table("nullified", "deals.owner_id", COLUMNS, ROWS)
    writer.table("rows", "empty", COLUMNS, [])
    manifest = writer.finish({"target": "crm"} if version is None else version)
    return out.getvalue(), manifest


@pytest.mark.parametrize("part", [1, 16, 100, 10**6])
def test_tables_come_back_in_order_with_every_value_exact(part: int) -> None:
    data, manifest = archived(part)
    assert read_manifest(io.BytesIO(data)) == manifest
    found = [
        (table.summary, list(map(repr, table.rows))) for table in read_tables(io.BytesIO(data), manifest)
    ]
    rows = [list(map(repr, HARD_ROWS)), list(map(repr, ROWS)), []]
    assert found == list(zip(manifest.tables, rows, strict=True))
    assert [table.rows for table in manifest.tables] == [6, 3, 0]
    assert manifest.rows == 6
    assert manifest.table("rows", "hard") == manifest.tables[0]
    assert manifest.table("rows", "deals.owner_id") is None


def test_the_size_of_parts_changes_neither_rows_nor_sum() -> None:
    one, many = archived(10**6)[1].tables[0], archived(1)[1].tables[0]
    assert (one.rows, one.sum) == (many.rows, many.sum)
    assert (one.parts, many.parts) == (1, 7)


def test_rows_nobody_takes_are_checked_all_the_same() -> None:
    data, manifest = archived()
    reader = ArchiveReader(io.BytesIO(data))
    for table in reader.tables():
        next(iter(table.rows), None)
    assert reader.manifest == manifest


def test_tar_and_zstd_of_the_standard_kind_see_the_same_members() -> None:
    data, manifest = archived(10**6)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
        assert [info.name for info in infos] == [*(one.name for one in manifest.members), "MANIFEST.json"]
        assert {(info.mode, info.uid, info.mtime, info.type) for info in infos} == {(0o600, 0, 0, b"0")}
        part = tar.extractfile("nullified/1/00001.csv.zst")
        assert part is not None
        assert zstandard.ZstdDecompressor().decompressobj().decompress(part.read()) == (
            b'"id","name"\n"i1","Ada"\n"i2",\n"i3",""\n'
        )


#: Names that a careless writer turns into paths, options or collisions.
NAMES = {
    "customers": "rows/customers",
    "Sales.Customer": "rows/Sales.Customer",
    "": "rows/%",
    ".": "rows/%2E",
    "..": "rows/%2E.",
    "../../etc/passwd": "rows/%2E.%2F..%2Fetc%2Fpasswd",
    "/abs": "rows/%2Fabs",
    "a%2Fb": "rows/a%252Fb",
    "a/b": "rows/a%2Fb",
    "-rf ~": "rows/-rf%20%7E",
    'q"\n\0': "rows/q%22%0A%00",
    "é": "rows/%C3%A9",
    "中" * 50: "rows/" + "%E4%B8%AD" * 13 + "%E4~" + sha256(("中" * 50).encode()).hexdigest()[:16],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_any_name_gets_a_plain_folder(name: str) -> None:
    assert folder_of(name) == NAMES[name]


def test_all_odd_names_fit_in_one_archive_and_come_back_true() -> None:
    names = [*NAMES, *(name.upper() for name in NAMES if name.isascii() and name.upper() not in NAMES)]
    out = io.BytesIO()
    writer = ArchiveWriter(out, ID)
    for name in names:
        writer.table("rows", name, COLUMNS, ROWS)
    writer.finish({})
    manifest = read_manifest(io.BytesIO(out.getvalue()))
    assert [table.name for table in manifest.tables] == names
    assert len({table.folder.lower() for table in manifest.tables}) == len(names)
    assert manifest.tables[names.index("CUSTOMERS")].folder == "rows/CUSTOMERS~2"


MISUSE: dict[str, Callable[[ArchiveWriter], object]] = {
    "no columns": lambda writer: writer.table("rows", "t", [], []),
    "two columns of one name": lambda writer: writer.table("rows", "t", [COLUMNS[0], COLUMNS[0]], []),
    "a table twice": lambda writer: [writer.table("rows", "t", COLUMNS, []) for _ in range(2)],
    "a codec nobody knows": lambda writer: writer.table("rows", "t", [Column("id", "magic-9")], []),
    "a column name that is not text": lambda writer: writer.table(
        "rows", "t", [Column("\ud800", "text-1")], []
    ),
    "a value that is not text": lambda writer: writer.table("rows", "t", COLUMNS, [(1, 2)]),
    "extra with a tuple": lambda writer: writer.finish({"a": (1,)}),
    "extra with numbers as keys": lambda writer: writer.finish({"a": {1: 2}}),
    "extra that is not a number": lambda writer: writer.finish({"a": float("nan")}),
    "extra with bytes": lambda writer: writer.finish({"a": b""}),
}


@pytest.mark.parametrize("case", MISUSE)
def test_what_could_not_come_back_is_not_written(case: str) -> None:
    with pytest.raises((BadInput, CannotProve, NotOurs)):
        MISUSE[case](ArchiveWriter(io.BytesIO(), ID))


def test_a_table_that_broke_off_spoils_the_archive() -> None:
    out = io.BytesIO()
    writer = ArchiveWriter(out, ID, rows=1)
    with pytest.raises(CannotProve):
        writer.table("rows", "t", COLUMNS, [(1, "a"), (2, "b"), (3, 4)])
    with pytest.raises(NotOurs):
        writer.finish({})


Files = list[tuple[tarfile.TarInfo, bytes]]


def unpacked(data: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]  # all are files


def packed(files: Files) -> bytes:
    out = io.BytesIO()
    for info, data in files:
        info.size = len(data) if info.isreg() else 0
        out.write(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512))
    return out.getvalue() + bytes(1024)


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode = kind, 0o600
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def consistent(files: Files, **changes: Any) -> Files:
    """The same files with a manifest that lists them as they are: an attacker who can write manifests."""
    manifest = json.loads(files[-1][1])
    manifest["members"] = [
        {"name": info.name, "size": len(data), "sha256": sha256(data).hexdigest()}
        for info, data in files[:-1]
    ]
    manifest |= changes
    return [*files[:-1], entry("MANIFEST.json", json.dumps(manifest).encode())]


def frame(text: str) -> bytes:
    return zstandard.compress(text.encode(), 1)


def with_table(files: Files, **fields: Any) -> Files:
    tables = json.loads(files[-1][1])["tables"]
    tables[1] |= fields
    return consistent(files, tables=tables)


TRICKS: dict[str, Callable[[Files], Files]] = {
    "a member missing": lambda files: files[:1] + files[2:],
    "a member missing and not listed": lambda files: consistent(files[:2] + files[3:]),
    "a member twice": lambda files: files[:2] + files[1:],
    "a member twice and listed": lambda files: consistent(files[:2] + files[1:]),
    "members swapped": lambda files: [files[0], files[2], files[1], *files[3:]],
    "parts swapped and listed": lambda files: consistent(
        [files[0], (files[1][0], files[2][1]), (files[2][0], files[1][1]), *files[3:]]
    ),
    "a part more": lambda files: consistent(
        [*files[:-1], entry("rows/empty/00002.csv.zst", frame('"i9","x"\n')), files[-1]]
    ),
    "a row changed": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, frame('"id","name"\n"i9","x"\n')), files[-1]]
    ),
    "a header changed": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, frame('"id","other"\n')), files[-1]]
    ),
    "a header with NULL": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, frame('"id",\n')), files[-1]]
    ),
    "an empty part": lambda files: consistent([*files[:-2], entry(files[-2][0].name, frame("")), files[-1]]),
    "a part that is not zstd": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, b"x"), files[-1]]
    ),
    "a zstd frame cut off": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, files[-2][1][:-3]), files[-1]]
    ),
    "rubbish after a zstd frame": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, files[-2][1] + b"x"), files[-1]]
    ),
    "a row too long": lambda files: consistent(
        [*files[:-2], entry(files[-2][0].name, frame('"id","name"\n"i1","a","b"\n')), files[-1]]
    ),
    "a path upwards": lambda files: consistent([*files[:-1], entry("rows/../00001.csv.zst"), files[-1]]),
    "an absolute path": lambda files: consistent([*files[:-1], entry("/rows/x/00001.csv.zst"), files[-1]]),
    "a file of another kind": lambda files: consistent([*files[:-1], entry("setup.sh", b"rm"), files[-1]]),
    "a symbolic link": lambda files: [files[0], entry("rows/x", kind=b"2", linkname="/etc"), *files[1:]],
    "a hard link": lambda files: [files[0], entry("rows/x", kind=b"1", linkname="README.txt"), *files[1:]],
    "a folder": lambda files: [files[0], entry("rows/x/", kind=b"5"), *files[1:]],
    "an extension header": lambda files: [
        files[0],
        entry("x", b"19 path=/etc/hosts\n", kind=b"x"),
        *files[1:],
    ],
    "an owner": lambda files: [entry("README.txt", files[0][1], uid=7), *files[1:]],
    "an executable": lambda files: [entry("README.txt", files[0][1], mode=0o700), *files[1:]],
    "no README": lambda files: consistent(files[1:]),
    "no manifest": lambda files: files[:-1],
    "something after the manifest": lambda files: [*files, entry("rows/x/00001.csv.zst", frame('"a"\n'))],
    "a second manifest": lambda files: [*files, files[-1]],
    "a manifest that is not JSON": lambda files: [*files[:-1], entry("MANIFEST.json", b"{")],
    "a manifest that is a list": lambda files: [*files[:-1], entry("MANIFEST.json", b"[]")],
    "a key twice": lambda files: [
        *files[:-1],
        entry("MANIFEST.json", files[-1][1].replace(b'"version": 3,', b'"version": 3, "version": 3,', 1)),
    ],
    "a key more": lambda files: consistent(files, more=1),
    "version true": lambda files: consistent(files, version=True),
    "another format": lambda files: consistent(files, format="other"),
    "a count changed": lambda files: with_table(files, rows=4),
    "a sum changed": lambda files: with_table(files, sum="0" * 64),
    "a kind changed": lambda files: with_table(files, kind="rows"),
    "a kind nobody knows": lambda files: with_table(files, kind="other"),
    "a name twice": lambda files: with_table(files, kind="rows", name="hard"),
    "a folder changed": lambda files: with_table(files, folder="nullified/2"),
    "a column renamed": lambda files: with_table(files, columns=[{"name": "x", "codec": "text-1"}] * 2),
    "a table forgotten": lambda files: consistent(files, tables=json.loads(files[-1][1])["tables"][1:]),
}


@pytest.mark.parametrize("case", TRICKS)
def test_an_archive_that_we_would_not_write_is_refused(case: str) -> None:
    files = unpacked(archived(100)[0])
    assert read_manifest(io.BytesIO(packed(consistent(files)))).rows == 6
    with pytest.raises(NotOurs):
        read_manifest(io.BytesIO(packed(TRICKS[case](files))))


def test_a_newer_version_and_an_unknown_codec_are_named() -> None:
    files = unpacked(archived()[0])
    with pytest.raises(NotOurs, match=r"backups\.newer_format") as caught:
        read_manifest(io.BytesIO(packed(consistent(files, version=4))))
    assert caught.value.params == {"version": 4}
    columns = [{"name": "id", "codec": "sqlite-9"}, {"name": "name", "codec": "text-1"}]
    with pytest.raises(NotOurs, match=r"backups\.unknown_codec"):
        read_manifest(io.BytesIO(packed(with_table(files, columns=columns))))


def test_bytes_changed_cut_off_or_added_are_refused() -> None:
    data = archived()[0]
    # The manifest vouches for everything before it; age vouches for the manifest.
    for position in range(0, data.index(b"MANIFEST.json"), 7):
        changed = bytearray(data)
        changed[position] ^= 0x11
        with pytest.raises(NotOurs):
            read_manifest(io.BytesIO(bytes(changed)))
    for length in range(0, len(data) - 512, 97):
        with pytest.raises(NotOurs):
            read_manifest(io.BytesIO(data[:length]))
    with pytest.raises(NotOurs):
        read_manifest(io.BytesIO(data + b"x"))


def test_another_archive_under_the_same_manifest_is_noticed_at_the_end() -> None:
    data, _ = archived(16)
    _, other = archived(16, {"target": "other"})
    with pytest.raises(NotOurs):
        [list(table.rows) for table in read_tables(io.BytesIO(data), other)]
