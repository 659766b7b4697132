"""Delete records and everything that hangs off them: plan, run, and settle after a crash.

``run`` is one transaction on the target, top to bottom: lock, recompute, compare with what was approved, copy
out, seal and read back, restore into scratch space and compare, delete, count, commit. Whatever fails before
the commit leaves the target as it was and removes the attempt's backup.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bot.backups.vault import OpenedBackup, Sealing, Vault
from bot.config.types import Target
from bot.errors import BadInput, Broken, CannotProve, CountersignError, NotFound, NotOurs, Refused
from bot.model.backups import Column, SealedBackup, TableSummary
from bot.model.plans import Drift, Key, Part, Plan, Subject, Told, hash_marks, judge, marks, schema_drift
from bot.model.requests import Operation
from bot.operations import archived, preflight
from bot.operations.archived import Extra, Settled, link_of, shape_of
from bot.operations.compare import Links, Rows
from bot.operations.conflicts import require_schema
from bot.operations.gate import DeleteOrder, DeleteOutcome, Drifted, Gate
from bot.operations.preflight import Closure, closure_of, fingerprint, identity_hash, survey, warnings
from bot.operations.selecting import label_of, people_of, people_warning, record_of, resolve
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


def plan(
    target: RecordTarget, spec: Target, record: str, values: Sequence[str], hash_key: bytes
) -> tuple[Plan, Subject]:
    """What deleting these records would mean, read-only.

    Raises:
        NotFound: a value means no row or several; the kind of record is unknown.
        BadInput: the configuration or a value makes no sense for this database.
        CannotProve: something could not be counted or identified exactly.
        TargetDown: the database cannot be used.
    """
    kind = record_of(spec, record)
    with target.reading() as session:
        ground = survey(session, target.name, kind.table, spec.soft_references)
        preflight.require_rights(session, target.name, ground.needs)
        session.prepare(ground.reach.tables, ground.reach.emptied)
        roots = resolve(session, target.name, kind, values)
        session.seed(kind.table, roots)
        table, rows = ground.catalogue.tables[kind.table], list(session.rows(kind.table))
        label, people = label_of(kind, table, rows, values), people_of(kind, table, rows)
        found = closure_of(session, ground, hash_key)
        told = (*warnings(session, target, ground, found.measured), *people_warning(kind, table, rows))
    made = replace(_plan(target, record, found, _roots(hash_key, kind.table, roots), told), people=people)
    return made, Subject(record, tuple(values), label, kind.table, roots, found.measured.few)


def run(order: DeleteOrder, target: RecordTarget, vault: Vault, gate: Gate) -> DeleteOutcome:
    """Carry out a permitted deletion.

    Raises:
        Drifted: what was approved no longer holds.
        Halted: stopped at a safe point.
        CountersignError: anything else; the target is as it was, except with ``operations.unclear``: then
            COMMIT was sent and its fate is unknown, the backup stays, and ``settle`` must be asked.
    """
    _genuine(order)
    attempt = _Attempt()
    try:
        _transaction(order, target, vault, gate, attempt)
    except BaseException as error:
        _clean_up(error, attempt, target, vault)
        if not attempt.committed:
            raise
    sealed = attempt.sealed
    assert sealed is not None
    with gate.step("step.verify"):
        problem = _verify(target, vault, sealed)
    return DeleteOutcome(
        rows=attempt.rows,
        nullified=attempt.nullified,
        sums={table.name: table.sum for table in sealed.manifest.tables if table.kind == "rows"},
        backup=sealed,
        transaction=attempt.transaction,
        test_restore_seconds=attempt.seconds,
        problem=problem,
    )


def settle(target: RecordTarget, opened: OpenedBackup, transaction: str = "") -> Settled:
    """Whether the deletion behind this backup was committed, found out under the target's lock.

    ``transaction``: its name, where it is known; some databases remember what became of it.

    Whatever stands in the way of knowing, such as another database or a changed table, makes it ``unclear``:
    no refusal leaves here, because a refusal reads as "nothing has changed".

    Raises:
        TargetDown: not now; ask again.
        NotOurs: the backup is damaged or not of a deletion.
    """
    extra = archived.extra_of(opened.manifest)
    if (extra.target, extra.identity) != (target.name, identity_hash(target)):
        return "unclear"
    try:
        with target.writing() as session:
            require_schema(session.catalogue(), target.name, extra, opened.manifest)
            archived.load_proven(session, opened.tables(), extra.links)
            counts = [archived.rows_of(session, name) for name in extra.shapes]
            fate = session.fate(transaction)
    except Refused:
        return "unclear"
    if not any(one.identical or one.different for one in counts):
        return "unclear" if fate == "aborted" else "committed"
    # Rows may have been edited since. All of them different would be strangers under reused keys.
    if any(one.identical for one in counts) and not any(one.missing for one in counts):
        return "unclear" if fate == "committed" else "not-committed"
    return "unclear"


def _transaction(
    order: DeleteOrder, target: RecordTarget, vault: Vault, gate: Gate, attempt: "_Attempt"
) -> None:
    with ExitStack() as stack:
        with gate.step("step.lock"):
            session = stack.enter_context(target.writing())
        with gate.step("step.compare"):
            found = _recompute(session, target, order)
        gate.check()
        gate.backup_started(order.backup_id)
        with vault.sealing(order.backup_id) as sealing:
            with gate.step("step.copy"):
                _copy_out(session, found, sealing, gate)
            with gate.step("step.seal"):
                sealing.close(_extra(session, target, order, found))
            with gate.step("step.test-restore"):
                _test_restore(session, found, sealing, attempt)
        gate.check()
        with gate.step("step.delete"):
            session.extend()
            attempt.rows, attempt.nullified = _delete(session, found)
        with gate.step("step.commit"):
            attempt.transaction = session.transaction()
            gate.check()
            assert attempt.sealed is not None
            gate.committing(attempt.transaction, attempt.sealed.backup_id, attempt.sealed.sha256)
            attempt.committing = True
            session.commit()
            attempt.committed = True


@dataclass
class _Attempt:
    """How far a run has come, for whoever has to clean up after it."""

    sealed: SealedBackup | None = None
    seconds: float = 0.0
    rows: Mapping[str, int] = field(default_factory=dict)
    nullified: Mapping[str, int] = field(default_factory=dict)
    transaction: str = ""
    committing: bool = False
    committed: bool = False


def _clean_up(error: BaseException, attempt: _Attempt, target: RecordTarget, vault: Vault) -> None:
    """After a failure: find out whether it was committed, and remove the backup when it surely was not."""
    if attempt.sealed is None:
        return
    if attempt.committing and not attempt.committed:
        if not isinstance(error, Exception):
            return
        fate = _fate(target, vault, attempt.sealed, attempt.transaction)
        attempt.committed = fate == "committed"
        if fate == "unclear":
            raise Broken("operations.unclear", target=target.name) from None
    if not attempt.committed:
        # The first error says more than one about the clean-up.
        with suppress(CountersignError):
            vault.shred(attempt.sealed.backup_id)


def _fate(target: RecordTarget, vault: Vault, sealed: SealedBackup, transaction: str) -> Settled:
    try:
        with vault.open(sealed.backup_id, sealed.sha256) as opened:
            return settle(target, opened, transaction)
    except CountersignError:
        return "unclear"


def _roots(hash_key: bytes, table: str, roots: Iterable[Key]) -> str:
    return hash_marks(hash_key, marks(hash_key, table, roots))


def _plan(target: RecordTarget, record: str, found: Closure, roots: str, told: tuple[Told, ...]) -> Plan:
    return Plan(
        operation=Operation.DELETE_RECORDS,
        target=target.name,
        record=record,
        tables=found.measured.tables,
        nullified=found.measured.links,
        roots=roots,
        fingerprint=fingerprint(target, found.ground),
        warnings=told,
        steps=STEPS,
        way_back="way-back.delete-records",
    )


def _genuine(order: DeleteOrder) -> None:
    """The subject lies in a table of its own; what was approved binds it.

    Raises:
        NotOurs: it is not the subject of this plan.
    """
    subject, key = order.subject, order.hash_key
    altered = (
        _roots(key, subject.table, subject.roots) != order.plan.roots or subject.record != order.plan.record
    )
    if subject.marks is not None:
        marked = [Part(name, len(marks), hash_marks(key, marks)) for name, marks in subject.marks.items()]
        altered |= {part.name: part for part in marked} != {part.name: part for part in order.plan.tables}
    if altered:
        raise NotOurs("operations.subject-altered", target=order.plan.target)


def _recompute(session: Session, target: RecordTarget, order: DeleteOrder) -> Closure:
    """Everything again, from the keys that were approved, under the lock.

    Raises:
        Drifted: it is not what was approved.
    """
    subject, key = order.subject, order.hash_key
    ground = survey(session, target.name, subject.table, order.spec.soft_references)
    if fingerprint(target, ground) != order.plan.fingerprint:
        raise Drifted(target.name, Drift(drifted=True, differences=(schema_drift(target.name),)))
    session.seed(subject.table, subject.roots)
    roots = _roots(key, subject.table, session.keys(subject.table))
    renamed = _renamed(session, target, order)
    found = closure_of(session, ground, key)
    drift = judge(
        order.plan,
        _plan(target, subject.record, found, roots, ()),
        order.allowance,
        subject.marks,
        found.measured.few,
    )
    if not drift.drifted and renamed is not None:
        drift = Drift(drifted=True, differences=(renamed,))
    if drift.drifted:
        raise Drifted(target.name, drift)
    return found


def _renamed(session: Session, target: RecordTarget, order: DeleteOrder) -> Told | None:
    """What is not so any more: what was typed means these rows, and they look as the approvers saw them.

    A key alone does not tell: a database may give the key of a deleted row to a new one.
    """
    subject = order.subject
    try:
        kind = record_of(order.spec, subject.record)
        roots = resolve(session, target.name, kind, subject.values)
    except (BadInput, NotFound):
        return Told("drift.renamed")
    rows = list(session.rows(subject.table))
    table = session.catalogue().tables[kind.table]
    label = label_of(kind, table, rows, subject.values)
    if kind.table != subject.table or set(roots) != set(subject.roots) or label != subject.label:
        return Told("drift.renamed")
    # Whoever it is about may not have decided it.
    return None if people_of(kind, table, rows) == order.plan.people else Told("drift.people")


def _copy_out(session: Session, found: Closure, sealing: Sealing, gate: Gate) -> None:
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


def _copied(summary: TableSummary, part: Part) -> None:
    if summary.rows != part.rows:
        raise CannotProve("operations.copied-less", table=part.name, expected=part.rows, found=summary.rows)


def _extra(session: Session, target: RecordTarget, order: DeleteOrder, found: Closure) -> dict[str, object]:
    tables = found.ground.catalogue.tables
    downward = [edge for edge in found.ground.catalogue.edges if edge.child in found.tables]
    loose = {edge.label: session.loose(edge) for edge in downward}
    return Extra(
        target=target.name,
        identity=identity_hash(target),
        record=order.plan.record,
        plan=order.plan.to_data(),
        shapes={name: shape_of(tables[name]) for name in found.tables},
        links={edge.label: link_of(tables[edge.child], edge) for edge in found.emptied},
        loose={label: count for label, count in loose.items() if count},
        facts=order.facts,
    ).to_json()


def _test_restore(session: Session, found: Closure, sealing: Sealing, attempt: _Attempt) -> None:
    """Read the backup out of the store into scratch tables and compare with the locked rows.

    Raises:
        CannotProve: a row would not come back as it is.
    """
    started = time.perf_counter()
    attempt.sealed = sealed = sealing.read_back(partial(archived.load_all, session))
    links = archived.extra_of(sealed.manifest).links
    for part in found.measured.tables:
        if archived.rows_of(session, part.name) != Rows(identical=part.rows):
            raise CannotProve("operations.test-restore", table=part.name)
    for part in found.measured.links:
        if archived.links_of(session, links[part.name]) != Links(identical=part.rows):
            raise CannotProve("operations.test-restore", table=part.name)
    attempt.seconds = time.perf_counter() - started


def _delete(session: Writing, found: Closure) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Empty the links, delete children first, and prove that this and nothing else has happened.

    Raises:
        CannotProve: a count differs, another row changed (a trigger), or something is left pointing nowhere.
    """
    watched = found.ground.watched
    dangling, before = session.dangling(watched), session.changes()
    nullified = {edge.label: session.unlink(edge) for edge in found.emptied}
    rows: dict[str, int] = {}
    for circle in reversed(found.measured.order):
        rows |= session.delete(circle)
    changed = session.changes() - before
    for part, count in [
        *((part, nullified[part.name]) for part in found.measured.links),
        *((part, rows[part.name]) for part in found.measured.tables),
    ]:
        if count != part.rows:
            raise CannotProve("operations.count", table=part.name, expected=part.rows, found=count)
    others = changed - sum(nullified.values()) - sum(rows.values())
    if others:
        raise CannotProve("operations.others-changed", n=others)
    _nothing_left(session, found, dangling)
    return rows, nullified


def _nothing_left(session: Writing, found: Closure, dangling: Mapping[str, int]) -> None:
    for label, count in session.dangling(found.ground.watched).items():
        if count > dangling.get(label, 0):
            raise CannotProve("operations.left-dangling", link=label, n=count - dangling.get(label, 0))
    for edge in found.edges_into():
        left = session.left(edge, edge.parent)
        if left:
            raise CannotProve("operations.left-dangling", link=edge.label, n=left)


def _verify(target: RecordTarget, vault: Vault, sealed: SealedBackup) -> Told | None:
    """Look from a new connection: every row gone, every link empty. None when it is so."""
    try:
        with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
            # A database may have given a key to a new row already: then the rows themselves are compared.
            still = _still_there(target, opened, keys_only=True) and _still_there(target, opened)
    except CountersignError:
        # Its own sentence may say that nothing was changed.
        return Told("operations.no-look", {"target": target.name})
    return Told("operations.still-there", {"n": still}) if still else None


def _still_there(target: RecordTarget, opened: OpenedBackup, *, keys_only: bool = False) -> int:
    """Rows (or only keys of rows) and links of a backup that a new connection still finds as they were."""
    extra = archived.extra_of(opened.manifest)
    with target.reading() as session:
        for table in opened.tables():
            if keys_only and table.summary.kind == "rows":
                archived.load_keys(session, table, extra.shapes[table.summary.name].key)
            else:
                archived.load(session, table, extra.links)
        still = sum(archived.rows_of(session, name).identical for name in extra.shapes)
        return still + sum(archived.links_of(session, link).identical for link in extra.links.values())
