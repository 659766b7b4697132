"""One holding from backup to removal in a process of its own, for its memory.

``python -m benchmarks.one_teardown postgresql URL`` or ``… files PATH``; with ``backup`` behind it, nothing
else. Prints seconds per step, bytes of the backup and MiB of memory above what it had before, as JSON.
"""

import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.one_deletion import peak
from bot.backups.age import Identity
from bot.backups.ids import backup_id
from bot.backups.keys import load_or_create
from bot.backups.storage import open_store
from bot.backups.vault import OpenedBackup, Vault
from bot.model.backups import SealedBackup
from bot.schedules.clock import now
from bot.targets.files import FolderHolding
from bot.targets.mysql_whole import MariadbHolding
from bot.targets.postgresql_whole import PostgresqlHolding
from bot.targets.system import Holding

#: How a holding of each kind is made from where it is. A further kind of database is one line.
KINDS: dict[str, Callable[[str], Holding]] = {
    "postgresql": lambda url: PostgresqlHolding("database", "crm", url),
    "mariadb": lambda url: MariadbHolding("database", "crm", url),
    "files": lambda path: FolderHolding("folder", path, [str(Path(path).parent)]),
}
_OPERATION = "bench"


class _Clock:
    """Seconds by what took them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


def main(kind: str, place: str, only: str = "") -> None:
    """Plan, back up, prove, set aside, put back, set aside, remove, restore; say what each took."""
    holding, clock = KINDS[kind](place), _Clock()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        master, _ = load_or_create(folder / "master.key", any_backup_exists=False)
        vault = Vault(open_store(f"file:{folder / 'backups'}", folder), master, "T0ACME")
        idle = peak()
        with clock.step("plan"):
            holding.survey()
        sealed = _sealed(vault, holding, clock)
        if not only:
            with vault.open(sealed.backup_id, sealed.sha256, sealed.manifest) as opened:
                _away_and_back(holding, opened, clock)
    said = {"seconds": clock.seconds, "size": sealed.size, "memory": peak() - idle}
    sys.stdout.write(json.dumps(said) + "\n")


def _sealed(vault: Vault, holding: Holding, clock: _Clock) -> SealedBackup:
    """The backup itself ends when it is durable in the store; reading it back is more than a peer does."""
    with vault.sealing(backup_id(now(), secrets.token_bytes(8))) as sealing:
        with clock.step("backup"):
            holding.copy(sealing)
            sealing.close({})
        with clock.step("read back"):
            return sealing.read_back(lambda _, tables: list(tables).clear())


def _away_and_back(holding: Holding, opened: OpenedBackup, clock: _Clock) -> None:
    with clock.step("test restore"):
        holding.rehearse(_OPERATION, opened)
    with clock.step("set aside"):
        holding.set_aside(_OPERATION, opened)
    with clock.step("put back"):
        holding.put_back(_OPERATION)
    holding.set_aside(_OPERATION, opened)
    with clock.step("remove"):
        holding.remove(_OPERATION, opened)
    with clock.step("restore"):
        holding.prepare(_OPERATION, opened)
        holding.appear(_OPERATION)


if __name__ == "__main__":
    # Whatever the first use of a library costs is not the teardown's.
    Identity(secrets.token_bytes(32))
    main(*sys.argv[1:])
