"""What the commands print: sentences, tables and JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.errors import BadInput, Broken, CountersignError, Halted, NotOurs
from bot.texts import say

DONE, NO, USAGE, INTERNAL = 0, 1, 2, 70

#: Where a result is not for a terminal, lines are not folded.
_WIDE = 240


def exit_code(error: CountersignError) -> int:
    """2 for what was typed or configured, 70 for machinery that failed, 1 for every other no."""
    if isinstance(error, BadInput):
        return USAGE
    if isinstance(error, Broken) and not isinstance(error, NotOurs | Halted):
        return INTERNAL
    return NO


def tell(key: str, **params: object) -> None:
    """One sentence for a person, on standard output."""
    line(say(key, "en", **params))


def complain(key: str, **params: object) -> None:
    """One sentence for a person, on standard error."""
    typer.echo(plain(say(key, "en", **params)), err=True)


def line(text: str) -> None:
    """One line on standard output, at once."""
    typer.echo(plain(text))
    sys.stdout.flush()


def plain(text: str) -> str:
    """The text without control characters: what comes from elsewhere must not steer a terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)


def as_json(data: object) -> None:
    """One JSON value on standard output."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=_plain_value))


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """A table; ``columns`` are fields of the rows and, under ``cli.column.``, keys of the catalogue."""
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(say(f"cli.column.{column}", "en"), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell(row.get(column))) for column in columns))
    console.print(shown)


def cell(value: object) -> str:
    """One value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value) or "-"
    if isinstance(value, datetime):
        return moment(value)
    return plain(str(value))


def moment(value: datetime) -> str:
    """A time as people read it, always in UTC and always saying so."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
