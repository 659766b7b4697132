"""``countersign backup``: list backups, check them, open them for reading."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.backups import manifest as manifests
from bot.backups.archive import folder_of
from bot.backups.cells import codec
from bot.backups.vault import OpenedBackup
from bot.cli.behind import open_store, open_vault, settings
from bot.cli.console import as_json, table, tell
from bot.cli.files import new_folder, write_new, write_pieces
from bot.errors import BadInput
from bot.model.backups import Manifest, Table
from bot.model.csv_lines import write_row
from bot.model.jobs import Backup
from bot.schedules import clock
from bot.settings import Settings
from bot.store.unit_of_work import Store
from bot.texts import say

_COPY = 1024 * 1024

group = typer.Typer(help=say("cli.help.backup"), no_args_is_help=True)

_LIST = ("id", "target", "record", "rows", "size", "state", "created_at", "keep_until")


@group.command("list", help=say("cli.help.backup.list"))
def list_backups(
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """List the backups."""
    with open_store(settings()) as store, store.read() as work:
        rows = [_line(backup) for backup in work.backups.all()]
    if json:
        as_json(rows)
    elif rows:
        table(_LIST, rows)
    else:
        tell("cli.backup.none")


@group.command("verify", help=say("cli.help.backup.verify"))
def verify(
    backup: Annotated[str, typer.Argument(metavar="ID", help=say("cli.help.backup.id"))],
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Read a backup back and check every part of it."""
    known = settings()
    with open_store(known) as store, _opened(known, store, backup) as opened:
        manifest = opened.manifest
    if json:
        as_json(_summary(manifest))
    else:
        tell("cli.backup.whole", **_counts(manifest))


@group.command("open", help=say("cli.help.backup.open"))
def open_backup(
    backup: Annotated[str, typer.Argument(metavar="ID", help=say("cli.help.backup.id"))],
    to: Annotated[Path, typer.Option(help=say("cli.help.backup.to"))],
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Decrypt a backup into a new folder, and say so in the log first."""
    known = settings()
    with open_store(known) as store, _opened(known, store, backup) as opened:
        new_folder(to)
        try:
            with store.transact() as work:
                body = {"backup": opened.manifest.backup_id, "uid": os.getuid()}
                work.audit.append("backup-opened", clock.now(), None, body)
            _unpack(opened, to)
        except BaseException:
            shutil.rmtree(to, ignore_errors=True)
            raise
        manifest = opened.manifest
    if json:
        as_json({**_summary(manifest), "path": str(to)})
    else:
        tell("cli.backup.opened", path=str(to), **_counts(manifest))


def _opened(known: Settings, store: Store, text: str) -> OpenedBackup:
    """The checked backup that an id or a pasted reference names."""
    vault = open_vault(known)
    if text.strip().strip("`").startswith("cs1."):
        payload = vault.unseal(text)
        return vault.open(payload.backup_id, payload.sha256)
    with store.read() as work:
        found = work.backups.get(text)
    return vault.open(text, None if found is None else found.sha256)


def _unpack(opened: OpenedBackup, folder: Path) -> None:
    """The tables as CSV, written as they are read, then the manifest."""
    for kind in sorted({summary.kind for summary in opened.manifest.tables}):
        new_folder(folder / kind)
    for one in opened.tables():
        _write_lines(folder / f"{one.summary.folder}.csv", _csv(one))
    _copy_csv(opened, folder)
    write_new(folder / "MANIFEST.json", manifests.dump(opened.manifest))


def _copy_csv(opened: OpenedBackup, folder: Path) -> None:
    """What a whole database holds as CSV besides, byte for byte, each under the name of its stream."""
    kept = opened.manifest.extra.get("holdings")
    listed = [one for part in kept.values() for one in part.get("csv", ())] if isinstance(kept, dict) else []
    if listed:
        new_folder(folder / "csv")
    for one in listed:
        name = folder_of(str(one["stream"]).removesuffix(".csv"), "csv")
        with opened.blob(str(one["stream"])) as stream:
            write_pieces(folder / f"{name}.csv", iter(partial(stream.read, _COPY), b""))


def _csv(one: Table) -> Iterator[str]:
    encoders = [codec(column.codec).encode for column in one.summary.columns]
    yield write_row([column.name for column in one.summary.columns])
    for row in one.rows:
        yield write_row([encode(value) for encode, value in zip(encoders, row, strict=True)])


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(lines)
    except OSError as error:
        raise BadInput("cli.cannot-write", path=str(path), why=error.strerror or "") from None


def _counts(manifest: Manifest) -> dict[str, Any]:
    tables = sum(summary.kind == "rows" for summary in manifest.tables)
    return {"id": manifest.backup_id, "tables": tables, "rows": manifest.rows}


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.backup_id,
        "rows": manifest.rows,
        "tables": [
            {"kind": one.kind, "name": one.name, "rows": one.rows, "sum": one.sum} for one in manifest.tables
        ],
    }


def _line(backup: Backup) -> dict[str, Any]:
    return {
        "id": backup.id,
        "target": backup.target,
        "record": backup.record,
        "rows": backup.rows,
        "size": backup.size,
        "state": backup.state,
        "sha256": backup.sha256,
        "created_at": backup.created_at,
        "keep_until": backup.keep_until,
    }
