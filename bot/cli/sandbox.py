"""``countersign sandbox``: everything on this machine, without a Slack account."""

from typing import Annotated

import typer

from bot.errors import BadInput
from bot.texts import say


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("sandbox", help=say("cli.help.sandbox"))(sandbox)


def sandbox(
    story: Annotated[bool, typer.Option("--story", help=say("cli.help.sandbox.story"))] = False,
    script: Annotated[bool, typer.Option("--script", help=say("cli.help.sandbox.script"))] = False,
    http: Annotated[bool, typer.Option("--http", help=say("cli.help.sandbox.http"))] = False,
    codes: Annotated[bool, typer.Option("--codes", help=say("cli.help.sandbox.codes"))] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help=say("cli.help.sandbox.port"))] = 0,
) -> None:
    """Start the sandbox."""
    if codes and (story or script):
        raise BadInput("cli.sandbox.codes-alone")
    from bot.sandbox.run import run_sandbox  # noqa: PLC0415 - a production process never loads the sandbox

    raise typer.Exit(run_sandbox(story=story, script=script, port=port, http=http, codes=codes))
