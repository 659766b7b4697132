"""``countersign serve``: the worker and the bot as two child processes that see only what they need."""

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bot.cli.behind import config_variables, load, settings
from bot.cli.children import Part, Patience, Supervisor
from bot.cli.console import tell
from bot.errors import BadInput
from bot.settings import Settings, environment_for
from bot.texts import say


class PartName(StrEnum):
    """The two halves."""

    BOT = "bot"
    WORKER = "worker"


#: The worker first: it prepares the database that the bot reads.
_ORDER = (PartName.WORKER, PartName.BOT)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("serve", help=say("cli.help.serve"))(serve)
    app.command("serve-part", hidden=True)(serve_part)


def serve(
    only: Annotated[PartName | None, typer.Option(help=say("cli.help.serve.only"))] = None,
    targets: Annotated[str | None, typer.Option(help=say("cli.help.serve.targets"))] = None,
    stand_in: Annotated[Path | None, typer.Option(hidden=True)] = None,
    pause: Annotated[float, typer.Option(hidden=True)] = Patience.pause,
    stop_within: Annotated[float, typer.Option(hidden=True)] = Patience.stop,
) -> None:
    """Run until a signal. ``stand_in`` is a script that is run in place of the parts, for tests."""
    known = settings()
    config, variables = load(known, resolve=False), config_variables(known)
    _chosen(targets, config.targets)
    names = (only,) if only else _ORDER
    parts = [
        Part(name, _command(name, targets, stand_in), environment_for(name, known, variables))
        for name in names
    ]
    if PartName.BOT in names:
        _check_slack(known)
    raise typer.Exit(Supervisor(parts, _tell, Patience(pause=pause, stop=stop_within)).run())


def serve_part(
    part: PartName, targets: Annotated[str | None, typer.Option(help=say("cli.help.serve.targets"))] = None
) -> None:
    """What a child process runs."""
    known = settings()
    if part is PartName.BOT:
        from bot.cli.bot_process import run_bot  # noqa: PLC0415 - parent and worker never load Slack's library

        raise typer.Exit(run_bot(known))
    from bot.worker import run_worker  # noqa: PLC0415 - bot and parent never load what deletes

    names = None if targets is None else _names(targets)
    raise typer.Exit(run_worker(known, names, lambda key, what: tell(key, what=what)))


def _command(name: PartName, targets: str | None, stand_in: Path | None) -> Sequence[str]:
    if stand_in is not None:
        return [sys.executable, str(stand_in), name]
    extra = ["--targets", targets] if targets is not None and name is PartName.WORKER else []
    return [sys.executable, "-m", "bot", "serve-part", name, *extra]


def _names(targets: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in targets.split(",") if name.strip())


def _chosen(targets: str | None, known: Mapping[str, object]) -> None:
    if targets is None:
        return
    names = _names(targets)
    for name in names:
        if name not in known:
            raise BadInput("cli.serve.target", name=name, known=", ".join(sorted(known)))
    if not names:
        raise BadInput("cli.serve.target", name=targets, known=", ".join(sorted(known)))


def _check_slack(known: Settings) -> None:
    if known.slack_bot_token is None:
        raise BadInput("cli.serve.variable", name="SLACK_BOT_TOKEN")
    if known.slack_app_token is None and known.slack_signing_secret is None:
        raise BadInput("cli.serve.no-way")
    if known.slack_app_token is not None and known.slack_signing_secret is not None:
        tell("cli.serve.both-ways")


def _tell(event: str, part: str, params: Mapping[str, str | int]) -> None:
    tell(f"cli.serve.{event}", part=part, **params)
