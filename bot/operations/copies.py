"""What else holds copies of a system's data. Pure."""

from bot.config.types import Target
from bot.model.leftovers import CopyPart


def copies_of(spec: Target) -> tuple[CopyPart, ...]:
    """As the plan says it, and as it is approved: a later configuration changes nothing of this request."""
    return tuple(CopyPart(one.name, one.who or "") for one in spec.copies)
