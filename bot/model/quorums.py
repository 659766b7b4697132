"""What a rule asks for before something may happen: slots, how they combine, and what votes amount to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SlotSpec:
    """How many people of one role must agree; nobody who holds one of the roles in ``but`` counts.

    ``of`` is set where this is what is left of a slot: how many it asked for at first.
    """

    count: int
    role: str
    but: tuple[str, ...] = ()
    of: int | None = None


@dataclass(frozen=True)
class AllOf:
    """Every part is needed, each person for one slot only."""

    parts: tuple["Need", ...]


@dataclass(frozen=True)
class AnyOf:
    """One part is enough."""

    parts: tuple["Need", ...]


Need = SlotSpec | AllOf | AnyOf


@dataclass(frozen=True)
class Stage:
    """A part of a decision; ``name`` is empty where a rule has only one. All needs must be met."""

    name: str
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class Quorum:
    """Everything that must be agreed under one rule.

    ``in_turn``: a vote counts for a stage only after the stages before it were complete. Otherwise all are
    open from the start. Holders of a ``veto`` role may deny without filling a slot.
    """

    stages: tuple[Stage, ...]
    in_turn: bool = True
    veto: tuple[str, ...] = ()

    @property
    def slots(self) -> tuple[SlotSpec, ...]:
        """Every slot, whatever combines them."""
        return tuple(slot for stage in self.stages for need in stage.needs for slot in slots_in(need))

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that may approve, in order, without repetition."""
        return tuple(dict.fromkeys(slot.role for slot in self.slots))


@dataclass(frozen=True)
class Filled:
    """One approval that counts, and the role it fills."""

    role: str
    user: str


@dataclass(frozen=True)
class Verdict:
    """What the votes amount to, explained: who fills what, and what is still missing.

    ``missing``: the open stages, with what they still need. ``later``: those whose turn has not come.
    """

    reached: bool
    filled: tuple[Filled, ...]
    missing: tuple[Stage, ...]
    later: tuple[Stage, ...] = ()


def simple(*slots: SlotSpec) -> Quorum:
    """The quorum of one stage without a name."""
    return Quorum((Stage("", slots),))


def slots_in(need: Need) -> Iterator[SlotSpec]:
    """Every slot of a need, in order."""
    if isinstance(need, SlotSpec):
        yield need
        return
    for part in need.parts:
        yield from slots_in(part)


def without(need: Need, roles: Sequence[str]) -> Need:
    """The same need, where nobody who holds one of ``roles`` counts."""
    if isinstance(need, SlotSpec):
        return SlotSpec(need.count, need.role, tuple(dict.fromkeys((*need.but, *roles))))
    return type(need)(tuple(without(part, roles) for part in need.parts))


def plain(need: Need) -> str:
    """A need in signs that every language reads: ``2 × dba + (1 × legal / 1 × ciso)``."""  # noqa: RUF002 - a multiplication sign
    if isinstance(need, SlotSpec):
        return f"{need.count} × {need.role}"  # noqa: RUF001 - a multiplication sign
    joint = " + " if isinstance(need, AllOf) else " / "
    return joint.join(f"({plain(part)})" if _is_many(part) else plain(part) for part in need.parts)


def spelled(quorum: Quorum) -> str:
    """A whole quorum in such signs; what stands before an arrow comes first."""
    stages = (
        f"{stage.name}: " * bool(stage.name) + " + ".join(plain(AllOf((need,))) for need in stage.needs)
        for stage in quorum.stages
    )
    return (" → " if quorum.in_turn else "; ").join(stages)


def _is_many(need: Need) -> bool:
    return not isinstance(need, SlotSpec) and len(need.parts) > 1


def to_data(quorum: Quorum) -> dict[str, Any]:
    """A quorum as JSON data; ``from_data`` reads it back."""
    return {
        "stages": [
            {"name": stage.name, "needs": [_need_data(need) for need in stage.needs]}
            for stage in quorum.stages
        ],
        "in_turn": quorum.in_turn,
        "veto": list(quorum.veto),
    }


def from_data(data: Mapping[str, Any]) -> Quorum:
    """The quorum that ``to_data`` wrote.

    Raises:
        KeyError, ValueError: something else wrote it.
    """
    stages = (
        Stage(stage["name"], tuple(_need_from(need) for need in stage["needs"])) for stage in data["stages"]
    )
    return Quorum(tuple(stages), data["in_turn"], tuple(data["veto"]))


def _need_data(need: Need) -> dict[str, Any]:
    if isinstance(need, SlotSpec):
        return {"count": need.count, "role": need.role, "but": list(need.but)}
    kind = "all" if isinstance(need, AllOf) else "any"
    return {kind: [_need_data(part) for part in need.parts]}


def _need_from(data: Mapping[str, Any]) -> Need:
    match data:
        case {"count": int(count), "role": str(role), **rest}:
            return SlotSpec(count, role, tuple(rest.get("but", ())))
        case {"all": parts}:
            return AllOf(tuple(_need_from(part) for part in parts))
        case {"any": parts}:
            return AnyOf(tuple(_need_from(part) for part in parts))
    raise ValueError
