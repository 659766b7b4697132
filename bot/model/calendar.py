"""Windows and closed periods: at which moments something may start. Pure; ``now`` is always an argument.

Rule 1: a window is written in the wall time of its zone; a moment is inside it only if that zone's wall clock
        then stands between its two ends. One over midnight belongs to the day on which it opens.
Rule 2: a wall time that the clocks skip in spring is the moment of the jump. Of one that comes twice, in
        autumn, a window opens at the second and closes at the first that follows; a closed period begins at
        the first and ends at the second. So a window is never wider than written, a closed period never
        narrower.
Rule 3: every set of windows has to be open at once; within a set, any window will do, and an empty set is no
        limit. A closed period closes them all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: How far ahead an opening is looked for.
HORIZON = timedelta(days=60)
_DAY = timedelta(days=1)
#: Days beyond the horizon that are worked out as well: what is open until their end is open without one.
_LOOKED_AT = 2 * _DAY
_SECOND = timedelta(seconds=1)

#: From a moment on, up to but without another; no end at all is None.
Span = tuple[datetime, datetime | None]


@dataclass(frozen=True)
class Window:
    """When something may start: on ``days`` from ``begins`` to ``ends``, minutes of that day in ``zone``.

    ``ends`` is beyond 24 hours when the window goes over midnight.
    """

    days: tuple[str, ...]
    begins: int
    ends: int
    zone: str


@dataclass(frozen=True)
class Closed:
    """When nothing may start. ``why`` is for people."""

    begins: datetime
    ends: datetime
    why: str | None = None


@dataclass(frozen=True)
class Hours:
    """All that bounds one start: sets of windows, every one of which must be open, and closed periods."""

    windows: tuple[tuple[Window, ...], ...] = ()
    closed: tuple[Closed, ...] = ()

    @property
    def bound(self) -> tuple[tuple[Window, ...], ...]:
        """The sets that limit anything."""
        return tuple(dict.fromkeys(one for one in self.windows if one))


def opening(hours: Hours, earliest: datetime, horizon: timedelta = HORIZON) -> Span | None:
    """The first span, from ``earliest`` on, in which something may start; None if there is none in reach.

    Its beginning is ``earliest`` itself if that is inside. It has no end where only a horizon would end it.
    """
    last = earliest + horizon
    spans: list[Span] = [(earliest, None)]
    for windows in hours.bound:
        spans = _both(spans, _opened(windows, earliest, last))
    for closed in sorted(hours.closed, key=lambda one: one.begins):
        spans = [rest for span in spans for rest in _without(span, closed)]
    found = next((span for span in spans if span[0] <= last), None)
    if found is None or found[1] is None or found[1] < last + _LOOKED_AT:
        return found
    return found[0], None


def is_open(hours: Hours, now: datetime) -> bool:
    """Whether something may start now."""
    found = opening(hours, now, timedelta(0))
    return found is not None and found[0] == now


def closed_at(hours: Hours, now: datetime) -> Closed | None:
    """The closed period that a moment lies in; of several, the one that ends last."""
    inside = [one for one in hours.closed if one.begins <= now < one.ends]
    return max(inside, key=lambda one: one.ends, default=None)


def first_moment(wall: datetime, zone: str) -> datetime:
    """The earliest moment at which a zone's clock shows a wall time, or jumps over it."""
    return _moments(wall, ZoneInfo(zone))[0]


def last_moment(wall: datetime, zone: str) -> datetime:
    """The latest moment at which a zone's clock shows a wall time, or jumps over it."""
    return _moments(wall, ZoneInfo(zone))[-1]


def _moments(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Every moment at which the zone's clock shows a wall time; the jump, if it never does."""
    meant = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [one for one in meant if one.astimezone(zone).replace(tzinfo=None, fold=0) == wall]
    return tuple(sorted(set(shown))) or (_jump(min(meant), max(meant), zone),)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between the two at which the zone's clock jumps."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _opened(windows: Sequence[Window], earliest: datetime, last: datetime) -> list[Span]:
    """The times at which any of the windows is open, in order and apart."""
    merged: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(span for one in windows for span in _spans(one, earliest, last)):
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends))
        else:
            merged.append((begins, ends))
    return list(merged)


def _spans(window: Window, earliest: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """One window, day by day; two more days on both sides, for windows over midnight and zones far away."""
    zone = ZoneInfo(window.zone)
    day = earliest.astimezone(zone).date() - 2 * _DAY
    end = last.astimezone(zone).date() + _LOOKED_AT
    while day <= end:
        if DAYS[day.weekday()] in window.days:
            begins = _moments(_wall(day, window.begins), zone)[-1]
            after = [one for one in _moments(_wall(day, window.ends), zone) if one > begins]
            if after:
                yield begins, after[0]
        day += _DAY


def _wall(day: date, minutes: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(minutes=minutes)


def _both(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Where both are open; each in order and apart."""
    found: list[Span] = []
    for begins, ends in some:
        for other_begins, other_ends in others:
            start = max(begins, other_begins)
            stop = min((one for one in (ends, other_ends) if one is not None), default=None)
            if stop is None or start < stop:
                found.append((start, stop))
    return sorted(found, key=lambda span: span[0])


def _without(span: Span, closed: Closed) -> Iterator[Span]:
    begins, ends = span
    if begins < closed.begins:
        yield begins, closed.begins if ends is None else min(ends, closed.begins)
    if ends is None or closed.ends < ends:
        yield max(begins, closed.ends), ends
