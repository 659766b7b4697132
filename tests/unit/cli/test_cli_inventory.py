"""Every command there is, and whether it may change our books: one that is not listed here fails the test.

Whoever types a command holds the machine; what counts is that none of them decides, runs or approves anything.
"""

from typing import Any

import typer

from bot.cli.application import app
from bot.store.tables import metadata
from tests.unit.cli.cli_installation import BACKUP, Installation

#: What only looks, and how it is typed.
LOOKS = {
    "check": ("check",),
    "request list": ("request", "list"),
    "request show": ("request", "show", "7"),
    "backup list": ("backup", "list"),
    "backup verify": ("backup", "verify", BACKUP),
    "backup open": ("backup", "open", BACKUP, "--into", "out"),
    "audit verify": ("audit", "verify"),
    "audit export": ("audit", "export"),
    "policy simulate": ("policy", "simulate", "--operation", "delete-records", "--target", "crm"),
}
#: What runs the house itself, or prepares what people must finish in Slack: each has suites of its own.
RUNS = {"serve", "serve-part", "sandbox", "enrol"}


def commands() -> set[str]:
    found: set[str] = set()
    root: Any = typer.main.get_command(app)
    for name, one in root.commands.items():
        inner = getattr(one, "commands", None)
        found |= {name} if inner is None else {f"{name} {word}" for word in inner}
    return found


def test_every_command_is_listed() -> None:
    assert commands() - RUNS == set(LOOKS)


def test_no_command_that_looks_changes_a_row(installation: Installation) -> None:
    installation.prepare()
    installation.add_request(7)

    def rows() -> dict[str, list[str]]:
        store = installation.store()
        with store.database.read() as connection:
            found = {
                name: [str(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]
                for name in metadata.tables
            }
        store.database.close()
        return found

    before = rows()
    for typed in LOOKS.values():
        installation.command(*typed)
        assert rows() == before, typed
