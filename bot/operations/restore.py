"""Bring the rows of one backup back, where they came from or elsewhere: plan, run, and settle after a crash.

``run`` is one transaction on the target: lock, read the backup into scratch space and compare it with its
manifest, meet the live rows again, insert parents first, put emptied links back, compare, commit. It never
overwrites: a row that is there and different, a parent that is not there, a unique value that is taken, and
nothing is done.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from bot.backups.rows import sum_rows
from bot.backups.vault import OpenedBackup, Vault
from bot.config.record_types import Attachment
from bot.errors import Broken, CannotProve, CountersignError, NotFound, Refused
from bot.model.backups import Manifest
from bot.model.choices import RestorePreview
from bot.model.drift import judge
from bot.model.plans import Key, Origin, Part, Plan, Told, hash_marks, marks
from bot.model.requests import Operation
from bot.operations import archived, attached
from bot.operations.archived import Extra, Settled, extra_of
from bot.operations.closure import components
from bot.operations.conflicts import Meeting, meet, refuse_conflicts
from bot.operations.gate import Drifted, Gate, RestoreOrder, RestoreOutcome
from bot.operations.preflight import identity_hash, require_rights, schema_hash, trigger_warnings, watched
from bot.operations.schema_drift import SchemaDrift, require_schema
from bot.targets.base import Need, RecordTarget, Session, Writing

STEPS = ("step.lock", "step.unpack", "step.compare", "step.insert", "step.commit", "step.verify")


def plan(
    target: RecordTarget,
    opened: OpenedBackup,
    sha256: str,
    hash_key: bytes,
    attachments: tuple[Attachment, ...] = (),
    origin: str = "",
) -> tuple[Plan, RestorePreview]:
    """What bringing this backup back would mean, read-only. ``sha256`` is the archive's.

    ``origin``: the other system whose backup it may be; empty: only the target's own.

    Raises:
        Conflict: a row differs, a parent is missing or a unique value is taken; it carries the preview.
        NotFound: everything is there already.
        CannotProve: the schema has changed, or it is the backup of another target.
        NotOurs: not the backup of a deletion, or damaged.
        TargetDown: the database cannot be used.
    """
    with target.reading() as session:
        require_rights(session, target.name, _needs(session, extra_of(opened.manifest)))
        extra = _unpack(session, target, opened, origin)
        meeting = meet(session, extra)
        refuse_conflicts(target.name, meeting.preview)
        if not meeting.preview.pending:
            raise NotFound("restore.nothing-missing", target=target.name)
        drift = _drift(session, target, extra, opened.manifest)
        told = (*_warnings(session, target, extra, meeting.preview), *drift.told)
        made = _plan(session, target, _Source(opened.manifest, extra, sha256), meeting, hash_key)
    files, there = attached.meet(opened, attachments, target.name, hash_key)
    return replace(made, files=files, warnings=(*told, *there)), meeting.preview


def run(order: RestoreOrder, target: RecordTarget, vault: Vault, gate: Gate) -> RestoreOutcome:
    """Carry out a permitted restore.

    Raises:
        Drifted: what was approved no longer holds.
        Halted: stopped at a safe point.
        CountersignError: anything else; the target is as it was, except with ``operations.unclear``: then
            COMMIT was sent and its fate is unknown, and ``settle`` must be asked.
    """
    attempt = _Attempt()
    try:
        _transaction(order, target, vault, gate, attempt)
    except Exception:
        if attempt.committing and not attempt.committed:
            attempt.committed = _was_committed(order, target, vault, attempt.transaction)
        if not attempt.committed:
            attached.unplace(order.backup_id, order.plan.files, order.plan.elsewhere)
            raise
    attached.placed(order.backup_id, order.plan.files, order.plan.elsewhere)
    with gate.step("step.verify"):
        problem = _verify(order, target, vault)
    return RestoreOutcome(attempt.rows, attempt.links, attempt.sums, attempt.transaction, problem)


def settle(target: RecordTarget, opened: OpenedBackup, plan: Plan, transaction: str = "") -> Settled:
    """Whether the restore with this plan was committed, found out under the target's lock.

    Whatever stands in the way of knowing makes it ``unclear``: no refusal leaves here, because a refusal
    reads as "nothing has changed".

    Raises:
        TargetDown: not now; ask again.
        NotOurs: the backup is damaged or not of a deletion.
    """
    try:
        with target.writing() as session:
            extra = _unpack(session, target, opened, _origin(plan))
            same = _fingerprint(session, target, extra) == plan.fingerprint
            preview = meet(session, extra).preview
            known = session.fate(transaction)
    except Refused:
        return "unclear"
    return _verdict(preview, plan, known) if same else "unclear"


def _verdict(preview: RestorePreview, plan: Plan, known: str) -> Settled:
    """All that the plan would bring back is absent: not committed; all of it is there: committed.

    What came back may have been edited since. Only when none of it is as it was could it be strangers under
    reused keys.
    """
    if plan.tables:
        planned = {part.name: part.rows for part in plan.tables}
        absent = {one.table: one.missing for one in preview.tables if one.missing}
        total = sum(one.missing + one.identical + one.different for one in preview.tables)
        identical = sum(one.identical for one in preview.tables)
    else:
        planned = {part.name: part.rows for part in plan.nullified}
        absent = {one.link: one.empty for one in preview.links if one.empty}
        total = sum(one.empty + one.identical + one.different for one in preview.links)
        identical = sum(one.identical for one in preview.links)
    if absent == planned:
        return "unclear" if known == "committed" else "not-committed"
    # More than were there before: some of those that came back are unchanged.
    if not absent and identical > total - sum(planned.values()):
        return "unclear" if known == "aborted" else "committed"
    return "unclear"


def _transaction(
    order: RestoreOrder, target: RecordTarget, vault: Vault, gate: Gate, attempt: "_Attempt"
) -> None:
    with ExitStack() as stack:
        with gate.step("step.lock"):
            session = stack.enter_context(target.writing())
        with gate.step("step.unpack"), vault.open(order.backup_id, order.sha256) as opened:
            extra = _unpack(session, target, opened, _origin(order.plan))
            source = _Source(opened.manifest, extra, order.sha256)
            files, _ = attached.meet(opened, order.attachments, target.name, order.hash_key)
        with gate.step("step.compare"):
            meeting = meet(session, extra)
            drift = judge(
                order.plan, replace(_plan(session, target, source, meeting, order.hash_key), files=files)
            )
            if drift.drifted:
                raise Drifted(target.name, drift)
            refuse_conflicts(target.name, meeting.preview)
        gate.check()
        with gate.step("step.insert"):
            session.extend()
            attempt.rows, attempt.links = _insert(session, extra, meeting)
            attempt.sums = _compare(session, source)
            with vault.open(order.backup_id, order.sha256, source.manifest) as opened:
                attached.place(opened, order.attachments, target.name, files, order.plan.elsewhere)
        with gate.step("step.commit"):
            attempt.transaction = session.transaction()
            gate.check()
            gate.committing(attempt.transaction, "", "")
            attempt.committing = True
            session.commit()
            attempt.committed = True


@dataclass
class _Attempt:
    """How far a run has come."""

    rows: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    transaction: str = ""
    committing: bool = False
    committed: bool = False


@dataclass(frozen=True)
class _Source:
    """The backup that is read: what it says about itself, and the archive's SHA-256."""

    manifest: Manifest
    extra: Extra
    sha256: str


def _origin(plan: Plan) -> str:
    return plan.origin.target if plan.origin else ""


def _unpack(session: Session, target: RecordTarget, opened: OpenedBackup, origin: str = "") -> Extra:
    """Stage the whole backup, which is the target's own or one of ``origin``; prove that all of it arrived.

    Raises:
        CannotProve: it belongs to another target, or its tables have changed.
    """
    extra = extra_of(opened.manifest)
    if extra.target not in (target.name, origin):
        raise CannotProve("restore.other-target", target=target.name, origin=extra.target)
    drift = _drift(session, target, extra, opened.manifest)
    archived.load_proven(session, drift.guarded(opened.tables(), target.name), extra.links)
    return extra


def _drift(session: Session, target: RecordTarget, extra: Extra, manifest: Manifest) -> SchemaDrift:
    return require_schema(session.catalogue(), target.name, target.identity["kind"], extra, manifest)


def _needs(session: Session, extra: Extra) -> tuple[Need, ...]:
    """In the tables that are still there; what else is wrong is found when the backup is unpacked."""
    edges = (*session.catalogue().edges, *extra.softs)
    above = {edge.parent for edge in edges if edge.child in extra.shapes}
    needs = (
        *(Need(name) for name in sorted(above - extra.shapes.keys())),
        *(Need(name, inserts=True) for name in extra.shapes),
        *(Need(link.table, columns=link.columns) for link in extra.links.values()),
    )
    tables = session.catalogue().tables
    return tuple(
        need for need in needs if need.table in tables and all(map(tables[need.table].column, need.columns))
    )


def _plan(session: Session, target: RecordTarget, source: _Source, meeting: Meeting, hash_key: bytes) -> Plan:
    extra = source.extra
    tables = [name for name in extra.shapes if meeting.missing[name]]
    labels = [label for label, keys in meeting.empty.items() if keys]
    return Plan(
        operation=Operation.RESTORE,
        target=target.name,
        record=extra.record,
        tables=tuple(_part(hash_key, name, name, meeting.missing[name]) for name in tables),
        nullified=tuple(
            _part(hash_key, label, extra.links[label].table, meeting.empty[label]) for label in labels
        ),
        roots="",
        fingerprint=_fingerprint(session, target, extra),
        warnings=(),
        steps=STEPS,
        way_back="way-back.restore",
        backup=source.manifest.backup_id,
        sha256=source.sha256,
        origin=Origin(extra.target, extra.identity) if extra.target != target.name else None,
    )


def _fingerprint(session: Session, target: RecordTarget, extra: Extra) -> str:
    tables = {*extra.shapes, *(link.table for link in extra.links.values())}
    return schema_hash(target, session.catalogue(), tables)


def _part(hash_key: bytes, name: str, table: str, keys: tuple[Key, ...]) -> Part:
    return Part(name, len(keys), hash_marks(hash_key, marks(hash_key, table, keys)))


def _warnings(
    session: Session, target: RecordTarget, extra: Extra, preview: RestorePreview
) -> tuple[Told, ...]:
    tables = {one.table for one in preview.tables if one.missing}
    tables |= {extra.links[one.link].table for one in preview.links if one.empty}
    return (
        *_whereto(target, extra),
        *(Told(key, params) for key, params in target.warnings),
        *(
            Told("told.already-there", {"table": one.table, "n": one.identical})
            for one in preview.tables
            if one.identical
        ),
        *(Told("told.referrer-gone", {"link": one.link, "n": one.gone}) for one in preview.links if one.gone),
        *(Told("told.formula", {"column": column}) for column in session.formulas(tables)),
        *trigger_warnings(session.catalogue(), tables),
    )


def _whereto(target: RecordTarget, extra: Extra) -> tuple[Told, ...]:
    """That it is not the database which the rows came from, or not the name of it."""
    other = extra.identity != identity_hash(target)
    if extra.target != target.name:
        key = "told.into" if other else "told.into-same"
        return (Told(key, {"target": target.name, "origin": extra.target}),)
    # The name says "the same system"; a copy, a server that moved or a changed address does not.
    return (Told("told.other-database", {"target": target.name}),) if other else ()


def _insert(session: Writing, extra: Extra, meeting: Meeting) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Insert parents first, put links back, and prove that this and nothing else has happened.

    Raises:
        CannotProve: a count differs, another row changed (a trigger), or something points nowhere.
    """
    catalogue = session.catalogue()
    near = watched(catalogue, frozenset(extra.shapes)) | {
        *extra.shapes,
        *(one.table for one in extra.links.values()),
    }
    dangling, before = session.dangling(near), session.changes()
    session.outrun(extra.shapes)
    rows: dict[str, int] = {}
    for circle in components(extra.shapes, catalogue.edges):
        rows |= session.insert(circle)
    links = {label: session.relink(label, link.columns, link.heir) for label, link in extra.links.items()}
    for name, count, keys in [
        *((name, count, meeting.missing[name]) for name, count in rows.items()),
        *((label, count, meeting.empty[label]) for label, count in links.items()),
    ]:
        if count != len(keys):
            raise CannotProve("restore.count", table=name, expected=len(keys), found=count)
    others = session.changes() - before - sum(rows.values()) - sum(links.values())
    # A trigger may write to the very rows that came back; what they look like is compared afterwards.
    if others and session.strangers([*rows, *links]):
        raise CannotProve("restore.others-changed", n=others)
    for label, count in session.dangling(near).items():
        if count > dangling.get(label, 0) + extra.loose.get(label, 0):
            raise CannotProve("restore.left-dangling", link=label, n=count)
    return rows, links


def _compare(session: Session, source: _Source) -> Mapping[str, str]:
    """The live rows against the manifest, inside the transaction; their sums.

    Raises:
        CannotProve: a row did not come back as it was.
    """
    sums: dict[str, str] = {}
    for table in source.manifest.tables:
        if table.kind == "rows":
            live = (row for _, row in session.pairs(table.name) if row is not None)
            total = sum_rows(table.columns, live)
            if (total.rows, total.sum) != (table.rows, table.sum):
                raise CannotProve("restore.not-the-same", table=table.name)
            sums[table.name] = total.sum
    for link in source.extra.links.values():
        found = archived.links_of(session, link)
        if found.empty or found.different:
            raise CannotProve("restore.not-the-same", table=link.label)
    return sums


def _was_committed(order: RestoreOrder, target: RecordTarget, vault: Vault, transaction: str) -> bool:
    try:
        with vault.open(order.backup_id, order.sha256) as opened:
            fate = settle(target, opened, order.plan, transaction)
    except CountersignError:
        fate = "unclear"
    if fate == "unclear":
        raise Broken("operations.unclear", target=target.name) from None
    return fate == "committed"


def _verify(order: RestoreOrder, target: RecordTarget, vault: Vault) -> Told | None:
    """Look from a new connection: every row and link is there. None when it is so.

    A row that somebody has edited since the commit is there.
    """
    try:
        with vault.open(order.backup_id, order.sha256) as opened, target.reading() as session:
            extra = _unpack(session, target, opened, _origin(order.plan))
            missing = sum(archived.rows_of(session, name).missing for name in extra.shapes)
            missing += sum(archived.links_of(session, link).empty for link in extra.links.values())
    except CountersignError:
        return Told("operations.no-look", {"target": target.name})
    return Told("restore.still-missing", {"n": missing}) if missing else None
