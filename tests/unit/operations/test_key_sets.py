"""The keyed hash of a set of keys: the same in any order, another for any other set, and made in little room."""

import hmac
import json
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.model.csv_lines import TextRows, write_row
from bot.model.key_sets import MARKED, key_set
from bot.model.row_keys import hash_marks, key_texts, keyed, mark

KEY, OTHER = b"k" * 32, b"o" * 32
CELLS = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.text("ab\0é\n", max_size=3), st.binary(max_size=3)
)
KEYS = st.lists(st.tuples(CELLS, CELLS), max_size=12, unique_by=repr)


def by_sum(key: bytes, table: str, keys: list[Any]) -> str:
    return key_set(key, table, keys, marked=-1).hash


@given(KEYS, st.randoms(use_true_random=False), st.integers(-1, 12))
def test_order_does_not_count_and_any_other_set_has_another_hash(
    keys: list[Any], chance: random.Random, marked: int
) -> None:
    mixed = chance.sample(keys, len(keys))
    found = key_set(KEY, "t", keys, marked)
    assert key_set(KEY, "t", iter(mixed), marked) == found
    assert found.rows == len(keys)
    assert (found.marks is not None) is (len(keys) <= marked)
    others = [
        [*keys, ("new", "row")],
        [*keys, *keys[:1] * (len(keys) > 1)],
        keys[1:],
        [("new", "row"), *keys[1:]],
    ]
    for other in others:
        if other != keys:
            assert key_set(KEY, "t", other, marked).hash != found.hash
    if keys:
        assert key_set(KEY, "u", keys, marked).hash != found.hash
    assert key_set(OTHER, "t", keys, marked).hash != found.hash


@given(KEYS)
def test_a_small_set_is_hashed_as_by_earlier_releases_so_that_their_open_requests_go_on(
    keys: list[Any],
) -> None:
    found = key_set(KEY, "t", keys)
    assert found.marks == tuple(sorted(mark(KEY, "t", key) for key in keys))
    assert found.hash == hash_marks(KEY, found.marks or ())


def test_a_large_set_is_the_sum_of_full_hashes_with_a_key_of_its_own() -> None:
    keys = [(n, f"é{n}") for n in range(7)]
    own = hmac.new(KEY, b"countersign/1/sums of keys", "sha256").digest()
    texts = [json.dumps(["t", ["integer", str(n)], ["text", text]]).encode() for n, text in keys]
    total = sum(int(hmac.new(own, text, "sha256").hexdigest(), 16) for text in texts) % 2**256
    assert by_sum(KEY, "t", keys) == hmac.new(own, f"7\n{total:064x}".encode(), "sha256").hexdigest()
    # Fixed: requests that wait for their votes over an update depend on it.
    assert by_sum(KEY, "t", keys) == "80b27b5356af631c91ccc23d3754112e965824a03be4b284cc24e0017344f88e"


def test_a_sum_tells_nothing_of_its_summands_not_even_with_the_marks_of_the_same_rows() -> None:
    one, other, both = ([(1,)], [(2,)], [(1,), (2,)])
    added = sum(int(by_sum(KEY, "t", keys), 16) for keys in (one, other)) % 2**256
    assert added != int(by_sum(KEY, "t", both), 16)
    marks = [key_set(KEY, "t", keys).marks for keys in (one, other)]
    assert not any(text[:32] in str(marks) for text in (by_sum(KEY, "t", one), by_sum(KEY, "t", other)))


def test_the_bound_lies_where_marks_are_no_longer_kept_and_rows_are_taken_as_they_come() -> None:
    assert key_set(KEY, "t", ((n,) for n in range(MARKED))).marks is not None
    held: set[int] = set()
    most = 0

    class Counted(tuple[int]):
        __slots__ = ()

        def __del__(self) -> None:
            held.discard(self[0])

    def rows() -> Iterator[Any]:
        nonlocal most
        for n in range(3 * MARKED):
            held.add(n)
            most = max(most, len(held))
            yield Counted((n,))

    found = key_set(KEY, "t", rows())
    assert (found.rows, found.marks) == (3 * MARKED, None)
    assert most < MARKED + 5


def test_the_largest_set_with_marks_is_part_of_what_people_have_approved() -> None:
    """With another number, plans that wait for their votes over an update would not be recognised."""
    at_most = key_set(KEY, "t", ((n,) for n in range(20_000)))
    one_more = key_set(KEY, "t", ((n,) for n in range(20_001)))
    assert at_most.marks is not None
    assert one_more.marks is None


PIECES = st.lists(
    st.lists(
        st.one_of(st.none(), st.text(st.sampled_from('ab"\\,\n\t\x7fé中 ')), st.integers().map(str)),
        min_size=2,
        max_size=2,
    ),
    max_size=9,
)


@given(PIECES, st.integers(1, 4), st.binary(min_size=1, max_size=80))
def test_keys_as_lines_have_the_hashes_of_keys_as_rows(
    keys: list[list[str | None]], size: int, secret: bytes
) -> None:
    lines = [write_row(key).encode() for key in keys]
    blocks = [lines[start : start + size] for start in range(0, len(lines), size)]
    rows = [tuple(key) for key in keys]
    for marked in (0, 100):
        as_lines = TextRows(lambda: iter(rows), lambda: iter(blocks))
        assert key_set(secret, "t", as_lines, marked) == key_set(secret, "t", rows, marked)
    wanted = [hmac.digest(secret, text, "sha256") for text in key_texts("t", rows)]
    assert list(map(keyed(secret), key_texts("t", rows))) == wanted
