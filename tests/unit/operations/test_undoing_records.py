"""Which records a restore brought, told by the backup and the plan that was approved, on each engine."""

from dataclasses import replace

import pytest

from bot.errors import CountersignError
from bot.model.choices import RestoreChoice
from bot.model.plans import Plan
from bot.operations import delete_records, undoing
from bot.operations.gate import DeleteOutcome
from tests.fakes.operations import HASH_KEY, Bench
from tests.unit.operations.link_bench import Make

SCHEMA = """
CREATE TABLE people (
    realm VARCHAR(20), id NUMERIC(10, 0), email VARCHAR(80), boss_realm VARCHAR(20), boss NUMERIC(10, 0),
    PRIMARY KEY (realm, id), FOREIGN KEY (boss_realm, boss) REFERENCES people (realm, id)
);
INSERT INTO people VALUES ('north', 1, 'ada@x', NULL, NULL), ('north', 2, 'bob@x', 'north', 1);
INSERT INTO people VALUES ('south', 1, 'cy@x', NULL, NULL), ('south', 2, NULL, 'south', 1);
INSERT INTO people VALUES ('west', 1, 'Dee@x', NULL, NULL), ('west', 2, 'eve@x', NULL, NULL);
"""
SAID: dict[str, str | int] = {"number": 43, "target": "crm", "record": "customer"}


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(SCHEMA, table="people", find_by=["id", "email"], label="{email}", soft=[], policies={})


def records(bench: Bench, gone: DeleteOutcome, restored: Plan) -> undoing.Brought:
    kind = bench.spec.records["customer"]
    with bench.vault.open(gone.backup.backup_id, gone.backup.sha256) as opened:
        return undoing.records_of(bench.target, kind, [opened], restored, HASH_KEY, SAID)


def test_the_deletion_of_what_came_back_is_the_deletion_that_was(bench: Bench) -> None:
    before = bench.plan("ada@x", "Dee@x")[0]
    gone = bench.delete("ada@x", "Dee@x")
    restored = bench.order_restore(gone.backup).plan
    bench.restore(gone)
    found = records(bench, gone, restored)
    # Bob hung off Ada; the numbers are not unique, so another column names them.
    assert (found.column, sorted(found.values)) == ("email", ["Dee@x", "ada@x", "bob@x"])
    made, _ = delete_records.plan(
        bench.target, bench.spec, "customer", found.values, HASH_KEY, None, found.column
    )
    assert made.roots == found.roots
    assert made.tables == before.tables
    assert (found.gone, found.changed) == (0, {})


def test_one_that_nobody_can_name_is_left_to_people(bench: Bench) -> None:
    gone = bench.delete("cy@x")
    restored = bench.order_restore(gone.backup).plan
    bench.restore(gone)
    with pytest.raises(CountersignError) as refused:
        records(bench, gone, restored)
    assert refused.value.key == "taken-back.unnamed"


def test_of_some_exactly_those_and_of_others_none(bench: Bench) -> None:
    gone = bench.delete("Dee@x", "eve@x", "ada@x")
    restored = bench.order_restore(gone.backup, RestoreChoice(only=("eve@x",))).plan
    bench.choose(gone.backup, RestoreChoice(only=("eve@x",)))
    assert records(bench, gone, restored).values == ("eve@x",)
    bench.sql("UPDATE people SET email = 'EVE@x' WHERE email = 'eve@x'")
    with pytest.raises(CountersignError) as refused:
        records(bench, gone, restored)
    assert refused.value.key == "taken-back.others"


def test_some_of_many_are_told_by_their_places_and_proven_by_the_hash(bench: Bench) -> None:
    gone = bench.delete("Dee@x", "eve@x", "ada@x")
    # Ada, and Bob whose boss she is: two of four.
    restored = bench.order_restore(gone.backup, RestoreChoice(only=("ada@x",))).plan
    with pytest.raises(CountersignError) as refused:
        # Planned and never done.
        records(bench, gone, restored)
    assert refused.value.key == "taken-back.gone"
    bench.choose(gone.backup, RestoreChoice(only=("ada@x",)))
    assert sorted(records(bench, gone, restored).values) == ["ada@x", "bob@x"]
    (note,) = restored.returned
    other = tuple(place for place in range(4) if place not in note.places)
    # As releases before had it, altered, and of another backup.
    for altered in ((), (replace(note, places=other),), (replace(note, backup="another"),)):
        with pytest.raises(CountersignError) as refused:
            records(bench, gone, replace(restored, returned=altered))
        assert refused.value.key == "taken-back.some-records"
