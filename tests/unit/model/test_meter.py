"""How long the rest takes is a guess that must never be nonsense."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.meter import COUNTED, UNITS, WINDOW, Reading, Stage, Unit, left, read
from bot.texts import languages
from handlers.views import amounts

MOMENTS = st.lists(
    st.tuples(st.floats(0, 100, allow_nan=False), st.integers(0, 10**12)), min_size=0, max_size=40
).map(
    lambda steps: [
        (at, sum(n for _, n in steps[: i + 1])) for i, at in enumerate(accumulate(s for s, _ in steps))
    ]
)
TOTALS = st.integers(-5, 10**15)


@given(MOMENTS, TOTALS)
def test_time_left_is_a_positive_whole_number_of_seconds_or_nobody_knows(
    samples: list[tuple[float, int]], total: int
) -> None:
    seconds = left(samples, total)
    if seconds is None:
        return
    assert seconds >= 1
    assert samples[-1][1] < total
    for language in languages():
        assert amounts.left(seconds, language)


@given(st.integers(1, 10**9), st.integers(1, 3600), st.integers(2, 30))
def test_at_a_steady_pace_it_is_right(pace: int, rest: int, seen: int) -> None:
    samples = [(float(second), pace * second) for second in range(seen)]
    assert left(samples, pace * (seen - 1 + rest)) in (rest, rest + 1)


@pytest.mark.parametrize(
    ("case", "samples", "total"),
    [
        ("nothing has been seen", [], 10),
        ("it was looked at once", [(0.0, 5)], 10),
        ("nothing moves", [(0.0, 5), (9.0, 5)], 10),
        ("it moved before and stands now", [(0.0, 0), (1.0, 5), (WINDOW + 2, 5), (WINDOW + 9, 5)], 10),
        ("it goes back", [(0.0, 9), (1.0, 5)], 10),
        ("time stands", [(1.0, 1), (1.0, 5)], 10),
        ("as much as was expected is done", [(0.0, 0), (1.0, 10)], 10),
        ("more is done than was expected", [(0.0, 0), (1.0, 11)], 10),
        ("it would take for ever", [(0.0, 0), (1.0, 1)], 10**12),
    ],
)
def test_nobody_can_tell_when(case: str, samples: list[tuple[float, int]], total: int) -> None:
    assert left(samples, total) is None, case


@given(
    st.sampled_from(sorted(COUNTED)),
    st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10**15)),
    st.dictionaries(st.sampled_from(UNITS), st.integers(0, 10**15)),
)
def test_whatever_is_counted_is_told_and_is_never_more_than_all(
    stage: Stage, done: dict[Unit, int], expected: dict[Unit, int]
) -> None:
    reading = read("files", stage, done, expected, [])
    for reached, total in reading.units.values():
        assert reached >= 0
        assert reached <= total or total == 0
    again = Reading.of(reading.to_data())
    assert again == reading
    for language in languages():
        assert amounts.told(again.to_data(), "`files`", language)
