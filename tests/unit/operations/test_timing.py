"""How long a plan says that things take: more for more, never less than a step's least, as measured if measured."""

from hypothesis import given
from hypothesis import strategies as st

from bot.operations.teardown import PURGE, SET_ASIDE
from bot.operations.timing import BRING_BACK, PUT_BACK, Weight, measured, timed, total

WEIGHTS = st.lists(
    st.builds(
        Weight,
        st.sampled_from(["files", "database", "of a later release"]),
        st.integers(0, 10**9),
        st.integers(0, 10**14),
    ),
    max_size=5,
)


@given(WEIGHTS, st.sampled_from([SET_ASIDE, PURGE, BRING_BACK, PUT_BACK]))
def test_more_takes_longer_and_nothing_takes_less_than_its_least(parts: list[Weight], steps: object) -> None:
    assert isinstance(steps, tuple)
    expected, least = timed(steps, parts, "restore"), timed(steps, [], "restore")
    assert all(one[2] >= other[2] > 0 for one, other in zip(expected, least, strict=True))
    assert total(timed(steps, [*parts, *parts], "restore")) >= total(expected)


def test_a_gigabyte_of_postgresql_comes_back_no_faster_than_it_was_measured_to() -> None:
    # pg_restore alone was measured at 16 to 27 s, and what came is added up after it.
    parts = [Weight("database", 10_000_000, 1_000_000_000)]
    prepare = next(one for one in timed(BRING_BACK, parts, "restore") if one[0] == "step.prepare")
    assert 27 <= prepare[2] <= 60
    assert total(timed(PUT_BACK, parts, "")) < 30


def test_putting_back_takes_the_same_whatever_its_size() -> None:
    assert timed(PUT_BACK, [Weight("files", 10**6, 10**13)], "") == timed(PUT_BACK, [], "")


@given(WEIGHTS, st.floats(0.001, 10**6))
def test_what_a_test_restore_measured_stands_for_the_unpacking_alone(
    parts: list[Weight], seconds: float
) -> None:
    system = {"host": "here", "steps": timed(BRING_BACK, parts, "restore")}
    told = measured(system, seconds)
    assert told["host"] == "here"
    for before, now in zip(system["steps"], told["steps"], strict=True):
        assert now == (
            before if before[0] != "step.prepare" else [*before[:2], max(1, round(seconds)), *before[3:]]
        )
