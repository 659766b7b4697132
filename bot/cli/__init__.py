"""The command line: one file per group of commands."""

import gc
import sys


def main() -> None:
    """The entry point ``countersign``."""
    # What modules make stays for good: looking through it again and again is a fifth of the time of a start.
    gc.disable()
    # Late, so that a single file of this package can be imported without all that stands behind the commands.
    from bot.cli.entry import run  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    sys.exit(run(sys.argv[1:]))
