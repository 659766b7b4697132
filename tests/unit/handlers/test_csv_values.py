"""A list out of a CSV file: exactly its rows, or one sentence that names the row and no value."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInput
from bot.model.doors import MAX_ROWS
from bot.texts import say
from handlers.csv_values import MAX_BYTES, read

COLUMNS = ("id", "email")
SECRET = "ada@example.com"

TAKEN = {
    "one row": (b"email\nada@example.com\n", ("email", (SECRET,))),
    "no line end at the end": (b"email\nada@example.com", ("email", (SECRET,))),
    "Windows line ends": (
        b"email\r\nada@example.com\r\nbob@example.com\r\n",
        ("email", (SECRET, "bob@example.com")),
    ),
    "a byte order mark": (b"\xef\xbb\xbfid\n7\n", ("id", ("7",))),
    "leading zeros stay": (b"id\n007\n7\n", ("id", ("007", "7"))),
    "quotes, a comma and a line break in a value": (b'email\n"a ""b"", c\nd"\n', ("email", ('a "b", c\nd',))),
    "empty rows at the end": (b"id\n7\n\n   \n\n", ("id", ("7",))),
    "blanks around the heading": (b" email \nx\n", ("email", ("x",))),
    "blanks around a value stay": (b"email\n x \n", ("email", (" x ",))),
    "both spellings of one letter are two values": (
        "email\ne\u0301\n\u00e9\n".encode(),
        ("email", ("e\u0301", "\u00e9")),
    ),
    "a wildcard and a statement are values": (
        b"email\n%\n1'; DROP TABLE x\n",
        ("email", ("%", "1'; DROP TABLE x")),
    ),
    "a huge number is a text": (b"id\n" + b"9" * 1000, ("id", ("9" * 1000,))),
    "the heading again is a value": (b"email\nemail\n", ("email", ("email",))),
}
REFUSED: dict[str, tuple[bytes, str, dict[str, str | int]]] = {
    "nothing": (b"", "file.empty", {}),
    "only a heading": (b"email\n\n", "file.empty", {}),
    "a foreign column": (b"name\nAda\n", "file.column", {"name": "name"}),
    "a column in other letters": (b"EMAIL\nx\n", "file.column", {"name": "EMAIL"}),
    "a foreign column beside a known one": (b"email,name\nx,Ada\n", "file.column", {"name": "name"}),
    "semicolons": (b"id;email\n1;x\n", "file.column", {"name": "id;email"}),
    "two known columns": (b"id,email\n1,x\n", "file.columns", {"n": 2}),
    "a row with two values": (b"email\nx\ny,z\n", "file.cells", {"row": 3}),
    "an empty row in between": (b"email\nx\n\ny\n", "file.blank", {"row": 3}),
    "a row of blanks in between": (b"email\nx\n \t\ny\n", "file.blank", {"row": 3}),
    "the same twice": (b"email\nx\ny\nx\n", "file.twice", {"first": 2, "second": 4}),
    "another encoding": ("email\nJürgen\n".encode("latin-1"), "file.not-text", {}),
    "UTF-16, as some spreadsheets save it": ("email\nx\n".encode("utf-16"), "file.not-text", {}),
    "a NUL": (b"email\na\0b\n", "file.not-text", {}),
    "a quote that never closes": (b'email\nx\n"y\n', "file.broken", {"row": 3}),
    "something behind a quote": (b'email\n"x"y\n', "file.broken", {"row": 2}),
    "a value no identifier is as long as": (b"email\n" + b"x" * 1001, "file.long", {"row": 2}),
    "a value of a megabyte": (b"email\n" + b"x" * 1_000_000, "file.too-big", {}),
    "a value longer than a cell may be": (b"email\n" + b"x" * 200_000, "file.broken", {"row": 2}),
    "too many rows": (
        b"id\n" + b"".join(b"%d\n" % n for n in range(MAX_ROWS + 1)),
        "file.many",
        {"n": MAX_ROWS + 1},
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_list_is_taken_as_it_stands(case: str) -> None:
    content, expected = TAKEN[case]
    assert read(content, COLUMNS, "customer") == expected


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_doubtful_is_refused_with_its_row(case: str) -> None:
    content, key, named = REFUSED[case]
    with pytest.raises(BadInput) as caught:
        read(content, COLUMNS, "customer")
    assert caught.value.key == key
    assert named.items() <= caught.value.params.items()
    for language in ("en", "zh-CN"):
        assert say(key, language, **caught.value.params)


@given(
    st.lists(
        st.text(min_size=1, max_size=30).filter(lambda one: one.strip() and "\0" not in one),
        min_size=1,
        unique=True,
    )
)
def test_what_a_spreadsheet_writes_is_read_back_exactly(values: list[str]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["email"], *([one] for one in values)])
    try:
        content = out.getvalue().encode()
    except UnicodeEncodeError:
        return
    assert read(content, COLUMNS, "customer") == ("email", tuple(values))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_list_or_one_refusal_that_tells_no_row(content: bytes) -> None:
    content = b"email\n" + content
    try:
        column, values = read(content, COLUMNS, "customer")
    except BadInput as wrong:
        assert set(wrong.params) <= {"row", "first", "second", "n", "limit", "name", "record", "known"}
    else:
        assert column == "email"
        assert values
        assert len(set(values)) == len(values)


def test_one_byte_too_many_is_too_big() -> None:
    row = b"x" * 500 + b"%06d\n"
    content = (b"email\n" + b"".join(row % n for n in range(600)))[: MAX_BYTES + 1]
    with pytest.raises(BadInput) as caught:
        read(content, COLUMNS, "customer")
    assert caught.value.key == "file.too-big"
