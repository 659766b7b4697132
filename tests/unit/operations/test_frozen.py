"""A worker that stands still (SIGSTOP, a laptop's lid) until the server has ended its transaction, and then goes on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.operations import restore
from bot.operations.gate import DeleteOutcome
from bot.targets import open_target
from tests.fakes.operations import Bench, RecordingGate, new_backup_id
from tests.fakes.servers import SERVERS
from tests.fakes.statements import Statements, counted
from tests.unit.operations.link_bench import ENGINES, backups
from tests.unit.operations.test_statement_faults import HOW, SCHEMA, order_of, read_by_a_person

_SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'countersign' AND datname = '{}'",
    **dict.fromkeys(
        ("mariadb", "mysql"),
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND DB = '{}'",
    ),
}


@pytest.fixture(params=_SESSIONS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(kind: str, tmp_path: Path) -> Iterator[Bench]:
    with ENGINES[kind](tmp_path, SCHEMA, **HOW) as made:
        yield made


@pytest.fixture
def statements(kind: str) -> Iterator[Statements]:
    with counted(kind) as counting:
        yield counting


def sleepy(bench: Bench) -> Bench:
    return replace(bench, target=open_target("crm", bench.spec.address, timedelta(seconds=2)))


def until_the_server_gave_up(bench: Bench, kind: str) -> None:
    """Nobody of ours is connected any more."""
    query = _SESSIONS[kind].format(bench.spec.address.rpartition("/")[2])
    deadline = time.monotonic() + 60
    while bench.ask(query)[0][0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def thawing(
    bench: Bench, kind: str, statements: Statements, then: Callable[[], object]
) -> Callable[..., None]:
    def thaw(*_: Any) -> None:
        statements.strike(0, None)
        until_the_server_gave_up(bench, kind)
        then()

    return thaw


def commits_at(statements: Statements) -> int:
    return 1 + statements.seen.index("COMMIT")


@pytest.mark.parametrize("moment", ["before it is sent", "as it is sent"])
def test_a_deletion_that_thaws_before_commit_claims_nothing(
    bench: Bench, kind: str, statements: Statements, moment: str
) -> None:
    """Another one has deleted the same rows meanwhile, which looks exactly like our own success."""
    order, before, others = bench.order("1", heir="3"), bench.dump(), list[DeleteOutcome]()

    def another() -> None:
        others.append(bench.run(replace(order, backup_id=new_backup_id())))

    thaw, gate = thawing(bench, kind, statements, another), RecordingGate()
    if moment == "before it is sent":
        gate.on["committing"] = thaw
    else:
        statements.strike(0, None)
        bench.restore(bench.run(replace(order, backup_id=new_backup_id())))
        statements.strike(commits_at(statements), thaw)
    with pytest.raises(CountersignError) as caught:
        sleepy(bench).run(order, gate)
    read_by_a_person(caught.value)
    mine = [name for name in backups(bench) if order.backup_id in name]
    if moment == "before it is sent":
        assert (caught.value.key, mine) == ("target.too-slow", [])
    else:
        # Nobody can tell any more, so the backup stays.
        assert caught.value.key == ("operations.ended" if kind != "postgresql" else "operations.unclear")
        assert mine
    (other,) = others
    assert other.problem is None
    bench.restore(other)
    assert bench.dump() == before


def test_a_restore_that_thaws_before_commit_claims_nothing(
    bench: Bench, kind: str, statements: Statements
) -> None:
    before, gone = bench.dump(), bench.delete("1", heir="3")
    order = order_of(bench, gone)

    def another() -> None:
        assert bench.restore(gone).problem is None

    gate = RecordingGate(on={"committing": thawing(bench, kind, statements, another)})
    with pytest.raises(CountersignError) as caught:
        restore.run(order, sleepy(bench).target, bench.vault, gate)
    assert caught.value.key == "target.too-slow"
    assert bench.dump() == before


@pytest.mark.parametrize("kind", SERVERS)
def test_a_deletion_that_thaws_alone_says_that_nothing_happened(
    bench: Bench, kind: str, statements: Statements
) -> None:
    order, before = bench.order("1", heir="3"), bench.dump()
    statements.strike(0, None)
    bench.restore(bench.run(replace(order, backup_id=new_backup_id())))
    statements.strike(commits_at(statements), thawing(bench, kind, statements, lambda: None))
    with pytest.raises(CountersignError) as caught:
        sleepy(bench).run(order)
    assert caught.value.key == "target.idle-too-long"
    assert (bench.dump(), [one for one in backups(bench) if order.backup_id in one]) == (before, [])
    read_by_a_person(caught.value)
