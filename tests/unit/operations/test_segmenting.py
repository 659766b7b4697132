"""Cutting a large set: parts add up to the whole, share nothing, and each goes and comes back by itself."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.types import Segments
from bot.model.plans import Part, Plan
from bot.model.requests import Operation
from bot.operations import delete_records
from bot.operations.gate import DeleteOrder
from bot.operations.segmenting import Found, cut, related
from bot.operations.wishing import Asked
from tests.fakes.operations import (
    HASH_KEY,
    Bench,
    make_bench,
    mysql_bench,
    new_backup_id,
    oracle_bench,
    postgresql_bench,
)

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40), name VARCHAR(40));
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER, about INTEGER,
    FOREIGN KEY (customer) REFERENCES customers(id), FOREIGN KEY (about) REFERENCES customers(id) ON DELETE SET NULL);
INSERT INTO customers VALUES (1, 'a@x', 'Ada'), (2, 'b@x', 'Bob'), (3, 'c@x', 'Cyd'), (4, 'd@x', 'Dan');
INSERT INTO notes VALUES (1, 1, NULL), (2, 1, 1), (3, 2, NULL), (4, 3, 2), (5, 4, 1), (6, 4, 3);
"""
BENCHES: Mapping[str, Any] = {
    "sqlite": lambda folder: nullcontext(make_bench(folder, SCHEMA, label="{name}")),
    "postgresql": lambda folder: postgresql_bench(folder, SCHEMA, label="{name}"),
    "mariadb": lambda folder: mysql_bench(folder, SCHEMA, label="{name}"),
    "mysql": lambda folder: oracle_bench(folder, SCHEMA, label="{name}"),
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    opened: AbstractContextManager[Bench] = BENCHES[request.param](tmp_path)
    with opened as made:
        yield replace(made, spec=made.spec.model_copy(update={"segments": Segments(above=3)}))


def test_each_part_goes_and_comes_back_by_itself_on_every_engine(bench: Bench) -> None:
    before = bench.dump()
    plan, subject = bench.plan("1", "2", "3")
    # Cyd's note is about Bob: emptied by one, deleted with the other. Ada's are about nobody else.
    assert [values for _, values in subject.segments] == [("1",), ("2", "3")]
    assert [one.rows for one in plan.segments] == [3, 4]
    asked = Asked(bench.target, bench.spec, "customer", HASH_KEY, None, None)
    done = []
    for number in range(2):
        made, who = delete_records.plan_segment(asked, subject, plan, number)
        order = DeleteOrder(made, who, bench.spec, new_backup_id(), HASH_KEY)
        done.append(bench.run(order))
    assert [sum(one.rows.values()) for one in done] == [3, 4]
    assert bench.ask("SELECT count(*), count(about) FROM notes") == [(2, 0)]
    for one in done:
        bench.restore(one)
    assert bench.dump() == before


# The pure part, beside a slow and obvious model: rows with owners, and touches of other rows.


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[set[int]], list[set[int]]]:
    """For each root the rows that hang off it, and the rows that it would change if they stayed."""
    roots = draw(st.integers(1, 6))
    rows = [draw(st.sets(st.integers(0, 14), max_size=5)) | {100 + n} for n in range(roots)]
    touched = [draw(st.sets(st.integers(0, 20), max_size=3)) - rows[n] for n in range(roots)]
    return rows, touched


def plan_of(rows: set[int], touched: set[int]) -> Plan:
    tables = (Part("rows", len(rows), ""),)
    links = (Part("link", len(touched), ""),) if touched else ()
    return replace(Plan.bare(Operation.DELETE_RECORDS, "crm"), tables=tables, nullified=links)


@given(worlds())
def test_parts_share_nothing_and_are_as_small_as_can_be(world: tuple[list[set[int]], list[set[int]]]) -> None:
    rows, touched = world

    def look(roots: Any) -> Found:
        mine = set().union(*(rows[root] for root in roots))
        changed = set().union(*(touched[root] for root in roots)) - mine
        return Found(frozenset(map(str, mine)), frozenset(map(str, changed)))

    def plan(roots: Any) -> Plan:
        found = look(roots)
        return plan_of(set(map(int, found.marks)), set(map(int, found.touched)))

    everyone = tuple(range(len(rows)))
    parts = cut(plan(everyone), len(rows), plan, look)
    groups = [positions for positions, _ in parts] if parts else [everyone]
    assert sorted(root for group in groups for root in group) == list(everyone)
    for one in groups:
        for other in groups:
            if one != other:
                assert not look(one).marks & look(other).marks
                assert not look(one).touched & look(other).marks
    # No smaller: inside a part every root is tied to another one of it.
    ties = related([look([root]) for root in everyone])
    assert groups == ties or len(groups) == 1
