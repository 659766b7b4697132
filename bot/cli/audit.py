"""``countersign audit``: check the log, or hand it to somebody who checks it elsewhere."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.audit.chain import Finding, Report, verify
from bot.audit.export import export_lines, verify_export
from bot.cli.behind import open_store, settings
from bot.cli.console import DONE, NO, as_json, tell
from bot.cli.files import write_new
from bot.errors import BadInput
from bot.texts import say

group = typer.Typer(help=say("cli.help.audit"), no_args_is_help=True)


@group.command("verify", help=say("cli.help.audit.verify"))
def verify_log(
    head: Annotated[str | None, typer.Option(help=say("cli.help.audit.head"))] = None,
    file: Annotated[Path | None, typer.Option(help=say("cli.help.audit.file"))] = None,
    key: Annotated[str | None, typer.Option(help=say("cli.help.audit.key"))] = None,
    json: Annotated[bool, typer.Option("--json", help=say("cli.help.json"))] = False,
) -> None:
    """Check every entry and every signed head."""
    report = _check_database(head, key) if file is None else _check_file(file, head, key)
    if json:
        as_json(_report(report))
    else:
        _show(report)
    raise typer.Exit(DONE if report.ok else NO)


@group.command("export", help=say("cli.help.audit.export"))
def export(
    to: Annotated[Path | None, typer.Option(help=say("cli.help.audit.to"))] = None,
) -> None:
    """Write the log as JSON lines."""
    with open_store(settings()) as store, store.read() as work:
        lines = export_lines(work.audit.entries(), work.audit.heads())
    content = "".join(f"{line}\n" for line in lines)
    if to is None:
        sys.stdout.buffer.write(content.encode())
        sys.stdout.flush()
        return
    write_new(to, content.encode())
    tell("cli.audit.exported", path=str(to))


def _check_database(head: str | None, key: str | None) -> Report:
    with open_store(settings()) as store, store.read() as work:
        entries, heads = work.audit.entries(), work.audit.heads()
    return verify(entries, heads, key, head)


def _check_file(file: Path, head: str | None, key: str | None) -> Report:
    try:
        # A byte that is not UTF-8 becomes a mark that breaks the hash of its entry.
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            return verify_export(lines, head, key)
    except OSError as error:
        raise BadInput("cli.cannot-read", path=str(file), why=error.strerror or "") from None


def _report(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "entries": report.entries,
        "head": report.head,
        "signed_until": report.signed_until,
        "problems": [_finding(problem) for problem in report.problems],
        "notes": [_finding(note) for note in report.notes],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "seq": None if finding.seq < 0 else finding.seq,
        **finding.params,
        "text": _sentence(finding),
    }


def _sentence(finding: Finding) -> str:
    return say(finding.key, "en", **{"seq": finding.seq, **finding.params})


def _show(report: Report) -> None:
    for finding in (*report.problems, *report.notes):
        tell("cli.bullet", text=_sentence(finding))
    if not report.ok:
        tell("cli.audit.broken", n=len(report.problems))
    else:
        tell("cli.audit.whole", n=report.entries)
    if report.head is not None:
        tell("cli.audit.head", head=report.head)
