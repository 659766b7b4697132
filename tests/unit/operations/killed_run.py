"""Run one deletion or restore in a folder, and die without warning at one place. Arguments: folder, what, where, backup."""

import os
import signal
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bot.operations import restore
from bot.operations.gate import RestoreOrder
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, open_bench

SOFT = [("notes.subject_id", "customers.id", "kind = 'customer'")]


def bench_in(folder: Path) -> Bench:
    return open_bench(folder, label="{name}", soft=SOFT)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, what: str, where: str, backup: str) -> None:
    bench, gate = bench_in(folder), RecordingGate(on={where: die})
    if what == "delete":
        bench.run(replace(bench.order("1"), backup_id=backup), gate)
        return
    checksum = sha256((folder / "backups" / f"{backup}.age").read_bytes()).hexdigest()
    with bench.vault.open(backup, checksum) as opened:
        plan, _, _ = restore.plan(bench.target, opened, checksum, HASH_KEY)
    restore.run(RestoreOrder(plan, backup, checksum, HASH_KEY), bench.target, bench.vault, gate)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
