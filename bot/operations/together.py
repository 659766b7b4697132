"""The plans of several backups as one plan that people approve, and one of them again when its turn comes."""

import json
from collections.abc import Sequence
from dataclasses import replace

from bot.errors import NotOurs
from bot.model.choices import Chosen
from bot.model.plans import FilesPart, Part, Plan, SegmentPart, Told
from bot.model.returned import Returned
from bot.model.row_keys import hash_marks


def together(
    plans: Sequence[Plan], hash_key: bytes, told: tuple[Told, ...] = (), out: Sequence[str] = ()
) -> tuple[Plan, str]:
    """One plan over these, in their order, and the text from which ``part_of`` reads each of them again.

    ``out``: the backups among theirs out of which nothing comes.
    """
    bare = [replace(one, warnings=()) for one in plans]
    warnings = tuple(
        dict.fromkeys((one.key, tuple(sorted(one.params.items()))) for plan in plans for one in plan.warnings)
    )
    whole = replace(
        plans[0],
        tables=_parts([one.tables for one in plans], hash_key),
        nullified=_parts([one.nullified for one in plans], hash_key),
        files=_files([one.files for one in plans], hash_key),
        warnings=(
            *(Told(key, dict(params)) for key, params in warnings),
            *told,
            Told("told.segments-back", {"n": len(plans)}),
        ),
        choice=_choice([one.choice for one in plans if one.choice is not None]),
        segments=tuple(SegmentPart(one.rows, one.digest()) for one in bare),
        returned=(*(note for one in plans for note in one.returned), *map(Returned, out)),
    )
    return whole, json.dumps({"parts": [one.to_data() for one in bare]})


def part_of(whole: Plan, text: str | None, done: int) -> Plan:
    """The plan of the part after ``done`` others; the whole itself when it has no parts.

    Raises:
        NotOurs: the text is not that of this plan.
    """
    if not whole.segments:
        return whole
    try:
        part = Plan.from_data(json.loads(text or "")["parts"][done])
        approved = whole.segments[done]
    except (ValueError, KeyError, TypeError, IndexError):
        raise NotOurs("operations.subject-altered", target=whole.target) from None
    if (part.rows, part.digest(), part.target) != (approved.rows, approved.digest, whole.target):
        raise NotOurs("operations.subject-altered", target=whole.target)
    return part


def _choice(found: Sequence[Chosen]) -> Chosen | None:
    if not found:
        return None
    left: dict[tuple[str, str], int] = {}
    for one in found:
        for name, why, count in one.left:
            left[name, why] = left.get((name, why), 0) + count
    counted = tuple((name, why, count) for (name, why), count in left.items())
    return replace(found[0], left=counted, there=sum(one.there for one in found))


def _parts(found: Sequence[Sequence[Part]], hash_key: bytes) -> tuple[Part, ...]:
    named: dict[str, list[Part]] = {}
    for parts in found:
        for part in parts:
            named.setdefault(part.name, []).append(part)
    return tuple(
        Part(name, sum(one.rows for one in parts), hash_marks(hash_key, (one.keys for one in parts)))
        for name, parts in named.items()
    )


def _files(found: Sequence[Sequence[FilesPart]], hash_key: bytes) -> tuple[FilesPart, ...]:
    rooted: dict[str, list[FilesPart]] = {}
    for parts in found:
        for part in parts:
            rooted.setdefault(part.root, []).append(part)
    return tuple(
        FilesPart(
            root,
            sum(one.files for one in parts),
            sum(one.size for one in parts),
            hash_marks(hash_key, (one.names for one in parts)),
        )
        for root, parts in rooted.items()
    )
