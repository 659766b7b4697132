"""What a person types means exactly one row, or the answer is no."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInput, CountersignError, NotFound
from bot.operations.selecting import together
from bot.texts import say
from tests.fakes.operations import Bench, make_bench

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE, code TEXT, loose, amount REAL);
CREATE INDEX by_mail ON customers (email);
INSERT INTO customers VALUES
    (1, 'ada@x.org', 'A-1', 7, 1000.0), (2, 'Ada@x.org', '1', '7', 2.5), (12, '50%_off', NULL, x'37', NULL),
    (-3, '', 'O''Brien "x"', 7.0, 12.0), (9007199254740993, '客户@例子', '9', NULL, 1), (5, 'twin', 'x', 99, 0),
    (6, 'twin', 'y', 98, 0);
"""
BIG = "9007199254740993"

FOUND = {
    "a number": ("12", 12),
    "a negative number": ("-3", -3),
    "a number beyond doubles": (BIG, int(BIG)),
    "a text in the exact case": ("Ada@x.org", 2),
    "wildcards are characters": ("50%_off", 12),
    "quotes": ('O\'Brien "x"', -3),
    "another script": ("客户@例子", int(BIG)),
    "a number in a column of anything": ("99", 5),
}
REFUSED = {
    "nobody": ("404", "operations.no-match"),
    "a number with a tail": ("12abc", "operations.no-match"),
    "a number with an exponent": ("1e3", "operations.no-match"),
    "a number with a fraction": ("12.0", "operations.no-match"),
    "a number with a blank": (" 12", "operations.no-match"),
    "a number with a plus": ("+12", "operations.no-match"),
    "a number with a zero before it": ("012", "operations.no-match"),
    "a number in other digits": ("１２", "operations.no-match"),
    "a number in hexadecimal": ("0xC", "operations.no-match"),
    "a number of 30 digits": ("9" * 30, "operations.no-match"),
    "the neighbour of a large number": ("9007199254740992", "operations.no-match"),
    "a number with underscores": ("1_2", "operations.no-match"),
    "another case": ("ADA@X.ORG", "operations.no-match"),
    "a wildcard for all": ("%", "operations.no-match"),
    "a wildcard for one": ("_", "operations.no-match"),
    "a pattern": ("*", "operations.no-match"),
    "an injection": ("1 OR 1=1", "operations.no-match"),
    "an injection with quotes": ("' OR ''='", "operations.no-match"),
    "a NUL": ("12\0", "operations.no-match"),
    "a NUL before": ("\0ada@x.org", "operations.no-match"),
    "a blank at the end": ("ada@x.org ", "operations.no-match"),
    "NULL": ("NULL", "operations.no-match"),
    "the empty string": ("", "operations.value-length"),
    "a megabyte": ("x" * 2**20, "operations.value-length"),
    "half a character": ("\ud800", "operations.value-unreadable"),
    "two rows by one column": ("twin", "operations.ambiguous"),
    "one row by id, another by code": ("1", "operations.ambiguous"),
    "a number in one row, the same text in another": ("7", "operations.ambiguous"),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("selecting")
    return make_bench(folder, SCHEMA, find_by=["id", "email", "code", "loose"], label="{email}/{amount}")


@pytest.mark.parametrize(("value", "key"), FOUND.values(), ids=FOUND.keys())
def test_exactly_one_row_is_found(bench: Bench, value: str, key: int) -> None:
    _, subject = bench.plan(value)
    assert subject.roots == ((key,),)
    assert subject.values == (value,)


@pytest.mark.parametrize(("value", "key"), REFUSED.values(), ids=REFUSED.keys())
def test_nothing_is_guessed(bench: Bench, value: str, key: str) -> None:
    with pytest.raises((NotFound, BadInput)) as caught:
        bench.plan(value)
    assert caught.value.key == key
    sentence = say(key, "en", **caught.value.params)
    assert len(sentence) < 300
    if len(value) > 3:
        assert value not in sentence


def test_an_ambiguous_value_comes_with_the_number_of_candidates(bench: Bench) -> None:
    with pytest.raises(NotFound) as caught:
        bench.plan("12", "twin")
    assert (caught.value.params["n"], caught.value.params["candidates"]) == (2, "2")


def test_no_value_at_all_is_refused(bench: Bench) -> None:
    with pytest.raises(BadInput, match=r"operations\.no-value"):
        bench.plan()


def test_the_same_row_named_twice_is_one_root(bench: Bench) -> None:
    _, subject = bench.plan("12", "50%_off", "12")
    assert subject.roots == ((12,),)


def test_a_label_shows_values_as_they_are_and_null_as_nothing(bench: Bench) -> None:
    assert bench.plan("12")[1].label == "50%_off/"
    assert bench.plan("5")[1].label == "twin/0.0"


def test_a_label_is_cut_and_a_template_is_not_executed(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        f"CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, b BLOB);"
        f"INSERT INTO customers VALUES (1, '{{id}} {{name.__class__}} {'x' * 500}', x'00');",
        label="{name}{b}",
    )
    label = bench.plan("1")[1].label
    assert label.startswith("{id} {name.__class__} xxx")
    assert len(label) == 200


@given(st.lists(st.text("ab ", min_size=1, max_size=250), min_size=1, max_size=60))
def test_a_label_of_many_tells_whole_names_and_how_many_more(names: list[str]) -> None:
    label = together(names)
    assert len(label) <= 200
    shown, mark, more = label.partition(", … (+")
    if mark:
        kept = len(names) - int(more.removesuffix(")"))
        assert len(", ".join(names)) > 200
        assert shown == ", ".join(names[:kept]) or (kept == 1 and names[0].startswith(shown))
    else:
        assert label == ", ".join(names) or len(names) == 1


def test_without_a_template_the_label_is_what_was_typed(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path, "CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1);"
    )
    assert bench.plan("1")[1].label == "1"


def test_many_candidates_are_not_all_read(tmp_path: Path) -> None:
    bench = make_bench(
        tmp_path,
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO customers SELECT i, 'same' FROM n;",
        find_by=["name"],
    )
    with pytest.raises(CountersignError) as caught:
        bench.plan("same")
    assert caught.value.params["candidates"] == "20+"
