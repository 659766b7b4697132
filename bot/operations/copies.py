"""What people see to by hand: what else holds copies of a system's data, what only they can do. Pure."""

from bot.config.types import Target
from bot.model.leftovers import CopyPart


def copies_of(spec: Target) -> tuple[CopyPart, ...]:
    """As the plan says it, and as it is approved: a later configuration changes nothing of this request."""
    return tuple(CopyPart(one.name, one.who or "") for one in spec.copies)


def checklist_of(spec: Target) -> tuple[CopyPart, ...]:
    """The same, and what else people do by hand once the whole system is gone."""
    return (*copies_of(spec), *(CopyPart(one.name, one.who or "", "task") for one in spec.checklist))
