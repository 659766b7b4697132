"""Rows that point at what goes: they follow, are emptied, block, or go to an heir; and every way to trick that."""

from dataclasses import replace

import pytest

from bot.errors import NotOurs
from bot.model.plans import Heir, Plan, Subject
from bot.operations.gate import Drifted
from bot.texts import say
from tests.unit.operations.link_bench import (
    AUDIT,
    BOSS,
    DRAFTS,
    NOTES,
    ORDERS,
    POLICIES,
    SEATS,
    SESSIONS,
    Make,
    backups,
    parts,
    refused,
)


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
