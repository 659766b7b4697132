"""What a wish to delete means, found in one reading session: the whole, and its segments if it is large."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.config.record_types import Record
from bot.config.types import Target
from bot.errors import CannotProve, NotAllowed
from bot.model.plans import Plan, SegmentPart, Subject, Told
from bot.model.row_keys import Key, marks
from bot.operations import attached, heirs, residue, segmenting
from bot.operations.copies import copies_of
from bot.operations.deleting import plan_of, roots_hash
from bot.operations.preflight import Closure, Ground, closure_of
from bot.operations.selecting import label_of, people_of, people_warning, record_of, resolve
from bot.targets.base import Edge, RecordTarget, Session


@dataclass(frozen=True)
class Asked:
    """What stays the same for every part of a wish. ``heir`` and ``column`` as in ``delete_records.plan``."""

    target: RecordTarget
    spec: Target
    record: str
    hash_key: bytes
    heir: str | None
    column: str | None

    @property
    def kind(self) -> Record:
        """The kind of record; raises as ``record_of``."""
        return record_of(self.spec, self.record)


@dataclass(frozen=True)
class Looked:
    """What was found: the plan without warnings, whom it is about, the closure, and what is to be told."""

    plan: Plan
    subject: Subject
    found: Closure
    told: tuple[Told, ...]


@dataclass(frozen=True)
class Segment:
    """One transaction of a large deletion: its part of the plan, and its roots by label and by values."""

    part: SegmentPart
    label: str
    values: tuple[str, ...]


def look(
    session: Session, ground: Ground, naming: Sequence[Edge], asked: Asked, values: Sequence[str]
) -> Looked:
    """Everything that hangs off the rows that these values mean; raises as ``delete_records.plan``."""
    target, spec, hash_key = asked.target, asked.spec, asked.hash_key
    kind = asked.kind
    roots = resolve(session, target.name, kind, values, asked.column)
    session.seed(kind.table, roots)
    table, rows = ground.catalogue.tables[kind.table], list(session.rows(kind.table))
    label, people = label_of(kind, table, rows, values), people_of(kind, table, rows)
    found = closure_of(session, ground, hash_key)
    found = attached.added(session, found, spec.attachments, naming, hash_key)
    named = heirs.find(session, target.name, kind, asked.heir) if asked.heir else None
    heirs.require(session, found, named)
    hashed = roots_hash(hash_key, kind.table, roots)
    bound = heirs.hash_of(hash_key, kind.table, named)
    made = replace(
        plan_of(target, asked.record, found, hashed, (), bound), people=people, copies=copies_of(spec)
    )
    few = found.measured.few
    texts = residue.identifiers(kind, table, rows)
    subject = Subject(asked.record, tuple(values), label, kind.table, roots, few, named, asked.column, texts)
    return Looked(made, subject, found, people_warning(kind, table, rows))


def in_segments(
    session: Session, ground: Ground, naming: Sequence[Edge], asked: Asked, whole: Looked
) -> tuple[tuple[Segment, ...], tuple[Told, ...]]:
    """The segments of a set that is too large for one transaction, and what is to be told about it.

    None for a set that is not, or whose records hang together so that they must go at once.
    """
    limit, roots = asked.spec.segments.above, whole.subject.roots
    if whole.plan.rows <= limit or len(roots) < 2:
        return (), ()
    named = _by_root(session, asked, whole.subject)

    def values_of(positions: Sequence[int]) -> tuple[str, ...]:
        wanted = {repr(roots[position]) for position in positions}
        return tuple(value for value, key in named if repr(key) in wanted)

    labels: dict[str, str] = {}

    def anew(positions: Sequence[int]) -> Looked:
        session.forget()
        seen = look(session, ground, naming, asked, values_of(positions))
        labels[seen.plan.digest()] = seen.subject.label
        return seen

    try:
        parts = segmenting.cut(
            whole.plan,
            len(roots),
            lambda positions: anew(positions).plan,
            lambda positions: _rows_of(session, anew(positions).found, asked.hash_key),
        )
    except (NotAllowed, CannotProve):
        # What is in the way of one record alone goes with another one of them.
        parts = None
    if parts is None:
        return (), (Told("told.one-piece", {"n": whole.plan.rows, "limit": limit}),)
    segments = tuple(
        Segment(SegmentPart(made.rows, made.digest()), labels[made.digest()], values_of(positions))
        for positions, made in parts
    )
    return segments, (Told("told.segments", {"n": len(segments)}),)


def _by_root(session: Session, asked: Asked, subject: Subject) -> list[tuple[str, Key]]:
    """Every value that was typed, with the one row that it means."""
    kind = asked.kind
    return [
        (value, resolve(session, asked.target.name, kind, [value], asked.column)[0])
        for value in subject.values
    ]


def _rows_of(session: Session, found: Closure, hash_key: bytes) -> segmenting.Found:
    """The keyed hashes of the rows that go, and of those that stay and change."""
    tables = found.ground.catalogue.tables
    touched = (
        mark
        for edge in (*found.emptied, *found.reassigned)
        for mark in marks(
            hash_key, edge.child, (row[: len(tables[edge.child].key)] for row in session.links(edge))
        )
    )
    rows = (mark for name in found.tables for mark in marks(hash_key, name, session.keys(name)))
    return segmenting.Found(frozenset(rows), frozenset(touched))
