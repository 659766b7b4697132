"""A system with a database is torn down; its role or account is cleared away, and logs in again when it is restored."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from bot.sandbox.slack.responses import shown_text
from bot.sandbox.slack.workspace import Message
from tests.fakes.places import run, run_on_mysql
from tests.fakes.servers import SERVERS, mysql_database, postgresql_database
from tests.stories.rig import Rig
from tests.stories.test_left_over import asked_to_clear, done, receipt
from tests.stories.town import ask, thread, town

pytestmark = pytest.mark.slow

DECLARED = """    residue: {{names: [crm], look_in: ["{root}/etc"], accounts: clear}}
    tell: ["""


@contextmanager
def asks_for_passwords(url: str, role: str) -> Iterator[None]:
    """The server, which trusts everybody else, as long as the block lasts."""
    file = Path(str(run(url, "SHOW hba_file")[0][0]))
    before = file.read_text()
    file.write_text(f"host all {role} all scram-sha-256\n{before}")
    run(url, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        file.write_text(before)
        run(url, "SELECT pg_reload_conf()")


def may_log_in(url: str, role: str, password: str) -> bool:
    at = url.rpartition("@")[2].rpartition("/")[0]
    try:
        psycopg.connect(f"postgresql://{role}:{password}@{at}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_role_is_cleared_away_and_logs_in_again_once_it_is_restored(tmp_path: Path) -> None:
    def change(text: str) -> str:
        return text.replace("    tell: [", DECLARED.format(root=tmp_path / "home"), 1)

    with postgresql_database() as url:
        role, central = f"app_{url[-8:]}", f"{url.rpartition('/')[0]}/postgres"
        run(
            url,
            f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 5 PASSWORD 'secret'",
            f"ALTER ROLE {role} SET work_mem TO '9MB'",
            "CREATE TABLE customers (id int)",
            f"ALTER TABLE customers OWNER TO {role}",
        )
        secrets = {"CRM_DATABASE_URL": url}
        with (
            asks_for_passwords(central, role),
            town(tmp_path, grace="1s", change=change, secrets=secrets) as (rig, _),
        ):
            assert may_log_in(url, role, "secret")
            ballot = ask(rig)
            assert role in thread(rig, ballot)
            assert "DROP ROLE" not in thread(rig, ballot)
            done(rig, 1, ballot)
            told = receipt(rig, 1, "Looked for again: 1 thing is still there")
            assert role in shown_text(told)

            ballot = asked_to_clear(rig, told)
            plan = thread(rig, ballot)
            for said in (
                f'The role "{role}" may log in',
                "a setting of its own: work_mem",
                "1 file, folder or account",
            ):
                assert said in plan
            assert "9MB" not in plan
            done(rig, 2, ballot)
            assert run(central, f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{role}%'") == []
            receipt(rig, 2, "has left was removed for good")

            reference = rig.row("SELECT reference FROM backups WHERE request_id = 2")[0]
            since = rig.command("U0ERIN", "/restore", f"{reference} -- another program used it")
            done(rig, 3, rig.ballot(since), "U0BOB")
            assert may_log_in(url, role, "secret")
            assert not may_log_in(url, role, "another")
            kept = f"SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = '{role}'"
            assert run(central, kept) == [(5, ["work_mem=9MB"])]
        run(central, f"DROP ROLE {role}")


def user_may_log_in(url: str, user: str, password: str) -> bool:
    port = urlsplit(url).port or 0
    try:
        pymysql.connect(host="127.0.0.1", port=port, user=user, password=password).close()
    except pymysql.OperationalError:
        return False
    return True


def read(url: str, account: str) -> list[tuple[object, ...]]:
    return run_on_mysql(url, f"SHOW CREATE USER {account}") + run_on_mysql(url, f"SHOW GRANTS FOR {account}")


def is_told(rig: Rig, ballot: Message, account: str, keeps: str) -> None:
    plan = thread(rig, ballot)
    assert account in plan
    assert f"DROP USER {account}" not in plan
    assert f"DROP USER {keeps};" in plan
    assert "after a REVOKE of those a request can clear it away" in plan


@pytest.mark.parametrize("kind", SERVERS)
def test_accounts_are_cleared_away_and_log_in_again_once_they_are_restored(tmp_path: Path, kind: str) -> None:
    def change(text: str) -> str:
        return text.replace("    tell: [", DECLARED.format(root=tmp_path / "home"), 1)

    with mysql_database(SERVERS[kind]()) as url:
        database, user, keeps = url.rpartition("/")[2], f"app_{url[-8:]}", f"keeps_{url[-8:]}"
        account = f"'{user}'@'127.0.0.%'"
        run_on_mysql(
            url,
            f"CREATE TABLE {database}.customers (id INT PRIMARY KEY)",
            f"CREATE USER {account} IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 5",
            f"GRANT SELECT, INSERT ON {database}.* TO {account}",
            f"CREATE USER {keeps} IDENTIFIED BY 'secret'",
            f"GRANT SELECT ON {database}.customers TO {keeps}",
        )
        before, secrets = read(url, account), {"CRM_DATABASE_URL": url}
        with town(tmp_path, grace="1s", change=change, secrets=secrets) as (rig, _):
            assert user_may_log_in(url, user, "secret")
            ballot = ask(rig)
            is_told(rig, ballot, account, f"'{keeps}'@'%'")
            done(rig, 1, ballot)
            ballot = asked_to_clear(rig, receipt(rig, 1, "Looked for again: 2 things are still there"))
            plan = thread(rig, ballot)
            for said in (f"The account {account} may log in", "SELECT, INSERT ON", "MAX_USER_CONNECTIONS 5"):
                assert said in plan
            done(rig, 2, ballot)
            ours = f"SELECT User FROM mysql.user WHERE User = '{user}' OR User LIKE 'countersign%'"
            assert run_on_mysql(url, ours) == []
            receipt(rig, 2, "has left was removed for good")
            assert user_may_log_in(url, keeps, "secret")

            reference = rig.row("SELECT reference FROM backups WHERE request_id = 2")[0]
            since = rig.command("U0ERIN", "/restore", f"{reference} -- another program used it")
            done(rig, 3, rig.ballot(since), "U0BOB")
            assert [user_may_log_in(url, user, one) for one in ("secret", "another")] == [True, False]
            assert read(url, account) == before
        run_on_mysql(url, f"DROP USER {account}, {keeps}", f"CREATE DATABASE IF NOT EXISTS {database}")
