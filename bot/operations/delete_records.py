"""Delete records and everything that hangs off them: plan, run, and settle after a crash.

``run`` is one transaction on the target, top to bottom: lock, recompute, compare with what was approved, copy
out, seal and read back, restore into scratch space and compare, delete, count, commit. Whatever fails before
the commit leaves the target as it was and removes the attempt's backup.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from bot.backups.vault import OpenedBackup, Sealing, Vault
from bot.config.types import Target
from bot.errors import CountersignError, NotOurs, Refused
from bot.model.backups import SealedBackup
from bot.model.drift import Drift
from bot.model.leftovers import Offer, ResiduePart
from bot.model.plans import Part, Plan, Subject, Told
from bot.model.row_keys import hash_marks
from bot.operations import archived, attached, heirs, preflight, replicas, residue
from bot.operations.deleting import (
    Deleted,
    copy_out,
    delete,
    extra_for,
    prove_restore,
    recompute,
    roots_hash,
)
from bot.operations.gate import DeleteOrder, DeleteOutcome, Drifted, Gate
from bot.operations.looking import verify
from bot.operations.preflight import Closure, Ground, identity_hash, survey, warnings
from bot.operations.schema_drift import require_schema
from bot.operations.verdicts import Settled, was_committed
from bot.operations.wishing import Asked, in_segments, look
from bot.targets.attachment_store import Attached
from bot.targets.base import Edge, RecordTarget, Session


def plan(  # noqa: PLR0913 - a wish has this many parts
    target: RecordTarget,
    spec: Target,
    record: str,
    values: Sequence[str],
    hash_key: bytes,
    heir: str | None = None,
    column: str | None = None,
) -> tuple[Plan, Subject]:
    """What deleting these records would mean, read-only.

    ``heir``: to whom goes what is reassigned. ``column``: where alone the values of a file are looked for.

    Raises:
        NotFound: a value means no row or several; the kind of record is unknown.
        BadInput: the configuration or a value makes no sense for this database; an heir is missing.
        NotAllowed: rows point at these records that may not go with them.
        CannotProve: something could not be counted or identified exactly.
        TargetDown: the database cannot be used.
    """
    asked = Asked(target, spec, record, hash_key, heir, column)
    with _looking(asked) as (session, ground, naming):
        whole = look(session, ground, naming, asked, values)
        found = whole.found
        told = (
            *warnings(session, target, ground, found.measured, spec.max_lock.total_seconds()),
            *whole.told,
            *heirs.told(found, whole.subject.heir),
            *attached.told(found),
        )
        places = asked.kind.residue.look_in if asked.kind.residue else ()
        # What goes anyway is no residue, and the segments begin by forgetting what goes.
        elsewhere = residue.look(session, places, whole.subject.identifiers)
        segments, said = in_segments(session, ground, naming, asked, whole)
    if segments:
        said = (*said, *replicas.told(target, spec.segments.lag))
    parts = tuple(one.part for one in segments)
    made = replace(whole.plan, warnings=(*told, *said), segments=parts, residue=residue.parts(elsewhere))
    made = replace(made, steps=residue.steps(made))
    return made, replace(whole.subject, segments=tuple((one.label, one.values) for one in segments))


def plan_segment(asked: Asked, who: Subject, plan: Plan, done: int) -> tuple[Plan, Subject]:
    """The segment after ``done`` others of a large plan, found anew: its own plan and whom it is about.

    Raises:
        Drifted: it is not what was approved.
        TargetDown: the database cannot be used.
    """
    part, (label, values) = plan.segments[done], who.segments[done]
    try:
        with _looking(asked) as (session, ground, naming):
            found = look(session, ground, naming, asked, values)
    except Refused:
        found = None
    if (
        found is None
        or (found.plan.rows, found.plan.digest()) != (part.rows, part.digest)
        or (found.subject.label, found.subject.heir) != (label, who.heir)
    ):
        told = Told("drift.segment", {"number": done + 1, "of": len(plan.segments)})
        raise Drifted(asked.target.name, Drift(drifted=True, differences=(told,)))
    return found.plan, found.subject


@contextmanager
def _looking(asked: Asked) -> Iterator[tuple[Session, Ground, tuple[Edge, ...]]]:
    target, spec, kind = asked.target, asked.spec, asked.kind
    with target.reading() as session:
        ground = survey(session, target.name, kind.table, spec.soft_references, kind.links)
        naming = attached.links(session, target.name, spec.attachments, ground)
        preflight.require_rights(session, target.name, (*ground.needs, *attached.needs(naming)))
        session.prepare(ground.reach.tables, (*ground.reach.changed, *naming))
        yield session, ground, naming


def run(order: DeleteOrder, target: RecordTarget, vault: Vault, gate: Gate) -> DeleteOutcome:
    """Carry out a permitted deletion.

    Raises:
        Drifted: what was approved no longer holds.
        Halted: stopped at a safe point.
        CountersignError: anything else; the target is as it was, except with ``operations.unclear``: then
            COMMIT was sent and its fate is unknown, the backup stays, and ``settle`` must be asked; with
            ``operations.ended`` even that does not tell.
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
        problem = verify(target, vault, sealed)
    if attempt.files:
        with gate.step("step.files-remove"):
            # The rows are gone for good, so their files go whatever the look at the rows said; what cannot
            # go now the sweep tries again. Of two problems the rows' is the graver one.
            stayed = attached.remove(order.backup_id, [one.store for one in attempt.files])
            problem = problem or stayed
    left, offers = residue_of(order.plan, order.spec, target, attempt.identifiers, gate)
    return DeleteOutcome(
        rows=attempt.deleted.rows,
        nullified=attempt.deleted.nullified,
        reassigned=attempt.deleted.reassigned,
        sums={table.name: table.sum for table in sealed.manifest.tables if table.kind == "rows"},
        backup=sealed,
        transaction=attempt.transaction,
        test_restore_seconds=attempt.seconds,
        problem=problem,
        residue=left,
        offers=offers,
    )


def residue_of(
    plan: Plan, spec: Target, target: RecordTarget, texts: Sequence[str], gate: Gate | None = None
) -> tuple[tuple[ResiduePart, ...], tuple[Offer, ...]]:
    """Where the same people are named still, now that the rows are gone, and what a follow-up may ask for."""
    places = [part.place for part in plan.residue]
    if not places:
        return (), ()
    with gate.step(residue.STEP) if gate else nullcontext():
        found = residue.after(target, places, texts)
    return residue.parts(found), residue.offers(spec, found, texts)


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
            kind = target.identity["kind"]
            require_schema(session.catalogue(), target.name, kind, extra, opened.manifest)
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
            found = recompute(session, target, order)
            attempt.identifiers = residue.again(session, order)
        gate.check()
        gate.backup_started(order.backup_id)
        with vault.sealing(order.backup_id) as sealing:
            with gate.step("step.copy"):
                copy_out(session, found, sealing, gate)
                attempt.files = attached.copy(found, sealing)
            with gate.step("step.seal"):
                sealing.close(extra_for(session, target, order, found))
            with gate.step("step.test-restore"):
                sealed = _test_restore(session, found, sealing, vault, attempt)
        gate.check()
        with gate.step("step.delete"):
            session.extend()
            links = archived.extra_of(sealed.manifest).links
            attempt.deleted = delete(session, found, order.subject.heir, links)
        _set_aside(order, gate, attempt)
        with gate.step("step.commit"):
            attempt.transaction = session.transaction()
            gate.check()
            gate.committing(attempt.transaction, sealed.backup_id, sealed.sha256)
            session.ready()
            attempt.committing = True
            session.commit()
            attempt.committed = True


def _test_restore(
    session: Session, found: Closure, sealing: Sealing, vault: Vault, attempt: "_Attempt"
) -> SealedBackup:
    started = time.perf_counter()
    attempt.sealed = sealing.read_back(partial(archived.load_all, session))
    prove_restore(session, found, attempt.sealed)
    attached.prove(vault, attempt.sealed, attempt.files)
    attempt.seconds = time.perf_counter() - started
    return attempt.sealed


def _set_aside(order: DeleteOrder, gate: Gate, attempt: "_Attempt") -> None:
    if attempt.files:
        with gate.step(attached.aside(attempt.files)):
            attached.set_aside(order.backup_id, attempt.files)


@dataclass
class _Attempt:
    """How far a run has come, for whoever has to clean up after it."""

    sealed: SealedBackup | None = None
    files: tuple[Attached, ...] = ()
    identifiers: tuple[str, ...] = field(default=(), repr=False)
    seconds: float = 0.0
    deleted: Deleted = field(default_factory=Deleted)
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
        attempt.committed = was_committed(fate, error, target.name)
    if not attempt.committed:
        attached.put_back(attempt.sealed.backup_id, [one.store for one in attempt.files])
        # The first error says more than one about the clean-up.
        with suppress(CountersignError):
            vault.shred(attempt.sealed.backup_id)


def _fate(target: RecordTarget, vault: Vault, sealed: SealedBackup, transaction: str) -> Settled:
    try:
        with vault.open(sealed.backup_id, sealed.sha256) as opened:
            return settle(target, opened, transaction)
    except CountersignError:
        return "unclear"


def _genuine(order: DeleteOrder) -> None:
    """The subject lies in a table of its own; what was approved binds it.

    Raises:
        NotOurs: it is not the subject of this plan.
    """
    subject, key = order.subject, order.hash_key
    altered = subject.record != order.plan.record
    altered |= roots_hash(key, subject.table, subject.roots) != order.plan.roots
    altered |= heirs.hash_of(key, subject.table, subject.heir) != order.plan.heir
    if subject.marks is not None:
        marked = [Part(name, len(marks), hash_marks(key, marks)) for name, marks in subject.marks.items()]
        altered |= {part.name: part for part in marked} != {part.name: part for part in order.plan.tables}
    if altered:
        raise NotOurs("operations.subject-altered", target=order.plan.target)
