"""When and how much: windows, closed periods and caps, as they stand in the file."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.kinds import Frozen, Many, Name, PositiveDuration, Text
from bot.model import calendar

Zone = Annotated[str, AfterValidator(values.zone)]
Clock = Annotated[int, BeforeValidator(values.clock)]
Moment = Annotated[tuple[datetime, bool], BeforeValidator(values.moment)]
Cap = Annotated[StrictInt, Field(le=2**53), AfterValidator(values.limited)]
_WHOLE_DAY = 24 * 60


class Window(Frozen):
    """When something may start, in the wall time of a zone; over midnight if it ends before it begins."""

    days: Many[Annotated[str, AfterValidator(values.day)]] = calendar.DAYS
    from_: Annotated[Clock, Field(alias="from")]
    to: Clock
    zone: Zone

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.from_ in (self.to, _WHOLE_DAY):
            raise PydanticCustomError("config.window-empty", "config.window-empty")
        return self

    @property
    def spec(self) -> calendar.Window:
        """As it is decided with."""
        ends = self.to if self.to > self.from_ else self.to + _WHOLE_DAY
        return calendar.Window(tuple(dict.fromkeys(self.days)), self.from_, ends, self.zone)


#: One window may stand without its list.
Windows = Annotated[tuple[Window, ...], BeforeValidator(values.mapping_or_many), Field(min_length=1)]


class Closed(Frozen):
    """A period in which nothing starts: dates, the last one included, or moments."""

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment
    why: Text | None = None
    targets: Many[Name] | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.ends <= self.from_[0]:
            raise PydanticCustomError("config.closed-order", "config.closed-order")
        return self

    @property
    def ends(self) -> datetime:
        """The first wall time that is no longer closed."""
        wall, whole_day = self.to
        return wall + timedelta(days=1) if whole_day else wall

    def period(self, zone: str) -> calendar.Closed:
        """As it is decided with."""
        begins, ends = calendar.first_moment(self.from_[0], zone), calendar.last_moment(self.ends, zone)
        return calendar.Closed(begins, ends, self.why)


class Calendar(Frozen):
    """Periods in which no deletion, teardown or removal starts, in the wall time of one zone."""

    zone: Zone
    closed: Annotated[tuple[Closed, ...], Field(min_length=1, max_length=500)]

    def closed_for(self, target: str) -> tuple[calendar.Closed, ...]:
        """The periods that concern a target."""
        return tuple(
            one.period(self.zone) for one in self.closed if one.targets is None or target in one.targets
        )


class Limit(Frozen):
    """How much may be asked for under a rule on one target in any ``per``: rows, requests, or both."""

    rows: Cap | None = None
    requests: Cap | None = None
    per: PositiveDuration = timedelta(hours=24)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rows is None and self.requests is None:
            raise PydanticCustomError("config.limit-empty", "config.limit-empty")
        return self
