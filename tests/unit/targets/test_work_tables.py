"""What sessions on all databases share: when a column may go back, how long they go on, and what is no way in."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest

from bot.errors import CannotProve, CountersignError, TargetDown
from bot.targets.deadline import Deadline
from bot.targets.unreachable import opening
from bot.targets.work_tables import WorkTable, may_go_back

CELLS = (None, "old", "heir", "new")


def judged(live: tuple[str | None, ...], back: tuple[str, ...], heir: tuple[str, ...] | None) -> bool:
    """What a database makes of the condition."""
    names = [f"c{place}" for place in range(len(live))]
    where = may_go_back(
        [f"t.{name} IS NULL" for name in names],
        [f"t.{name} IS '{value}'" for name, value in zip(names, back, strict=True)],
        [f"t.{name} IS '{value}'" for name, value in zip(names, heir, strict=True)] if heir else (),
    )
    row = ", ".join(f"? AS {name}" for name in names)
    query = f"SELECT count(*) FROM (SELECT {row}) t WHERE {where}"
    return bool(sqlite3.connect(":memory:").execute(query, live).fetchone()[0])


@pytest.mark.parametrize("with_heir", [False, True])
def test_columns_go_back_where_all_are_empty_or_back_and_one_is_empty_or_where_the_heir_is(
    *, with_heir: bool
) -> None:
    """Every combination of two columns against the sentence itself."""
    back, heir = ("old", "old"), ("heir", "heir")
    for live in product(CELLS, repeat=2):
        empty = all(cell in (None, "old") for cell in live) and None in live
        inherited = with_heir and live == heir
        assert judged(live, back, heir if with_heir else None) == (empty or inherited), live


def test_a_work_table_has_names_of_its_own() -> None:
    """Columns by their place, the key among them."""
    work = WorkTable("temp.k0", "t", ("a", "b c", "d"), ("d", "a"))
    assert (work.cell("b c"), work.cells) == ("c1", "c0, c1, c2")
    assert work.empty == "c2 IS NULL OR c0 IS NULL"


def test_a_deadline_that_has_passed_is_not_extended() -> None:
    """A lock that was held too long stays too long."""
    late = Deadline("crm", -1.0)
    with pytest.raises(TargetDown, match="lock-too-long"):
        late.extend()
    in_time = Deadline("crm", 1000.0)
    before = in_time.deadline
    in_time.extend()
    assert in_time.deadline >= before


@contextmanager
def translated(target: str) -> Iterator[None]:
    """The test's errors are ours already."""
    assert target == "crm"
    yield


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (CannotProve("target.refused", target="crm", table="", code="1"), "target.unreachable"),
        (TargetDown("target.lost", target="crm"), "target.unreachable"),
        (TargetDown("target.no-login", target="crm"), "target.no-login"),
    ],
)
def test_what_goes_wrong_before_there_is_a_connection_is_no_way_to_it(
    error: CountersignError, key: str
) -> None:
    """Nothing was refused and nothing lost: there was nothing yet."""
    with pytest.raises(TargetDown) as refused, opening("crm", translated):
        raise error
    assert refused.value.key == key
