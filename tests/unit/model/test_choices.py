"""What of a backup comes back: as data and back again, and old plans keep their form."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.choices import Chosen, Mode, RestoreChoice
from bot.model.plans import Part, Plan, counted
from bot.model.requests import Operation

CHOICES = st.builds(
    RestoreChoice,
    st.lists(st.text(), max_size=3).map(tuple),
    st.text(max_size=5),
    st.sampled_from(Mode),
)
CHOSEN = st.builds(
    Chosen,
    st.sampled_from(Mode),
    st.integers(0, 9),
    st.text(max_size=5),
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(0, 9)), max_size=3).map(tuple),
    st.integers(0, 9),
)


@given(CHOICES)
def test_a_choice_comes_back_from_its_data(choice: RestoreChoice) -> None:
    assert RestoreChoice.from_data(choice.to_data()) == choice
    assert RestoreChoice.from_data(None).plain
    assert choice.plain is (choice == RestoreChoice())


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (RestoreChoice(), None),
        (RestoreChoice(("a",), mode=Mode.SKIP), None),
        (RestoreChoice(table="notes", mode=Mode.OVERWRITE), None),
        (RestoreChoice(("a",), "notes"), "restore.choice-both"),
    ],
)
def test_what_does_not_go_together(choice: RestoreChoice, problem: str | None) -> None:
    assert choice.problem == problem


@given(CHOSEN)
def test_a_plan_holds_a_choice_and_what_it_overwrites(chosen: Chosen) -> None:
    plan = Plan.bare(Operation.RESTORE, "crm")
    made = dataclasses.replace(
        plan, tables=(Part("a", 2, "k"),), overwritten=(Part("b", 3, "k"),), choice=chosen
    )
    assert Plan.from_data(made.to_data()) == made
    assert made.rows == counted(made.to_data()) == 5
    assert {"choice", "overwritten"} & plan.to_data().keys() == set()
