"""More rows than a plan keeps marks of: any change is drift, whatever the rule allows; order and size are not."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.key_sets import MARKED
from bot.model.plans import Part
from bot.model.row_keys import hash_marks, marks
from bot.operations.gate import Drifted
from tests.fakes.operations import HASH_KEY, Bench, make_bench

SCHEMA = f"""
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(40), name VARCHAR(40));
CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers(id) ON DELETE CASCADE);
INSERT INTO customers VALUES (1, 'a@x', 'Ada');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {MARKED})
    INSERT INTO notes SELECT i, 1 FROM n;
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, SCHEMA, label="{name}")


@pytest.mark.parametrize("change", ["DELETE FROM notes WHERE id = 5", "UPDATE notes SET id = 0 WHERE id = 5"])
def test_of_many_rows_none_may_come_go_or_be_swapped(bench: Bench, change: str) -> None:
    order = bench.order("1", allowance=50)
    assert order.subject.marks is None
    before = bench.dump()
    bench.sql(change)
    with pytest.raises(Drifted) as caught:
        bench.run(order)
    assert [told.key for told in caught.value.drift.differences] == ["drift.table"]
    bench.sql("INSERT OR IGNORE INTO notes VALUES (5, 1); DELETE FROM notes WHERE id = 0")
    assert bench.dump() == before
    assert sum(bench.run(order).rows.values()) == MARKED + 2


def test_a_large_plan_of_an_earlier_release_is_made_again_and_votes_begin_anew(bench: Bench) -> None:
    order = bench.order("1")
    old = Part(
        "notes",
        MARKED + 1,
        hash_marks(HASH_KEY, marks(HASH_KEY, "notes", ((n + 1,) for n in range(MARKED + 1)))),
    )
    plan = replace(order.plan, tables=tuple(old if one.name == "notes" else one for one in order.plan.tables))
    assert plan != order.plan
    with pytest.raises(Drifted):
        bench.run(replace(order, plan=plan))
    assert bench.ask("SELECT count(*) FROM notes") == [(MARKED + 1,)]
