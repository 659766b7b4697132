"""Running one command and turning what it raises into a sentence and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from bot.cli import serve
from bot.cli.console import DONE, INTERNAL, complain, exit_code
from bot.config.problems import ConfigInvalid
from bot.errors import CountersignError

_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code: 0 done, 1 no, 2 bad usage or configuration, 70 internal.

    ``--debug`` may stand anywhere and shows the trace of an unexpected error.
    """
    debug = "--debug" in arguments
    plain = [argument for argument in arguments if argument != "--debug"]
    try:
        return _run(plain)
    except CountersignError as error:
        if debug:
            traceback.print_exc()
        _explain(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; Python would complain once more when it flushes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence: its text may hold a secret
        if debug:
            traceback.print_exc()
        complain("cli.internal", error=type(error).__name__)
        return INTERNAL


def _explain(error: CountersignError) -> None:
    for sentence in error.sentences() if isinstance(error, ConfigInvalid) else ():
        complain("cli.sentence", text=sentence)
    try:
        complain(error.key, **error.params)
    except KeyError:
        complain("cli.internal", error=error.key)


def _commands(arguments: list[str]) -> typer.Typer:
    """All commands. A half of ``serve`` has its own only: the others bring half of the code with them."""
    if arguments[:1] == ["serve-part"]:
        halves = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        serve.register(halves)
        return halves
    from bot.cli.application import app  # noqa: PLC0415 - see above

    return app


def _run(arguments: list[str]) -> int:
    try:
        command = typer.main.get_command(_commands(arguments))
        result = command.main(arguments, "countersign", standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    return result if isinstance(result, int) else DONE
