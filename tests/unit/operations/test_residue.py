"""Where else somebody is named: counted beforehand, looked for again afterwards, never guessed, never kept."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.record_types import Record
from bot.errors import BadInput, TargetDown
from bot.model.leftovers import Offer, ResiduePart
from bot.model.plans import Plan, Subject
from bot.operations import residue
from bot.targets.base import Catalogue, Named, Session, Table, TableColumn
from tests.fakes.operations import (
    Bench,
    PostgresqlBench,
    RecordingGate,
    make_bench,
    mysql_bench,
    oracle_bench,
    postgresql_bench,
)
from tests.unit.operations.test_postgresql_attacks import role

SCHEMA = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(100), phone VARCHAR(40), boss INTEGER REFERENCES customers (id));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), billing_email VARCHAR(100));
CREATE TABLE audit (payload TEXT);
CREATE TABLE leads (id INTEGER PRIMARY KEY, mail VARCHAR(100), body TEXT);
CREATE TABLE inboxes (mail VARCHAR(100) PRIMARY KEY, note TEXT);
INSERT INTO customers VALUES (1, 'ada@example.com', '+49 30 1234', NULL), (2, 'bob@example.com', NULL, NULL), (3, NULL, '', NULL);
INSERT INTO orders VALUES (10, 1, 'ada@example.com'), (11, 2, 'ADA@example.com'), (12, 2, 'bob@example.com');
INSERT INTO audit VALUES ('{"who": "ada@example.com"}'), ('call +49 30 1234'), ('ada@example.com and +49 30 1234'), ('nobody');
INSERT INTO leads VALUES (70, 'ada@example.com', ''), (71, 'x@example.com', 'met Ada@Example.com'), (72, 'y@example.com', '');
INSERT INTO inboxes VALUES ('ada@example.com', 'ada@example.com'), ('z@example.com', 'for ada@example.com');
"""
LOOK_IN = (
    "orders.billing_email",
    "audit.payload",
    "leads.mail",
    "leads.body",
    "inboxes.note",
    "orders.gone",
    "gone.mail",
)
OPENED: dict[str, Callable[[Path], AbstractContextManager[Bench]]] = {
    "sqlite": lambda folder: nullcontext(make_bench(folder, SCHEMA)),
    "postgresql": lambda folder: postgresql_bench(folder, SCHEMA),
    "mariadb": lambda folder: mysql_bench(folder, SCHEMA.strip()),
    "mysql": lambda folder: oracle_bench(folder, SCHEMA.strip()),
}


@pytest.fixture(params=OPENED)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    records = {
        "customer": {
            "table": "customers",
            "find_by": ("id", "email"),
            "residue": {"identifiers": ("email", "phone"), "look_in": LOOK_IN},
        },
        "lead": {"table": "leads", "find_by": ("id", "mail")},
        "inbox": {"table": "inboxes", "find_by": ("mail",)},
    }
    kinds = {name: Record.model_validate(one) for name, one in records.items()}
    with OPENED[request.param](tmp_path) as found:
        yield replace(found, spec=found.spec.model_copy(update={"records": kinds}))


def counts(parts: tuple[ResiduePart, ...]) -> dict[str, int | str]:
    return {one.place: one.rows if one.state == "counted" else one.state for one in parts}


def test_the_plan_counts_what_would_remain_and_the_receipt_what_did(bench: Bench) -> None:
    plan, subject = bench.plan("1")
    expected = {
        "orders.billing_email": 1,
        "audit.payload": 3,
        "leads.mail": 1,
        "leads.body": 1,
        "inboxes.note": 2,
        "orders.gone": "absent",
        "gone.mail": "absent",
    }
    assert counts(plan.residue) == expected
    assert Plan.from_data(plan.to_data()) == plan
    assert plan.steps[-1] == residue.STEP
    assert set(subject.identifiers) == {"ada@example.com", "+49 30 1234"}
    assert Subject.from_json(subject.to_json()) == subject
    order = bench.order("1")
    gate = RecordingGate()
    # Somebody writes in between: the second look is a look of its own.
    bench.sql("INSERT INTO leads VALUES (73, 'ada@example.com', '')")
    done = bench.run(order, gate)
    assert gate.events[-1] == residue.STEP
    assert counts(done.residue) == {**expected, "leads.mail": 2}


def test_nothing_that_says_who_it_is_stands_in_plan_or_receipt(bench: Bench) -> None:
    order = bench.order("1")
    done = bench.run(order)
    said = json.dumps([order.plan.to_data(), [vars(one) for one in done.residue]])
    for text in ("ada@", "+49 30", "1234"):
        assert text not in said
        assert text not in repr(done)


def test_a_follow_up_for_each_kind_has_keys_and_never_one_that_says_who_it_is(bench: Bench) -> None:
    done = bench.delete("1")
    assert {(one.number, one.record, one.values) for one in done.offers} == {
        (2, "lead", ("70", "71")),
        (4, "inbox", ("z@example.com",)),
    }


def test_what_was_typed_again_before_the_lock_is_looked_for_as_well(bench: Bench) -> None:
    order = bench.order("1")
    bench.sql("UPDATE customers SET email = 'countess@example.com' WHERE id = 1")
    bench.sql("INSERT INTO audit VALUES ('from countess@example.com')")
    assert counts(bench.run(order).residue)["audit.payload"] == 4


def test_a_record_that_says_nothing_about_itself_leaves_nothing_to_look_for(bench: Bench) -> None:
    plan, subject = bench.plan("3")
    assert set(counts(plan.residue).values()) == {"empty"}
    assert subject.identifiers == ()
    assert set(counts(bench.delete("3").residue).values()) == {"empty"}


def test_an_identifier_that_is_no_column_is_refused(bench: Bench) -> None:
    bench.sql("ALTER TABLE customers DROP COLUMN phone")
    with pytest.raises(BadInput):
        bench.plan("1")


def test_counts_do_not_make_a_plan_drift_and_its_places_stay(bench: Bench) -> None:
    order = bench.order("1")
    bench.sql("DELETE FROM audit")
    assert counts(bench.run(order).residue)["audit.payload"] == 0


def test_a_restore_brings_back_all_of_it(bench: Bench) -> None:
    before = bench.dump()
    bench.restore(bench.delete("1"))
    assert bench.dump() == before


@pytest.mark.parametrize("bench", ["postgresql"], indirect=True)
def test_what_our_user_may_not_read_is_unknown_and_the_rest_is_counted(bench: Bench) -> None:
    """Only this server shows tables that may not be read."""
    assert isinstance(bench, PostgresqlBench)
    tables = "customers, orders, leads, inboxes"
    with role(bench, f"SELECT, INSERT, UPDATE, DELETE ON {tables}") as limited:
        order = limited.order("1")
        assert counts(order.plan.residue)["audit.payload"] == "unreadable"
        assert counts(order.plan.residue)["leads.body"] == 1
        left = counts(limited.run(order).residue)
    assert (left["audit.payload"], left["inboxes.note"]) == ("unreadable", 2)


class Odd:
    """A session that finds what the test says."""

    def __init__(self, found: int | Exception) -> None:
        self.found = found

    def catalogue(self) -> Catalogue:
        column = TableColumn("c", "text", "text", not_null=False, has_default=False, generated=False)
        return Catalogue({"t": Table("t", (column,), ("c",), "", ())}, ())

    def naming(self, *_: object) -> Named:
        if isinstance(self.found, Exception):
            raise self.found
        return Named((("k",),) * self.found)


#: what the database says -> what is told
TOLD: dict[str, tuple[int | Exception, tuple[int, str]]] = {
    "as many as are counted": (residue.MOST, (residue.MOST, "counted")),
    "one more": (residue.MOST + 1, (residue.MOST, "more")),
    "too slow": (TargetDown("target.too-slow", target="crm"), (0, "slow")),
    "lost": (TargetDown("target.lost", target="crm"), (0, "unreadable")),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_cannot_be_told_is_said_and_is_never_nothing(case: str) -> None:
    found, (rows, state) = TOLD[case]
    session: Session = Odd(found)  # type: ignore[assignment]  # as much of one as is asked for
    (one,) = residue.look(session, ["t.c"], ["ada@example.com"])
    assert (one.part.rows, one.part.state) == (rows, state)


def test_too_many_people_at_once_are_not_looked_for() -> None:
    session: Session = Odd(1)  # type: ignore[assignment]  # as much of one as is asked for
    texts = [f"{n}@example.com" for n in range(residue.TEXTS + 1)]
    assert [one.part.state for one in residue.look(session, ["t.c"], texts)] == ["many"]


def test_no_offer_holds_more_than_a_form_does(bench: Bench) -> None:
    bench.sql(
        "INSERT INTO leads VALUES "
        + ", ".join(f"({n}, 'ada@example.com', '')" for n in range(1000, 1000 + residue.OFFERED + 5))
    )
    done = bench.delete("1")
    assert all(isinstance(one, Offer) and len(one.values) <= residue.OFFERED for one in done.offers)
    assert counts(done.residue)["leads.mail"] == residue.OFFERED + 6
