"""The command line: one file per group of commands."""

import sys


def main() -> None:
    """The entry point ``countersign``."""
    # Late, so that a single file of this package can be imported without all that stands behind the commands.
    from bot.cli.entry import run  # noqa: PLC0415

    sys.exit(run(sys.argv[1:]))
