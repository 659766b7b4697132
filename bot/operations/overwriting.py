"""What a restore overwrites, into a backup of its own first: copied, sealed, read back, test-restored."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from bot.backups.rows import sum_rows
from bot.backups.vault import Sealing, Vault
from bot.errors import CannotProve, CountersignError
from bot.model.backups import Manifest, SealedBackup, Table
from bot.operations.archived import Extra, Shape, column_of, shape_of
from bot.operations.conflicts import Meeting
from bot.operations.gate import Gate, RestoreOrder
from bot.operations.narrowing import state_of
from bot.operations.preflight import identity_hash
from bot.targets.base import RecordTarget, Session, Writing


@dataclass(frozen=True)
class Before:
    """The backup of what is about to be overwritten, and how long its test restore took."""

    sealed: SealedBackup
    seconds: float


def label_of(table: str) -> str:
    """The stage of the rows of a table that are overwritten."""
    return f"{table} overwritten"


def stage_overwritten(session: Session, shape: Shape) -> None:
    """Stage, once more and apart, the rows of the backup that are there and different."""
    rows = [old for old, live in session.pairs(shape.name) if state_of(old, live) == "different"]
    session.stage(label_of(shape.name), shape.name, [name for name, _, _ in shape.columns], rows)


def copy_out(  # noqa: PLR0913 - a backup in the middle of a restore needs both
    session: Writing,
    target: RecordTarget,
    order: RestoreOrder,
    extra: Extra,
    meeting: Meeting,
    vault: Vault,
    gate: Gate,
) -> Before:
    """Lock the rows that are there and different, and put them into a backup that is proven to restore.

    Raises:
        CannotProve: one of them went meanwhile, or would not come back as it is.
    """
    tables = [name for name, keys in meeting.different.items() if keys]
    gate.backup_started(order.fresh)
    sealed = None
    try:
        with vault.sealing(order.fresh) as sealing:
            with gate.step("step.copy"):
                for name in tables:
                    _copy(session, sealing, name, meeting)
            with gate.step("step.seal"):
                sealing.close(_extra(session, target, order, extra, tables).to_json())
            with gate.step("step.test-restore"):
                started = time.perf_counter()
                sealed = sealing.read_back(partial(_load, session))
                for name in tables:
                    _prove(session, sealed.manifest, name)
            return Before(sealed, time.perf_counter() - started)
    except Exception:
        if sealed is not None:
            forget(vault, sealed)
        raise


def forget(vault: Vault, sealed: SealedBackup) -> None:
    """The backup of what was not overwritten after all goes."""
    # The first error says more than one about the clean-up.
    with suppress(CountersignError):
        vault.shred(sealed.backup_id)


def _copy(session: Writing, sealing: Sealing, name: str, meeting: Meeting) -> None:
    keys = meeting.different[name]
    locked = session.seed(name, keys)
    if locked != len(keys):
        raise CannotProve("restore.count", table=name, expected=len(keys), found=locked)
    table = session.catalogue().tables[name]
    columns = [column_of(table, column.name) for column in table.stored]
    sealing.table("rows", name, columns, session.rows(name))


def _extra(
    session: Session, target: RecordTarget, order: RestoreOrder, extra: Extra, tables: list[str]
) -> Extra:
    """The backup says of itself what that of a deletion says, so that it opens and restores like one."""
    catalogue = session.catalogue()
    softs = tuple(edge for edge in extra.softs if edge.child in tables)
    edges = [edge for edge in (*catalogue.edges, *map(session.check, softs)) if edge.child in tables]
    loose = {edge.label: count for edge in edges if (count := session.loose(edge))}
    return Extra(
        target=target.name,
        identity=identity_hash(target),
        record=extra.record,
        plan=order.plan.to_data(),
        shapes={name: shape_of(catalogue.tables[name]) for name in tables},
        links={},
        loose=loose,
        facts={**order.facts, "before": "overwrite"},
        softs=softs,
        engine=target.identity["kind"],
    )


def _load(session: Session, _: Manifest, tables: Iterator[Table]) -> None:
    for table in tables:
        summary = table.summary
        columns = [column.name for column in summary.columns]
        session.stage(_before(summary.name), summary.name, columns, table.rows)


def _prove(session: Session, manifest: Manifest, name: str) -> None:
    """What came out of the store is what stands in the locked rows."""
    summary = manifest.table("rows", name)
    assert summary is not None
    sealed = (summary.rows, summary.sum)
    for rows in (session.staged(_before(name)), session.rows(name)):
        total = sum_rows(summary.over, summary.columns, rows)
        if (total.rows, total.sum) != sealed:
            raise CannotProve("operations.test-restore", table=name)


def _before(table: str) -> str:
    return f"{table} before"
