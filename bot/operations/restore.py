"""Bring the rows of one backup back, where they came from or elsewhere: plan, run, and settle after a crash.

``run`` is one transaction on the target: lock, read the backup into scratch space and compare it with its
manifest, leave there only what was chosen, meet the live rows again, insert parents first, put emptied links
back, compare, commit. It overwrites only where that was chosen, and what stands there goes into a backup of
its own first. Otherwise a row that is there and different, and always a parent that is not there or a unique
value that is taken, and nothing is done.
"""

from contextlib import ExitStack
from dataclasses import replace

from bot.backups.vault import OpenedBackup, Vault
from bot.config.record_types import Attachment
from bot.errors import CountersignError, NotFound, NotOurs, Refused
from bot.model.choices import EVERYTHING, RestoreChoice, RestorePreview
from bot.model.drift import judge
from bot.model.plans import Plan, Told
from bot.operations import archived, attached, returning
from bot.operations.archived import extra_of
from bot.operations.attachment_stores import stores_at
from bot.operations.choosing import Naming, keep, narrow, resolve
from bot.operations.conflicts import Meeting, meet, refuse_conflicts
from bot.operations.gate import ALL, Drifted, Gate, RestoreOrder, RestoreOutcome, Wanted
from bot.operations.overwriting import copy_out, forget
from bot.operations.preflight import require_rights
from bot.operations.restoring import (
    STEPS,
    STEPS_OVERWRITING,
    Attempt,
    Source,
    compare_sums,
    drift_of,
    fingerprint,
    genuine,
    insert,
    needs,
    origin_of,
    overwritten,
    plan_of,
    unpack,
    warnings,
)
from bot.operations.verdicts import Settled, verdict, was_committed
from bot.targets.base import RecordTarget, Writing

__all__ = ["STEPS", "STEPS_OVERWRITING", "genuine", "plan", "run", "settle"]


def plan(  # noqa: PLR0913 - a wish has this many parts
    target: RecordTarget,
    opened: OpenedBackup,
    sha256: str,
    hash_key: bytes,
    attachments: tuple[Attachment, ...] = (),
    choice: RestoreChoice = EVERYTHING,
    naming: Naming | None = None,
    origin: str = "",
    *,
    over: bool = True,
) -> tuple[Plan, RestorePreview, Wanted]:
    """What bringing this backup back would mean, read-only, and which rows the values of a choice mean.

    ``sha256`` is the archive's. ``naming``: how the configuration names the records of this backup.
    ``origin``: the other system whose backup it may be; empty: only the target's own. ``over``: as in
    ``RestoreOrder``.

    Raises:
        Conflict: a row differs, a parent is missing or a unique value is taken; it carries the preview.
        NotFound: everything is there already, or stays out, or what was chosen is not in the backup.
        CannotProve: the schema has changed, or it is the backup of another target.
        NotOurs: not the backup of a deletion, or damaged.
        TargetDown: the database cannot be used.
    """
    with target.reading() as session:
        require_rights(session, target.name, needs(session, extra_of(opened.manifest), choice.mode))
        extra = unpack(session, target, opened, origin)
        wanted = resolve(session, extra, choice, naming)
        records = returning.records(session, extra, wanted, naming)
        chosen = narrow(session, extra, wanted)
        meeting = meet(session, extra, choice.mode)
        refuse_conflicts(target.name, meeting.preview, choice.mode)
        source = Source(opened.manifest, extra, sha256, wanted, chosen)
        _require_something(target.name, source, meeting)
        drift = drift_of(session, target, extra, opened.manifest)
        told = (*warnings(session, target, extra, meeting.preview), *drift.told)
        made = plan_of(session, target, source, meeting, hash_key)
        returned = returning.note(session, source, meeting, naming, records, hash_key)
        named = attached.named(session, extra, attachments, wanted)
    files, there = attached.meet(opened, attachments, target.name, hash_key, named, over=over)
    made = replace(made, files=files, warnings=(*told, *there), returned=returned)
    return made, meeting.preview, wanted


def _require_something(target: str, source: Source, meeting: Meeting) -> None:
    """Something would change.

    Raises:
        NotFound: everything is there already, or what is missing would be left out.
    """
    if any(meeting.coming.values()):
        return
    left = sum(n for _, _, n in source.chosen.left)
    if left:
        raise NotFound("restore.nothing-left", target=target, n=left)
    raise NotFound("restore.nothing-missing", target=target)


def run(order: RestoreOrder, target: RecordTarget, vault: Vault, gate: Gate) -> RestoreOutcome:
    """Carry out a permitted restore.

    Raises:
        Drifted: what was approved no longer holds.
        Halted: stopped at a safe point.
        CountersignError: anything else; the target is as it was, except with ``operations.unclear``: then
            COMMIT was sent and its fate is unknown, and ``settle`` must be asked; with ``operations.ended``
            even that does not tell.
    """
    if not genuine(order.plan, order.wanted, order.hash_key):
        raise NotOurs("operations.subject-altered", target=target.name)
    attempt = Attempt()
    roots = [part.root for part in order.plan.files]
    stores = stores_at(roots, order.attachments, order.hash_key, order.plan.target)
    try:
        _transaction(order, target, vault, gate, attempt)
    except Exception as error:
        if attempt.committing and not attempt.committed:
            attempt.committed = _was_committed(order, target, vault, attempt.transaction, error)
        if not attempt.committed:
            attached.unplace(order.backup_id, stores, order.whose)
            if attempt.before is not None:
                forget(vault, attempt.before.sealed)
            raise
    attached.placed(order.backup_id, stores, order.whose)
    with gate.step("step.verify"):
        problem = _verify(order, target, vault, attempt)
    before = attempt.before
    return RestoreOutcome(
        attempt.rows,
        attempt.links,
        attempt.sums,
        attempt.transaction,
        problem,
        attempt.overwritten,
        before.sealed if before else None,
        before.seconds if before else 0.0,
    )


def settle(
    target: RecordTarget,
    opened: OpenedBackup,
    plan: Plan,
    transaction: str = "",
    hash_key: bytes = b"",
    wanted: Wanted = ALL,
) -> Settled:
    """Whether the restore with this plan was committed, found out under the target's lock.

    Whatever stands in the way of knowing makes it ``unclear``: no refusal leaves here, because a refusal
    reads as "nothing has changed".

    Raises:
        TargetDown: not now; ask again.
        NotOurs: the backup is damaged or not of a deletion.
    """
    try:
        with target.writing() as session:
            extra = unpack(session, target, opened, origin_of(plan))
            same = fingerprint(session, target, extra) == plan.fingerprint
            there = narrow(session, extra, wanted).there
            meeting = meet(session, extra, wanted.choice.mode)
            known = session.fate(transaction)
    except Refused:
        return "unclear"
    over = overwritten(meeting, wanted, hash_key)
    return verdict(meeting.preview, over, there, plan, known) if same else "unclear"


def _transaction(
    order: RestoreOrder, target: RecordTarget, vault: Vault, gate: Gate, attempt: Attempt
) -> None:
    with ExitStack() as stack:
        with gate.step("step.lock"):
            session = stack.enter_context(target.writing())
        with gate.step("step.unpack"), vault.open(order.backup_id, order.sha256) as opened:
            extra = unpack(session, target, opened, origin_of(order.plan))
            chosen = narrow(session, extra, order.wanted)
            source = Source(opened.manifest, extra, order.sha256, order.wanted, chosen)
            named = attached.named(session, extra, order.attachments, order.wanted)
            files, _ = attached.meet(
                opened, order.attachments, target.name, order.hash_key, named, over=order.over
            )
        with gate.step("step.compare"):
            meeting = meet(session, extra, order.wanted.choice.mode)
            drift = judge(
                order.plan, replace(plan_of(session, target, source, meeting, order.hash_key), files=files)
            )
            if drift.drifted:
                raise Drifted(target.name, drift)
            refuse_conflicts(target.name, meeting.preview, order.wanted.choice.mode)
            attempt.coming = meeting.coming
        gate.check()
        if any(meeting.different.values()):
            attempt.before = copy_out(session, target, order, extra, meeting, vault, gate)
            gate.check()
        with gate.step("step.insert"):
            session.extend()
            insert(session, extra, meeting, attempt)
            attempt.sums = compare_sums(session, source)
            with vault.open(order.backup_id, order.sha256, source.manifest) as opened:
                attached.place(
                    opened,
                    order.attachments,
                    target.name,
                    files,
                    order.hash_key,
                    named,
                    order.whose,
                    over=order.over,
                )
        with gate.step("step.commit"):
            _commit(session, gate, attempt)


def _commit(session: Writing, gate: Gate, attempt: Attempt) -> None:
    attempt.transaction = session.transaction()
    gate.check()
    fresh = attempt.before.sealed if attempt.before else None
    gate.committing(attempt.transaction, fresh.backup_id if fresh else "", fresh.sha256 if fresh else "")
    session.ready()
    attempt.committing = True
    session.commit()
    attempt.committed = True


def _was_committed(
    order: RestoreOrder, target: RecordTarget, vault: Vault, transaction: str, error: Exception
) -> bool:
    try:
        with vault.open(order.backup_id, order.sha256) as opened:
            fate = settle(target, opened, order.plan, transaction, order.hash_key, order.wanted)
    except CountersignError:
        fate = "unclear"
    return was_committed(fate, error, target.name)


def _verify(order: RestoreOrder, target: RecordTarget, vault: Vault, attempt: Attempt) -> Told | None:
    """Look from a new connection: every row and link that was to come back is there. None when it is so.

    A row that somebody has edited since the commit is there.
    """
    try:
        with vault.open(order.backup_id, order.sha256) as opened, target.reading() as session:
            extra = unpack(session, target, opened, origin_of(order.plan))
            if not order.wanted.plain:
                keep(session, extra, attempt.coming)
            missing = sum(archived.rows_of(session, name).missing for name in extra.shapes)
            missing += sum(archived.links_of(session, link).empty for link in extra.links.values())
    except CountersignError:
        return Told("operations.no-look", {"target": target.name})
    return Told("restore.still-missing", {"n": missing}) if missing else None
