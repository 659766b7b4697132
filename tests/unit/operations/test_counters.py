"""How far a sequence must go on: against drawing one number after the other."""

from hypothesis import given
from hypothesis import strategies as st

from bot.targets.counters import Counter


@given(
    st.integers(-60, 60),
    st.integers(1, 7),
    st.booleans(),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(-130, 130),
)
def test_it_goes_exactly_as_far_as_drawing_would(
    upcoming: int,
    size: int,
    down: bool,
    below: int,
    above: int,
    taken: int,
) -> None:
    step, low, high = -size if down else size, upcoming - below, upcoming + above
    counter = Counter(upcoming, step, low, high)
    number, drawn = upcoming, 0
    if low <= taken <= high:
        while (number <= taken) if step > 0 else (number >= taken):
            number, drawn = number + step, drawn + 1
    last = counter.last_to_draw(taken)
    if last is None:
        assert drawn == 0
    else:
        assert max(0, counter.draws(last)) == drawn
        if drawn:
            assert last == number - step
            assert low <= last <= high


def test_what_begins_again_or_has_nothing_to_pass_is_left_alone() -> None:
    assert Counter(5, 1, 1, 100, cycles=True).last_to_draw(50) is None
    assert Counter(5, 1, 1, 100).last_to_draw(None) is None
    assert Counter(5, 1, 1, 100).last_to_draw(101) is None
