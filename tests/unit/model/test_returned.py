"""Which records came back, told by places that mean nothing without the backup."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bot.model.plans import Plan
from bot.model.requests import Operation
from bot.model.returned import Returned, noted, read, returned_data, returned_in

_MARKS = st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), unique=True)


@given(_MARKS, st.data())
def test_they_are_found_again_in_whatever_order_the_backup_is_read(
    marks: list[str], data: st.DataObject
) -> None:
    came = [one for one in marks if data.draw(st.booleans())]
    note = noted("b1", marks, came)
    again = data.draw(st.permutations(marks))
    assert {again[position] for position in read(note, again)} == set(came)
    assert read(None, again) == list(range(len(again)))


@given(_MARKS, st.lists(st.integers(-5, 50)))
def test_places_that_no_backup_has_are_nobody(marks: list[str], places: list[int]) -> None:
    found = read(Returned("b1", tuple(places)), marks)
    assert len(found) == len([one for one in places if 0 <= one < len(marks)])


@given(st.lists(st.builds(Returned, st.text(), st.lists(st.integers(0, 10**6)).map(tuple))))
def test_a_plan_keeps_them(notes: list[Returned]) -> None:
    assert returned_in(json.loads(json.dumps(returned_data(notes)))) == tuple(notes)


def test_a_plan_without_them_has_the_digest_it_had() -> None:
    plan = Plan.bare(Operation.RESTORE, "crm")
    assert "returned" not in plan.to_data()
    assert Plan.from_data(plan.to_data()) == plan
