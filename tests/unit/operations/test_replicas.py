"""Replicas as a brake: seen as they are on a real server, or refused with what is missing; never overlooked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from bot.config.types import Config, Segments
from bot.errors import CountersignError, Halted
from bot.jobs import pacing
from bot.model.jobs import Job, JobState
from bot.operations import replicas
from bot.targets import open_target
from bot.targets.base import RecordTarget, Replicas
from tests.fakes.operations import PostgresqlBench, RecordingGate, make_bench, new_backup_id, postgresql_bench
from tests.fakes.servers import PostgreSQL, own_postgresql

LAG = timedelta(seconds=10)
NOW = datetime(2026, 11, 27, tzinfo=UTC)
SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(80));
INSERT INTO customers VALUES (1, 'a@x'), (2, 'b@x'), (3, 'c@x');
"""


def job(done: int) -> Job:
    facts = {"segments_done": done, "segments": 3, "rows": {"customers": done}}
    return Job("job-1", 1, 1, "crm", JobState.RUNNING, None, None, facts, NOW, None)


class Behind:
    """Replicas that catch up after so many looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def __call__(self, target: str, lag: timedelta) -> bool:
        assert (target, lag) == ("crm", LAG)
        self.left -= 1
        return self.left >= 0


def between(done: int, looks: int, gate: RecordingGate) -> list[float]:
    rests: list[float] = []
    pacing.between(job(done), Segments(lag=LAG), gate, lambda: NOW, rests.append, Behind(looks))
    return rests


@pytest.mark.parametrize(("done", "looks", "rests"), [(1, 0, 0), (1, 1, 0), (2, 4, 3), (0, 9, 0)])
def test_the_next_part_waits_until_they_have_caught_up(done: int, looks: int, rests: int) -> None:
    gate = RecordingGate()
    assert between(done, looks, gate) == [pacing.SLICE] * rests
    # And once more right before the part begins, in case somebody wants a pause.
    assert gate.events.count("check") == rests + bool(done)
    assert ("step.replicas" in gate.events) == (done > 0 and looks > 0)


def test_stop_counts_while_it_waits() -> None:
    with pytest.raises(Halted):
        between(1, 1000, RecordingGate(halt_at="check"))


class Server:
    """A target of which only the replicas are asked."""

    name = "crm"

    def __init__(self, found: Replicas | None) -> None:
        self.found = found

    def replicas(self) -> Replicas | None:
        return self.found


#: What the server says, whether that is behind by ten seconds, and what the plan says.
SEEN: dict[str, tuple[Replicas | None, bool | str, str]] = {
    "none": (Replicas(), False, "told.no-replica"),
    "one that follows": (Replicas(1, 0, 9.9), False, "told.replicas"),
    "one that is behind": (Replicas(2, 0, 10.5), True, "told.replicas"),
    "one that is still catching up": (Replicas(1, 1, 0.0), True, "told.replicas"),
    "nothing": (None, "replicas.unknown", "replicas.unknown"),
    "that we may not ask": (
        Replicas(grants=("GRANT x",)),
        "operations.missing-rights",
        "operations.missing-rights",
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_the_server_says_of_its_replicas(case: str) -> None:
    found, behind, key = SEEN[case]
    server: RecordTarget = Server(found)  # type: ignore[assignment]  # only this is asked of it
    assert replicas.told(server, None) == ()
    if isinstance(behind, str):
        for ask in (lambda: replicas.is_behind(server, LAG), lambda: replicas.told(server, LAG)):
            with pytest.raises(CountersignError) as refused:
                ask()
            assert refused.value.key == behind
        return
    assert replicas.is_behind(server, LAG) is behind
    assert [one.key for one in replicas.told(server, LAG)] == [key]


@contextmanager
def somebody(bench: PostgresqlBench, tmp_path: Path) -> Iterator[PostgresqlBench]:
    """The same database for somebody who may delete there and nothing else."""
    name = f"worker_{new_backup_id()[1:9]}_{tmp_path.name[-4:]}".replace("-", "_")
    bench.sql(f"CREATE ROLE {name} LOGIN; GRANT SELECT, DELETE, UPDATE, INSERT ON customers TO {name}")
    url = bench.spec.address.replace(f"//{bench.user}", f"//{name}")
    try:
        yield replace(bench, target=open_target("crm", url, bench.spec.max_lock))
    finally:
        bench.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_plan_in_parts_needs_to_see_them_and_no_other_plan_does(tmp_path: Path) -> None:
    with postgresql_bench(tmp_path, SCHEMA, find_by=["email"]) as bench:
        spec = bench.spec.model_copy(update={"segments": Segments(above=1, lag=LAG)})
        with somebody(replace(bench, spec=spec), tmp_path) as other:
            assert other.plan("a@x")[0].segments == ()
            with pytest.raises(CountersignError) as refused:
                other.plan("a@x", "b@x")
            grants = str(refused.value.params["grants"])
            assert grants.startswith("GRANT pg_read_all_stats TO ")
            bench.sql(grants)
            plan = other.plan("a@x", "b@x")[0]
            assert len(plan.segments) == 2
            assert "told.no-replica" in [one.key for one in plan.warnings]


def test_a_file_has_no_replicas(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, SCHEMA, find_by=["email"])
    spec = bench.spec.model_copy(update={"segments": Segments(above=1, lag=LAG)})
    with pytest.raises(CountersignError) as refused:
        replace(bench, spec=spec).plan("a@x", "b@x")
    assert refused.value.key == "replicas.unknown"


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("postgresql://worker@db/crm", True),
        ("${CRM_DATABASE_URL}", True),
        ("mysql://worker@db/crm", False),
        ("MariaDB://worker@db/crm", False),
        ("sqlite:///crm.db", False),
    ],
)
def test_lag_is_an_error_where_nobody_can_tell(url: str, fits: bool) -> None:
    target = {"database": {"url": url}, "segments": {"lag": "10s"}}
    rule = {"name": "x", "when": {"operation": "restore"}, "request": ["dba"], "approve": ["1 of dba"]}
    data = {
        "workspace": "T0ACME",
        "channel": "C0DELETIONS",
        "roles": {"dba": {"users": ["U0BOB", "U0DAN"], "owner": "U0CAROL"}},
        "targets": {"crm": target},
        "rules": [rule],
    }
    if fits:
        assert Config.model_validate(data).targets["crm"].segments.lag == LAG
        return
    with pytest.raises(ValueError, match=r"config\.lag-unknown"):
        Config.model_validate(data)


def until(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def primary() -> Iterator[PostgreSQL]:
    server = own_postgresql().start()
    try:
        yield server
    finally:
        server.remove()


@pytest.mark.slow
def test_a_real_replica_that_stands_still_is_behind_until_it_goes_on(primary: PostgreSQL) -> None:
    target = open_target("crm", primary.url, timedelta(seconds=30))
    assert target.replicas() == Replicas()
    with (
        primary.standby() as url,
        psycopg.connect(primary.url, autocommit=True) as writer,
        psycopg.connect(url, autocommit=True) as reader,
    ):
        until(lambda: _count(target) == 1, "it connects")
        writer.execute("CREATE TABLE things (id integer)")
        until(lambda: not replicas.is_behind(target, timedelta(seconds=1)), "it has everything")
        reader.execute("SELECT pg_wal_replay_pause()")
        writer.execute("INSERT INTO things SELECT generate_series(1, 1000)")
        until(lambda: replicas.is_behind(target, timedelta(seconds=1)), "it is seen to be behind")
        reader.execute("SELECT pg_wal_replay_resume()")
        until(lambda: not replicas.is_behind(target, timedelta(seconds=1)), "it has caught up")


def _count(target: RecordTarget) -> int:
    found = target.replicas()
    return found.count if found else 0
