"""Streams whose stored bytes, or whose manifest, somebody or something changed: none is taken for another."""

import io
import json
import os
from collections.abc import Callable
from hashlib import sha256

import pytest
import zstandard

from bot.backups.archive import ArchiveWriter
from bot.backups.frames import Frame
from bot.backups.unarchive import read_manifest, read_stream
from bot.errors import NotOurs
from bot.model.backups import Manifest
from tests.unit.backups.test_archive import Files, consistent, entry, packed, unpacked

ID = "b20261123-7k2m9qx4tz"
CONTENT = b"one row of a dump\n" * 40 + os.urandom(64)
SKIPPED = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"


def made() -> tuple[bytes, Manifest]:
    """Two streams; the first in eight parts or so."""
    out = io.BytesIO()
    writer = ArchiveWriter(out, ID, 100)
    for name, content in (("a", CONTENT), ("b", b"x")):
        with writer.blob(name) as blob:
            blob.write(content)
    manifest = writer.finish({})
    return out.getvalue(), manifest


def frame(plain: bytes, *, checked: bool = True) -> bytes:
    return zstandard.ZstdCompressor(level=3, write_checksum=checked).compress(plain)


def plain(data: bytes) -> bytes:
    return b"".join(Frame(io.BytesIO(data)).chunks())


def with_part(files: Files, change: Callable[[bytes], bytes], nth: int = 1) -> Files:
    """One part changed and listed as it is now: what a broken compressor would have had us store."""
    changed = entry(files[nth][0].name, change(files[nth][1]))
    return consistent([*files[:nth], changed, *files[nth + 1 :]])


def with_streams(files: Files, version: int, **fields: object) -> Files:
    """The same parts under a manifest of that version whose streams say this besides."""
    streams = [
        {name: value for name, value in {**one, **fields}.items() if value is not None}
        for one in json.loads(files[-1][1])["streams"]
    ]
    return consistent(files, version=version, streams=streams)


def unchecked(files: Files) -> Files:
    """As before: frames without checksums."""
    parts = [entry(info.name, frame(plain(data), checked=False)) for info, data in files[1:-1]]
    return consistent([files[0], *parts, files[-1]])


def hashed(files: Files) -> Files:
    """As before: version 2, with the true SHA-256 of what is in each stream."""
    body = json.loads(files[-1][1])
    for one in body["streams"]:
        mine = [data for info, data in files[1:-1] if info.name.startswith(one["folder"] + "/")]
        one["sha256"] = sha256(b"".join(map(plain, mine))).hexdigest()
    return consistent(files, version=2, streams=body["streams"])


TRICKS: dict[str, Callable[[Files], Files]] = {
    "no checksum": lambda files: with_part(files, lambda data: frame(plain(data), checked=False)),
    "no checksum in the last part": lambda files: with_part(
        files, lambda data: frame(plain(data), checked=False), len(files) - 3
    ),
    "no checksum anywhere": unchecked,
    "the checksum cut in two": lambda files: with_part(files, lambda data: data[:-2]),
    "the checksum cut off": lambda files: with_part(files, lambda data: data[:-4]),
    "another checksum": lambda files: with_part(files, lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    "nothing at all": lambda files: with_part(files, lambda _: b""),
    "rubbish behind": lambda files: with_part(files, lambda data: data + b"x"),
    "more behind": lambda files: with_part(files, lambda data: data + frame(b"more")),
    "an empty frame behind": lambda files: with_part(files, lambda data: data + frame(b"")),
    "a frame to skip behind": lambda files: with_part(files, lambda data: data + SKIPPED),
    "a frame to skip before": lambda files: with_part(files, lambda data: SKIPPED + data),
    "more than the manifest says": lambda files: with_part(files, lambda data: frame(plain(data) + b"more")),
    "less than the manifest says": lambda files: with_part(files, lambda data: frame(plain(data)[1:])),
    "two parts changed places": lambda files: [
        files[0],
        (files[1][0], files[2][1]),
        (files[2][0], files[1][1]),
        *files[3:],
    ],
    "packed again and not listed": lambda files: [
        files[0],
        entry(files[1][0].name, frame(plain(files[1][1]))),
        *files[2:],
    ],
    "a part away": lambda files: consistent([files[0], *files[2:]]),
    "the last part of a stream away": lambda files: consistent([*files[:-3], *files[-2:]]),
    "another size": lambda files: with_streams(files, 3, size=1),
    "another number of parts": lambda files: with_streams(files, 3, parts=1),
    "a hash in version 3": lambda files: with_streams(files, 3, sha256=sha256(CONTENT).hexdigest()),
    "nothing for a hash in version 2": lambda files: with_streams(files, 2, sha256=""),
    "no hash in version 2": lambda files: with_streams(files, 2),
    "no hash, frames and version as before": lambda files: with_streams(unchecked(files), 2),
    "version 2 over the frames of version 3": hashed,
    "version 2 over some frames of version 3": lambda files: with_part(
        hashed(unchecked(files)), lambda data: frame(plain(data))
    ),
    "version 3 over the frames of version 2": lambda files: with_streams(
        hashed(unchecked(files)), 3, sha256=None
    ),
    "version 2 with another hash": lambda files: with_streams(hashed(unchecked(files)), 2, sha256="0" * 64),
    "version 1": lambda files: with_streams(files, 1),
}


@pytest.mark.parametrize("case", TRICKS)
def test_streams_that_we_would_not_write_are_refused(case: str) -> None:
    files = unpacked(made()[0])
    assert read_manifest(io.BytesIO(packed(consistent(files)))).streams
    with pytest.raises(NotOurs):
        read_manifest(io.BytesIO(packed(TRICKS[case](files))))


@pytest.mark.parametrize("case", TRICKS)
def test_nor_does_one_come_out_whole_under_the_manifest_that_was_checked(case: str) -> None:
    data, manifest = made()
    changed = packed(TRICKS[case](unpacked(data)))
    if changed[: changed.rindex(b"MANIFEST.json")] == data[: data.rindex(b"MANIFEST.json")]:
        assert b"".join(read_stream(io.BytesIO(changed), manifest, "a")) == CONTENT
        return
    with pytest.raises(NotOurs):
        for name in ("a", "b"):
            list(read_stream(io.BytesIO(changed), manifest, name))


def test_the_manifest_of_before_still_opens_what_was_written_before() -> None:
    old = packed(hashed(unchecked(unpacked(made()[0]))))
    manifest = read_manifest(io.BytesIO(old))
    assert manifest.streams[0].sha256 == sha256(CONTENT).hexdigest()
    assert b"".join(read_stream(io.BytesIO(old), manifest, "a")) == CONTENT


def test_no_bit_of_a_frame_turns_it_into_other_bytes() -> None:
    """Nobody else vouches here: neither a hash of the frame nor a length of what it holds."""
    content = b"a row of a dump, and again a row of a dump, and something else\n" * 3
    whole = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
    data = whole.compress(content) + whole.flush()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        reading = Frame(io.BytesIO(bytes(changed)))
        try:
            got = b"".join(reading.chunks())
        except NotOurs:
            continue
        # A flag that is not the checksum's may say nothing; without the checksum no manifest takes it.
        assert got == content or not reading.checked


@pytest.mark.parametrize("length", range(200))
def test_a_frame_that_is_cut_off_never_ends(length: int) -> None:
    data = frame(os.urandom(186))
    if length < len(data):
        with pytest.raises(NotOurs):
            plain(data[:length])


@pytest.mark.parametrize("content", [bytes(2**24), bytes(range(256)) * 2**16, b"", b"x"], ids=len)
def test_a_frame_comes_out_in_small_pieces_however_much_a_few_bytes_say(content: bytes) -> None:
    packed = zstandard.ZstdCompressor(level=1, write_checksum=True).compress(content)
    pieces = list(Frame(io.BytesIO(packed)).chunks())
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= 128 * 1024 for piece in pieces)
