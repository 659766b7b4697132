"""Whether one step takes a restore back, read off its plan. Pure."""

from collections.abc import Mapping
from typing import Any


def overwrites(plan: Mapping[str, Any]) -> bool:
    """Whether the restore changed rows that were there: its own backup holds what they were before."""
    return bool(plan.get("overwritten"))


def problem(plan: Mapping[str, Any]) -> str | None:
    """Why no single step takes it back, as a catalogue key; None when one does."""
    if plan.get("system"):
        return "taken-back.system"
    brought = bool(plan.get("tables"))
    if overwrites(plan):
        return "taken-back.two-steps" if brought or plan.get("nullified") or plan.get("files") else None
    return None if brought else "taken-back.no-rows"
