"""Plans as data, their digest, and the verdict on what changed."""

import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.backups import InvalidText
from bot.model.drift import judge
from bot.model.plans import Part, Plan, Subject, Told
from bot.model.requests import Operation
from bot.model.row_keys import hash_marks, mark, pack, unpack
from bot.operations.compare import Links, Rows, classify_links, classify_rows, same_cell

KEY, OTHER = b"k" * 32, b"o" * 32
INVALID = st.binary(min_size=1, max_size=4).map(lambda raw: InvalidText(raw + b"\xff"))
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    INVALID,
)


def part(table: str, *ids: int) -> Part:
    return Part(table, len(ids), hash_marks(KEY, [mark(KEY, table, (one,)) for one in ids]))


def marks(**tables: list[int]) -> dict[str, tuple[str, ...]]:
    return {table: tuple(mark(KEY, table, (one,)) for one in ids) for table, ids in tables.items()}


PLAN = Plan(
    operation=Operation.DELETE_RECORDS,
    target="crm",
    record="customer",
    tables=(part("customers", 1), part("deals", 10, 11)),
    nullified=(part("invoices.c -> customers.id", 5),),
    roots=hash_marks(KEY, [mark(KEY, "customers", (1,))]),
    fingerprint="f" * 64,
    warnings=(Told("told.no-index", {"table": "deals", "column": "c", "rows": 3}),),
    steps=("step.lock",),
    way_back="way-back.delete-records",
)


@given(CELLS)
def test_a_cell_packs_and_unpacks_bit_for_bit(value: Any) -> None:
    again = unpack(json.loads(json.dumps(pack(value))))
    assert same_cell(again, value)


@given(st.text(), st.lists(CELLS, min_size=1, max_size=3))
def test_a_mark_is_the_keyed_hash_of_plain_json(table: str, key: list[Any]) -> None:
    text = json.dumps([table, *map(pack, key)])
    assert mark(KEY, table, tuple(key)) == hmac.new(KEY, text.encode(), "sha256").hexdigest()[:32]


@given(st.lists(CELLS, min_size=1, max_size=3), st.lists(CELLS, min_size=1, max_size=3))
def test_marks_are_equal_only_for_equal_keys(one: list[Any], other: list[Any]) -> None:
    same = len(one) == len(other) and all(map(same_cell, one, other))
    assert (mark(KEY, "t", tuple(one)) == mark(KEY, "t", tuple(other))) is same
    assert mark(KEY, "t", tuple(one)) != mark(KEY, "u", tuple(one))
    assert mark(KEY, "t", tuple(one)) != mark(OTHER, "t", tuple(one))


@pytest.mark.parametrize(
    "bad", [[], ["null", "x"], ["integer"], ["integer", "x"], ["blob", "zz"], ["date", "1"]]
)
def test_what_pack_did_not_write_is_refused(bad: list[str]) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack(bad)


def test_a_plan_survives_json_and_its_digest_is_canonical() -> None:
    again = Plan.from_data(json.loads(json.dumps(PLAN.to_data())))
    assert again == PLAN
    assert again.digest() == PLAN.digest()
    assert b" " not in PLAN.canonical().replace(b" -> ", b"")
    assert json.loads(PLAN.canonical())["rows"] == 3


@pytest.mark.parametrize(
    "change",
    [
        {"operation": Operation.RESTORE},
        {"target": "erp"},
        {"record": None},
        {"tables": PLAN.tables[:1]},
        {"tables": PLAN.tables[::-1]},
        {"nullified": ()},
        {"roots": ""},
        {"fingerprint": "e" * 64},
        {"warnings": ()},
        {"steps": ()},
        {"way_back": "way-back.restore"},
        {"backup": "b"},
        {"sha256": "0"},
    ],
)
def test_any_change_changes_the_digest(change: dict[str, Any]) -> None:
    assert replace(PLAN, **change).digest() != PLAN.digest()


def test_a_plan_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r".*"):
        Plan.from_data({**PLAN.to_data(), "format": 2})


@given(st.lists(CELLS, min_size=1, max_size=3), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_subject_survives_json_exactly(key: list[Any], label: str) -> None:
    subject = Subject("customer", ("a",), label, "t", (tuple(key),), {"t": (mark(KEY, "t", tuple(key)),)})
    again = Subject.from_json(subject.to_json())
    assert replace(again, roots=()) == replace(subject, roots=())
    assert all(map(same_cell, again.roots[0], subject.roots[0]))
    assert Subject.from_json(replace(subject, marks=None).to_json()).marks is None


BEFORE = marks(customers=[1], deals=[10, 11])
CASES: dict[str, tuple[dict[str, Any], dict[str, tuple[str, ...]] | None, int, bool, list[str]]] = {
    "nothing changed": ({}, BEFORE, 0, False, []),
    "warnings may differ": ({"warnings": ()}, BEFORE, 0, False, []),
    "one row more, none allowed": (
        {"tables": (part("customers", 1), part("deals", 10, 11, 12))},
        marks(customers=[1], deals=[10, 11, 12]),
        0,
        True,
        ["drift.table"],
    ),
    "one row more, one allowed": (
        {"tables": (part("customers", 1), part("deals", 10, 11, 12))},
        marks(customers=[1], deals=[10, 11, 12]),
        1,
        False,
        ["drift.table"],
    ),
    "one row more, one allowed, but nobody can tell which": (
        {"tables": (part("customers", 1), part("deals", 10, 11, 12))},
        None,
        1,
        True,
        ["drift.table"],
    ),
    "a swap counts twice": (
        {"tables": (part("customers", 1), part("deals", 10, 12))},
        marks(customers=[1], deals=[10, 12]),
        1,
        True,
        ["drift.table"],
    ),
    "changes add up over tables": (
        {"tables": (part("customers", 1), part("deals", 10), part("notes", 7))},
        marks(customers=[1], deals=[10], notes=[7]),
        1,
        True,
        ["drift.table", "drift.table"],
    ),
    "another root": ({"roots": "0"}, BEFORE, 99, True, ["drift.roots"]),
    "another schema": ({"fingerprint": "0"}, BEFORE, 99, True, ["drift.schema"]),
    "another link to empty": ({"nullified": ()}, BEFORE, 99, True, ["drift.link"]),
    "another target": ({"target": "erp"}, BEFORE, 99, True, ["drift.other"]),
    "another operation": ({"operation": Operation.RESTORE}, BEFORE, 99, True, ["drift.other"]),
    "another archive": ({"sha256": "0"}, BEFORE, 99, True, ["drift.other"]),
}


@pytest.mark.parametrize(
    ("change", "after", "allowance", "drifted", "keys"), CASES.values(), ids=CASES.keys()
)
def test_the_verdict_explains_itself(
    change: dict[str, Any],
    after: dict[str, tuple[str, ...]] | None,
    allowance: int,
    drifted: bool,
    keys: list[str],
) -> None:
    verdict = judge(PLAN, replace(PLAN, **change), allowance, BEFORE, after)
    assert verdict.drifted is drifted
    assert [told.key for told in verdict.differences] == keys


def test_rows_and_links_are_classified_cell_by_cell() -> None:
    pairs: list[tuple[Any, Any]] = [
        ((1, 1), (1, 1)),
        ((2, 1), (2, 1.0)),
        ((3, 0.0), (3, -0.0)),
        ((4, "1"), (4, b"1")),
        ((5,), None),
    ]
    assert classify_rows(pairs) == Rows(missing=1, identical=1, different=3)
    links: list[tuple[Any, Any]] = [
        ((1, 7), (1, None)),
        ((2, 7), (2, 7)),
        ((3, 7), (3, 8)),
        ((4, 7), None),
    ]
    assert classify_links(1, links) == Links(empty=1, identical=1, different=1, gone=1)
    two: list[tuple[Any, Any]] = [((1, 7, 8), (1, 7, None)), ((2, 7, 8), (2, None, 9))]
    assert classify_links(1, two) == Links(empty=1, different=1)
