"""The commands, put together."""

from importlib.metadata import version
from typing import Annotated

import typer

from bot.cli import audit, backups, checks, enrol, policy, requests, sandbox, serve
from bot.cli.console import line
from bot.texts import say

app = typer.Typer(
    name="countersign",
    help=say("cli.help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serve.register(app)
sandbox.register(app)
checks.register(app)
enrol.register(app)
app.add_typer(requests.group, name="request")
app.add_typer(backups.group, name="backup")
app.add_typer(audit.group, name="audit")
app.add_typer(policy.group, name="policy")


def _version(wanted: bool) -> None:
    if wanted:
        line(f"countersign {version('countersign')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=say("cli.help.version"))
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help=say("cli.help.debug"))] = False,
) -> None:
    """What every command shares."""
