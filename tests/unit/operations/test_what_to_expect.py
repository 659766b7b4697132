"""What a plan says to expect, from counts and from a database that is not there."""

from collections.abc import Iterable

import pytest

from bot.model.plans import Told
from bot.operations.foresight import ROWS, foresee, reading_seconds
from bot.targets.base import Edge, Holder, Session


class Quiet:
    """A session that knows sizes and nothing else."""

    def __init__(self, size: int = 0, weight: int = 100, holders: tuple[Holder, ...] = ()) -> None:
        self._size, self._weight, self._holders = size, weight, holders

    def size(self, table: str) -> int:
        del table
        return self._size

    def weight(self, table: str) -> int:
        del table
        return self._weight

    def holders(self, tables: Iterable[str]) -> tuple[Holder, ...]:
        del tables
        return self._holders

    def index_for(self, edge: Edge) -> str:
        return f"CREATE INDEX ON {edge.child}"


LINK = Edge("lines", ("order_id",), "orders", ("id",), "cascade", indexed=False)


def told(session: Quiet, rows: dict[str, int], *links: Edge, most: float = 30.0) -> list[Told]:
    known: Session = session  # type: ignore[assignment]  # only these few are asked
    return list(foresee(known, "crm", "postgresql", rows, links, most))


def test_a_few_small_rows_are_not_worth_a_sentence() -> None:
    assert told(Quiet(), {"orders": 12}) == []


@pytest.mark.parametrize(
    ("rows", "weight", "most", "expected"),
    [
        (2 * ROWS["postgresql"], 100, 30.0, Told("told.takes", {"seconds": 2, "size": 4})),
        (3, 900_000, 30.0, Told("told.takes", {"seconds": 1, "size": 3})),
        (
            40 * ROWS["postgresql"],
            1,
            30.0,
            Told("told.takes-too-long", {"seconds": 40, "most": 30, "size": 1}),
        ),
    ],
    ids=["many rows", "large rows", "longer than the lock may last"],
)
def test_time_and_size_are_told_when_they_count(rows: int, weight: int, most: float, expected: Told) -> None:
    assert told(Quiet(weight=weight), {"orders": rows}, most=most) == [expected]


def test_a_missing_index_comes_with_its_statement_and_its_time_counts() -> None:
    index, total = told(Quiet(size=1_000_000), {"orders": 500}, LINK)
    assert (index.key, index.params["seconds"]) == ("told.add-index", 50)
    assert index.params["statement"] == "CREATE INDEX ON lines"
    assert (total.key, total.params["seconds"]) == ("told.takes-too-long", 51)


def test_links_to_what_stays_do_not_matter_and_a_text_link_is_served_by_no_index() -> None:
    assert told(Quiet(size=1000), {"customers": 1}, LINK) == []
    inside = Edge("notes", ("about",), "orders", ("id",), "soft", indexed=False, prefix="order:")
    assert [one.key for one in told(Quiet(size=1000), {"orders": 1}, inside)] == ["told.no-index"]


@pytest.mark.parametrize(
    ("kind", "seconds"), [("postgresql", 200.0), ("sqlite", 0.2), ("mariadb", 0.2), ("mysql", 0.2)]
)
def test_only_postgresql_reads_all_children_once_per_row(kind: str, seconds: float) -> None:
    assert reading_seconds(kind, LINK, 1000, 2_000_000) == seconds


def test_each_kind_of_lock_has_its_sentence() -> None:
    found = (Holder("orders", "bob", 9), Holder("", "bob", 9), Holder("", "", 0))
    keys = [one.key for one in told(Quiet(holders=found), {"orders": 1})]
    assert keys == ["told.locked", "told.locked-somewhere", "told.locked-file"]
