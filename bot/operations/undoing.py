"""The records that a restore brought back and that are there still, as a deletion can name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.backups.vault import OpenedBackup
from bot.config.record_types import Record
from bot.errors import CannotProve, NotFound
from bot.model.backups import Value
from bot.model.doors import MAX_ROWS
from bot.model.plans import Key, Part, Plan, Told, hash_marks, marks
from bot.operations import archived
from bot.operations.archived import Extra
from bot.operations.deleting import roots_hash
from bot.operations.narrowing import is_named
from bot.operations.preflight import require_rights
from bot.operations.restoring import origin_of, unpack
from bot.operations.selecting import LONGEST
from bot.targets.base import Need, RecordTarget, Row, Session


@dataclass(frozen=True)
class Brought:
    """Records of one table by the values of one column; ``roots`` is the keyed hash of their keys.

    ``gone``: how many more came back and are gone again. ``changed``: how many rows of which table of the
    backup are not as they are in it.
    """

    column: str
    values: tuple[str, ...] = field(repr=False)
    roots: str
    gone: int
    changed: Mapping[str, int]


@dataclass(frozen=True)
class _Pair:
    key: Key
    old: Row
    live: Row | None


#: What every refusal names: the restore by its number, the system, the kind of record.
_Said = Mapping[str, str | int]


def records_of(
    target: RecordTarget,
    record: Record,
    opened: OpenedBackup,
    restored: Plan,
    hash_key: bytes,
    said: _Said,
) -> Brought:
    """What the restore with this plan brought back out of this backup; ``said`` fills a refusal.

    What hung off these records then hangs off them now, and goes with them in any deletion. Which they are is
    proven by the keyed hash in the plan that people approved.

    Raises:
        NotFound: all of them are gone again.
        CannotProve: it cannot be told exactly which they are, or whether they still are the same.
        TargetDown: the database cannot be used.
    """
    with target.reading() as session:
        known = archived.extra_of(opened.manifest).shapes.keys() & session.catalogue().tables.keys()
        require_rights(session, target.name, [Need(name) for name in sorted(known)])
        extra = unpack(session, target, opened, origin_of(restored))
        part = next((one for one in restored.tables if one.name == record.table), None)
        if part is None or record.table not in extra.shapes:
            raise CannotProve("taken-back.no-records", **said, table=record.table)
        ours = _inserted(_pairs(session, extra, record.table), part, hash_key, said)
        there = [one for one in ours if one.live is not None]
        if not there:
            raise NotFound("taken-back.gone", **said)
        names = [name for name, _, _ in extra.shapes[record.table].columns]
        _require_same(record, names, there, said)
        column, values = _named(session, record, names, there, said)
        looked = {part.name: archived.rows_of(session, part.name) for part in restored.tables}
    roots = roots_hash(hash_key, record.table, [one.key for one in there])
    changed = {name: rows.different for name, rows in looked.items() if rows.different}
    return Brought(column, values, roots, len(ours) - len(there), changed)


def told(number: int, restored: Plan, made: Plan, brought: Brought) -> tuple[Told, ...]:
    """What the plan of the deletion says of the restore that it takes back."""
    found = [Told("told.undoes", {"number": number, "n": restored.rows})]
    if brought.gone:
        found.append(Told("told.undo-gone", {"n": brought.gone}))
    before = {part.name: part.rows for part in restored.tables}
    now = {part.name: part.rows for part in made.tables}
    for table in dict.fromkeys((*now, *before)):
        more = now.get(table, 0) - before.get(table, 0)
        if more:
            key = "told.undo-more" if more > 0 else "told.undo-fewer"
            found.append(Told(key, {"table": table, "n": abs(more)}))
    found += [Told("told.undo-changed", {"table": table, "n": n}) for table, n in brought.changed.items()]
    return tuple(found)


def _pairs(session: Session, extra: Extra, table: str) -> list[_Pair]:
    shape = extra.shapes[table]
    names = [name for name, _, _ in shape.columns]
    places = [names.index(one) for one in shape.key]
    return [_Pair(tuple(old[place] for place in places), old, live) for old, live in session.pairs(table)]


def _inserted(pairs: Sequence[_Pair], part: Part, hash_key: bytes, said: _Said) -> Sequence[_Pair]:
    """Those among them whose keys the plan of the restore binds: all, one, or all but one.

    Which of many it were when it was some of them, one hash does not tell.
    """
    marked = list(marks(hash_key, part.name, [one.key for one in pairs]))

    def bound(kept: Sequence[int]) -> bool:
        return hash_marks(hash_key, [marked[place] for place in kept]) == part.keys

    every = range(len(pairs))
    tries: list[list[int]] = [list(every)] if part.rows == len(pairs) else []
    if len(pairs) <= MAX_ROWS:
        tries += [[place] for place in every if part.rows == 1]
        tries += [[one for one in every if one != out] for out in every if part.rows == len(pairs) - 1]
    found = next((kept for kept in tries if bound(kept)), None)
    if found is None:
        raise CannotProve("taken-back.some-records", **said, n=part.rows, total=len(pairs))
    return [pairs[place] for place in found]


def _require_same(record: Record, names: Sequence[str], there: Sequence[_Pair], said: _Said) -> None:
    """Under the key of a record that has gone again there may be somebody else by now.

    Raises:
        CannotProve: what names one of them is not what it was.
    """
    places = [names.index(column) for column in record.find_by if column in names]
    others = sum(
        any(one.old[place] != one.live[place] for place in places) for one in there if one.live is not None
    )
    if others:
        raise CannotProve("taken-back.others", **said, n=others)


def _named(
    session: Session, record: Record, names: Sequence[str], there: Sequence[_Pair], said: _Said
) -> tuple[str, tuple[str, ...]]:
    """One column whose values mean exactly these records, typed as people would."""
    if len(there) > MAX_ROWS:
        raise CannotProve("taken-back.too-many", **said, n=len(there), limit=MAX_ROWS)
    for column in record.find_by:
        if column not in names:
            continue
        values = [_typed(one.old[names.index(column)]) for one in there]
        named = zip(there, values, strict=True)
        if all(text and session.find(record.table, column, text, 2) == [one.key] for one, text in named):
            return column, tuple(values)
    raise CannotProve("taken-back.unnamed", **said)


def _typed(value: Value) -> str:
    """A cell as somebody would type it; empty when nobody can."""
    text = str(value)
    return text if is_named(value, text) and len(text) <= LONGEST else ""
