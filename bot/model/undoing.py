"""Whether and how a restore is taken back, read off its plan. Pure."""

from collections.abc import Mapping
from typing import Any


def overwrites(plan: Mapping[str, Any]) -> bool:
    """Whether the restore changed rows that were there: its own backup holds what they were before."""
    return bool(plan.get("overwritten"))


def brings(plan: Mapping[str, Any], table: str) -> bool:
    """Whether rows of this table came back."""
    return any(part[0] == table for part in plan.get("tables") or ())


def takes_two(plan: Mapping[str, Any]) -> bool:
    """Whether it did both: then the old values come first, and after them what it brought goes."""
    return overwrites(plan) and bool(plan.get("tables"))


def is_whole(plan: Mapping[str, Any]) -> bool:
    """Whether a restore left nothing of its backup out."""
    choice = plan.get("choice") or {}
    return not (choice.get("only") or choice.get("table") or choice.get("left"))


def problem(plan: Mapping[str, Any]) -> str | None:
    """Why nothing takes it back, as a catalogue key; None when something does."""
    if plan.get("system"):
        return "taken-back.system"
    if plan.get("tables"):
        return None
    if overwrites(plan):
        return "taken-back.two-steps" if plan.get("nullified") or plan.get("files") else None
    return "taken-back.no-rows"
