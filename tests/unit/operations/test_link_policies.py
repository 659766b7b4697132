"""Rows that point at what goes: they follow, are emptied, block, or go to an heir; and every way to trick that."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError, NotOurs
from bot.model.plans import Heir, Plan, Subject
from bot.operations.archived import extra_of
from bot.operations.gate import Drifted
from bot.targets import open_target
from bot.texts import say
from tests.fakes.operations import (
    Bench,
    PostgresqlBench,
    RecordingGate,
    make_bench,
    new_backup_id,
    postgresql_bench,
)

SCHEMA = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY, email VARCHAR(80) UNIQUE, name VARCHAR(80), login VARCHAR(20) UNIQUE,
    manager_id INTEGER REFERENCES users (id)
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES users (id), total INTEGER);
CREATE TABLE seats (
    id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE, project INTEGER,
    UNIQUE (user_id, project)
);
CREATE TABLE audit (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), text VARCHAR(80));
CREATE TABLE drafts (id INTEGER PRIMARY KEY, author VARCHAR(20) REFERENCES users (login) ON DELETE SET NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id));
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind VARCHAR(20), subject VARCHAR(20), body VARCHAR(80));
CREATE TABLE log (id INTEGER PRIMARY KEY, text VARCHAR(80));
INSERT INTO users VALUES (1, 'ann@x', 'Ann', 'ann', NULL), (2, 'bob@x', 'Bob', 'bob', 1);
INSERT INTO users VALUES (3, 'cy@x', 'Cy', 'cy', 2), (4, 'dee@x', 'Dee', 'dee', 2);
INSERT INTO orders VALUES (10, 2, 5), (11, 2, 6), (12, 3, 7);
INSERT INTO seats VALUES (20, 2, 100), (21, 3, 100), (22, 1, 101);
INSERT INTO audit VALUES (30, 1, 'x');
INSERT INTO drafts VALUES (40, 'bob'), (41, 'cy'), (42, NULL);
INSERT INTO sessions VALUES (50, 2), (51, 3);
INSERT INTO notes VALUES (60, 'user', '2', 'a'), (61, 'order', '2', 'b'), (62, 'user', '1', 'c');
INSERT INTO log VALUES (1, 'old');
"""
ORDERS, SEATS = "orders.owner_id -> users.id", "seats.user_id -> users.id"
AUDIT, DRAFTS = "audit.user_id -> users.id", "drafts.author -> users.login"
BOSS, NOTES, SESSIONS = (
    "users.manager_id -> users.id",
    "notes.subject -> users.id",
    "sessions.user_id -> users.id",
)
POLICIES = {
    ORDERS: "reassign",
    SEATS: "reassign",
    AUDIT: "block",
    DRAFTS: "reassign",
    BOSS: "reassign",
    NOTES: "reassign",
}
SOFT = [("notes.subject", "users.id", "kind = 'user'")]
HOW: dict[str, Any] = {"table": "users", "find_by": ["id", "email"], "label": "{name}", "soft": SOFT}


def sqlite(folder: Path, schema: str = SCHEMA, **how: Any) -> AbstractContextManager[Bench]:
    @contextmanager
    def made() -> Iterator[Bench]:
        yield make_bench(folder, schema, **{**HOW, "policies": POLICIES, **how})

    return made()


def postgresql(folder: Path, schema: str = SCHEMA, **how: Any) -> AbstractContextManager[Bench]:
    return postgresql_bench(folder, schema, **{**HOW, "policies": POLICIES, **how})


ENGINES: Mapping[str, Callable[..., AbstractContextManager[Bench]]] = {
    "sqlite": sqlite,
    "postgresql": postgresql,
}
Make = Callable[..., Bench]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(engine: str, tmp_path: Path) -> Iterator[Make]:
    """A database with the schema above, or another one, on one of the engines."""
    opened: list[AbstractContextManager[Bench]] = []

    def one(schema: str = SCHEMA, **how: Any) -> Bench:
        opened.append(ENGINES[engine](tmp_path, schema, **how))
        return opened[-1].__enter__()

    yield one
    for made in reversed(opened):
        made.__exit__(None, None, None)


def backups(bench: Bench) -> list[str]:
    return [name for name in bench.storage.list() if not name.endswith(".shredded.txt")]


def refused(bench: Bench, act: Callable[[], object], key: str) -> CountersignError:
    """The act is refused with this key, in a sentence; nothing changed, and no backup stays behind."""
    before, kept = bench.dump(), backups(bench)
    with pytest.raises(CountersignError) as caught:
        act()
    assert caught.value.key == key, (caught.value.key, caught.value.params)
    for language in ("en", "zh-CN"):
        assert say(key, language, **caught.value.params)
    assert bench.dump() == before
    assert backups(bench) == kept
    return caught.value


def parts(plan: Plan) -> dict[str, int]:
    return {part.name: part.rows for part in plan.reassigned}


def test_what_stays_goes_to_the_heir_and_comes_back_to_the_byte(make: Make) -> None:
    bench = make()
    before = bench.dump()
    plan, subject = bench.plan("bob@x", heir="ann@x")
    assert {part.name: part.rows for part in plan.tables} == {"users": 1, "sessions": 1}
    assert parts(plan) == {ORDERS: 2, SEATS: 1, DRAFTS: 1, BOSS: 2, NOTES: 1}
    assert plan.nullified == ()
    assert subject.heir is not None
    assert (subject.heir.value, subject.heir.label) == ("ann@x", "Ann")
    assert Plan.from_data(plan.to_data()) == plan
    assert Subject.from_json(subject.to_json()) == subject
    done = bench.delete("bob@x", heir="ann@x")
    assert done.problem is None
    assert dict(done.reassigned) == parts(plan)
    assert bench.ask("SELECT id, owner_id FROM orders ORDER BY 1") == [(10, 1), (11, 1), (12, 3)]
    assert bench.ask("SELECT id FROM users WHERE manager_id = 1 ORDER BY 1") == [(3,), (4,)]
    assert bench.ask("SELECT count(*) FROM drafts WHERE author = 'ann'") == [(1,)]
    assert bench.ask("SELECT count(*) FROM notes WHERE subject = '1' AND kind = 'user'") == [(2,)]
    assert bench.settle(done.backup.backup_id) == "committed"
    back = bench.restore(done)
    assert back.problem is None
    assert dict(back.nullified) == parts(plan)
    assert bench.dump() == before


def test_the_heir_is_bound_by_the_digest_and_is_no_name_in_the_plan(make: Make) -> None:
    bench = make()
    plan, _ = bench.plan("2", heir="ann@x")
    other, _ = bench.plan("2", heir="1")
    another, _ = bench.plan("3", heir="4")
    assert plan.digest() == other.digest()
    assert plan.heir != another.heir
    assert b"ann" not in plan.canonical().lower().replace(b"annot", b"")
    with pytest.raises(NotOurs) as caught:
        order = bench.order("2", heir="ann@x")
        bench.run(
            replace(order, subject=replace(order.subject, heir=Heir("dee@x", "Dee", order.subject.roots[0])))
        )
    assert caught.value.key == "operations.subject-altered"


REFUSALS = {
    "nobody was named": (None, "", "operations.nobody-named"),
    "no such heir": ("eve@x", "", "operations.no-match-heir"),
    "another case": ("ANN@x", "", "operations.no-match-heir"),
    "two heirs": ("1", "UPDATE users SET email = '1' WHERE id = 4", "operations.ambiguous-heir"),
    "the root itself": ("bob@x", "", "operations.heir-goes"),
    "the root itself by another column": ("2", "", "operations.heir-goes"),
    "somebody whose boss is deleted": ("dee@x", "", "operations.heir-points"),
    "the heir has a seat there already": (
        "ann@x",
        "INSERT INTO seats VALUES (23, 1, 100)",
        "operations.heir-has-it",
    ),
    "something blocks": ("ann@x", "INSERT INTO audit VALUES (31, 2, 'y')", "operations.blocked"),
}


@pytest.mark.parametrize(("heir", "change", "key"), REFUSALS.values(), ids=REFUSALS.keys())
def test_who_cannot_take_over_is_refused_while_planning(
    make: Make, heir: str | None, change: str, key: str
) -> None:
    bench = make()
    if change:
        bench.sql(change)
    refused(bench, lambda: bench.plan("bob@x", heir=heir), key)


def test_counts_and_the_way_to_say_it_stand_in_the_refusal(make: Make) -> None:
    bench = make()
    error = refused(bench, lambda: bench.plan("bob@x"), "operations.nobody-named")
    assert error.params["n"] == 7
    assert f"{ORDERS}: 2" in str(error.params["links"])
    assert "reassign ann@example.com" in say(error.key, "en", **error.params)
    bench.sql("INSERT INTO audit VALUES (31, 2, 'y'), (32, 2, 'z')")
    error = refused(bench, lambda: bench.plan("bob@x", heir="ann@x"), "operations.blocked")
    assert error.params["links"] == f"{AUDIT}: 2"


def test_two_roots_with_the_same_seat_would_give_the_heir_two(make: Make) -> None:
    bench = make()
    bench.sql("UPDATE users SET manager_id = NULL")
    error = refused(bench, lambda: bench.plan("2", "3", heir="ann@x"), "operations.heir-has-it")
    assert error.params["n"] == 2
    assert error.params["link"] == SEATS


def test_an_heir_in_the_closure_cannot_take_over(make: Make) -> None:
    bench = make(policies={**POLICIES, BOSS: "follow"})
    refused(bench, lambda: bench.plan("bob@x", heir="cy@x"), "operations.heir-goes")


def test_rows_that_go_anyway_neither_block_nor_are_handed_over(make: Make) -> None:
    bench = make(policies={**POLICIES, BOSS: "follow", AUDIT: "block", SESSIONS: "block", ORDERS: "follow"})
    bench.sql("DELETE FROM sessions; DELETE FROM seats WHERE id = 21")
    plan, _ = bench.plan("bob@x", heir="ann@x")
    assert {part.name: part.rows for part in plan.tables} == {"users": 3, "orders": 3}
    assert parts(plan) == {SEATS: 1, DRAFTS: 2, NOTES: 1}
    before = bench.dump()
    bench.restore(bench.delete("bob@x", heir="ann@x"))
    assert bench.dump() == before


def test_named_in_vain_is_told_and_does_no_harm(make: Make) -> None:
    bench = make()
    bench.sql("INSERT INTO users VALUES (9, 'new@x', 'New', 'new', NULL)")
    plan, _ = bench.plan("new@x", heir="ann@x")
    assert "told.nothing-to-reassign" in {told.key for told in plan.warnings}
    assert plan.heir is not None
    done = bench.delete("new@x", heir="ann@x")
    assert done.problem is None
    assert dict(done.reassigned) == {}


LATE = {
    "a late row that points at the root": "INSERT INTO orders VALUES (99, 2, 1)",
    "one row swapped for another": "DELETE FROM orders WHERE id = 10; INSERT INTO orders VALUES (98, 2, 1)",
    "a late soft reference": "INSERT INTO notes VALUES (99, 'user', '2', 'late')",
    "the heir is gone": "DELETE FROM audit; DELETE FROM notes WHERE id = 62; DELETE FROM seats WHERE id = 22;"
    " UPDATE users SET manager_id = NULL WHERE manager_id = 1; DELETE FROM users WHERE id = 1",
    "the heir's key went to somebody else": "UPDATE users SET email = 'eve@x', name = 'Eve' WHERE id = 1",
    "the heir has another name": "UPDATE users SET name = 'Anna' WHERE id = 1",
    "what was typed means somebody else": "UPDATE users SET email = 'old@x' WHERE id = 1;"
    " UPDATE users SET email = 'ann@x', name = 'Ann' WHERE id = 4",
}


@pytest.mark.parametrize("change", LATE.values(), ids=LATE.keys())
def test_what_changed_since_the_approval_stops_it(make: Make, change: str) -> None:
    bench = make()
    order = bench.order("bob@x", heir="ann@x")
    bench.sql(change)
    before = bench.dump()
    with pytest.raises(Drifted) as caught:
        bench.run(order)
    for told in caught.value.drift.differences:
        assert say(told.key, "zh-CN", **told.params)
    assert bench.dump() == before
    assert backups(bench) == []


LATE_REFUSALS = {
    "a late row that blocks": ("INSERT INTO audit VALUES (31, 2, 'y')", "operations.blocked"),
    "the heir got the seat meanwhile": ("INSERT INTO seats VALUES (23, 1, 100)", "operations.heir-has-it"),
}


@pytest.mark.parametrize(("change", "key"), LATE_REFUSALS.values(), ids=LATE_REFUSALS.keys())
def test_what_blocks_by_now_is_told_under_the_lock(make: Make, change: str, key: str) -> None:
    bench = make()
    order = bench.order("bob@x", heir="ann@x")
    bench.sql(change)
    refused(bench, lambda: bench.run(order), key)


def test_another_policy_since_the_approval_is_drift(make: Make) -> None:
    bench = make()
    order = bench.order("bob@x", heir="ann@x")
    kind = order.spec.records["customer"]
    for links in ({**POLICIES, SESSIONS: "reassign"}, {**POLICIES, ORDERS: "follow"}, {}):
        spec = order.spec.model_copy(
            update={"records": {"customer": kind.model_copy(update={"links": links})}}
        )
        with pytest.raises(Drifted):
            bench.run(replace(order, spec=spec))


WRONG = {
    "a link that nobody has": ({"orders.nobody -> users.id": "block"}, "operations.unknown-link"),
    "nullify where NULL is forbidden": ({ORDERS: "nullify"}, "operations.link-not-null"),
}


@pytest.mark.parametrize(("links", "key"), WRONG.values(), ids=WRONG.keys())
def test_a_policy_that_the_schema_does_not_allow_is_refused_by_name(
    make: Make, links: dict[str, str], key: str
) -> None:
    bench = make(policies=links)
    refused(bench, lambda: bench.plan("3"), key)


def test_a_soft_link_can_be_emptied_or_block_as_well(make: Make) -> None:
    bench = make(policies={NOTES: "nullify", ORDERS: "follow", AUDIT: "follow", BOSS: "nullify"})
    before = bench.dump()
    plan, _ = bench.plan("bob@x")
    assert {part.name: part.rows for part in plan.nullified} == {NOTES: 1, BOSS: 2, DRAFTS: 1}
    done = bench.delete("bob@x")
    assert bench.ask("SELECT id FROM notes WHERE subject IS NULL") == [(60,)]
    bench.restore(done)
    assert bench.dump() == before


COMPOSITE = """
CREATE TABLE tenants (id INTEGER PRIMARY KEY);
CREATE TABLE users (tenant INTEGER REFERENCES tenants (id), id INTEGER, email VARCHAR(80), name VARCHAR(80),
    PRIMARY KEY (tenant, id));
CREATE TABLE orders (tenant INTEGER, id INTEGER, owner INTEGER NOT NULL, PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, owner) REFERENCES users (tenant, id));
CREATE TABLE tasks (id INTEGER PRIMARY KEY, tenant INTEGER REFERENCES tenants (id), doer INTEGER,
    FOREIGN KEY (tenant, doer) REFERENCES users (tenant, id));
CREATE TABLE roles (tenant INTEGER, person INTEGER, role VARCHAR(9), PRIMARY KEY (tenant, person, role),
    FOREIGN KEY (tenant, person) REFERENCES users (tenant, id));
INSERT INTO tenants VALUES (1), (2);
INSERT INTO users VALUES (1, 1, 'ann@x', 'Ann'), (1, 2, 'bob@x', 'Bob'), (2, 1, 'amy@x', 'Amy');
INSERT INTO orders VALUES (1, 1, 2), (1, 2, 2), (1, 3, 1), (2, 1, 1);
INSERT INTO tasks VALUES (1, 1, 2), (2, 2, 1), (3, 1, NULL);
INSERT INTO roles VALUES (1, 2, 'x');
"""
BY_TENANT = {
    "orders.(tenant, owner) -> users.(tenant, id)": "reassign",
    "tasks.(tenant, doer) -> users.(tenant, id)": "reassign",
}


def test_composite_keys_change_only_in_the_columns_of_the_link(make: Make) -> None:
    bench = make(COMPOSITE, find_by=["email"], soft=(), policies=BY_TENANT)
    before = bench.dump()
    done = bench.delete("bob@x", heir="ann@x")
    assert bench.ask("SELECT tenant, id, owner FROM orders ORDER BY 1, 2") == [
        (1, 1, 1),
        (1, 2, 1),
        (1, 3, 1),
        (2, 1, 1),
    ]
    assert bench.ask("SELECT id, tenant, doer FROM tasks ORDER BY 1") == [(1, 1, 1), (2, 2, 1), (3, 1, None)]
    bench.restore(done)
    assert bench.dump() == before


def test_an_heir_of_another_tenant_is_refused(make: Make) -> None:
    bench = make(COMPOSITE, find_by=["email"], soft=(), policies=BY_TENANT)
    error = refused(bench, lambda: bench.plan("bob@x", heir="amy@x"), "operations.heir-elsewhere")
    assert error.params["columns"] == "tenant"


def test_a_link_that_is_part_of_the_rows_key_cannot_be_reassigned(make: Make) -> None:
    link = "roles.(tenant, person) -> users.(tenant, id)"
    bench = make(COMPOSITE, find_by=["email"], soft=(), policies={link: "reassign"})
    refused(bench, lambda: bench.plan("bob@x", heir="ann@x"), "operations.link-fixed")


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
    "forbids it": (_function("orders", "RAISE EXCEPTION 'secret Bob';"), "target.refused"),
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
            url = bench.spec.database.url.replace(f"//{bench.user}", f"//{name}")
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
    if engine == "postgresql":
        refused(bench, lambda: bench.run(order), "target.refused")
        return
    done = bench.run(order)
    assert bench.ask("SELECT owner FROM counts") == [(b"ann",)]
    bench.restore(done)
    assert bench.dump() == before
