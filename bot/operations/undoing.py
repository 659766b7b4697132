"""The records that a restore brought back and that are there still, as a deletion can name them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.backups.vault import OpenedBackup
from bot.config.record_types import Record
from bot.errors import CannotProve, NotFound
from bot.model.backups import Value
from bot.model.doors import MAX_ROWS
from bot.model.plans import Part, Plan, Told
from bot.model.returned import read
from bot.model.row_keys import Key, hash_marks, marks
from bot.operations import archived
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
    """A record of a backup beside the live one; ``names`` are the columns of both."""

    names: Sequence[str]
    key: Key
    old: Row
    live: Row | None

    def differs(self, column: str) -> bool:
        """Whether it is there and this column is not what it was."""
        if self.live is None or column not in self.names:
            return False
        place = self.names.index(column)
        return self.old[place] != self.live[place]


@dataclass(frozen=True)
class _Look:
    """The records of one backup, and how many rows of which table are there and not as they are in it."""

    backup: str
    pairs: Sequence[_Pair]
    changed: Mapping[str, int]


#: What every refusal names: the restore by its number, the system, the kind of record.
_Said = Mapping[str, str | int]


def records_of(
    target: RecordTarget,
    record: Record,
    backups: Iterable[OpenedBackup],
    restored: Plan,
    hash_key: bytes,
    said: _Said,
) -> Brought:
    """What the restore with this plan brought back out of these backups; ``said`` fills a refusal.

    ``backups``: the one that it has read, or those of all parts, each open until the next is asked for.
    What hung off these records then hangs off them now, and goes with them in any deletion. Which they are is
    proven by the keyed hash in the plan that people approved.

    Raises:
        NotFound: all of them are gone again.
        CannotProve: it cannot be told exactly which they are, or whether they still are the same.
        TargetDown: the database cannot be used.
    """
    looks = [_look(target, record, opened, restored, said) for opened in backups]
    part = next((one for one in restored.tables if one.name == record.table), None)
    if part is None:
        raise CannotProve("taken-back.no-records", **said, table=record.table)
    ours = _inserted(looks, restored, part, hash_key, said)
    there = [one for one in ours if one.live is not None]
    if not there:
        raise NotFound("taken-back.gone", **said)
    _require_same(record, there, said)
    with target.reading() as session:
        column, values = _named(session, record, there, said)
    roots = roots_hash(hash_key, record.table, [one.key for one in there])
    changed = {part.name: sum(one.changed.get(part.name, 0) for one in looks) for part in restored.tables}
    some = {name: count for name, count in changed.items() if count}
    return Brought(column, values, roots, len(ours) - len(there), some)


def _look(target: RecordTarget, record: Record, opened: OpenedBackup, restored: Plan, said: _Said) -> _Look:
    """One of the backups beside the live rows."""
    with target.reading() as session:
        known = archived.extra_of(opened.manifest).shapes.keys() & session.catalogue().tables.keys()
        require_rights(session, target.name, [Need(name) for name in sorted(known)])
        extra = unpack(session, target, opened, origin_of(restored))
        shape = extra.shapes.get(record.table)
        if shape is None:
            raise CannotProve("taken-back.no-records", **said, table=record.table)
        names = [name for name, _, _ in shape.columns]
        places = [names.index(one) for one in shape.key]
        pairs = [
            _Pair(names, tuple(old[place] for place in places), old, live)
            for old, live in session.pairs(shape.name)
        ]
        tables = [part.name for part in restored.tables if part.name in extra.shapes]
        changed = {name: archived.rows_of(session, name).different for name in tables}
        return _Look(opened.manifest.backup_id, pairs, changed)


def told(number: int, restored: Plan, made: Plan, brought: Brought) -> tuple[Told, ...]:
    """What the plan of the deletion says of the restore that it takes back."""
    found = [Told("told.undoes", {"number": number, "n": sum(part.rows for part in restored.tables)})]
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


def _inserted(
    looks: Sequence[_Look], restored: Plan, part: Part, hash_key: bytes, said: _Said
) -> Sequence[_Pair]:
    """Those that the plan has noted, else all; of one backup without a note all but one, or one.

    The keyed hash in the plan proves that it was these. Plans of earlier releases have no notes, and which of
    many it were when it was some of them, one hash does not tell.
    """
    notes = {one.backup: one for one in restored.returned}
    marked = [list(marks(hash_key, part.name, [one.key for one in look.pairs])) for look in looks]
    found = [read(notes.get(look.backup), of) for look, of in zip(looks, marked, strict=True)]
    hashes = [
        hash_marks(hash_key, [of[place] for place in kept])
        for kept, of in zip(found, marked, strict=True)
        if kept
    ]
    # The hash of several parts is one over theirs.
    proven = (hash_marks(hash_key, hashes) if restored.segments else "".join(hashes)) == part.keys
    if not proven and part.rows > MAX_ROWS:
        raise CannotProve("taken-back.too-many", **said, n=part.rows, limit=MAX_ROWS)
    if not proven:
        total = sum(map(len, marked))
        tried = None if notes or restored.segments else _guessed(marked[0], part, hash_key)
        if tried is None:
            raise CannotProve("taken-back.some-records", **said, n=part.rows, total=total)
        found = [tried]
    return [look.pairs[place] for look, kept in zip(looks, found, strict=True) for place in kept]


def _guessed(marked: Sequence[str], part: Part, hash_key: bytes) -> list[int] | None:
    """The one that the hash is of, or all but one."""
    every = range(len(marked))
    tries: list[list[int]] = []
    if len(marked) <= MAX_ROWS:
        tries += [[place] for place in every if part.rows == 1]
        tries += [[one for one in every if one != out] for out in every if part.rows == len(marked) - 1]
    bound = (kept for kept in tries if hash_marks(hash_key, [marked[place] for place in kept]) == part.keys)
    return next(bound, None)


def _require_same(record: Record, there: Sequence[_Pair], said: _Said) -> None:
    """Under the key of a record that has gone again there may be somebody else by now.

    Raises:
        CannotProve: what names one of them is not what it was.
    """
    others = sum(any(map(one.differs, record.find_by)) for one in there)
    if others:
        raise CannotProve("taken-back.others", **said, n=others)


def _named(
    session: Session, record: Record, there: Sequence[_Pair], said: _Said
) -> tuple[str, tuple[str, ...]]:
    """One column whose values mean exactly these records, typed as people would."""
    if len(there) > MAX_ROWS:
        raise CannotProve("taken-back.too-many", **said, n=len(there), limit=MAX_ROWS)
    for column in record.find_by:
        if not all(column in one.names for one in there):
            continue
        values = [_typed(one.old[one.names.index(column)]) for one in there]
        named = zip(there, values, strict=True)
        if all(text and session.find(record.table, column, text, 2) == [one.key] for one, text in named):
            return column, tuple(values)
    raise CannotProve("taken-back.unnamed", **said)


def _typed(value: Value) -> str:
    """A cell as somebody would type it; empty when nobody can."""
    text = str(value)
    return text if is_named(value, text) and len(text) <= LONGEST else ""
