"""What only PostgreSQL can do to a deletion: its types, its kinds of tables and keys, its triggers and locks."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from bot.cli.probes import Level, of_target
from bot.config.database_types import Database
from bot.errors import CountersignError, TargetDown
from bot.operations.gate import Drifted
from bot.targets import open_target
from bot.texts import say
from tests.fakes.operations import Bench, PostgresqlBench, RecordingGate, new_backup_id, postgresql_bench

CRM = """
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, name text, contact int, boss int REFERENCES customers);
CREATE TABLE contacts (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers ON DELETE CASCADE, body text);
ALTER TABLE customers ADD FOREIGN KEY (contact) REFERENCES contacts;
CREATE TABLE deals (id int PRIMARY KEY, customer_id int REFERENCES customers, owner int REFERENCES users);
CREATE TABLE notes (id serial PRIMARY KEY, kind text, subject_id text, body bytea);
CREATE TABLE invoices (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE SET NULL);
CREATE TABLE log (id serial PRIMARY KEY, text text);
INSERT INTO users VALUES (1, 'Uma');
INSERT INTO customers VALUES (1, 'ada@x', 'Ada', NULL, NULL), (2, 'bob@x', 'Bob', NULL, 1), (3, 'cy@x', 'Cy', NULL, NULL);
INSERT INTO contacts VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, 1, 'd');
UPDATE customers SET contact = id;
INSERT INTO deals VALUES (10, 1, 1), (11, 2, 1), (12, 3, 1);
INSERT INTO notes (kind, subject_id, body) VALUES ('customer', '1', '\\x00ff'), ('deal', '1', 'x'), ('customer', '2', ''), ('customer', '3', '');
INSERT INTO invoices VALUES (1, 1), (2, 2), (3, 3), (4, NULL);
INSERT INTO log (text) VALUES ('old');
"""
SOFT = [("notes.subject_id", "customers.id", "kind = 'customer'")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PostgresqlBench]:
    with postgresql_bench(
        tmp_path, CRM, find_by=["id", "email"], label="{name}", soft=SOFT, max_lock=5
    ) as made:
        yield made


def backups(bench: Bench) -> list[str]:
    return [name for name in bench.storage.list() if not name.endswith(".shredded.txt")]


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    """The act is refused with this key, a sentence exists, nothing changed, and no backup stays behind."""
    before = bench.dump()
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, caught.value.params
    assert say(key, "en", **caught.value.params)
    assert bench.dump() == before
    assert backups(bench) == []
    return caught.value


@contextmanager
def stranger(bench: Bench) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(bench.spec.address, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        yield connection


def trigger(event: str, table: str, body: str, timing: str = "BEFORE") -> str:
    kind = "CONSTRAINT TRIGGER" if "DEFERR" in event else "TRIGGER"
    when, _, how = event.partition("|")
    return (
        f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN coalesce(new, old); END $$;"
        f"CREATE {kind} t {timing} {when} ON {table} {how} FOR EACH ROW EXECUTE FUNCTION f();"
    )


TRIGGERS = {
    "swallows one deletion": (
        trigger("DELETE", "deals", "IF old.id = 10 THEN RETURN NULL; END IF;"),
        "target.constraint",
    ),
    "swallows a deletion that no key holds": (
        trigger("DELETE", "notes", "RETURN NULL;"),
        "operations.count",
    ),
    "deletes elsewhere": (trigger("DELETE", "deals", "DELETE FROM log;"), "operations.others-changed"),
    "deletes elsewhere, at the very end": (
        trigger("DELETE|DEFERRABLE INITIALLY DEFERRED", "deals", "DELETE FROM log;", "AFTER"),
        "operations.others-changed",
    ),
    "empties a table": (trigger("DELETE", "deals", "TRUNCATE log;"), "operations.others-changed"),
    "deletes a stranger of the same table": (
        trigger("DELETE", "deals", "IF old.id = 10 THEN DELETE FROM deals WHERE id = 12; END IF;", "AFTER"),
        "operations.others-changed",
    ),
    "writes a log": (
        trigger("DELETE", "deals", "INSERT INTO log (text) VALUES ('x');"),
        "operations.others-changed",
    ),
    "writes a log in a part of its own": (
        trigger(
            "DELETE",
            "deals",
            "BEGIN INSERT INTO log (text) VALUES ('x'); EXCEPTION WHEN division_by_zero THEN NULL; END;",
        ),
        "operations.others-changed",
    ),
    "brings the row back": (
        trigger("DELETE", "deals", "INSERT INTO deals VALUES (old.id, 3, 1);", "AFTER"),
        "operations.others-changed",
    ),
    "adds a soft reference": (
        trigger("DELETE", "deals", "INSERT INTO notes (kind, subject_id) VALUES ('customer', '1');"),
        "operations.others-changed",
    ),
    "forbids it": (trigger("DELETE", "deals", "RAISE EXCEPTION 'secret Ada';"), "target.function"),
    "breaks a rule of another table": (
        trigger("DELETE", "deals", "INSERT INTO users VALUES (1, 'secret Ada');"),
        "target.constraint",
    ),
    "swallows the emptying of a link": (trigger("UPDATE", "invoices", "RETURN NULL;"), "operations.count"),
    "writes when a link is emptied": (
        trigger("UPDATE", "invoices", "UPDATE log SET text = 'x';"),
        "operations.others-changed",
    ),
    "is a rule that does something else": (
        "CREATE RULE t AS ON DELETE TO deals DO ALSO DELETE FROM log;",
        "operations.others-changed",
    ),
    "is a rule that does nothing": (
        "CREATE RULE t AS ON DELETE TO deals DO INSTEAD NOTHING;",
        "target.constraint",
    ),
}


@pytest.mark.parametrize(("change", "key"), TRIGGERS.values(), ids=TRIGGERS.keys())
def test_a_trigger_that_changes_the_outcome_undoes_everything(bench: Bench, change: str, key: str) -> None:
    bench.sql(change)
    plan, _ = bench.plan("1")
    assert "RULE" in change or any(
        told.key == "told.trigger" and told.params["trigger"] == "t" for told in plan.warnings
    )
    error = refused(bench, lambda: bench.delete("1"), key)
    assert "Ada" not in f"{error!r}{error.params}"
    assert error.__cause__ is None


COMING_BACK = {
    "writes elsewhere": "INSERT INTO log (text) VALUES ('x');",
    "writes to a stranger of the same table": "UPDATE deals SET owner = NULL WHERE id = 12;",
    "deletes a stranger of the same table": "DELETE FROM deals WHERE id = 12;",
    "empties a table": "TRUNCATE log;",
}


@pytest.mark.parametrize("body", COMING_BACK.values(), ids=COMING_BACK.keys())
def test_a_trigger_that_changes_a_stranger_undoes_the_restore(bench: Bench, body: str) -> None:
    outcome = bench.delete("1")
    bench.sql(trigger("INSERT", "deals", body, "AFTER"))
    before = bench.dump()
    with pytest.raises(CountersignError, match=r"restore\.others-changed"):
        bench.restore(outcome)
    assert bench.dump() == before


def test_a_trigger_that_changes_what_came_back_undoes_the_restore(bench: Bench) -> None:
    outcome = bench.delete("1")
    bench.sql(trigger("INSERT", "deals", "UPDATE deals SET owner = NULL WHERE id = new.id;", "AFTER"))
    before = bench.dump()
    with pytest.raises(CountersignError, match=r"restore\.not-the-same"):
        bench.restore(outcome)
    assert bench.dump() == before


DRIFTS = {
    "a new child": "INSERT INTO deals VALUES (99, 1, 1)",
    "a late soft reference": "INSERT INTO notes (kind, subject_id) VALUES ('customer', '1')",
    "the root's key was given to somebody else": "UPDATE customers SET email = 'eve@x', name = 'Eve' WHERE id = 1",
    "a column was added": "ALTER TABLE deals ADD extra text",
    "a function of a trigger does something else": "CREATE OR REPLACE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    "a new table hangs off it": "CREATE TABLE late (id int PRIMARY KEY, c int REFERENCES customers)",
    "rows are hidden from somebody": "ALTER TABLE deals ENABLE ROW LEVEL SECURITY",
    "a key is no longer checked": "ALTER TABLE deals DROP CONSTRAINT deals_customer_id_fkey; ALTER TABLE deals ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
}


@pytest.mark.parametrize("change", DRIFTS.values(), ids=DRIFTS.keys())
def test_what_changed_since_the_approval_stops_the_deletion(bench: Bench, change: str) -> None:
    bench.sql(
        "CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN old; END $$;"
        "CREATE TRIGGER h BEFORE DELETE ON deals FOR EACH ROW EXECUTE FUNCTION h();"
    )
    order = bench.order("ada@x")
    bench.sql(change)
    error = refused(bench, lambda: bench.run(order), "operations.drifted")
    assert isinstance(error, Drifted)
    assert error.drift.differences


# What somebody else tries while we are between the lock and the commit, and whether it must wait for us.
INTRUSIONS = {
    "a late child": ("INSERT INTO deals VALUES (77, 1, 1)", True),
    "a late child of a child": ("INSERT INTO contacts VALUES (77, 2, '')", True),
    "a late link that would be emptied": ("INSERT INTO invoices VALUES (77, 1)", True),
    "a late soft reference": ("INSERT INTO notes (kind, subject_id) VALUES ('customer', '1')", True),
    "a change of a row that goes": ("UPDATE contacts SET body = 'late' WHERE id = 1", True),
    "a change of a link that is emptied": ("UPDATE invoices SET customer_id = 3 WHERE id = 1", True),
    "a child of somebody else": ("INSERT INTO deals VALUES (78, 3, 1)", False),
    "a change of somebody else": ("UPDATE customers SET name = 'Cyd' WHERE id = 3", False),
}


@pytest.mark.parametrize(("statement", "waits"), INTRUSIONS.values(), ids=INTRUSIONS.keys())
@pytest.mark.parametrize("step", ["step.copy", "step.commit"])
def test_nobody_slips_between_the_lock_and_the_commit(
    bench: Bench, step: str, statement: str, waits: bool
) -> None:
    seen: list[str] = []

    def intrude() -> None:
        with stranger(bench) as connection:
            try:
                connection.execute(statement.encode())
                seen.append("done")
            except psycopg.errors.LockNotAvailable:
                seen.append("waited")

    outcome = bench.run(bench.order("1"), RecordingGate(on={step: intrude}))
    assert seen == ["waited" if waits else "done"]
    assert outcome.problem is None


def test_a_child_that_somebody_is_just_adding_is_waited_for_and_seen(bench: Bench) -> None:
    """Not yet committed when we come, so that no look shows it; committed while we wait for its parent."""
    order = bench.order("1")
    with psycopg.connect(bench.spec.address) as other:
        other.execute("INSERT INTO deals VALUES (77, 1, 1)")
        timer = threading.Timer(0.3, other.commit)
        timer.start()
        with pytest.raises(Drifted) as caught:
            bench.run(order)
        timer.join()
    assert [told.params.get("table") for told in caught.value.drift.differences] == ["deals"]
    assert len(bench.dump()["public.deals"]) == 4


def patient(bench: Bench, max_lock: float) -> Bench:
    target = open_target("crm", bench.spec.address, timedelta(seconds=max_lock))
    return replace(bench, target=target)


def test_a_row_that_somebody_holds_is_waited_for_a_bounded_time(bench: Bench) -> None:
    order = bench.order("1")
    with psycopg.connect(bench.spec.address) as other:
        other.execute("UPDATE deals SET owner = owner WHERE id = 11")
        error = refused(bench, lambda: patient(bench, 0.5).run(order), "target.locked")
    assert isinstance(error, TargetDown)
    assert bench.run(order).problem is None


def test_a_deadlock_ends_one_of_two_and_we_say_so_or_win(bench: Bench) -> None:
    order = bench.order("1")

    def cross() -> None:
        with psycopg.connect(bench.spec.address) as other:
            other.execute("SET deadlock_timeout = '10s'")
            other.execute("SELECT FROM deals WHERE id = 11 FOR UPDATE")
            ready.set()
            try:
                other.execute("SELECT FROM customers WHERE id = 1 FOR UPDATE")
            except psycopg.errors.DeadlockDetected:
                lost.append("they")

    ready, lost = threading.Event(), list[str]()
    thread = threading.Thread(target=cross)

    def start() -> None:
        thread.start()
        assert ready.wait(10)

    # They hold a child and want the root; we hold the root and come to the child.
    with bench.target.writing() as session:
        session.prepare(["customers"], [])
        session.seed("customers", [("1",)])
        start()
        edge = next(
            one for one in session.catalogue().edges if one.label == "deals.customer_id -> customers.id"
        )
        follow = next(
            one for one in session.catalogue().edges if one.label == "customers.boss -> customers.id"
        )
        session.grow(follow, 0)
        try:
            session.grow(edge, 1)
        except TargetDown as error:
            assert error.key in ("target.deadlock", "target.locked")
            lost.append("we")
    thread.join(20)
    assert lost
    assert bench.run(order).problem is None


@pytest.mark.parametrize(
    "step", ["step.compare", "step.copy", "step.test-restore", "step.delete", "step.commit"]
)
def test_a_connection_cut_at_any_step_changes_nothing_and_is_said(bench: Bench, step: str) -> None:
    def cut() -> None:
        with stranger(bench) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'countersign' AND datname = current_database()"
            )

    order = bench.order("1")
    error = refused(bench, lambda: bench.run(order, RecordingGate(on={step: cut})), "target.lost")
    assert isinstance(error, TargetDown)


def test_a_worker_that_was_frozen_finds_its_transaction_gone(bench: Bench) -> None:
    """It holds the lock, sleeps past max_lock, and another one does the work meanwhile."""
    order = bench.order("1")
    frozen = patient(bench, 2)

    def thaw() -> None:
        assert bench.run(replace(order, backup_id=new_backup_id())).problem is None

    with pytest.raises(TargetDown) as caught:
        frozen.run(order, RecordingGate(on={"step.delete": thaw}))
    assert caught.value.key in ("target.idle-too-long", "target.lock-too-long", "target.lost")
    assert len(bench.ask("SELECT FROM customers")) == 1


def test_rows_that_a_policy_hides_are_no_reason_to_leave_them_out(bench: PostgresqlBench) -> None:
    with role(bench, "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public") as limited:
        bench.sql("ALTER TABLE deals ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON deals USING (id = 10)")
        error = refused(limited, lambda: limited.plan("1"), "operations.missing-rights")
        assert "BYPASSRLS" in str(error.params["grants"])


ON_TABLES = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
ON_SEQUENCES = "SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public"


@contextmanager
def role(bench: PostgresqlBench, *grants: str) -> Iterator[PostgresqlBench]:
    """The same database as somebody with these rights only."""
    name = f"cs_{secrets.token_hex(4)}"
    bench.sql(
        f"CREATE ROLE {name} LOGIN; GRANT CONNECT ON DATABASE {bench.database} TO {name};"
        f"REVOKE TEMPORARY ON DATABASE {bench.database} FROM PUBLIC;"
    )
    for grant in ("TEMPORARY ON DATABASE " + bench.database, *grants):
        bench.sql(f"GRANT {grant} TO {name}")
    url = bench.spec.address.replace("postgres@", f"{name}@")
    try:
        yield replace(bench, target=open_target("crm", url, timedelta(seconds=5)))
    finally:
        bench.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_every_right_that_is_missing_is_named_and_exactly_these_are_enough(bench: PostgresqlBench) -> None:
    with role(bench) as limited:
        bench.sql(
            f"REVOKE TEMPORARY ON DATABASE {bench.database} FROM {limited.user}; REVOKE USAGE ON SCHEMA public FROM PUBLIC"
        )
        error = refused(limited, lambda: limited.plan("1"), "operations.missing-rights")
        grants = str(error.params["grants"])
        assert "TEMPORARY" in grants
        bench.sql(grants)
        before = bench.dump()
        outcome = limited.delete("1")
        assert outcome.problem is None
        assert limited.restore(outcome).problem is None
        assert bench.dump() == before
        assert f'GRANT SELECT, INSERT, DELETE, UPDATE ON "public"."deals" TO "{limited.user}"' in grants
        assert f'GRANT SELECT, UPDATE ("customer_id") ON "public"."invoices" TO "{limited.user}"' in grants
        assert f'GRANT SELECT, UPDATE ON SEQUENCE "public"."notes_id_seq" TO "{limited.user}"' in grants


@pytest.mark.parametrize("right", ["SELECT", "INSERT", "DELETE"])
@pytest.mark.parametrize("table", ["customers", "deals", "notes"])
def test_one_missing_right_is_enough_to_refuse(bench: PostgresqlBench, table: str, right: str) -> None:
    with role(bench, ON_TABLES, ON_SEQUENCES) as limited:
        assert limited.plan("1")
        bench.sql(f"REVOKE {right} ON {table} FROM {limited.user}")
        error = refused(limited, lambda: limited.plan("1"), "operations.missing-rights")
        assert error.params["grants"] == f'GRANT {right} ON "public"."{table}" TO "{limited.user}";'


@pytest.mark.parametrize("right", ["SELECT", "UPDATE"])
def test_what_numbers_the_rows_must_be_able_to_go_on_past_them(bench: PostgresqlBench, right: str) -> None:
    with role(bench, ON_TABLES, ON_SEQUENCES) as limited:
        bench.sql(f"REVOKE {right} ON SEQUENCE notes_id_seq FROM {limited.user}")
        error = refused(limited, lambda: limited.plan("1"), "operations.missing-rights")
        grant = f'GRANT {right} ON SEQUENCE "public"."notes_id_seq" TO "{limited.user}";'
        assert error.params["grants"] == grant


def test_the_check_on_the_command_line_prints_the_grants(bench: PostgresqlBench) -> None:
    with role(bench, "SELECT ON ALL TABLES IN SCHEMA public") as limited:
        url = bench.spec.address.replace("postgres@", f"{limited.user}@")
        spec = bench.spec.model_copy(update={"database": Database(url=url)})
        texts = [one.text for one in of_target("crm", spec) if one.level is Level.ERROR]
        assert any(
            f'GRANT INSERT, DELETE, UPDATE ON "public"."deals" TO "{limited.user}";' in text for text in texts
        )
        for text in texts:
            bench.sql("GRANT" + text.partition("GRANT")[2])
        assert [one.text for one in of_target("crm", spec) if one.level is Level.ERROR] == []


def test_what_the_server_remembers_of_a_transaction_counts_more_than_what_it_looks_like(bench: Bench) -> None:
    outcome = bench.delete("1")
    backup = outcome.backup.backup_id
    with pytest.raises(RuntimeError), bench.target.writing() as session:
        aborted = session.transaction()
        raise RuntimeError
    assert bench.settle(backup, outcome.transaction) == "committed"
    assert bench.settle(backup, aborted) == "unclear"
    for unknown in ("", "sqlite-00ff", "postgresql-", "postgresql-99999999999", "postgresql-x"):
        assert bench.settle(backup, unknown) == "committed"
    assert bench.restore(outcome).problem is None
    assert bench.settle(backup, outcome.transaction) == "unclear"
    assert bench.settle(backup, aborted) == "not-committed"


SERVERS = {
    "nobody listens": ("postgresql://postgres@127.0.0.1:1/crm", "target.unreachable"),
    "no such socket": ("postgresql://postgres@/crm?host=/nonexistent", "target.unreachable"),
}


@pytest.mark.parametrize(("url", "key"), SERVERS.values(), ids=SERVERS.keys())
def test_a_server_that_is_not_there_is_said_without_its_address(url: str, key: str) -> None:
    with pytest.raises(TargetDown) as caught, open_target("crm", url, timedelta(seconds=1)).reading():
        pass
    assert caught.value.key == key
    assert "127" not in say(key, "en", **caught.value.params)


def test_a_database_or_user_that_is_not_there_is_said(bench: PostgresqlBench) -> None:
    url = bench.spec.address
    for other in (url + "x", url.replace("postgres@", "nobody-of-that-name@")):
        with pytest.raises(TargetDown) as caught, open_target("crm", other, timedelta(seconds=1)).reading():
            pass
        assert caught.value.key in ("target.no-database", "target.no-login", "target.unreachable")


def test_a_server_that_only_reads_is_no_target(bench: PostgresqlBench) -> None:
    bench.sql(f"ALTER DATABASE {bench.database} SET default_transaction_read_only = on")
    with pytest.raises(TargetDown, match=r"target\.only-reads"):
        bench.plan("1")


def test_a_server_that_does_not_count_is_no_target(bench: PostgresqlBench) -> None:
    bench.sql(f"ALTER DATABASE {bench.database} SET track_counts = off")
    refused(bench, lambda: bench.plan("1"), "target.no-counts")


ODD = "(id int PRIMARY KEY, x int DEFAULT 3 CHECK (x > 0))"


def test_a_temporary_table_that_somebody_is_dropping_is_no_business_of_ours(bench: Bench) -> None:
    """The server drops those of a killed worker in the same way, while its successor reads the catalogue."""
    with psycopg.connect(bench.spec.address) as other:
        other.execute(f"CREATE TEMP TABLE odd {ODD}".encode())
        other.commit()
        other.execute("DROP TABLE odd")
        assert patient(bench, 0.5).run(bench.order("1")).problem is None


TROUBLES = {
    "a table is gone between two looks at the catalogue": (
        "cache lookup failed for relation 7",
        "target.collided",
    ),
    "a table is gone before it could be opened": ("could not open relation with OID 7", "target.collided"),
    "two change the same definition": ("tuple concurrently updated", "target.collided"),
    "a page is broken": ("invalid page in block 7 of relation base/1/2", "target.damaged"),
}


@pytest.mark.parametrize(("text", "key"), TROUBLES.values(), ids=TROUBLES.keys())
def test_only_damage_is_called_damage(bench: Bench, text: str, key: str) -> None:
    body = f"BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = 'XX000'; END"
    bench.sql(f"CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    bench.sql("CREATE TRIGGER odd BEFORE DELETE ON deals FOR EACH ROW EXECUTE FUNCTION odd()")
    order = bench.order("1")
    refused(bench, lambda: bench.run(order), key)
