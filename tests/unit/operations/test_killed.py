"""``kill -9`` at every arrow: nothing is lost, nothing is half done, and the truth can be found out."""

import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from bot.errors import CountersignError
from bot.model.plans import Plan
from bot.operations import restore
from bot.operations.gate import DeleteOutcome, RestoreOrder
from tests.fakes.operations import HASH_KEY, Bench, RecordingGate, make_bench, new_backup_id
from tests.unit.operations.killed_run import SOFT
from tests.unit.operations.test_delete_attacks import SCHEMA

SCRIPT = Path(__file__).with_name("killed_run.py")
ROOT = Path(__file__).parents[3]
BEFORE_COMMIT = [
    "leave step.compare",
    "step.copy",
    "leave step.copy",
    "leave step.seal",
    "leave step.test-restore",
    "leave step.delete",
    "committing",
]
AFTER_COMMIT = ["leave step.commit", "leave step.verify"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, SCHEMA, label="{name}", soft=SOFT)


def killed(bench: Bench, what: str, where: str, backup: str) -> None:
    command = [sys.executable, str(SCRIPT), str(bench.path.parent), what, where, backup]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def settled_restore(bench: Bench, outcome: DeleteOutcome, plan: Plan) -> str:
    with bench.vault.open(outcome.backup.backup_id, outcome.backup.sha256) as opened:
        return restore.settle(bench.target, opened, plan)


@pytest.mark.slow
@pytest.mark.parametrize("where", BEFORE_COMMIT)
def test_killed_before_the_commit_the_rows_are_there_and_it_can_run_again(bench: Bench, where: str) -> None:
    before, backup = bench.dump(), new_backup_id()
    killed(bench, "delete", where, backup)
    assert bench.dump() == before
    try:
        assert bench.settle(backup) == "not-committed"
    except CountersignError as error:
        # It died before the backup was whole: no backup, so nothing can have been deleted.
        assert error.key == "backups.unknown"
    bench.vault.sweep()
    bench.restore(bench.delete("1"))
    assert bench.dump() == before


@pytest.mark.slow
@pytest.mark.parametrize("where", AFTER_COMMIT)
def test_killed_after_the_commit_the_backup_tells_and_restores(bench: Bench, where: str) -> None:
    before, backup = bench.dump(), new_backup_id()
    killed(bench, "delete", where, backup)
    assert len(bench.dump()["customers"]) == 1
    assert bench.settle(backup) == "committed"
    bench.vault.sweep()
    with bench.vault.open(backup) as opened:
        manifest = opened.manifest
    assert manifest.rows == 9
    checksum = _checksum(bench, backup)
    with bench.vault.open(backup, checksum) as opened:
        plan, _, _ = restore.plan(bench.target, opened, checksum, HASH_KEY)
    order = RestoreOrder(plan, backup, checksum, HASH_KEY)
    restore.run(order, bench.target, bench.vault, RecordingGate())
    assert bench.dump() == before


@pytest.mark.slow
@pytest.mark.parametrize("where", ["leave step.insert", "committing"])
def test_a_restore_killed_before_the_commit_has_brought_nothing_back(bench: Bench, where: str) -> None:
    before = bench.dump()
    outcome = bench.delete("1")
    plan, _ = bench.plan_restore(outcome)
    gone = bench.dump()
    killed(bench, "restore", where, outcome.backup.backup_id)
    assert bench.dump() == gone
    assert settled_restore(bench, outcome, plan) == "not-committed"
    bench.restore(outcome)
    assert bench.dump() == before


@pytest.mark.slow
def test_a_restore_killed_after_the_commit_is_complete(bench: Bench) -> None:
    before = bench.dump()
    outcome = bench.delete("1")
    plan, _ = bench.plan_restore(outcome)
    killed(bench, "restore", "leave step.commit", outcome.backup.backup_id)
    assert bench.dump() == before
    assert settled_restore(bench, outcome, plan) == "committed"


def _checksum(bench: Bench, backup: str) -> str:
    return sha256((bench.path.parent / "backups" / f"{backup}.age").read_bytes()).hexdigest()
