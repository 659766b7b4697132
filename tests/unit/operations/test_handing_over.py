"""Rows handed over to an heir: back again, past triggers, under locks, with every type, and without the rights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.operations.archived import extra_of
from bot.targets import open_target
from tests.fakes.operations import (
    Bench,
    PostgresqlBench,
    RecordingGate,
    new_backup_id,
)
from tests.unit.operations.link_bench import (
    BOSS,
    DRAFTS,
    NOTES,
    ORDERS,
    POLICIES,
    SCHEMA,
    Make,
    postgresql,
    refused,
    sqlite,
)

AFTERWARDS = {
    "a link that was handed on": ("UPDATE orders SET owner_id = 4 WHERE id = 10", ORDERS),
    "a manager that was changed": ("UPDATE users SET manager_id = 4 WHERE id = 3", BOSS),
}


@pytest.mark.parametrize(("change", "link"), AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_what_points_elsewhere_by_now_is_never_taken_back(make: Make, change: str, link: str) -> None:
    bench = make()
    done = bench.delete("bob@x", heir="ann@x")
    bench.sql(change)
    error = refused(bench, lambda: bench.plan_restore(done), "restore.link-different")
    assert (error.params["link"], error.params["n"]) == (link, 1)


def test_what_was_emptied_or_went_since_is_put_back_or_skipped(make: Make) -> None:
    bench = make()
    before = bench.ask("SELECT id, author FROM drafts ORDER BY 1")
    done = bench.delete("bob@x", heir="ann@x")
    bench.sql("UPDATE drafts SET author = NULL WHERE id = 40; DELETE FROM orders WHERE id = 10")
    _, preview = bench.plan_restore(done)
    assert {one.link: (one.empty, one.gone) for one in preview.links}[ORDERS] == (1, 1)
    assert bench.restore(done).problem is None
    assert bench.ask("SELECT id, author FROM drafts ORDER BY 1") == before
    assert bench.ask("SELECT id, owner_id FROM orders ORDER BY 1") == [(11, 2), (12, 3)]


def test_rows_that_were_the_heirs_before_stay_the_heirs(make: Make) -> None:
    bench = make()
    bench.sql("INSERT INTO orders VALUES (13, 1, 8)")
    done = bench.delete("bob@x", heir="ann@x")
    bench.sql("INSERT INTO orders VALUES (14, 1, 9)")
    bench.restore(done)
    assert bench.ask("SELECT id FROM orders WHERE owner_id = 1 ORDER BY 1") == [(13,), (14,)]


def test_the_last_look_tells_what_was_handed_on_at_once(make: Make) -> None:
    bench = make()
    order = bench.order("bob@x", heir="ann@x")
    late = "UPDATE orders SET owner_id = 4 WHERE id = 10; DELETE FROM orders WHERE id = 11"
    problem = bench.run(order, RecordingGate(on={"step.verify": lambda: bench.sql(late)})).problem
    assert problem is not None
    assert (problem.key, problem.params["n"]) == ("operations.astray", 2)


def test_the_last_look_finds_rows_that_still_point_at_what_went(tmp_path: Path) -> None:
    """Only SQLite lets a program switch keys off."""
    with sqlite(tmp_path) as bench:
        order = bench.order("bob@x", heir="ann@x")
        late = "UPDATE orders SET owner_id = 2 WHERE id = 10"
        problem = bench.run(order, RecordingGate(on={"step.verify": lambda: bench.sql(late)})).problem
    assert problem is not None
    assert (problem.key, problem.params["n"]) == ("operations.still-there", 1)


SQLITE_TRIGGERS = {
    "writes elsewhere": (
        "CREATE TRIGGER t AFTER UPDATE ON orders BEGIN INSERT INTO log (text) VALUES ('x'); END",
        "operations.others-changed",
    ),
    "gives it to somebody else": (
        "CREATE TRIGGER t AFTER UPDATE ON orders WHEN new.owner_id = 1"
        " BEGIN UPDATE orders SET owner_id = 4 WHERE id = new.id; END",
        "operations.others-changed",
    ),
    "gives it back": (
        "CREATE TRIGGER t AFTER UPDATE ON drafts WHEN new.author = 'ann'"
        " BEGIN UPDATE drafts SET author = 'bob' WHERE id = new.id; END",
        "operations.others-changed",
    ),
    "forbids it": (
        "CREATE TRIGGER t BEFORE UPDATE ON orders BEGIN SELECT raise(ABORT, 'secret Bob'); END",
        "target.constraint",
    ),
    "swallows it": (
        "CREATE TRIGGER t BEFORE UPDATE ON orders BEGIN SELECT raise(IGNORE); END",
        "operations.count",
    ),
}


def _function(table: str, body: str, when: str = "BEFORE") -> str:
    return (
        f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN new; END $$;"
        f"CREATE TRIGGER t {when} UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION f();"
    )


POSTGRESQL_TRIGGERS = {
    "writes elsewhere": (_function("orders", "UPDATE log SET text = 'x';"), "operations.others-changed"),
    "gives it to somebody else without a trace": (
        _function("orders", "new.owner_id := 4;"),
        "operations.not-handed",
    ),
    "gives the soft ones to somebody else": (
        _function("notes", "new.subject := '4';"),
        "operations.not-handed",
    ),
    "forbids it": (_function("orders", "RAISE EXCEPTION 'secret Bob';"), "target.function"),
    "swallows it": (_function("orders", "RETURN NULL;"), "target.constraint"),
    "swallows it where no key holds": (_function("notes", "RETURN NULL;"), "operations.count"),
}


@pytest.mark.parametrize(("script", "key"), SQLITE_TRIGGERS.values(), ids=SQLITE_TRIGGERS.keys())
def test_a_trigger_of_sqlite_is_noticed_and_everything_undone(tmp_path: Path, script: str, key: str) -> None:
    with sqlite(tmp_path, SCHEMA + script + ";") as bench:
        order = bench.order("bob@x", heir="ann@x")
        assert any(told.key == "told.trigger" for told in order.plan.warnings)
        refused(bench, lambda: bench.run(order), key)


@pytest.mark.parametrize(("script", "key"), POSTGRESQL_TRIGGERS.values(), ids=POSTGRESQL_TRIGGERS.keys())
def test_a_trigger_of_postgresql_is_noticed_and_everything_undone(
    tmp_path: Path, script: str, key: str
) -> None:
    with postgresql(tmp_path, SCHEMA + script) as bench:
        order = bench.order("bob@x", heir="ann@x")
        assert any(told.key == "told.trigger" for told in order.plan.warnings)
        refused(bench, lambda: bench.run(order), key)


def test_the_heir_is_locked_and_nobody_adds_what_would_block(tmp_path: Path) -> None:
    """From the comparison to the commit others wait: with the heir, with keys and with soft links."""
    waits: list[str] = []

    def meddle() -> None:
        for statement in (
            "DELETE FROM users WHERE id = 1",
            "UPDATE users SET name = 'Eve' WHERE id = 1",
            "INSERT INTO audit VALUES (99, 2, 'late')",
            "INSERT INTO notes VALUES (99, 'user', '2', 'late')",
        ):
            with pytest.raises(Exception, match="lock timeout"):
                bench.sql(f"SET lock_timeout = '100ms'; {statement}")
            waits.append(statement)
        bench.sql("SET lock_timeout = '100ms'; INSERT INTO audit VALUES (98, 1, 'of the heir')")

    with postgresql(tmp_path, policies={**POLICIES, NOTES: "block"}) as bench:
        bench.sql("DELETE FROM notes WHERE id = 60")
        done = bench.run(bench.order("bob@x", heir="ann@x"), RecordingGate(on={"step.copy": meddle}))
    assert done.problem is None
    assert len(waits) == 4


def test_the_rights_that_are_missing_are_named_and_hidden_rows_are_refused(tmp_path: Path) -> None:
    with postgresql(tmp_path, policies={**POLICIES, NOTES: "block"}) as bench:
        bench.sql("DELETE FROM notes WHERE id = 60")
        name = f"worker_{new_backup_id()[1:9]}_{tmp_path.name[-4:]}".replace("-", "_")
        bench.sql(f"CREATE ROLE {name} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        try:
            assert isinstance(bench, PostgresqlBench)
            url = bench.spec.address.replace(f"//{bench.user}", f"//{name}")
            other = replace(bench, target=_opened(url, bench))
            error = refused(other, lambda: other.plan("bob@x", heir="ann@x"), "operations.missing-rights")
            grants = str(error.params["grants"])
            assert '"orders"' in grants
            assert "UPDATE" in grants
            for grant in grants.rstrip(";").split("; "):
                bench.sql(grant)
            bench.sql("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
            error = refused(other, lambda: other.plan("bob@x", heir="ann@x"), "operations.missing-rights")
            assert "BYPASSRLS" in str(error.params["grants"])
            bench.sql("ALTER TABLE audit DISABLE ROW LEVEL SECURITY")
            assert other.delete("bob@x", heir="ann@x").problem is None
        finally:
            bench.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def _opened(url: str, bench: Bench) -> Any:
    return open_target("crm", url, bench.spec.max_lock)


KINDS = {
    "whole numbers of two sizes": ("bigint", "integer", "2147483647", "7", False),
    "padded texts": ("character(9)", "character(9)", "'bob'", "'ann'", False),
    "a number written with places": ("numeric(12,3)", "numeric", "2.500", "3", False),
    "uuids": ("uuid", "uuid", "gen_random_uuid()", "gen_random_uuid()", False),
    "uuids held as texts": (
        "uuid",
        "text",
        "'00000000-0000-4000-8000-00000000000a'",
        "gen_random_uuid()",
        True,
    ),
    "numbers held as padded texts": ("integer", "character(8)", "2", "12", True),
    "bytes": ("bytea", "bytea", r"'\x00ff'", r"'\x'", False),
    "bits": ("bit(3)", "bit(3)", "'101'", "'111'", False),
    "floats": ("double precision", "double precision", "0.1", "1e300", False),
    "moments": ("timestamptz", "timestamptz", "now()", "'2026-03-01 12:00:00.123456+05:30'", False),
    "a domain": ("code", "code", "'b'", "'a'", False),
    "an enum": ("kind", "kind", "'b'", "'a'", False),
    "an array": ("integer[]", "integer[]", "'{1,2}'", "'{}'", False),
}


@pytest.mark.parametrize(("parent", "child", "bob", "ann", "soft"), KINDS.values(), ids=KINDS.keys())
def test_values_of_every_type_are_handed_over_and_back(
    tmp_path: Path, parent: str, child: str, bob: str, ann: str, soft: bool
) -> None:
    link = "things.owner -> users.code"
    schema = f"""
        CREATE DOMAIN code AS varchar(5) CHECK (value <> 'x');
        CREATE TYPE kind AS ENUM ('a', 'b');
        CREATE TABLE users (id int PRIMARY KEY, code {parent} NOT NULL UNIQUE);
        CREATE TABLE things (id int PRIMARY KEY, owner {child} {"" if soft else "REFERENCES users (code)"});
        INSERT INTO users VALUES (1, {ann}), (2, {bob});
        INSERT INTO things SELECT 1, code::text::{child} FROM users WHERE id = 2;
        INSERT INTO things SELECT 2, code::text::{child} FROM users WHERE id = 1;
    """
    declared = [("things.owner", "users.code", None)] if soft else []
    how: dict[str, Any] = {"find_by": ["id"], "label": None, "soft": declared, "policies": {link: "reassign"}}
    with postgresql(tmp_path, schema, **how) as bench:
        before = bench.dump()
        done = bench.delete("2", heir="1")
        assert done.problem is None
        assert bench.ask("SELECT count(DISTINCT owner), count(*) FROM things") == [(1, 2)]
        assert bench.restore(done).problem is None
        assert bench.dump() == before


def test_what_the_archive_holds_of_the_heir_is_what_the_link_holds(make: Make) -> None:
    """A text that points at a number holds the number's text: the archive must name what the child holds."""
    bench = make()
    done = bench.delete("bob@x", heir="ann@x")
    links = extra_of(done.backup.manifest).links
    assert links[NOTES].heir == ("1",)
    assert links[DRAFTS].heir == ("ann",)
    assert links[NOTES].columns == ("subject",)


def test_a_number_that_should_hold_a_text_is_refused_where_the_database_minds(
    make: Make, engine: str
) -> None:
    link = "counts.owner -> users.login"
    schema = f"{SCHEMA} CREATE TABLE counts (id INTEGER PRIMARY KEY, owner INTEGER); INSERT INTO counts VALUES (1, 77);"
    bench = make(schema, soft=[("counts.owner", "users.login", None)], policies={link: "reassign"})
    bench.sql("UPDATE users SET login = '77' WHERE id = 4")
    before = bench.dump()
    order = bench.order("4", heir="ann@x")
    if engine != "sqlite":
        refused(bench, lambda: bench.run(order), "target.out-of-range")
        return
    done = bench.run(order)
    assert bench.ask("SELECT owner FROM counts") == [(b"ann",)]
    bench.restore(done)
    assert bench.dump() == before
