"""What a deletion leaves elsewhere, as types: who else holds copies, and where else a person may be named."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bot.config.kinds import Frozen, Name, Text

MOST_COPIES = 20
_LONGEST_NAME = 75


def _called(name: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise PydanticCustomError("config.long", "config.long", {"limit": _LONGEST_NAME, "length": len(name)})
    return name


class Copy(Frozen):
    """Something else that holds copies of a system's data, called ``name``, that people see to by hand.

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
