"""What a deletion leaves elsewhere, as types: what else holds copies, where else a person may be named."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bot.config import values
from bot.config.kinds import Column, Frozen, Name, Text

MOST_COPIES = 20
MOST_PLACES = 50
_LONGEST_NAME = 75


def _called(name: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise PydanticCustomError("config.long", "config.long", {"limit": _LONGEST_NAME, "length": len(name)})
    return name


class Copy(Frozen):
    """Something that people see to by hand: what holds copies of a system's data, or what only they can do.

    ``who``: the role that ticks it off; without it, whoever holds any role.
    """

    name: Annotated[Text, AfterValidator(_called)]
    who: Name | None = None


def _few(copies: tuple[Copy, ...]) -> tuple[Copy, ...]:
    if len(copies) > MOST_COPIES:
        raise PydanticCustomError("config.many-copies", "config.many-copies", {"limit": MOST_COPIES})
    if len({one.name for one in copies}) != len(copies):
        raise PydanticCustomError("config.copy-twice", "config.copy-twice")
    return copies


Copies = Annotated[tuple[Copy, ...], AfterValidator(_few)]


def _some(places: tuple[str, ...]) -> tuple[str, ...]:
    if len(places) > MOST_PLACES:
        raise PydanticCustomError("config.many-places", "config.many-places", {"limit": MOST_PLACES})
    return tuple(dict.fromkeys(places))


class Residue(Frozen):
    """Where else whoever a record is about may be named.

    ``identifiers``: columns of the record that say who it is. ``look_in``: other columns, each with its
    table, in which those values are looked for.
    """

    identifiers: Annotated[tuple[Column, ...], Field(min_length=1), AfterValidator(_some)]
    look_in: Annotated[
        tuple[Annotated[str, AfterValidator(values.place)], ...], Field(min_length=1), AfterValidator(_some)
    ]
