"""Somebody's own transaction is in the way of ours on a real PostgreSQL: we give way, come again, and say so if we must."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from bot.sandbox.crm import ADA_EMAIL
from bot.sandbox.slack.responses import shown_text
from tests.fakes.servers import postgresql_database
from tests.stories.rig import PATIENCE, Rig

pytestmark = pytest.mark.slow

SCHEMA = f"""
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, name text);
CREATE TABLE orders (id int, region text, customer_id int NOT NULL REFERENCES customers, PRIMARY KEY (id, region))
  PARTITION BY LIST (region);
CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu');
CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us');
INSERT INTO customers VALUES (1, '{ADA_EMAIL}', 'Ada'), (2, 'bob@example.com', 'Bob');
INSERT INTO orders VALUES (1, 'eu', 1), (2, 'eu', 1), (3, 'us', 2);
"""
TARGET = """targets:
  crm:
    environment: production
    max_lock: 30s
    database: {url: "${CRM_DATABASE_URL}"}
    records: {customer: {table: customers, find_by: [id, email], label: "{name}"}}
"""


class Server(Rig):
    """The rig, with a target on a PostgreSQL server."""

    url: str

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def somebody_waits(self) -> bool:
        return bool(self.ask("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0])

    @contextmanager
    def in_the_way(self, *statements: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """Somebody's open transaction, which ends with COMMIT."""
        with psycopg.connect(self.url) as connection:
            # The one that asks first whether it is a deadlock is the one that loses.
            connection.execute("SET deadlock_timeout = '60s'")
            for statement in statements:
                connection.execute(statement.encode())
            yield connection


def of_postgresql(text: str) -> str:
    before, _, rest = text.partition("targets:\n")
    return before + TARGET + rest[rest.index("rules:\n") :]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Server]:
    with postgresql_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        made = Server(tmp_path, of_postgresql)
        made.url = url
        made.secrets["CRM_DATABASE_URL"] = url
        with made:
            yield made


def gone(rig: Server) -> None:
    assert rig.ask("SELECT id FROM customers") == [(2,)]
    assert rig.ask("SELECT id FROM orders") == [(3,)]
    assert rig.row("SELECT count(*) FROM backups WHERE state = 'kept'")[0] == 1
    rig.wait(rig.receipts, "the receipt")


def gave_way(rig: Server) -> int:
    return (rig.folder / "worker.log").read_text().count("job-gave-way")


def test_a_row_that_moved_while_we_waited_for_it_is_locked_on_the_next_go(rig: Server) -> None:
    """A serialization failure of the server's own making: its row was moved to another partition, and back."""
    ballot = rig.ask_to_delete()
    # Its foreign key is not looked at, so that the transaction holds the order alone and not its customer.
    moves = [f"UPDATE orders SET region = '{to}' WHERE id = 2" for to in ("us", "eu")]
    with rig.in_the_way("SET session_replication_role = replica", *moves):
        rig.approve(ballot)
        rig.wait(rig.somebody_waits, "the deletion should wait for the row")
    rig.wait_state(1, "succeeded", patience=2 * PATIENCE)
    assert gave_way(rig) == 1
    gone(rig)


def test_the_loser_of_a_deadlock_comes_again_when_the_winner_is_done(rig: Server) -> None:
    ballot = rig.ask_to_delete()
    with rig.in_the_way("SELECT FROM orders WHERE id = 2 FOR UPDATE") as other:
        rig.approve(ballot)
        rig.wait(rig.somebody_waits, "the deletion should wait for the order")
        other.execute("SELECT FROM customers WHERE id = 1 FOR UPDATE")
        rig.wait(lambda: gave_way(rig), "the deletion should have given way")
    rig.wait_state(1, "succeeded", patience=2 * PATIENCE)
    gone(rig)


def test_who_is_always_in_the_way_ends_it_with_a_sentence_and_nothing_changed(rig: Server) -> None:
    with psycopg.connect(rig.url, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'a secret' USING ERRCODE = 'serialization_failure'; END $$;
        """)
        connection.execute("CREATE TRIGGER t BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION collide()")
    ballot = rig.ask_to_delete()
    rig.approve(ballot)
    assert rig.wait_state(1, "failed", "held", patience=2 * PATIENCE) == "failed"
    assert gave_way(rig) == 2
    assert rig.ask("SELECT id FROM customers ORDER BY id") == [(1,), (2,)]
    assert rig.ask("SELECT count(*) FROM orders") == [(3,)]
    assert rig.row("SELECT count(*) FROM backups WHERE state = 'kept'")[0] == 0
    rig.wait(lambda: "running" not in shown_text(rig.card(ballot)), "the card")
    said = " ".join(shown_text(one) for one in [rig.card(ballot), *rig.thread(ballot.thread_ts or "")])
    assert "nothing was changed" in said
    assert "a secret" not in said
