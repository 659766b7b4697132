"""Bad input, the same table of cases on each engine: what the person reads, and that nothing changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.errors import CountersignError
from bot.model.choices import RestoreChoice
from bot.model.row_keys import Key
from bot.operations import choosing, restore, selecting
from bot.operations.choosing import Naming
from bot.operations.gate import DeleteOutcome, Drifted, RestoreOrder
from bot.operations.restoring import unpack
from bot.targets import open_target
from bot.targets.base import RecordTarget
from bot.texts import say
from tests.fakes.operations import Bench, RecordingGate, new_backup_id
from tests.unit.operations.link_bench import ENGINES, backups, refused

pytestmark = pytest.mark.xdist_group("bad-input-of-records")

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY, email VARCHAR(80), code VARCHAR(30), big BIGINT, amount DECIMAL(12, 2), city VARCHAR(20)
);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id), what VARCHAR(20));
CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, kind VARCHAR(20), subject VARCHAR(20));
CREATE TABLE shares (
    id INTEGER PRIMARY KEY, one INTEGER REFERENCES customers (id), other INTEGER REFERENCES customers (id)
);
INSERT INTO customers VALUES (1, 'ada@x.org', 'A-1', 7, 1000.5, 'Ulm'), (2, 'Ada@x.org', '1', 8, 2.5, 'Bonn');
INSERT INTO customers VALUES (12, '50%_off', '007', 9007199254740993, 0, NULL), (-3, 'a b', 'O''Brien "x"', 9, 13, '');
INSERT INTO customers VALUES (4, '客户@例子', '9', 9007199254740992, 1, NULL), (5, 'twin', 'x', NULL, 0, NULL);
INSERT INTO customers VALUES (6, 'twin', 'y', NULL, 0, NULL), (20, 'back\\slash', '`;--', NULL, NULL, NULL);
INSERT INTO customers VALUES (21, 'NULL', 'Zoë', NULL, NULL, NULL), (22, 'true', 'ZOË', NULL, NULL, NULL);
INSERT INTO orders VALUES (100, 1, 'pen'), (101, 12, 'ink'), (7, 5, 'cap');
INSERT INTO visits VALUES (200, 1), (201, 2), (202, NULL);
INSERT INTO notes VALUES (300, 'customer', '1'), (301, 'order', '1'), (302, 'customer', '12');
INSERT INTO shares VALUES (400, 1, 2), (401, 12, 5);
"""
HOW: dict[str, Any] = {
    "table": "customers",
    "find_by": ["id", "email", "code", "big", "amount"],
    "label": "{email} {city}",
    "soft": [("notes.subject", "customers.id", "kind = 'customer'")],
    "policies": {},
    "max_lock": 120,
}

FOUND = {
    "a number": ("12", 12),
    "a negative number": ("-3", -3),
    "a number beyond doubles": ("9007199254740993", 12),
    "the neighbour of a number beyond doubles": ("9007199254740992", 4),
    "a text in the exact case": ("Ada@x.org", 2),
    "wildcards are characters": ("50%_off", 12),
    "zeros at the front": ("007", 12),
    "quotes": ('O\'Brien "x"', -3),
    "another script": ("客户@例子", 4),
    "a backslash": ("back\\slash", 20),
    "a backtick and a comment": ("`;--", 20),
    "a text that reads NULL": ("NULL", 21),
    "a text that reads true": ("true", 22),
    "an accent": ("Zoë", 21),
    "an accent in capitals": ("ZOË", 22),
    "a blank inside": ("a b", -3),
}
REFUSED = {
    "nobody": ("404", "no-match"),
    "the key of another kind of record": ("100", "no-match"),
    "a number with a tail": ("12abc", "no-match"),
    "a number with an exponent": ("1e3", "no-match"),
    "a number with a fraction of none": ("12.0", "no-match"),
    "a number with a blank": (" 12", "no-match"),
    "a number with a plus": ("+12", "no-match"),
    "a number with a zero in front": ("012", "no-match"),
    "a number with a minus and a zero": ("-0", "no-match"),
    "a number in other digits": ("１２", "no-match"),
    "a number in hexadecimal": ("0xC", "no-match"),
    "a number with underscores": ("1_2", "no-match"),
    "a number just beyond 32 bits": ("4294967308", "no-match"),
    "a number just beyond 64 bits": ("18446744073709551628", "no-match"),
    "a number of 30 digits": ("9" * 30, "no-match"),
    "a number of 900 digits": ("9" * 900, "no-match"),
    "a fraction of 200 digits": ("0." + "3" * 200, "no-match"),
    "no number": ("NaN", "no-match"),
    "no end": ("Infinity", "no-match"),
    "another case": ("ADA@X.ORG", "no-match"),
    "no accent": ("Zoe", "no-match"),
    "an accent of two characters": ("Zoe\u0308", "no-match"),
    "a wildcard for all": ("%", "no-match"),
    "a wildcard for one": ("_", "no-match"),
    "a pattern": ("*", "no-match"),
    "an injection": ("1 OR 1=1", "no-match"),
    "an injection with quotes": ("' OR ''='", "no-match"),
    "an injection with a backslash": ("\\' OR 1=1 -- ", "no-match"),
    "a place of a driver": ("%s", "no-match"),
    "a named place of a driver": ("%(id)s", "no-match"),
    "a numbered place": ("$1", "no-match"),
    "a NUL": ("12\0", "no-match"),
    "a NUL alone": ("\0", "no-match"),
    "a NUL in front": ("\0ada@x.org", "no-match"),
    "a blank at the end": ("ada@x.org ", "no-match"),
    "a line at the end": ("ada@x.org\n", "no-match"),
    "a sign that is not seen": ("ada@x.org\u200b", "no-match"),
    "a sign of four bytes": ("\U0001f4a3", "no-match"),
    "a letter that only looks the same": ("аda@x.org", "no-match"),
    "a column's name": ("email", "no-match"),
    "a long text": ("x" * 1000, "no-match"),
    "the empty string": ("", "value-length"),
    "a megabyte": ("x" * 2**20, "value-length"),
    "half a character": ("\ud800", "value-unreadable"),
    "two rows by one column": ("twin", "ambiguous"),
    "one row by its key, another by its code": ("1", "ambiguous"),
    "one row by a number, another by a text": ("9", "ambiguous"),
}


@pytest.fixture(scope="module", params=ENGINES)
def standing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One database for all that only look."""
    with ENGINES[request.param](tmp_path_factory.mktemp("bad"), SCHEMA, **HOW) as bench:
        yield bench


@pytest.fixture(scope="module")
def archived(standing: Bench) -> DeleteOutcome:
    """A backup of every record, all of which are there again."""
    values = [value for value, _ in FOUND.values()]
    outcome = standing.delete(*values, "x", "y", "ada@x.org")
    assert outcome.problem is None
    assert standing.restore(outcome).problem is None
    return outcome


def read_by_a_person(error: CountersignError, value: str = "") -> None:
    """One sentence in each language, which repeats nothing of what was typed."""
    for language in ("en", "zh-CN"):
        sentence = say(error.key, language, **error.params)
        assert 10 < len(sentence) < 400
        assert not sentence.startswith(error.key.partition(".")[0] + ".")
        if len(value) > 4 and value.strip() not in SCHEMA:
            assert value not in sentence


def said(look: Callable[[str], Iterable[Key]], value: str) -> str:
    """The one key that a value means, or the refusal, which a person can read."""
    try:
        return ", ".join(str(cell) for key in look(value) for cell in key)
    except CountersignError as error:
        read_by_a_person(error, value)
        return error.key


EXPECTED = {name: str(key) for name, (_, key) in (*FOUND.items(), *REFUSED.items())}
VALUES = {name: value for name, (value, _) in (*FOUND.items(), *REFUSED.items())}


def test_a_value_means_exactly_one_row_or_the_answer_is_no(standing: Bench) -> None:
    before = standing.dump()
    with standing.target.reading() as session:
        kind = standing.spec.records["customer"]
        found = {
            name: said(lambda one: selecting.resolve(session, "crm", kind, [one]), value)
            for name, value in VALUES.items()
        }
    assert {name: text.removeprefix("operations.") for name, text in found.items()} == EXPECTED
    assert standing.dump() == before
    assert [str(key[0]) for key in standing.plan("12", "-3", "12")[1].roots] == ["12", "-3"]


def test_in_a_backup_a_value_means_the_same_as_in_the_table(standing: Bench, archived: DeleteOutcome) -> None:
    naming, sealed = Naming("customers", tuple(HOW["find_by"])), archived.backup
    words = {"ambiguous": "restore.only-many"} | dict.fromkeys(
        ("no-match", "value-length", "value-unreadable"), "restore.only-none"
    )
    with (
        standing.target.reading() as session,
        standing.vault.open(sealed.backup_id, sealed.sha256) as opened,
    ):
        extra = unpack(session, standing.target, opened)

        def look(value: str) -> Iterable[Key]:
            return choosing.resolve(session, extra, RestoreChoice(only=(value,)), naming).keys or ()

        found = {name: said(look, value) for name, value in VALUES.items()}
    assert found == {name: words.get(text, text) for name, text in EXPECTED.items()}


def test_what_names_no_kind_and_no_value_is_refused(standing: Bench) -> None:
    before = standing.dump()
    for values, record, key in (
        ((), "customer", "no-value"),
        (("1",), "order", "unknown-record"),
        (("1",), "customers", "unknown-record"),
        (("1",), "", "unknown-record"),
        (("1",), "customer\0", "unknown-record"),
    ):
        with pytest.raises(CountersignError) as caught:
            standing.plan(*values, record=record)
        assert caught.value.key == f"operations.{key}"
        read_by_a_person(caught.value)
    assert standing.dump() == before


def test_of_many_values_the_bad_one_is_told_by_its_number(standing: Bench) -> None:
    with pytest.raises(CountersignError) as caught:
        standing.plan("12", "-3", "%")
    assert (caught.value.key, caught.value.params["n"]) == ("operations.no-match", 3)


#: What is not there any more under its name, and what a deletion that was approved before says when it runs, a
#: new plan, and a restore of what went before.
VANISHED: Mapping[str, tuple[str, str, str]] = {
    "customers.code": ("drifted", "unknown-column", "column-gone"),
    "customers.city": ("drifted", "unknown-column", "column-gone"),
    "orders.what": ("drifted", "", "column-gone"),
    "orders.customer": ("drifted", "", "column-gone"),
    "notes.subject": ("unknown-column", "unknown-column", "column-gone"),
    "notes.kind": ("bad-condition", "bad-condition", "column-gone"),
    "visits.customer": ("drifted", "", "column-gone"),
    "visits.id": ("drifted", "", "key-changed"),
    "notes": ("unknown-table", "unknown-table", "table-gone"),
    "orders": ("drifted", "", "table-gone"),
    "visits": ("drifted", "", "table-gone"),
    "customers": ("unknown-table", "unknown-table", "table-gone"),
}


@contextmanager
def away(bench: Bench, what: str) -> Iterator[None]:
    """Somebody gives a column or a table another name, for a while."""
    table, _, column = what.partition(".")
    there = (
        f"ALTER TABLE {table} RENAME COLUMN {column} TO gone"
        if column
        else f"ALTER TABLE {table} RENAME TO gone"
    )
    back = (
        f"ALTER TABLE {table} RENAME COLUMN gone TO {column}"
        if column
        else f"ALTER TABLE gone RENAME TO {table}"
    )
    bench.sql(there)
    try:
        yield
    finally:
        bench.sql(back)


@pytest.mark.parametrize("what", VANISHED)
def test_what_vanished_since_the_plan_stops_it(standing: Bench, what: str) -> None:
    run, plan, _ = VANISHED[what]
    order, kept = standing.order("ada@x.org"), backups(standing)
    with away(standing, what):
        before = standing.dump()
        with pytest.raises(CountersignError) as caught:
            standing.run(order)
        assert caught.value.key == f"operations.{run}"
        read_by_a_person(caught.value)
        assert (standing.dump(), backups(standing)) == (before, kept)
        if plan:
            refused(standing, lambda: standing.plan("ada@x.org"), f"operations.{plan}")
        else:
            assert standing.plan("ada@x.org")


@pytest.fixture(scope="module")
def without(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One database for all that only try to restore."""
    with ENGINES[request.param](tmp_path_factory.mktemp("bad"), SCHEMA, **HOW) as bench:
        yield bench


@pytest.fixture(scope="module")
def gone(without: Bench) -> tuple[DeleteOutcome, RestoreOrder]:
    outcome = without.delete("ada@x.org")
    return outcome, without.order_restore(outcome.backup)


@pytest.mark.parametrize("what", VANISHED)
@pytest.mark.parametrize("without", ENGINES, indirect=True)
def test_what_vanished_since_the_deletion_stops_the_restore(
    without: Bench, gone: tuple[DeleteOutcome, RestoreOrder], what: str
) -> None:
    outcome, order = gone
    with away(without, what):
        for act in (
            lambda: without.order_restore(outcome.backup),
            # Approved before, and only then changed.
            lambda: restore.run(order, without.target, without.vault, RecordingGate()),
        ):
            read_by_a_person(refused(without, act, f"restore.{VANISHED[what][2]}"))


@pytest.fixture(params=ENGINES)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with ENGINES[request.param](tmp_path, SCHEMA, **HOW) as bench:
        yield bench


def test_of_two_requests_for_overlapping_records_the_second_is_told(fresh: Bench) -> None:
    """A row that hangs off both goes with the first; the second plan is no longer true, and the next one is."""
    first, second = fresh.order("ada@x.org"), fresh.order("Ada@x.org")
    both = fresh.order("50%_off", "ada@x.org")
    gone = fresh.run(first)
    for late in (second, both, replace(first, backup_id=new_backup_id())):
        with pytest.raises(Drifted) as caught:
            fresh.run(late)
        assert caught.value.drift.differences
        read_by_a_person(caught.value)
    assert fresh.delete("Ada@x.org").rows == {"customers": 1}
    # The row of both can come back with the second alone, and has no parent when the first comes alone.
    with pytest.raises(CountersignError) as met:
        fresh.order_restore(gone.backup)
    assert met.value.key == "restore.parentless"
    read_by_a_person(met.value)


def test_the_second_of_two_at_once_waits_and_is_told(fresh: Bench) -> None:
    first, second = fresh.order("ada@x.org"), fresh.order("Ada@x.org")
    impatient = replace(fresh, target=quick(fresh))
    told: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(CountersignError) as caught:
            impatient.run(second)
        told.append(caught.value.key)
        read_by_a_person(caught.value)

    assert fresh.run(first, RecordingGate(on={"step.delete": meanwhile})).problem is None
    assert told == ["target.locked"]
    assert [name for name in backups(fresh) if second.backup_id in name] == []


def quick(bench: Bench) -> RecordTarget:
    return open_target("crm", bench.spec.address, timedelta(seconds=0.3))
