"""Our age files against two other implementations, and against everybody who changes a byte."""

import collections
import io
import pickle
import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import IO

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.backups.age import CHUNK, Encryptor, Identity, open_decrypted
from bot.errors import BadInput, CountersignError, NotOurs
from tests.fakes.backups import identity, seeded

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 1_000_003]
ALICE, BOB, MALLORY = identity(2), identity(3), identity(4)


def encrypted(plain: bytes, *recipients: Identity, step: int = 70_001) -> bytes:
    out = io.BytesIO()
    with Encryptor(out, [one.recipient for one in recipients], seeded(5)) as age:
        for start in range(0, len(plain), step):
            age.write(plain[start : start + step])
    return out.getvalue()


def decrypted(data: bytes, *identities: Identity) -> bytes:
    return open_decrypted(io.BytesIO(data), identities).read()


class OneByteAtATime(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(min(size, 7))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_encrypted_comes_back_for_each_recipient(size: int) -> None:
    plain = seeded(size)(size)
    data = encrypted(plain, ALICE, BOB)
    assert decrypted(data, ALICE) == decrypted(data, MALLORY, BOB) == plain


@pytest.mark.parametrize("size", SIZES)
def test_pyrage_opens_ours_and_we_open_pyrages(size: int) -> None:
    plain = seeded(size)(size)
    theirs = pyrage.x25519.Identity.from_str(BOB.secret_text())
    assert pyrage.decrypt(encrypted(plain, ALICE, BOB), [theirs]) == plain
    assert str(theirs.to_public()) == BOB.recipient
    assert decrypted(pyrage.encrypt(plain, [theirs.to_public()]), BOB) == plain


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1])
def test_the_age_program_opens_ours_and_we_open_its(
    size: int, tmp_path: Path, programs: Callable[..., None]
) -> None:
    programs("age")
    plain = seeded(size)(size)
    key = tmp_path / "key"
    key.write_text(f"# a comment\n{BOB.secret_text()}\n")
    theirs = subprocess.run(
        ["age", "-d", "-i", key], input=encrypted(plain, ALICE, BOB), capture_output=True, check=True
    )
    assert theirs.stdout == plain
    made = subprocess.run(["age", "-r", BOB.recipient], input=plain, capture_output=True, check=True)
    assert decrypted(made.stdout, BOB) == plain


def test_writes_of_any_size_make_the_same_file() -> None:
    plain = seeded(6)(2 * CHUNK)
    assert (
        encrypted(plain, ALICE, step=1000) == encrypted(plain, ALICE, step=CHUNK) == encrypted(plain, ALICE)
    )


def test_a_stream_that_returns_little_at_a_time_is_read_to_its_end() -> None:
    plain = seeded(7)(CHUNK + 9)
    stream: IO[bytes] = OneByteAtATime(encrypted(plain, ALICE))  # type: ignore[assignment]  # only read is used
    assert open_decrypted(stream, [ALICE]).read() == plain


def test_another_identity_is_told_that_the_key_is_wrong() -> None:
    with pytest.raises(NotOurs, match=r"backups\.wrong_key"):
        decrypted(encrypted(b"x", ALICE), MALLORY)
    with pytest.raises(NotOurs, match=r"backups\.wrong_key"):
        decrypted(encrypted(b"x", ALICE))


@pytest.mark.parametrize("size", [0, 10])
def test_any_changed_bit_of_a_small_file_is_refused(size: int) -> None:
    data = encrypted(seeded(8)(size), ALICE, BOB)
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(NotOurs):
                decrypted(bytes(changed), BOB)


def test_any_length_but_the_right_one_is_refused() -> None:
    data = encrypted(seeded(9)(100), ALICE)
    for length in range(len(data)):
        with pytest.raises(NotOurs):
            decrypted(data[:length], ALICE)
    for more in (b"\0", data, b"\n"):
        with pytest.raises(NotOurs):
            decrypted(data + more, ALICE)


@pytest.mark.parametrize("chunks", [1, 2])
def test_a_file_cut_exactly_between_chunks_is_refused_before_its_end_is_reported(chunks: int) -> None:
    plain = seeded(10)(3 * CHUNK)
    data = encrypted(plain, ALICE)
    head = len(data) - 3 * (CHUNK + 16)
    stream = open_decrypted(io.BytesIO(data[: head + chunks * (CHUNK + 16)]), [ALICE])
    with pytest.raises(NotOurs, match=r"backups\.damaged"):
        collections.deque(iter(lambda: stream.read(1000), b""), maxlen=0)


def test_nothing_of_a_changed_chunk_is_handed_out() -> None:
    plain = seeded(11)(3 * CHUNK)
    data = bytearray(encrypted(plain, ALICE))
    data[-(CHUNK + 16) - 1] ^= 1
    stream, got = open_decrypted(io.BytesIO(bytes(data)), [ALICE]), bytearray()
    with pytest.raises(NotOurs):
        while part := stream.read(4096):
            got += part
    assert got == plain[:CHUNK]
    with pytest.raises(NotOurs):
        stream.read(1)


def test_swapped_repeated_and_dropped_chunks_are_refused() -> None:
    data = encrypted(seeded(12)(4 * CHUNK), ALICE)
    size = CHUNK + 16
    head, chunks = data[: -4 * size], [data[-(4 - i) * size :][:size] for i in range(4)]
    for order in ([1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 2, 3], [0, 1, 3], [1, 2, 3], [0, 1, 2], [3]):
        with pytest.raises(NotOurs):
            decrypted(head + b"".join(chunks[i] for i in order), ALICE)


def test_an_abandoned_file_never_opens() -> None:
    for size in (0, CHUNK, CHUNK + 1):
        out = io.BytesIO()
        age = Encryptor(out, [ALICE.recipient], seeded(13))
        age.write(bytes(size))
        age.abandon()
        with pytest.raises(NotOurs):
            decrypted(out.getvalue(), ALICE)


def test_a_forgotten_file_does_not_look_complete() -> None:
    out = io.BytesIO()
    age = Encryptor(out, [ALICE.recipient], seeded(14))
    age.write(b"x")
    del age
    with pytest.raises(NotOurs):
        decrypted(out.getvalue(), ALICE)


INTRO = b"age-encryption.org/v1\n"
STANZA = encrypted(b"", ALICE).split(b"---")[0].removeprefix(INTRO)
HEADERS = {
    "nothing": b"",
    "another version": b"age-encryption.org/v2\n" + STANZA + b"--- " + b"A" * 43 + b"\n",
    "carriage returns": INTRO.replace(b"\n", b"\r\n") + STANZA,
    "no end": INTRO + STANZA,
    "no stanza": INTRO + b"--- " + b"A" * 43 + b"\n" + bytes(32),
    "a stanza without words": INTRO + b"->\n\n" + STANZA,
    "a stanza with two spaces": INTRO + b"->  X25519\n\n" + STANZA,
    "a share of 31 bytes": INTRO + b"-> X25519 " + b"A" * 42 + b"\n" + b"A" * 43 + b"\n---",
    "a low-order share": INTRO + b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n---",
    "a body of 33 bytes": INTRO + STANZA.replace(b"\n", b"\n", 1)[:-1] + b"A\n---",
    "padding": INTRO + STANZA[:-1] + b"=\n---",
    "a MAC line without MAC": INTRO + STANZA + b"---\n" + bytes(32),
    "a body that never ends": INTRO + b"-> grease x\n" + (b"A" * 64 + b"\n") * 3000,
    "a line that never ends": INTRO + b"-> " + b"A" * 200_000,
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_malformed_header_is_refused(case: str) -> None:
    with pytest.raises(NotOurs):
        decrypted(HEADERS[case], ALICE)


def test_stanzas_of_other_kinds_are_passed_over_but_covered_by_the_mac() -> None:
    data = encrypted(b"x", ALICE).replace(INTRO, INTRO + b"-> grease a b\n" + b"A" * 64 + b"\n\n", 1)
    with pytest.raises(NotOurs, match=r"backups\.damaged"):
        decrypted(data, ALICE)


def test_a_file_for_nobody_or_for_nonsense_is_not_made() -> None:
    for recipients in (
        [],
        ["age1"],
        [ALICE.secret_text()],
        [ALICE.recipient.upper()],
        [ALICE.recipient + "q"],
    ):
        with pytest.raises(BadInput):
            Encryptor(io.BytesIO(), recipients, seeded(15))


@given(st.integers(0, 73), st.sampled_from("0189QPZRY qpzABCéAGE-"))
@settings(max_examples=300)
def test_any_changed_character_of_an_identity_is_refused(position: int, char: str) -> None:
    text = ALICE.secret_text()
    changed = text[:position] + char + text[position + 1 :]
    if changed != text:
        with pytest.raises(NotOurs):
            Identity.parse(changed)


def test_identities_read_back_and_never_show_themselves() -> None:
    secret = ALICE.secret_text()
    assert Identity.parse(secret).recipient == ALICE.recipient
    for text in (secret.lower(), secret + "\n", f" {secret}", ALICE.recipient, ""):
        with pytest.raises(NotOurs) as caught:
            Identity.parse(text)
        assert caught.value.__cause__ is None
        assert secret not in repr(caught.value)
    assert secret[20:] not in f"{ALICE!r} {ALICE}"
    for leak in (pickle.dumps, deepcopy):
        with pytest.raises(TypeError):
            leak(ALICE)


def test_errors_are_ours_whatever_the_bytes() -> None:
    for seed in range(50):
        with pytest.raises(CountersignError):
            decrypted(INTRO + seeded(seed)(400), ALICE)
