"""What a plan says of what stays elsewhere: copies that people see to by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CopyPart:
    """Something else that holds copies, and the role that ticks it off; empty: whoever holds any role."""

    name: str
    role: str


def copies_in(plan: Mapping[str, Any]) -> tuple[CopyPart, ...]:
    """What else holds copies, by a plan's own data."""
    return tuple(CopyPart(*one) for one in plan.get("copies", ()))
