"""Bots and workers apart, several of each, on one PostgreSQL: started, frozen, killed and cut off in any order."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.people import APP_USER
from tests.fakes.servers import own_postgresql, postgresql_database
from tests.stories.rig import PATIENCE, ROOT, Rig

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("apart")]


class Apart(Rig):
    """Nothing runs until a test starts it."""

    def begin(self) -> None:
        """A test starts what it needs."""

    def alive(self, name: str) -> bool:
        return self.processes[name].poll() is None

    def workers(self) -> set[str]:
        return {
            str(row[0])
            for row in self.rows("SELECT id FROM processes WHERE kind = 'worker' AND facts->>'left' IS NULL")
        }

    def ready(self, n: int) -> None:
        self.wait(lambda: self.tables_are_there() and len(self.workers()) == n, f"{n} workers")

    def tables_are_there(self) -> bool:
        return bool(self.rows("SELECT 1 FROM pg_tables WHERE tablename = 'processes'"))

    def cut_off(self) -> int:
        """End the sessions that hold a worker's number, as a parted network does; how many there were."""
        ended = self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE classid = 7301 AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return len(ended)

    def freeze(self, name: str) -> None:
        """Stop a process between two transactions: inside one, it would keep its peers from their work."""
        process = self.processes[name]

        def frozen_outside() -> bool:
            os.kill(process.pid, signal.SIGSTOP)
            self.wait(lambda: _is_stopped(process.pid), f"{name} should stand still")
            if not self._unfinished():
                return True
            os.kill(process.pid, signal.SIGCONT)
            return False

        self.wait(frozen_outside, f"{name} never stood still between two transactions")

    def _unfinished(self) -> bool:
        """Whether some session is inside a transaction and goes on being."""
        query = (
            "SELECT pid, xact_start FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        before = set(self.rows(query))
        return bool(before and before & set(self.rows(query)))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Apart]:
    with postgresql_database() as url, Apart(tmp_path, database=url) as rig:
        yield rig


def check(rig: Rig, number: int) -> None:
    """One card, one receipt, one commit per request; every message once; the log unbroken."""
    rig.slack.wait_for(lambda: len(rig.receipts()) == number, PATIENCE)
    cards = [one for one in rig.room() if not one.is_reply and one.user == APP_USER]
    assert len(cards) == number
    subjects = [one.metadata["event_payload"]["subject"] for one in rig.room() if one.metadata]
    assert sorted(subjects) == sorted(set(subjects))
    commits = rig.row("""SELECT count(*) FROM audit_log WHERE entry LIKE '%"kind":"committed"%'""")[0]
    assert commits == number
    assert audit(rig).returncode == 0, audit(rig).stdout


def audit(rig: Rig) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", "audit", "verify"],
        cwd=ROOT,
        env={**rig.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def delete_and_bring_back(rig: Rig) -> None:
    before = rig.contents()
    rig.approve(rig.ask_to_delete())
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    assert not rig.ada_is_there()
    reference = rig.row("SELECT reference FROM backups WHERE state = 'kept'")[0]
    since = rig.command("U0ERIN", "/restore", f"{reference} -- the wrong one")
    rig.react("U0DAN", rig.ballot(since))
    assert rig.wait_state(2, "succeeded", "held", "failed") == "succeeded"
    assert rig.contents() == before
    check(rig, 2)


def test_two_bots_and_two_workers_carry_one_story_and_nothing_is_pickled(rig: Apart) -> None:
    rig.start_worker()
    rig.start_worker(name="worker-2")
    rig.start_bot()
    rig.start_bot(name="bot-2")
    rig.ready(2)
    assert rig.workers() == {"slot-0", "slot-1"}
    delete_and_bring_back(rig)
    for table in ("workflow_status", "operation_outputs"):
        ways = {row[0] for row in rig.rows(f"SELECT DISTINCT serialization FROM dbos.{table}")}
        assert ways == {"portable_json"}
    # The engine would number builds by their code, and leave the jobs of an older build alone.
    assert rig.rows("SELECT DISTINCT application_version FROM dbos.workflow_status") == [("1",)]


def test_a_bot_waits_for_the_first_worker_and_works_on_with_the_next(rig: Apart) -> None:
    rig.start("bot", ["serve-part", "bot"])
    rig.start_worker()
    rig.slack.wait_for(lambda: rig.slack.links.count >= 2, PATIENCE)
    rig.stop("worker")
    ballot_of = rig.command("U0ALICE", "/delete-records", "crm customer ada@example.com -- GDPR")
    rig.start_worker(name="worker-2")
    rig.stop("bot")
    rig.start_bot(name="bot-2")
    ballot = rig.ballot(ballot_of)
    rig.start_worker(name="worker-3")
    rig.stop("worker-2")
    rig.approve(ballot)
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    check(rig, 1)


def test_a_worker_plans_and_starts_only_what_it_serves(tmp_path: Path) -> None:
    def two(text: str) -> str:
        return text.replace("rules:\n", "  spare:\n    database: {url: 'sqlite:///spare.db'}\nrules:\n")

    with postgresql_database() as url, Apart(tmp_path, two, database=url) as rig:
        rig.start_worker(name="worker-spare", targets="spare")
        rig.start_bot()
        since = rig.command("U0ALICE", "/delete-records", "crm customer ada@example.com -- GDPR")
        assert "serve --only worker --targets crm" in rig.told("U0ALICE", since)
        since = rig.command("U0ALICE", "/delete-records", "")
        alice = rig.slack.as_user("U0ALICE")
        filled = {"target": "crm", "record": "customer", "values": "ada@example.com", "reason": "GDPR"}
        assert alice.submit(alice.wait_for_view("Delete records").id, filled).acked
        assert "serve --only worker --targets crm" in rig.told("U0ALICE", since)
        assert rig.row("SELECT count(*) FROM requests")[0] == 0
        rig.start_worker(name="worker-crm", targets="crm")
        rig.ready(2)
        since = rig.command("U0ALICE", "/delete-records", "crm customer ada@example.com -- GDPR")
        ballot = rig.ballot(since)
        rig.stop("worker-spare")
        rig.approve(ballot)
        rig.wait_state(1, "succeeded")
        assert rig.rows("SELECT DISTINCT executor_id FROM dbos.workflow_status") == [("slot-1",)]


@pytest.mark.parametrize("step", ["step.delete", "step.commit"])
def test_a_living_worker_adopts_the_job_of_a_killed_one(rig: Apart, step: str) -> None:
    rig.start_worker("inside", step)
    rig.ready(1)
    rig.start_bot()
    ballot = rig.ask_to_delete()
    rig.approve(ballot)
    killed = rig.processes["worker"]
    rig.wait(lambda: killed.poll() == -signal.SIGKILL, "the worker should have killed itself")
    rig.start_worker(name="worker-2", targets="crm")
    rig.start_worker(name="worker-3")
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    check(rig, 1)


def test_a_job_waits_for_no_restart_when_a_peer_is_alive(rig: Apart) -> None:
    """The peer keeps its own number all along: only adoption can bring the job to it."""
    rig.start_worker("inside", "step.delete")
    rig.ready(1)
    rig.start_bot()
    ballot = rig.ask_to_delete()
    rig.freeze("worker")
    rig.start_worker(name="worker-2")
    rig.ready(2)
    rig.freeze("worker-2")
    os.kill(rig.processes["worker"].pid, signal.SIGCONT)
    rig.approve(ballot)
    killed = rig.processes["worker"]
    rig.wait(lambda: killed.poll() == -signal.SIGKILL, "the worker should have killed itself")
    os.kill(rig.processes["worker-2"].pid, signal.SIGCONT)
    assert rig.wait_state(1, "succeeded", "held", "failed") == "succeeded"
    assert rig.rows("SELECT executor_id FROM dbos.workflow_status") == [("slot-1",)]
    check(rig, 1)


@pytest.mark.parametrize(
    ("step", "patience", "end"),
    [("step.lock", "30s", "succeeded"), ("step.delete", "2s", "failed")],
    ids=["asleep before it holds the target", "asleep while it does"],
)
def test_a_frozen_worker_that_thaws_finds_its_job_with_another(
    tmp_path: Path, step: str, patience: str, end: str
) -> None:
    def change(text: str) -> str:
        return text.replace("max_lock: 30s", f"max_lock: {patience}")

    with postgresql_database() as url, Apart(tmp_path, change, database=url) as rig:
        rig.start_worker("sleep", step)
        rig.ready(1)
        rig.start_bot()
        ballot = rig.ask_to_delete()
        rig.approve(ballot)
        asleep = rig.processes["worker"]
        rig.wait(lambda: _is_stopped(asleep.pid), "the worker should be asleep")
        assert rig.cut_off() == 1
        rig.start_worker(name="worker-2")
        found = rig.wait_state(1, "succeeded", "held", "failed")
        os.kill(asleep.pid, signal.SIGCONT)
        rig.wait(lambda: asleep.poll() == 70, "whoever lost its number ends")
        assert found == end, rig.row("SELECT outcome, outcome_params FROM requests")
        assert rig.state(1) == found
        assert rig.ada_is_there() == (found == "failed")
        commits = rig.row("""SELECT count(*) FROM audit_log WHERE entry LIKE '%"kind":"committed"%'""")[0]
        assert commits == (found == "succeeded")
        assert audit(rig).returncode == 0


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_two_processes_with_one_number_are_never_two_for_long(rig: Apart) -> None:
    rig.start_worker()
    rig.ready(1)
    rig.start_bot()
    first = rig.processes["worker"]
    assert rig.cut_off() == 1
    rig.start_worker(name="worker-2")
    rig.wait(lambda: first.poll() == 70, "whoever lost its number ends")
    assert "its session on the database has ended" in rig.log("worker")
    delete_and_bring_back(rig)


def test_the_next_bot_sends_when_the_one_that_sent_is_killed(rig: Apart) -> None:
    rig.start_worker()
    rig.ready(1)
    rig.start_bot()
    rig.start_bot(name="bot-2")
    ballot = rig.ask_to_delete()
    rig.kill("bot")
    rig.approve(ballot)
    rig.wait_state(1, "succeeded")
    check(rig, 1)


def test_a_worker_with_other_keys_is_refused_and_one_with_the_same_is_not(rig: Apart) -> None:
    rig.start_worker()
    rig.ready(1)
    here, there = rig.folder / "data", rig.folder / "elsewhere"

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", "serve-part", "worker"],
            cwd=ROOT,
            env={
                **rig._environment_of("worker"),
                "COUNTERSIGN_DATA_DIR": str(there),
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    said, _ = (refused := begin()).communicate(timeout=60)
    assert refused.returncode
    assert "copy master.key, hash.key and audit.key" in said
    assert not list((there / "worker").glob("*.key"))
    shutil.copytree(here / "worker", there / "worker")
    (there / "worker" / "hash.key").write_text("ab" * 32 + "\n")
    said, _ = (refused := begin()).communicate(timeout=60)
    assert refused.returncode
    assert "The hash.key here is not the one" in said
    shutil.copy(here / "worker" / "hash.key", there / "worker" / "hash.key")
    second = begin()
    try:
        rig.ready(2)
    finally:
        second.terminate()
        second.communicate(timeout=60)


def test_serve_outlives_a_restart_of_the_database(tmp_path: Path) -> None:
    server = own_postgresql().start()
    try:
        with Apart(tmp_path, database=server.url) as rig:
            rig.start("serve", ["serve"])
            rig.slack.wait_for(lambda: rig.slack.links.count >= 2, 60)
            ballot = rig.ask_to_delete()
            server.stop()
            server.start()
            rig.look_anew()
            rig.approve(ballot)
            rig.wait_state(1, "approved", "running", "succeeded")
            server.kill()
            server.start()
            rig.look_anew()
            assert rig.wait_state(1, "succeeded", "held", "failed", patience=60) == "succeeded"
            assert rig.alive("serve")
            check(rig, 1)
    finally:
        server.remove()


def test_a_second_worker_on_the_same_sqlite_folder_is_refused(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        second = rig.start_worker(name="worker-2")
        rig.wait(lambda: second.poll() == 1, "the second worker should be refused")
        assert "A worker is already running" in rig.log("worker-2")
        rig.approve(rig.ask_to_delete())
        rig.wait_state(1, "succeeded")
        ways = {row[0] for row in rig.rows("SELECT DISTINCT serialization FROM operation_outputs")}
        assert ways == {"portable_json"}
