"""Streams in an archive: bytes go in and come out, an archive without them stays as it was."""

import gc
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.backups.archive import ArchiveWriter, StreamWriter
from bot.backups.storage.local import LocalStorage
from bot.backups.unarchive import read_manifest, read_stream
from bot.backups.vault import Vault
from bot.errors import BadInput, NotOurs
from bot.model.backups import Column, Manifest
from tests.fakes.backups import master_key

ID = "b20261123-7k2m9qx4tz"


def whole(streams: dict[str, list[bytes]], part: int = 100) -> tuple[bytes, Manifest]:
    out = io.BytesIO()
    writer = ArchiveWriter(out, ID, part)
    writer.table("rows", "t", [Column("id", "sqlite-1")], [(1,)])
    for name, pieces in streams.items():
        with writer.blob(name) as blob:
            for piece in pieces:
                blob.write(piece)
    manifest = writer.finish({})
    return out.getvalue(), manifest


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), st.lists(st.binary(max_size=300), max_size=5), max_size=4),
    st.integers(1, 400),
)
def test_every_stream_comes_back_however_it_was_cut(streams: dict[str, list[bytes]], part: int) -> None:
    data, manifest = whole(streams, part)
    assert read_manifest(io.BytesIO(data)) == manifest
    for name, pieces in streams.items():
        assert b"".join(read_stream(io.BytesIO(data), manifest, name)) == b"".join(pieces)


def test_every_archive_is_version_3_and_lists_its_streams() -> None:
    for streams in ({}, {"a": [b"x"]}):
        data, _ = whole(dict(streams))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.extractfile("MANIFEST.json")
            assert member is not None
            body = json.loads(member.read())
        assert (body["version"], [one["name"] for one in body["streams"]]) == (3, list(streams))


def test_public_tools_read_a_stream_part_by_part() -> None:
    content = bytes(range(256)) * 4
    data, manifest = whole({"files.tar": [content]})
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = [name for name in tar.getnames() if name.startswith("streams/")]
        assert names == [f"streams/files.tar/{n:05d}.zst" for n in range(1, 12)]
        parts = [tar.extractfile(name) for name in names]
        plain = b"".join(
            zstandard.ZstdDecompressor().decompressobj().decompress(p.read()) for p in parts if p
        )
    assert plain == content
    assert (manifest.streams[0].size, manifest.streams[0].sha256) == (len(content), None)


def test_twice_the_same_name_is_refused_and_names_that_differ_in_case_do_not_meet() -> None:
    with pytest.raises(BadInput):
        writer = ArchiveWriter(io.BytesIO(), ID)
        for _ in range(2):
            with writer.blob("a") as blob:
                blob.write(b"x")
    data, manifest = whole({"a": [b"1"], "A": [b"2"]})
    assert [one.folder for one in manifest.streams] == ["streams/a", "streams/A~2"]
    assert b"".join(read_stream(io.BytesIO(data), manifest, "A")) == b"2"


def test_a_stream_that_is_not_there_is_said() -> None:
    data, manifest = whole({"a": [b"1"]})
    with pytest.raises(NotOurs) as caught:
        list(read_stream(io.BytesIO(data), manifest, "b"))
    assert caught.value.key == "backups.no_stream"


def test_a_manifest_that_tells_another_stream_is_refused() -> None:
    first, second = whole({"a": [b"1" * 500]})[0], whole({"a": [b"2" * 500]})[0]
    cut = first.rindex(b"MANIFEST.json")
    with pytest.raises(NotOurs):
        read_manifest(io.BytesIO(first[:cut] + second[second.rindex(b"MANIFEST.json") :]))


def test_a_sealed_stream_is_read_back_from_the_store(tmp_path: Path) -> None:
    vault = Vault(LocalStorage(tmp_path / "backups"), master_key(), "T0ACME")
    content = bytes(1000) + b"end"
    with vault.sealing(ID) as sealing:
        with sealing.blob("db.sqlite") as out:
            out.write(content)
        sealed = sealing.finish({})
    with vault.open(ID, sealed.sha256) as opened:
        for _ in range(2):
            with opened.blob("db.sqlite") as source:
                assert source.read(3) == content[:3]
                assert b"".join(iter(lambda: source.read(7), b"")) == content[3:]
        with pytest.raises(NotOurs), opened.blob("other") as source:
            source.read(1)


@pytest.mark.parametrize("fails_at", [1, 2, 5])
def test_whoever_fails_is_heard_and_no_thread_of_the_compression_stays(fails_at: int) -> None:
    """The part that cannot be stored, or the source that breaks off: its own error, at once, and nobody left."""
    before = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - a count of what is in it

    class StoreIsGone(Exception):  # noqa: N818 - an error like any other
        pass

    def store(part: int, _: bytearray) -> None:
        if part == fails_at:
            raise StoreIsGone

    def run(pieces: int) -> None:
        writer = StreamWriter(store, 1_000_000)
        for _ in range(pieces):
            writer.write(os.urandom(400_000))
        writer.close()

    with pytest.raises(StoreIsGone):
        run(50)
    writer = StreamWriter(lambda *_: None, 1_000_000)
    writer.write(os.urandom(700_000))
    del writer
    gc.collect()
    assert len(os.listdir("/proc/self/task")) <= before  # noqa: PTH208 - a count of what is in it
