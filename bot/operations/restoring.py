"""The steps of a restore: unpack, plan, insert, compare. Each proves its own work."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.backups.rows import sum_rows
from bot.backups.vault import OpenedBackup
from bot.errors import CannotProve
from bot.model.backups import Manifest, TableSummary
from bot.model.choices import Mode, RestorePreview
from bot.model.plans import Origin, Part, Plan, Told
from bot.model.requests import Operation
from bot.model.row_keys import Key, hash_marks, marks
from bot.operations import archived
from bot.operations.archived import Extra, Shape, extra_of
from bot.operations.choosing import NOTHING_OUT, Narrowed
from bot.operations.closure import components
from bot.operations.conflicts import Meeting
from bot.operations.deleting import roots_hash
from bot.operations.gate import ALL, Wanted
from bot.operations.overwriting import Before, label_of, stage_overwritten
from bot.operations.preflight import identity_hash, schema_hash, trigger_warnings, watched
from bot.operations.schema_drift import SchemaDrift, require_schema
from bot.targets.base import Need, RecordTarget, Session, Writing

STEPS_OVERWRITING = (
    *("step.lock", "step.unpack", "step.compare", "step.copy", "step.seal", "step.test-restore"),
    *("step.insert", "step.commit", "step.verify"),
)
STEPS = ("step.lock", "step.unpack", "step.compare", "step.insert", "step.commit", "step.verify")


@dataclass
class Attempt:
    """How far a run has come."""

    rows: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, str] = field(default_factory=dict)
    overwritten: Mapping[str, int] = field(default_factory=dict)
    coming: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    before: Before | None = None
    transaction: str = ""
    committing: bool = False
    committed: bool = False


@dataclass(frozen=True)
class Source:
    """The backup that is read: what it says about itself, the archive's SHA-256, what of it comes back."""

    manifest: Manifest
    extra: Extra
    sha256: str
    wanted: Wanted = ALL
    chosen: Narrowed = NOTHING_OUT


def origin_of(plan: Plan) -> str:
    """The other system that the rows of a plan are from; empty when there is none."""
    return plan.origin.target if plan.origin else ""


def unpack(session: Session, target: RecordTarget, opened: OpenedBackup, origin: str = "") -> Extra:
    """Stage the whole backup, which is the target's own or one of ``origin``; prove that all of it arrived.

    Raises:
        CannotProve: it belongs to another target, or its tables have changed.
    """
    extra = extra_of(opened.manifest)
    if extra.target not in (target.name, origin):
        raise CannotProve("restore.other-target", target=target.name, origin=extra.target)
    drift = drift_of(session, target, extra, opened.manifest)
    archived.load_proven(session, drift.guarded(opened.tables(), target.name), extra.links)
    return extra


def drift_of(session: Session, target: RecordTarget, extra: Extra, manifest: Manifest) -> SchemaDrift:
    """What has become of the tables since the backup; raises as ``require_schema``."""
    return require_schema(session.catalogue(), target.name, target.identity["kind"], extra, manifest)


def needs(session: Session, extra: Extra, mode: Mode) -> tuple[Need, ...]:
    """In the tables that are still there; what else is wrong is found when the backup is unpacked."""
    edges = (*session.catalogue().edges, *extra.softs)
    above = {edge.parent for edge in edges if edge.child in extra.shapes}
    needs = (
        *(Need(name) for name in sorted(above - extra.shapes.keys())),
        *(Need(shape.name, inserts=True, columns=_written(shape, mode)) for shape in extra.shapes.values()),
        *(Need(link.table, columns=link.columns) for link in extra.links.values()),
    )
    tables = session.catalogue().tables
    return tuple(
        need for need in needs if need.table in tables and all(map(tables[need.table].column, need.columns))
    )


def _written(shape: Shape, mode: Mode) -> tuple[str, ...]:
    """Which columns of rows that are there may be written."""
    names = (name for name, _, _ in shape.columns if name not in shape.key)
    return tuple(names) if mode is Mode.OVERWRITE else ()


def plan_of(
    session: Session, target: RecordTarget, source: Source, meeting: Meeting, hash_key: bytes
) -> Plan:
    """What was met, as people approve it."""
    extra = source.extra
    tables = [name for name in extra.shapes if meeting.missing[name]]
    labels = [label for label, keys in meeting.empty.items() if keys]
    over = overwritten(meeting, source.wanted, hash_key)
    return Plan(
        operation=Operation.RESTORE,
        target=target.name,
        record=extra.record,
        tables=tuple(_part(hash_key, name, name, meeting.missing[name]) for name in tables),
        nullified=tuple(
            _part(hash_key, label, extra.links[label].table, meeting.empty[label]) for label in labels
        ),
        roots=_roots(source.wanted, hash_key),
        fingerprint=fingerprint(session, target, extra),
        warnings=(),
        steps=STEPS_OVERWRITING if over else STEPS,
        way_back="way-back.restore-overwriting" if over else "way-back.restore",
        backup=source.manifest.backup_id,
        sha256=source.sha256,
        overwritten=over,
        choice=source.chosen.chosen(source.wanted),
        origin=Origin(extra.target, extra.identity) if extra.target != target.name else None,
    )


def overwritten(meeting: Meeting, wanted: Wanted, hash_key: bytes) -> tuple[Part, ...]:
    """The rows that get their old values."""
    if wanted.choice.mode is not Mode.OVERWRITE:
        return ()
    return tuple(_part(hash_key, name, name, keys) for name, keys in meeting.different.items() if keys)


def _roots(wanted: Wanted, hash_key: bytes) -> str:
    """The keyed hash of the rows that were asked for by their values; empty when nobody asked for some."""
    return roots_hash(hash_key, wanted.table, wanted.keys) if wanted.keys is not None else ""


def genuine(plan: Plan, wanted: Wanted, hash_key: bytes) -> bool:
    """Whether these are the rows that were approved; they lie in a table of their own."""
    return plan.roots == _roots(wanted, hash_key)


def fingerprint(session: Session, target: RecordTarget, extra: Extra) -> str:
    """Which database it is, and what its tables look like."""
    tables = {*extra.shapes, *(link.table for link in extra.links.values())}
    return schema_hash(target, session.catalogue(), tables)


def _part(hash_key: bytes, name: str, table: str, keys: tuple[Key, ...]) -> Part:
    return Part(name, len(keys), hash_marks(hash_key, marks(hash_key, table, keys)))


def warnings(
    session: Session, target: RecordTarget, extra: Extra, preview: RestorePreview
) -> tuple[Told, ...]:
    """What people should know besides."""
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


def insert(session: Writing, extra: Extra, meeting: Meeting, attempt: Attempt) -> None:
    """Insert and overwrite parents first, put links back, and prove that this and nothing else has happened.

    Raises:
        CannotProve: a count differs, another row changed (a trigger), or something points nowhere.
    """
    catalogue = session.catalogue()
    near = watched(catalogue, frozenset(extra.shapes)) | {
        *extra.shapes,
        *(one.table for one in extra.links.values()),
    }
    old = {name for name, keys in meeting.different.items() if keys}
    for name in old:
        stage_overwritten(session, extra.shapes[name])
    dangling, before = session.dangling(near), session.changes()
    session.outrun(extra.shapes)
    rows: dict[str, int] = {}
    over: dict[str, int] = {}
    for circle in components(extra.shapes, catalogue.edges):
        rows |= session.insert(circle)
        over |= {name: session.overwrite(label_of(name)) for name in circle if name in old}
    links = {label: session.relink(label, link.columns, link.heir) for label, link in extra.links.items()}
    for name, count, keys in [
        *((name, count, meeting.missing[name]) for name, count in rows.items()),
        *((label, count, meeting.empty[label]) for label, count in links.items()),
        *((name, count, meeting.different[name]) for name, count in over.items()),
    ]:
        if count != len(keys):
            raise CannotProve("restore.count", table=name, expected=len(keys), found=count)
    others = session.changes() - before - sum(map(sum, (rows.values(), links.values(), over.values())))
    # A trigger may write to the very rows that came back; what they look like is compared afterwards.
    if others and session.strangers([*rows, *links]):
        raise CannotProve("restore.others-changed", n=others)
    for label, count in session.dangling(near).items():
        if count > dangling.get(label, 0) + extra.loose.get(label, 0):
            raise CannotProve("restore.left-dangling", link=label, n=count)
    attempt.rows, attempt.links, attempt.overwritten = rows, links, over


def compare_sums(session: Session, source: Source) -> Mapping[str, str]:
    """The live rows against the manifest, or what was chosen, inside the transaction; their sums.

    Raises:
        CannotProve: a row did not come back as it was.
    """
    sums: dict[str, str] = {}
    for table in source.manifest.tables:
        if table.kind == "rows":
            live = (row for _, row in session.pairs(table.name) if row is not None)
            total = sum_rows(table.over, table.columns, live)
            if (total.rows, total.sum) != _expected(session, source, table):
                raise CannotProve("restore.not-the-same", table=table.name)
            sums[table.name] = total.sum
    for link in source.extra.links.values():
        found = archived.links_of(session, link)
        if found.empty or found.different:
            raise CannotProve("restore.not-the-same", table=link.label)
    return sums


def _expected(session: Session, source: Source, table: TableSummary) -> tuple[int, str]:
    """What the rows of a table must add up to; the stage was proven before anything was taken out of it."""
    if source.wanted.plain:
        return table.rows, table.sum
    total = sum_rows(table.over, table.columns, session.staged(table.name))
    return total.rows, total.sum
