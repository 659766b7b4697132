"""When it starts, in words: windows and closed periods on the card. Pure."""

from zoneinfo import ZoneInfo

from bot.model.bounds import Bounds
from bot.model.calendar import DAYS, Hours, Window, closed_at
from bot.model.doors import RequestView
from bot.model.requests import DESTRUCTIVE, Operation, State
from bot.texts import listed, say, weekday
from handlers.views.mrkdwn import moment, safe

_WAITS = (State.PENDING, State.APPROVED, State.DENIED, State.SET_ASIDE)


def bounds_of(view: RequestView) -> Bounds:
    """What bounds the start of what is shown."""
    return view.revision.rule.bounds if view.revision is not None else Bounds()


def starts(view: RequestView, language: str) -> str | None:
    """When what is approved starts, and until when it can be taken back."""
    request = view.request
    if request.starts_at is None:
        return None
    windows = bounds_of(view).windows
    at = moment(request.starts_at, seconds=True)
    if windows:
        local = request.starts_at.astimezone(ZoneInfo(windows[0].zone))
        words = f"{weekday(local.weekday(), language)} {local:%H:%M}"
        at = say("card.in-window", language, at=at, local=words, zone=safe(windows[0].zone))
    key = "card.starts.teardown" if request.operation is Operation.TEARDOWN else "card.starts"
    line = say(key, language, at=at)
    return f"{line} {say('card.goes-on', language)}" if windows else line


def lines(view: RequestView, language: str) -> list[str]:
    """What keeps it from starting at once, while it waits."""
    bounds, revision = bounds_of(view), view.revision
    if view.request.state not in _WAITS or view.request.operation not in DESTRUCTIVE or revision is None:
        return []
    found = []
    if bounds.windows:
        found.append(say("card.window", language, windows=in_words(bounds.windows, language)))
    closed = closed_at(Hours(closed=bounds.closed), view.request.starts_at or revision.created_at)
    if closed is None and view.request.starts_at is not None:
        closed = closed_at(Hours(closed=bounds.closed), revision.created_at)
    if closed is not None:
        key = "card.closed-period.why" if closed.why else "card.closed-period"
        found.append(say(key, language, until=moment(closed.ends), why=safe(closed.why or "", 200)))
    return found


def in_words(windows: tuple[Window, ...], language: str) -> str:
    """Days, beginning, end and zone of each."""
    return "; ".join(_one(one, language) for one in windows[:10])


def _one(window: Window, language: str) -> str:
    days = [weekday(number, language) for number, day in enumerate(DAYS) if day in window.days]
    key = "card.window.daily" if len(days) == len(DAYS) else "card.window.one"
    return say(
        key,
        language,
        days=listed(days, language),
        begins=_clock(window.begins),
        ends=_clock(window.ends),
        zone=safe(window.zone),
    )


def _clock(minutes: int) -> str:
    hours = minutes // 60 if minutes <= 24 * 60 else minutes // 60 % 24
    return f"{hours:02}:{minutes % 60:02}"
