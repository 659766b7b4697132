"""One deletion in a process of its own: ``python -m benchmarks.one_deletion URL EMAIL``.

Prints seconds to plan, seconds for the whole deletion, and MiB of memory above what it had before.
"""

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from bot.backups.age import Identity
from bot.backups.ids import backup_id
from bot.backups.keys import load_or_create
from bot.backups.storage import open_store
from bot.backups.vault import Vault
from bot.config.database_types import Database
from bot.config.record_types import Record
from bot.config.types import Target
from bot.model.meter import Stage, Unit
from bot.operations import delete_records
from bot.operations.gate import DeleteOrder
from bot.schedules.clock import now
from bot.targets import open_target
from bot.targets.reporting import SILENT, Report


class OpenGate:
    """Lets everything pass: the decision is not what is measured."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:  # noqa: ARG002 - the port's signature
        """A step."""
        yield

    def progress(self, done: int, total: int) -> None:
        """Nobody looks."""

    def measure(self, _: str, __: Stage, ___: Mapping[Unit, int], /) -> Report:
        """Nobody looks."""
        return SILENT

    def check(self) -> None:
        """Nobody stops."""

    def backup_started(self, backup_id: str) -> None:
        """Nobody asks after a crash."""

    def committing(self, transaction: str, backup_id: str, sha256: str) -> None:
        """Nobody asks after a crash."""

    def calling(self, backup_id: str, sha256: str) -> None:
        """Nobody asks after a crash."""

    def removing(self) -> None:
        """Nobody asks after a crash."""


def main(url: str, email: str) -> None:
    """Plan, delete, and say what it cost."""
    customer = Record(table="customers", find_by=("email",), label="{name}")
    spec = Target(database=Database(url=url), records={"customer": customer}, max_lock=timedelta(minutes=20))
    target = open_target("crm", url, spec.max_lock)
    hash_key = secrets.token_bytes(32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage = open_store(f"file:{folder / 'backups'}", folder)
        master, _ = load_or_create(folder / "master.key", any_backup_exists=False)
        vault = Vault(storage, master, "T0ACME")
        idle = peak()
        started = time.perf_counter()
        plan, subject = delete_records.plan(target, spec, "customer", [email], hash_key)
        planned = time.perf_counter()
        order = DeleteOrder(plan, subject, spec, backup_id(now(), secrets.token_bytes(8)), hash_key)
        outcome = delete_records.run(order, target, vault, OpenGate())
        done = time.perf_counter()
    assert outcome.problem is None, outcome.problem
    sys.stdout.write(f"{planned - started} {done - planned} {peak() - idle}\n")


def peak() -> float:
    """The most memory this program has held, in MiB; ``ru_maxrss`` would begin with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    # Whatever the first use of a library costs is not the deletion's.
    Identity(secrets.token_bytes(32))
    main(*sys.argv[1:])
