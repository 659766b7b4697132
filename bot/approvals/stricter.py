"""A rule that has changed while a request is open: the stricter of both binds, in every respect. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from bot.model.requests import Proof, RuleSpec


def merge(old: RuleSpec, new: RuleSpec) -> RuleSpec:
    """The new rule, made no easier than the old one; merging it again changes nothing."""
    return replace(
        new,
        quorums=tuple(dict.fromkeys((*new.quorums, *old.quorums))),
        expires=min(old.expires, new.expires),
        cooling_off=max(old.cooling_off, new.cooling_off),
        drift_rows=min(old.drift_rows, new.drift_rows),
        proof=Proof.CODE if Proof.CODE in (old.proof, new.proof) else new.proof,
        confirm=old.confirm or new.confirm,
        # Hours and caps of today are looked at whenever something may start, besides those that are frozen.
        bounds=old.bounds,
    )


def differences(old: RuleSpec, new: RuleSpec) -> Iterator[str]:
    """What the new rule changes, by the name of what people are told. Names and askers do not count."""
    if set(old.quorums) != set(new.quorums):
        yield "approvals"
    for name in ("expires", "cooling_off", "drift_rows", "proof", "confirm"):
        if getattr(old, name) != getattr(new, name):
            yield name.replace("_", "-")


def is_same(frozen: RuleSpec, today: RuleSpec) -> bool:
    """Whether a frozen rule is still the one of today's policy; what the calendar closes apart."""
    bounds = replace(frozen.bounds, closed=today.bounds.closed)
    return not any(differences(frozen, today)) and bounds == today.bounds
