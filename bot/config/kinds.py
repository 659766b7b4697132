"""The kinds of value that stand in the configuration: each checked by ``bot.config.values``."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictInt,
)

from bot.config import values
from bot.model.quorums import AllOf, AnyOf, SlotSpec

Value = TypeVar("Value")

Name = Annotated[str, AfterValidator(values.name)]
Text = Annotated[str, AfterValidator(values.text)]
Column = Annotated[str, AfterValidator(values.column)]
Schema = Annotated[str, AfterValidator(values.schema)]
TablePath = Annotated[str, AfterValidator(values.table_path)]
User = Annotated[str, AfterValidator(values.user)]
Group = Annotated[str, AfterValidator(values.usergroup)]
Channel = Annotated[str, AfterValidator(values.channel)]
Workspace = Annotated[str, AfterValidator(values.workspace)]
Language = Annotated[str, AfterValidator(values.language)]
OperationName = Annotated[str, AfterValidator(values.operation)]
Listener = Annotated[str, AfterValidator(values.person_or_channel)]
File = Annotated[str, AfterValidator(values.path)]
Command = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(values.command)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Template = Annotated[str, AfterValidator(values.template)]
Duration = Annotated[timedelta, BeforeValidator(values.duration)]
PositiveDuration = Annotated[timedelta, BeforeValidator(values.duration), AfterValidator(values.positive)]
Count = Annotated[StrictInt, Field(ge=0, le=2**53)]
#: Written and read by ``values.need`` alone; pydantic would guess which of the three a dump was.
_OneNeed = Annotated[
    SlotSpec | AllOf | AnyOf, PlainValidator(values.need), PlainSerializer(lambda need: need)
]
Needs = Annotated[tuple[_OneNeed, ...], Field(min_length=1)]
Many = Annotated[tuple[Value, ...], BeforeValidator(values.one_or_many), Field(min_length=1)]
Table = Annotated[Mapping[Name, Value], AfterValidator(lambda table: MappingProxyType(dict(table)))]


class Frozen(BaseModel):
    """A part of the file: no other keys than these, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
