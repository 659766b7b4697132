"""Windows and closed periods: opened and closed as written, and never wider, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.calendar import (
    DAYS,
    HORIZON,
    Closed,
    Hours,
    Window,
    closed_at,
    first_moment,
    is_open,
    last_moment,
    opening,
)

BERLIN = "Europe/Berlin"
ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC")
#: Nights in which the clocks of some of these zones jump, and ordinary ones.
NIGHTS = (
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 3, 8),
    date(2026, 11, 1),
    date(2026, 4, 5),
    date(2011, 12, 30),
    date(2026, 6, 17),
)
WORKDAYS = DAYS[:5]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(begins: str, ends: str, days: tuple[str, ...] = DAYS, zone: str = BERLIN) -> Window:
    first, last = (int(one[:2]) * 60 + int(one[3:]) for one in (begins, ends))
    return Window(days, first, last if last > first else last + 1440, zone)


#: case -> window, asked at (UTC), opens, closes
OPENS: dict[str, tuple[Window, str, str, str]] = {
    "it opens today": (window("22:00", "23:00"), "2026-06-17 12:00", "2026-06-17 20:00", "2026-06-17 21:00"),
    "it is open, so it starts at once": (
        window("22:00", "23:00"),
        "2026-06-17 20:30",
        "2026-06-17 20:30",
        "2026-06-17 21:00",
    ),
    "the first moment is inside": (
        window("22:00", "23:00"),
        "2026-06-17 20:00",
        "2026-06-17 20:00",
        "2026-06-17 21:00",
    ),
    "the last moment is outside": (
        window("22:00", "23:00"),
        "2026-06-17 21:00",
        "2026-06-18 20:00",
        "2026-06-18 21:00",
    ),
    "over midnight it belongs to the day it begins: open on Saturday morning for Friday": (
        window("22:00", "05:00", WORKDAYS),
        "2026-06-20 01:00",
        "2026-06-20 01:00",
        "2026-06-20 03:00",
    ),
    "over midnight it belongs to the day it begins: shut on Monday morning": (
        window("22:00", "05:00", WORKDAYS),
        "2026-06-22 01:00",
        "2026-06-22 20:00",
        "2026-06-23 03:00",
    ),
    "a day of the week is that of the zone, not of UTC": (
        window("00:30", "01:00", ("sat",), "Asia/Kathmandu"),
        "2026-06-19 12:00",
        "2026-06-19 18:45",
        "2026-06-19 19:15",
    ),
    "the whole day is one day long": (
        window("00:00", "24:00", ("sat",)),
        "2026-06-17 12:00",
        "2026-06-19 22:00",
        "2026-06-20 22:00",
    ),
    "in spring a beginning that is skipped is the jump": (
        window("02:30", "05:00"),
        "2026-03-28 23:00",
        "2026-03-29 01:00",
        "2026-03-29 03:00",
    ),
    "in spring an end that is skipped is the jump": (
        window("22:00", "02:30"),
        "2026-03-28 20:00",
        "2026-03-28 21:00",
        "2026-03-29 01:00",
    ),
    "in spring one that is skipped as a whole does not open that night": (
        window("02:10", "02:50"),
        "2026-03-28 23:00",
        "2026-03-30 00:10",
        "2026-03-30 00:50",
    ),
    "in autumn a beginning that comes twice is the second": (
        window("02:30", "05:00"),
        "2026-10-24 22:30",
        "2026-10-25 01:30",
        "2026-10-25 04:00",
    ),
    "in autumn an end that comes twice is the first": (
        window("22:00", "02:30"),
        "2026-10-24 19:00",
        "2026-10-24 20:00",
        "2026-10-25 00:30",
    ),
    "in autumn one that comes twice as a whole opens once, as long as written": (
        window("02:00", "02:30"),
        "2026-10-24 22:30",
        "2026-10-25 01:00",
        "2026-10-25 01:30",
    ),
    "over the night in which the clocks go back both ends stay where they are": (
        window("22:00", "05:00"),
        "2026-10-24 19:00",
        "2026-10-24 20:00",
        "2026-10-25 04:00",
    ),
    "half an hour back, as on Lord Howe": (
        window("01:45", "03:00", zone="Australia/Lord_Howe"),
        "2026-04-04 12:00",
        "2026-04-04 15:15",
        "2026-04-04 16:30",
    ),
    "a whole day that a zone left out": (
        window("10:00", "12:00", zone="Pacific/Apia"),
        "2011-12-30 09:00",
        "2011-12-30 20:00",
        "2011-12-30 22:00",
    ),
}


@pytest.mark.parametrize("case", OPENS)
def test_it_opens(case: str) -> None:
    one, asked, opens, closes = OPENS[case]
    assert opening(Hours(((one,),)), at(asked)) == (at(opens), at(closes))
    assert is_open(Hours(((one,),)), at(opens))
    assert not is_open(Hours(((one,),)), at(closes))


NIGHT, DAY = window("22:00", "05:00"), window("08:00", "12:00")
NOON = at("2026-06-17 11:00")


def closed(begins: str, ends: str) -> Closed:
    return Closed(at(begins), at(ends))


#: case -> what bounds it, opens, closes; asked on a Wednesday at 13:00 in Berlin
TOGETHER: dict[str, tuple[Hours, str | None, str | None]] = {
    "nothing bounds it": (Hours(), "2026-06-17 11:00", None),
    "an empty set of windows is no limit": (Hours(((), ())), "2026-06-17 11:00", None),
    "any window of a set will do": (Hours(((DAY, NIGHT),)), "2026-06-17 20:00", "2026-06-18 03:00"),
    "open around the clock has no end": (Hours(((window("00:00", "24:00"),),)), "2026-06-17 11:00", None),
    "windows that touch are one": (
        Hours(((window("14:00", "15:00"), window("15:00", "16:00")),)),
        "2026-06-17 12:00",
        "2026-06-17 14:00",
    ),
    "every set must be open": (
        Hours(((NIGHT,), (window("04:00", "09:00"),))),
        "2026-06-18 02:00",
        "2026-06-18 03:00",
    ),
    "two sets that never meet": (Hours(((NIGHT,), (DAY,))), None, None),
    "a closed period moves the start to its end": (
        Hours(closed=(closed("2026-06-17 10:00", "2026-06-17 15:00"),)),
        "2026-06-17 15:00",
        None,
    ),
    "a closed period ahead ends the opening": (
        Hours(closed=(closed("2026-06-17 15:00", "2026-06-17 16:00"),)),
        "2026-06-17 11:00",
        "2026-06-17 15:00",
    ),
    "one that is over bounds nothing": (
        Hours(closed=(closed("2026-06-17 09:00", "2026-06-17 11:00"),)),
        "2026-06-17 11:00",
        None,
    ),
    "a closed period inside a window leaves the rest": (
        Hours(((NIGHT,),), (closed("2026-06-17 18:00", "2026-06-18 01:00"),)),
        "2026-06-18 01:00",
        "2026-06-18 03:00",
    ),
    "closed periods that overlap add up": (
        Hours(
            closed=(
                closed("2026-06-17 10:00", "2026-06-17 15:00"),
                closed("2026-06-17 12:00", "2026-06-17 18:00"),
            )
        ),
        "2026-06-17 18:00",
        None,
    ),
    "closed beyond the horizon is never": (
        Hours(closed=(closed("2026-01-01 00:00", "2027-01-01 00:00"),)),
        None,
        None,
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_bounds_together(case: str) -> None:
    hours, opens, closes = TOGETHER[case]
    found = opening(hours, NOON)
    assert found == (None if opens is None else (at(opens), at(closes) if closes else None))
    assert is_open(hours, NOON) == (opens == "2026-06-17 11:00")


def test_of_several_closed_periods_the_last_one_to_end_is_told() -> None:
    short, long = (
        closed("2026-06-17 10:00", "2026-06-17 15:00"),
        closed("2026-06-17 10:00", "2026-06-20 15:00"),
    )
    assert closed_at(Hours(closed=(short, long)), NOON) == long
    assert closed_at(Hours(closed=(short, long)), long.ends) is None


def test_a_closed_period_is_as_wide_as_the_clocks_make_it() -> None:
    """02:30 comes twice that night: closed from the first until after the second."""
    half_past = datetime.fromisoformat("2026-10-25 02:30")
    assert (first_moment(half_past, BERLIN), last_moment(half_past, BERLIN)) == (
        at("2026-10-25 00:30"),
        at("2026-10-25 01:30"),
    )


zones, nights = st.sampled_from(ZONES), st.sampled_from(NIGHTS)
minutes = st.integers(0, 1439)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    begins, length = draw(minutes), draw(st.integers(1, 1440))
    days = draw(st.sets(st.sampled_from(DAYS), min_size=1))
    return Window(tuple(days), begins, begins + length, draw(zones))


def shown_inside(one: Window, moment: datetime) -> bool:
    """What somebody says who only looks at the wall clock and the calendar of that zone."""
    wall = moment.astimezone(ZoneInfo(one.zone)).replace(tzinfo=None)
    midnights = [
        datetime.combine(wall.date(), datetime.min.time()) - timedelta(days=back) for back in range(3)
    ]
    return any(
        DAYS[day.weekday()] in one.days
        and day + timedelta(minutes=one.begins) <= wall < day + timedelta(minutes=one.ends)
        for day in midnights
    )


@given(windows(), nights, st.integers(-2880, 2880))
def test_no_moment_is_inside_that_the_wall_clock_shows_outside(one: Window, night: date, off: int) -> None:
    moment = datetime.combine(night, datetime.min.time(), UTC) + timedelta(minutes=off)
    if is_open(Hours(((one,),)), moment):
        assert shown_inside(one, moment)


@given(windows(), st.integers(-2880, 2880))
def test_where_no_clock_jumps_it_is_exactly_what_the_wall_clock_shows(one: Window, off: int) -> None:
    moment = datetime(2026, 6, 17, tzinfo=UTC) + timedelta(minutes=off)
    assert is_open(Hours(((one,),)), moment) == shown_inside(one, moment)


@given(
    st.lists(st.lists(windows(), max_size=3), max_size=2),
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), max_size=3),
    nights,
)
def test_the_opening_is_the_first_and_open_until_it_closes(
    sets: list[list[Window]], periods: list[tuple[int, int]], night: date
) -> None:
    earliest = datetime.combine(night, datetime.min.time(), UTC)
    shut = tuple(
        Closed(earliest + timedelta(hours=begin), earliest + timedelta(hours=begin + length))
        for begin, length in periods
    )
    hours = Hours(tuple(map(tuple, sets)), shut)
    found = opening(hours, earliest)
    looked = [earliest + timedelta(minutes=37 * step) for step in range(300)]
    if found is None:
        assert not any(is_open(hours, one) for one in looked)
        return
    begins, ends = found
    assert earliest <= begins <= earliest + HORIZON
    assert is_open(hours, begins)
    assert not any(is_open(hours, one) for one in looked if one < begins)
    if ends is not None:
        assert is_open(hours, ends - timedelta(microseconds=1))
        assert not is_open(hours, ends)


@given(windows(), nights, st.integers(0, 99), st.integers(1, 99))
def test_no_moment_of_a_closed_period_is_open(one: Window, night: date, begin: int, length: int) -> None:
    earliest = datetime.combine(night, datetime.min.time(), UTC)
    shut = Closed(earliest + timedelta(hours=begin), earliest + timedelta(hours=begin + length))
    for step in range(0, length * 60, 37):
        assert not is_open(Hours(((one,),), (shut,)), shut.begins + timedelta(minutes=step))
