"""A rule of the policy as types: what it is about, who may ask, who must agree, within which limits."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.kinds import Count, Duration, Frozen, Many, Name, Needs, OperationName, PositiveDuration, Text
from bot.config.times import Limit, Windows
from bot.model.quorums import Need, Quorum, Stage, without
from bot.model.requests import DESTRUCTIVE
from bot.model.seating import MOST_SEATS, MOST_WAYS, everything, ways_of


class RowLimit(Frozen):
    """How many rows an operation may touch for a rule to match, roots and everything that hangs off them."""

    at_most: Count


class When(Frozen):
    """What a rule is about. None means any; an empty list is an error."""

    operation: Many[OperationName]
    target: Many[Name] | None = None
    record: Many[Name] | None = None
    environment: Many[Name] | None = None
    rows: RowLimit | None = None


class Drift(Frozen):
    """How many more child rows than planned an execution may find. Roots never drift."""

    rows: Count = 0


class StageRule(Frozen):
    """One stage of a rule: its name, which people read, and what it needs."""

    name: Text
    approve: Needs


class Rule(Frozen):
    """Who may ask and who must agree. The first rule that matches decides.

    What must be agreed stands in ``approve``, or in ``stages`` with their ``order``. Holders of a role in
    ``except`` fill no slot; holders of one in ``veto`` may deny.
    """

    name: Text
    when: When
    request: Annotated[tuple[Name, ...], Field(min_length=1)]
    approve: Needs | None = None
    stages: Annotated[tuple[StageRule, ...], Field(min_length=1)] | None = None
    order: Annotated[str, AfterValidator(values.order)] | None = None
    except_: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(default=None, alias="except")
    veto: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    expires: PositiveDuration = timedelta(hours=24)
    cooling_off: Duration = timedelta(seconds=10)
    drift: Drift = Drift()
    window: Windows | None = None
    limit: Limit | None = None
    expected: Annotated[StrictBool, BeforeValidator(values.demanded)] = False
    proof: Annotated[str, AfterValidator(values.proof)] = "reaction"
    confirm: StrictBool = False

    @model_validator(mode="after")
    def _proven(self) -> Self:
        if self.confirm and self.proof != "code":
            raise PydanticCustomError("config.confirm-code", "config.confirm-code")
        return self

    @model_validator(mode="after")
    def _bounds_what_destroys(self) -> Self:
        """Restores and unfreezing always work: no hour, no size and no guess stands in their way."""
        bounds = {"window": self.window, "limit": self.limit, "expected": self.expected or None}
        harmless = set(self.when.operation) - {str(one) for one in DESTRUCTIVE}
        named = next((key for key, value in bounds.items() if value is not None), None)
        if named and harmless:
            params = {"key": named, "value": min(harmless)}
            raise PydanticCustomError("config.only-destroying", "config.only-destroying", params)
        return self

    @model_validator(mode="after")
    def _agreed(self) -> Self:
        if (self.approve is None) == (self.stages is None):
            raise PydanticCustomError("config.approve-or-stages", "config.approve-or-stages")
        if self.order is not None and self.stages is None:
            raise PydanticCustomError("config.order-of-what", "config.order-of-what")
        names = [stage.name for stage in self.stages or ()]
        if len(set(names)) != len(names):
            raise PydanticCustomError("config.stage-twice", "config.stage-twice")
        needs = everything(need for stage in self.quorum.stages for need in stage.needs)
        if ways_of(needs) > MOST_WAYS or sum(slot.count for slot in self.quorum.slots) > MOST_SEATS:
            limits = {"ways": MOST_WAYS, "seats": MOST_SEATS}
            raise PydanticCustomError("config.quorum-large", "config.quorum-large", limits)
        return self

    @property
    def quorum(self) -> Quorum:
        """What must be agreed, with those who are excepted taken out of each slot."""
        stages = self.stages or ()
        parts = [Stage(stage.name, stage.approve) for stage in stages] or [Stage("", self.approve or ())]
        return Quorum(
            tuple(Stage(one.name, tuple(self._excepting(need) for need in one.needs)) for one in parts),
            in_turn=self.order != "in-parallel",
            veto=self.veto or (),
        )

    @property
    def roles(self) -> frozenset[str]:
        """Every role that the rule names."""
        slots = self.quorum.slots
        but = (role for slot in slots for role in slot.but)
        return frozenset((*self.request, *self.quorum.roles, *(self.veto or ()), *but))

    def _excepting(self, need: Need) -> Need:
        return without(need, self.except_) if self.except_ else need
