"""Our CSV: what goes in comes out, in pieces of any size, and anything else is refused."""

import csv
import io
import random
from collections.abc import Sequence
from hashlib import sha256
from typing import IO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.backups.rows import Over, RowSum, read_lines, sum_rows
from bot.errors import NotOurs
from bot.model.backups import Cell
from bot.model.csv_lines import TextRows, cells_of, first_width, only, write_row
from tests.fakes.backups import HARD_COLUMNS, HARD_ROWS

CELLS = st.one_of(st.none(), st.text(st.one_of(st.sampled_from('",\n\r\0'), st.characters(codec="utf-8"))))
ROWS = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width)))


class Dribble(io.RawIOBase):
    """Returns a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, step: int) -> None:
        self._inner = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(self._step)


def stream(data: bytes, step: int) -> IO[bytes]:
    return Dribble(data, step)  # type: ignore[return-value]  # only read is used


def read_rows(source: IO[bytes], width: int | None) -> list[tuple[Cell, ...]]:
    blocks = list(read_lines(source, width))
    found = first_width(blocks[0][0]) if blocks else 1
    assert found
    assert width in (None, found)
    return list(cells_of(blocks, found))


@given(ROWS, st.integers(1, 9))
@example([[None], [""], ['"'], ['""'], ["\n"]], 1)
@example([[None, None], ["", None], [None, ""], ["\n,", '"\n']], 1)
def test_rows_come_back_whatever_the_size_of_the_pieces(rows: list[list[Cell]], step: int) -> None:
    data = "".join(write_row(row) for row in rows).encode()
    for width in (None, len(rows[0])) if rows else ():
        assert [list(row) for row in read_rows(stream(data, step), width)] == rows


@given(ROWS, st.data())
def test_some_cells_of_each_line_in_any_order(rows: list[list[Cell]], data: st.DataObject) -> None:
    width = len(rows[0]) if rows else 1
    places = data.draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=width, unique=True))
    blocks = [
        [write_row(row).encode() for row in rows[start : start + 2]] for start in range(0, len(rows), 2)
    ]

    def whole() -> TextRows:
        return TextRows(lambda: iter(map(tuple, rows)), lambda: iter(blocks))

    wanted = [tuple(row[place] for place in places) for row in rows]
    assert list(only(whole(), width, places)) == wanted
    lines = [line for block in only(whole(), width, places).blocks() for line in block]
    assert lines == [write_row(row).encode() for row in wanted]


@given(ROWS)
@example([[], [""], ["", ""], ['"'], ["a", None], ['","'], ["a", '"', "b"]])
def test_a_line_is_each_cell_quoted_or_nothing(rows: list[list[Cell]]) -> None:
    for row in rows:
        cells = ["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row]
        assert write_row(row) == ",".join(cells) + "\n"


@given(ROWS)
def test_other_readers_see_the_same_text_with_null_as_empty(rows: list[list[Cell]]) -> None:
    data = "".join(write_row(row) for row in rows)
    if "\0" in data or "\r" in data or any(row == [None] for row in rows):
        return
    assert list(csv.reader(io.StringIO(data, newline=""))) == [[cell or "" for cell in row] for row in rows]


MALFORMED = {
    "an unquoted cell": b'a,"b"\n',
    "something after the quotes": b'"a"b\n',
    "a space after the quotes": b'"a" ,"b"\n',
    "a quote that never closes": b'"a\n',
    "a lone quote inside": b'"a"b"c"\n',
    "no end of line": b'"a"',
    "no end of line after a comma": b'"a",',
    "a carriage return": b'"a"\r\n',
    "a byte-order mark": b'\xef\xbb\xbf"a"\n',
    "bytes that are not UTF-8": b'"\xff"\n',
    "a surrogate": b'"\xed\xa0\x80"\n',
    "a character cut off": b'"a"\n"\xe4\xb8',
    "a NUL between cells": b'"a"\0\n',
    "a line of another width": b'"a","b"\n"a"\n',
    "a longer line at the end": b'"a"\n"a","b"\n',
}


@pytest.mark.parametrize("step", [1, 100])
@pytest.mark.parametrize("case", MALFORMED)
def test_what_we_would_not_write_is_refused(case: str, step: int) -> None:
    with pytest.raises(NotOurs):
        read_rows(stream(MALFORMED[case], step), None)


def test_a_cell_of_many_megabytes_is_read_in_reasonable_time() -> None:
    row = ['"' * 3_000_000, None, "x" * 9_000_000]
    assert [list(found) for found in read_rows(io.BytesIO(write_row(row).encode()), None)] == [row]


OVER: list[Over] = ["lines", "cells"]


def total(rows: Sequence[Sequence[Cell]], over: Over = "lines") -> tuple[int, str]:
    found = RowSum(over)
    for row in rows:
        found.add(row)
    return found.rows, found.sum


@given(ROWS, st.randoms())
def test_the_sum_does_not_depend_on_order(rows: list[list[Cell]], chance: random.Random) -> None:
    shuffled = chance.sample(rows, len(rows))
    for over in OVER:
        assert total(rows, over) == total(shuffled, over)


@given(ROWS, ROWS)
def test_two_sets_of_rows_share_a_sum_only_when_they_are_the_same(
    one: list[list[Cell]], other: list[list[Cell]]
) -> None:
    def key(row: list[Cell]) -> list[tuple[bool, str]]:
        return [(cell is not None, cell or "") for cell in row]

    for over in OVER:
        assert (total(one, over) == total(other, over)) == (sorted(map(key, one)) == sorted(map(key, other)))


DIFFERENT: dict[str, tuple[list[list[Cell]], list[list[Cell]]]] = {
    "a duplicate more": ([["a"]], [["a"], ["a"]]),
    "two duplicates of another row": ([["a"], ["a"]], [["b"], ["b"]]),
    "NULL and the empty string": ([[None]], [[""]]),
    "text moved between cells": ([["ab", "c"]], [["a", "bc"]]),
    "values swapped between rows": ([["1", "2"], ["3", "4"]], [["1", "4"], ["3", "2"]]),
    "a NULL cell more": ([["a"]], [["a", None]]),
}


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("case", DIFFERENT)
def test_the_sum_tells_apart(case: str, over: Over) -> None:
    one, other = DIFFERENT[case]
    assert total(one, over)[1] != total(other, over)[1]


def test_the_sum_of_database_rows_is_that_of_their_cells_and_known() -> None:
    found = {over: sum_rows(over, HARD_COLUMNS, HARD_ROWS) for over in OVER}
    assert {over: (one.rows, one.sum) for over, one in found.items()} == {
        "cells": (6, "61e5df197bb0e91f6377a2f223cafff7f82474884a0e18d1c53c93ef402a3379"),
        "lines": (6, "9f820a5e6f2df3314b49d279d3f5ac6d709b6398a33e6eba882e7cd50d308199"),
    }
    assert RowSum("lines").sum == "0" * 64


LONG_CELLS = st.one_of(CELLS, st.integers(120, 260).map("x".__mul__), st.just("é" * 70))


@given(st.lists(LONG_CELLS, max_size=5), st.integers(0, 3))
@example([None, "", "中"], 3)
@example(["x" * 127, "x" * 128], 1)
def test_the_sum_is_the_one_of_the_format_document(row: list[Cell], times: int) -> None:
    framed = len(row).to_bytes(4, "big")
    for cell in row:
        raw = b"" if cell is None else cell.encode()
        framed += b"\0" if cell is None else b"\1" + len(raw).to_bytes(8, "big") + raw
    expected = int.from_bytes(sha256(framed).digest(), "big") * times % 2**256
    assert total([row] * times, "cells") == (times, f"{expected:064x}")
    expected = int.from_bytes(sha256(write_row(row).encode()).digest(), "big") * times % 2**256
    assert total([row] * times, "lines") == (times, f"{expected:064x}")
