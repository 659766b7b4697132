"""Values come back bit for bit, and text we did not write is refused."""

import math
import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.backups.cells import codec
from bot.errors import CannotProve, NotOurs
from bot.model.backups import Cell, InvalidText, Value

SQLITE, TEXT = codec("sqlite-1"), codec("text-1")


def invalid(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return True
    return False


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(min_size=8, max_size=8).map(lambda raw: struct.unpack(">d", raw)[0]),
    st.text(),
    st.binary(),
    st.binary(min_size=1).filter(invalid).map(InvalidText),
)


def bits(value: Value) -> tuple[type, object]:
    return type(value), struct.pack(">d", value) if isinstance(value, float) else value


@given(VALUES)
def test_every_value_comes_back_exactly(value: Value) -> None:
    assert bits(SQLITE.decode(SQLITE.encode(value))) == bits(value)


@given(VALUES, VALUES)
def test_two_values_never_share_a_cell(one: Value, other: Value) -> None:
    assert (SQLITE.encode(one) == SQLITE.encode(other)) == (bits(one) == bits(other))


@given(st.one_of(st.text(), st.text("itfbx0123456789abcdefn:.-+einf ")))
def test_text_that_decodes_is_the_text_we_would_write(text: str) -> None:
    try:
        value = SQLITE.decode(text)
    except NotOurs:
        return
    assert SQLITE.encode(value) == text


WRITTEN: dict[str, tuple[Value, Cell]] = {
    "NULL is nothing": (None, None),
    "the empty string is not": ("", "t"),
    "an integer": (7, "i7"),
    "the same as text": ("7", "t7"),
    "the same as a float": (7.0, "f7.0"),
    "minus zero": (-0.0, "f-0.0"),
    "17 digits": (0.1 + 0.2, "f0.30000000000000004"),
    "infinity": (-math.inf, "f-inf"),
    "not a number": (math.nan, "fnan:7ff8000000000000"),
    "no bytes": (b"", "b"),
    "bytes": (b"\x00\xff", "b00ff"),
    "broken text": (InvalidText(b"a\xff"), "x61ff"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_the_spelling_is_the_one_in_the_format_document(case: str) -> None:
    value, cell = WRITTEN[case]
    assert SQLITE.encode(value) == cell


REFUSED = [
    "",
    "7",
    "i",
    "i-0",
    "i07",
    "i+7",
    "i 7",
    "i7 ",
    "i\u0667",
    "i9223372036854775808",
    "i1_0",
    "f",
    "f7",
    "f7.00",
    "f.5",
    "fnan",
    "fNaN",
    "f+inf",
    "fInfinity",
    "f1e400",
    "fnan:",
    "fnan:0000000000000000",
    "fnan:7FF8000000000000",
    "fnan:7ff80000000000000",
    "fnan:-1",
    "b0",
    "bFF",
    "b f",
    "bff ",
    "x",
    "x61",
    "xzz",
    "z1",
    "I7",
]


@pytest.mark.parametrize("text", REFUSED)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(NotOurs):
        SQLITE.decode(text)


@pytest.mark.parametrize("value", [True, 2**63, -(2**63) - 1, "\ud800", bytearray(b"x"), 1 + 2j, [1]])
def test_a_value_that_cannot_come_back_is_refused_without_being_shown(value: Value) -> None:
    with pytest.raises(CannotProve) as caught:
        SQLITE.encode(value)
    assert caught.value.__cause__ is None
    assert "d800" not in str(caught.value.params)


def test_plain_text_is_itself_and_nothing_else_passes() -> None:
    for text in ("", "i7", "\0", "中"):
        assert TEXT.encode(text) == TEXT.decode(text) == text
    assert TEXT.encode(None) is TEXT.decode(None) is None
    for value in (7, 1.0, b"x", "\ud800"):
        with pytest.raises(CannotProve):
            TEXT.encode(value)


def test_valid_text_cannot_pose_as_invalid() -> None:
    with pytest.raises(ValueError, match=r"^$"):
        InvalidText(b"abc")


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(NotOurs, match=r"backups\.unknown_codec"):
        codec("sqlite-2")


def test_what_sqlite_stores_survives_the_round_trip_into_another_file(tmp_path: Path) -> None:
    values: list[Value] = [
        None,
        0,
        -(2**63),
        2**63 - 1,
        -0.0,
        5e-324,
        math.inf,
        0.1,
        "",
        "7",
        "a\0b",
        "中",
        b"",
        b"\0",
    ]
    first, second = (sqlite3.connect(tmp_path / name) for name in ("a.db", "b.db"))
    for connection in (first, second):
        connection.execute("CREATE TABLE t (v)")
    first.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    first.execute("INSERT INTO t VALUES (CAST(x'61ff' AS TEXT))")
    query = "SELECT typeof(v), hex(v), quote(v) FROM t ORDER BY rowid"
    first.text_factory = lambda raw: InvalidText(raw) if invalid(raw) else raw.decode()
    for (value,) in first.execute("SELECT v FROM t ORDER BY rowid"):
        back = SQLITE.decode(SQLITE.encode(value))
        if isinstance(back, InvalidText):
            second.execute("INSERT INTO t VALUES (CAST(? AS TEXT))", (back.raw,))
        else:
            second.execute("INSERT INTO t VALUES (?)", (back,))
    first.text_factory = second.text_factory = bytes
    assert first.execute(query).fetchall() == second.execute(query).fetchall()
    for connection in (first, second):
        connection.close()
