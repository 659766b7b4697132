"""The steps of a deletion under the lock: look again, copy out, try the way back, delete.

Each step proves its own work: counts, sums and rows beside those that were approved or copied.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.backups.vault import Sealing
from bot.config.record_types import Record
from bot.errors import BadInput, CannotProve, NotFound
from bot.model.backups import Column, SealedBackup, TableSummary
from bot.model.drift import Drift, judge, schema_drift
from bot.model.plans import Heir, Part, Plan, Told
from bot.model.requests import Operation
from bot.model.row_keys import Key, hash_marks, marks
from bot.operations import archived, attached, heirs
from bot.operations.archived import Extra, Link, link_of, shape_of
from bot.operations.compare import Links, Rows
from bot.operations.gate import DeleteOrder, Drifted, Gate
from bot.operations.policies import own_columns
from bot.operations.preflight import Closure, closure_of, fingerprint, identity_hash, survey
from bot.operations.selecting import label_of, people_of, record_of, resolve
from bot.targets.base import RecordTarget, Session, Writing

STEPS = (
    "step.lock",
    "step.compare",
    "step.copy",
    "step.seal",
    "step.test-restore",
    "step.delete",
    "step.commit",
    "step.verify",
)


def roots_hash(hash_key: bytes, table: str, roots: Iterable[Key]) -> str:
    """The keyed hash of the rows that were asked for."""
    return hash_marks(hash_key, marks(hash_key, table, roots))


def plan_of(
    target: RecordTarget,
    record: str,
    found: Closure,
    roots: str,
    told: tuple[Told, ...] = (),
    heir: str | None = None,
) -> Plan:
    """What was found, as people approve it; ``heir`` is a keyed hash."""
    files = attached.parts(found)
    return Plan(
        operation=Operation.DELETE_RECORDS,
        target=target.name,
        record=record,
        tables=found.measured.tables,
        nullified=found.measured.links,
        reassigned=found.measured.reassigned,
        heir=heir,
        roots=roots,
        fingerprint=fingerprint(target, found.ground),
        warnings=told,
        steps=attached.steps(STEPS, attached.going(found)),
        way_back="way-back.delete-records",
        files=files,
    )


def recompute(session: Session, target: RecordTarget, order: DeleteOrder) -> Closure:
    """Everything again, from the keys that were approved, under the lock.

    Raises:
        Drifted: it is not what was approved.
    """
    subject, key = order.subject, order.hash_key
    kind = order.spec.records.get(subject.record)
    policies = kind.links if kind else {}
    ground = survey(session, target.name, subject.table, order.spec.soft_references, policies)
    if fingerprint(target, ground) != order.plan.fingerprint:
        raise Drifted(target.name, Drift(drifted=True, differences=(schema_drift(target.name),)))
    session.seed(subject.table, subject.roots)
    roots = roots_hash(key, subject.table, session.keys(subject.table))
    renamed = _renamed(session, target, order)
    files = order.spec.attachments
    named = attached.links(session, target.name, files, ground)
    found = attached.added(session, closure_of(session, ground, key), files, named, key)
    heir = heirs.hash_of(key, subject.table, subject.heir)
    drift = judge(
        order.plan,
        plan_of(target, subject.record, found, roots, heir=heir),
        order.allowance,
        subject.marks,
        found.measured.few,
    )
    if not drift.drifted and renamed is not None:
        drift = Drift(drifted=True, differences=(renamed,))
    if drift.drifted:
        raise Drifted(target.name, drift)
    heirs.require(session, found, subject.heir)
    return found


def _renamed(session: Session, target: RecordTarget, order: DeleteOrder) -> Told | None:
    """What is not so any more: what was typed means these rows, and they look as the approvers saw them.

    The same for the heir, on which a lock is held from here on.

    A key alone does not tell: a database may give the key of a deleted row to a new one.
    """
    subject = order.subject
    try:
        kind = record_of(order.spec, subject.record)
        roots = resolve(session, target.name, kind, subject.values, subject.column)
    except (BadInput, NotFound):
        return Told("drift.renamed")
    rows = list(session.rows(subject.table))
    table = session.catalogue().tables[kind.table]
    label = label_of(kind, table, rows, subject.values)
    if kind.table != subject.table or set(roots) != set(subject.roots) or label != subject.label:
        return Told("drift.renamed")
    if subject.heir is not None and not _same_heir(session, target.name, kind, subject.heir):
        return Told("drift.heir")
    # Whoever it is about may not have decided it.
    return None if people_of(kind, table, rows) == order.plan.people else Told("drift.people")


def _same_heir(session: Session, target: str, kind: Record, heir: Heir) -> bool:
    try:
        # Locked before it is looked up, so that nobody gives its name to another row in between.
        locked = session.one(kind.table, heir.key) is not None
        return locked and heirs.find(session, target, kind, heir.value) == heir
    except (BadInput, NotFound):
        return False


def copy_out(session: Session, found: Closure, sealing: Sealing, gate: Gate) -> None:
    """Every row that will go, and the old value of every link that will be emptied, into the archive."""
    tables = found.ground.catalogue.tables
    done, total = 0, found.rows
    for part in found.measured.tables:
        columns = [Column(column.name, column.codec) for column in tables[part.name].stored]
        _copied(sealing.table("rows", part.name, columns, session.rows(part.name)), part)
        done += part.rows
        gate.progress(done, total)
    for edge, part in zip(found.emptied, found.measured.links, strict=True):
        columns = [
            archived.column_of(tables[edge.child], name)
            for name in (*tables[edge.child].key, *edge.child_columns)
        ]
        _copied(sealing.table("nullified", edge.label, columns, session.links(edge)), part)
    for edge, part in zip(found.reassigned, found.measured.reassigned, strict=True):
        table = tables[edge.child]
        written = (*table.key, *own_columns(found.ground.catalogue, edge))
        columns = [archived.column_of(table, name) for name in written]
        _copied(sealing.table("nullified", edge.label, columns, heirs.old_values(session, found, edge)), part)


def _copied(summary: TableSummary, part: Part) -> None:
    if summary.rows != part.rows:
        raise CannotProve("operations.copied-less", table=part.name, expected=part.rows, found=summary.rows)


def extra_for(
    session: Session, target: RecordTarget, order: DeleteOrder, found: Closure
) -> dict[str, object]:
    """The operation's part of the manifest."""
    tables = found.ground.catalogue.tables
    above = [edge for edge in found.ground.above if edge.child in found.tables]
    loose: Counter[str] = Counter()
    for edge in above:
        loose[edge.label] += session.loose(edge)
    heir = order.subject.heir
    moved = {edge.label: heirs.link_of(session, found, edge, heir) for edge in found.reassigned if heir}
    return Extra(
        target=target.name,
        identity=identity_hash(target),
        record=order.plan.record,
        plan=order.plan.to_data(),
        shapes={name: shape_of(tables[name]) for name in found.tables},
        links={edge.label: link_of(tables[edge.child], edge) for edge in found.emptied} | moved,
        loose={label: count for label, count in loose.items() if count},
        softs=tuple(edge for edge in above if edge.action == "soft"),
        facts=order.facts,
        attached=attached.to_data(found),
        engine=target.identity["kind"],
    ).to_json()


def prove_restore(session: Session, found: Closure, sealed: SealedBackup) -> None:
    """The backup, read back out of the store into scratch tables, beside the locked rows.

    Raises:
        CannotProve: a row would not come back as it is.
    """
    links = archived.extra_of(sealed.manifest).links
    for part in found.measured.tables:
        if archived.rows_of(session, part.name) != Rows(identical=part.rows):
            raise CannotProve("operations.test-restore", table=part.name)
    for part in (*found.measured.links, *found.measured.reassigned):
        if archived.links_of(session, links[part.name]) != Links(identical=part.rows):
            raise CannotProve("operations.test-restore", table=part.name)


@dataclass(frozen=True)
class Deleted:
    """What a deletion changed, as the database counts it: rows by table, links by label."""

    rows: Mapping[str, int] = field(default_factory=dict)
    nullified: Mapping[str, int] = field(default_factory=dict)
    reassigned: Mapping[str, int] = field(default_factory=dict)


def delete(session: Writing, found: Closure, heir: Heir | None, links: Mapping[str, Link]) -> Deleted:
    """Empty or repoint the links, delete children first, and prove that this and nothing else has happened.

    ``links`` are those of the backup, which is staged.

    Raises:
        CannotProve: a count differs, another row changed (a trigger), or something is left pointing nowhere.
    """
    watched = found.ground.watched
    dangling, before = session.dangling(watched), session.changes()
    nullified = {edge.label: session.unlink(edge) for edge in found.emptied}
    moved = heirs.repoint(session, found, heir)
    rows: dict[str, int] = {}
    for circle in reversed(found.measured.order):
        rows |= session.delete(circle)
    changed = session.changes() - before
    for part, count in [
        *((part, nullified[part.name]) for part in found.measured.links),
        *((part, moved.get(part.name, 0)) for part in found.measured.reassigned),
        *((part, rows[part.name]) for part in found.measured.tables),
    ]:
        if count != part.rows:
            raise CannotProve("operations.count", table=part.name, expected=part.rows, found=count)
    others = changed - sum(nullified.values()) - sum(moved.values()) - sum(rows.values())
    if others:
        raise CannotProve("operations.others-changed", n=others)
    for part in found.measured.reassigned:
        there = heirs.handed_over(session, links[part.name])
        if there != part.rows:
            raise CannotProve("operations.not-handed", link=part.name, expected=part.rows, found=there)
    _nothing_left(session, found, dangling)
    return Deleted(rows, nullified, moved)


def _nothing_left(session: Writing, found: Closure, dangling: Mapping[str, int]) -> None:
    for label, count in session.dangling(found.ground.watched).items():
        if count > dangling.get(label, 0):
            raise CannotProve("operations.left-dangling", link=label, n=count - dangling.get(label, 0))
    for edge in found.edges_into():
        left = session.left(edge, edge.parent)
        if left:
            raise CannotProve("operations.left-dangling", link=edge.label, n=left)
