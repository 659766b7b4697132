"""Run one deletion or restore on an existing bench and die without warning at one place."""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from bot.backups.storage.local import LocalStorage
from bot.backups.vault import Vault
from bot.config.types import Database, Record, SoftReference, Target
from bot.operations import delete_records, restore
from bot.operations.gate import RestoreOrder
from bot.targets import open_target

from tests.fakes.backups import master_key
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, order_from


def bench_at(folder: Path) -> Bench:
    url = f"sqlite:///{folder / 'crm.db'}"
    spec = Target(
        name="crm",
        max_lock=timedelta(seconds=30),
        database=Database(url=url),
        records={"customer": Record(table="customers", find_by=("id",), label="{name}")},
        soft_references=(SoftReference.model_validate({"from": "notes.subject_id", "to": "customers.id", "where": "kind = 'customer'"}),),
    )
    storage = LocalStorage(folder / "backups")
    target = open_target("crm", url, spec.max_lock)
    return Bench(folder / "crm.db", spec, target, Vault(storage, master_key(), "T0ACME"), storage)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, what, where, backup = sys.argv[1:]
    bench = bench_at(Path(folder))
    gate = RecordingGate(on={where: die})
    if what == "delete":
        delete_records.run(order_from(bench, backup), bench.target, bench.vault, gate)
        return
    with bench.vault.open(backup) as opened:
        sha256 = delete_records_sha(bench, backup)
        plan, _ = restore.plan(bench.target, opened, sha256, HASH_KEY)
    restore.run(RestoreOrder(plan, backup, sha256, HASH_KEY), bench.target, bench.vault, gate)


if __name__ == "__main__":
    main()
