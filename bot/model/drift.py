"""Whether what was approved still holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.model.plans import Part, Plan, Told


@dataclass(frozen=True)
class Drift:
    """Whether what was approved still holds. ``differences`` say what changed, also when it is allowed."""

    drifted: bool
    differences: tuple[Told, ...]


def judge(
    approved: Plan,
    found: Plan,
    allowance: int = 0,
    before: Mapping[str, tuple[str, ...]] | None = None,
    after: Mapping[str, tuple[str, ...]] | None = None,
) -> Drift:
    """Compare the approved plan with the one computed under the lock.

    ``allowance`` is how many rows that hang off the roots may have come or gone. It is used only when the
    marks ``before`` (which must belong to the approved plan) and ``after`` are there: a count alone cannot
    tell one new row from one row swapped for two others.
    """
    differences: list[Told] = []
    strict = approved.target != found.target or approved.operation != found.operation
    if strict or (approved.backup, approved.sha256) != (found.backup, found.sha256):
        return Drift(drifted=True, differences=(Told("drift.other"),))
    if approved.fingerprint != found.fingerprint:
        strict = True
        differences.append(schema_drift(approved.target))
    if approved.roots != found.roots:
        strict = True
        differences.append(Told("drift.roots"))
    if approved.heir != found.heir:
        strict = True
        differences.append(Told("drift.heir"))
    links = _differing(approved.nullified, found.nullified)
    differences += [Told("drift.link", _counts(one, "link")) for one in links]
    moving = _differing(approved.reassigned, found.reassigned)
    differences += [Told("drift.reassigned", _counts(one, "link")) for one in moving]
    over = _differing(approved.overwritten, found.overwritten)
    differences += [Told("drift.overwritten", _counts(one, "table")) for one in over]
    files = approved.files != found.files
    if files:
        counts = {
            "before": sum(one.files for one in approved.files),
            "after": sum(one.files for one in found.files),
        }
        differences.append(Told("drift.files", counts))
    tables = _differing(approved.tables, found.tables)
    changed = 0
    for one in tables:
        differences.append(Told("drift.table", _counts(one, "table")))
        changed += _moved(one[0], before, after, allowance)
    return Drift(strict or files or bool(links or moving or over) or changed > allowance, tuple(differences))


def schema_drift(target: str) -> Told:
    """The tables, or which database it is, have changed."""
    return Told("drift.schema", {"target": target})


_Pair = tuple[str, Part, Part]


def _differing(approved: Sequence[Part], found: Sequence[Part]) -> list[_Pair]:
    old, new = ({part.name: part for part in parts} for parts in (approved, found))
    pairs = (
        (name, old.get(name, Part(name, 0, "")), new.get(name, Part(name, 0, "")))
        for name in sorted({*old, *new})
    )
    return [pair for pair in pairs if pair[1] != pair[2]]


def _counts(pair: _Pair, kind: str) -> dict[str, str | int]:
    name, old, new = pair
    return {kind: name, "before": old.rows, "after": new.rows}


def _moved(
    name: str,
    before: Mapping[str, tuple[str, ...]] | None,
    after: Mapping[str, tuple[str, ...]] | None,
    allowance: int,
) -> int:
    """How many rows of a table came or went; more than allowed when that cannot be known."""
    if before is None or after is None:
        return allowance + 1
    return len(set(before.get(name, ())) ^ set(after.get(name, ())))
