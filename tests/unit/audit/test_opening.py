"""The log in a real SQLite file: opened once, signed only as far as it is whole."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, delete, update

from bot.audit.chain import verify
from bot.audit.export import export_lines, verify_export
from bot.audit.opening import open_log, sign_log
from bot.audit.signing import public_key
from bot.errors import CannotProve, NotOurs
from bot.store.audit_log import AuditLog
from bot.store.tables import audit_log, metadata

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = b"\x01" * 32
KEY = public_key(SECRET)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'log.db'}", hide_parameters=True)
    metadata.create_all(engine)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def log(connection: Connection) -> AuditLog:
    opened = AuditLog(connection)
    open_log(opened, KEY, NOW)
    return opened


def write(log: AuditLog, count: int) -> None:
    for number in range(count):
        log.append("vote", NOW + timedelta(seconds=number), number, {"user": "U0ADA", "choice": "approve"})


def test_opening_twice_writes_one_entry(log: AuditLog) -> None:
    open_log(log, KEY, NOW + timedelta(days=1))
    assert [entry.seq for entry in log.entries()] == [0]


def test_another_key_does_not_open_the_log(log: AuditLog) -> None:
    with pytest.raises(NotOurs, match=r"audit\.opened-by-another"):
        open_log(log, public_key(b"\x02" * 32), NOW)


def test_a_log_that_was_never_opened_takes_no_entry(connection: Connection) -> None:
    log = AuditLog(connection)
    with pytest.raises(NotOurs, match=r"audit\.not-opened"):
        log.append("vote", NOW, 1, {})
    assert (log.head(), log.first_entry, log.last_head()) == (None, None, None)
    assert sign_log(log, SECRET, NOW) is None


def test_what_was_written_and_signed_is_found_whole(log: AuditLog) -> None:
    write(log, 3)
    head = sign_log(log, SECRET, NOW)
    assert head == log.head()
    report = verify(log.entries(), log.heads(), KEY, head)
    assert (report.ok, report.notes, report.head) == (True, (), head)
    assert verify_export(export_lines(log.entries(), log.heads()), head, KEY).ok


def test_a_refused_body_leaves_no_entry(log: AuditLog) -> None:
    with pytest.raises(CannotProve):
        log.append("vote", NOW, 1, {"share": 0.5})
    assert len(log.entries()) == 1


def test_signing_again_without_a_new_entry_adds_no_head(log: AuditLog) -> None:
    assert sign_log(log, SECRET, NOW) == sign_log(log, SECRET, NOW + timedelta(hours=1))
    assert len(log.heads()) == 1


def test_entries_can_be_read_from_the_middle(log: AuditLog) -> None:
    write(log, 4)
    assert [entry.seq for entry in log.entries(3)] == [3, 4]


@pytest.mark.parametrize("signed_first", [True, False])
def test_a_log_changed_behind_our_back_is_never_signed_over(
    connection: Connection, log: AuditLog, signed_first: bool
) -> None:
    write(log, 2)
    if signed_first:
        sign_log(log, SECRET, NOW)
    write(log, 3)
    connection.execute(update(audit_log).where(audit_log.c.seq == 4).values(entry='{"kind":"vote"}'))
    with pytest.raises(NotOurs, match=r"audit\.broken"):
        sign_log(log, SECRET, NOW)


def test_a_log_cut_below_its_last_signed_head_is_never_signed_over(
    connection: Connection, log: AuditLog
) -> None:
    write(log, 3)
    sign_log(log, SECRET, NOW)
    connection.execute(delete(audit_log).where(audit_log.c.seq > 1))
    with pytest.raises(NotOurs, match=r"audit\.broken"):
        sign_log(log, SECRET, NOW)
    write(log, 5)
    with pytest.raises(NotOurs, match=r"audit\.broken"):
        sign_log(log, SECRET, NOW)


def test_a_stranger_cannot_sign_the_log(log: AuditLog) -> None:
    with pytest.raises(NotOurs, match=r"audit\.opened-by-another"):
        sign_log(log, b"\x02" * 32, NOW)


def test_an_entry_rolled_back_leaves_no_gap(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    metadata.create_all(engine)
    with engine.begin() as connection:
        open_log(AuditLog(connection), KEY, NOW)
    with engine.connect() as connection:
        AuditLog(connection).append("vote", NOW, 1, {})
        connection.rollback()
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.append("vote", NOW, 2, {})
        assert verify(log.entries(), log.heads(), KEY, None).ok
    engine.dispose()
