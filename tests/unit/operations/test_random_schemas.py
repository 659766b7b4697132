"""On any schema: exactly the closure goes, everything comes back byte for byte."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import CountersignError
from tests.fakes.operations import Bench, dump, make_bench
from tests.unit.operations.random_schemas import Link, Schema, quoted, schemas


def identified(schema: Schema, table: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in schema.keys[table])


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(schemas(), st.data())
def test_exactly_the_closure_goes_and_comes_back_identical(schema: Schema, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(sorted(schema.rows)))
    position = data.draw(st.integers(0, len(schema.rows[table]) - 1))
    gone, emptied = schema.closure(table, position)
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(Path(folder), "", table=table, find_by=["u"])
        schema.build(bench.path)
        before = dump(bench.path)

        plan, _ = bench.plan(f"u{position}")
        counts = {name: sum(one == name for one, _ in gone) for name in schema.rows}
        assert {part.name: part.rows for part in plan.tables} == {k: v for k, v in counts.items() if v}
        assert sum(part.rows for part in plan.nullified) == sum(map(len, emptied.values()))

        outcome = bench.delete(f"u{position}")
        assert outcome.problem is None
        for name, rows in schema.rows.items():
            columns = ", ".join(quoted(column) for column in schema.keys[name])
            left = {
                tuple(cell.decode() if isinstance(cell, bytes) else cell for cell in row)
                for row in bench.ask(f"SELECT {columns} FROM {quoted(name)}")
            }
            kept = {
                identified(schema, name, row) for number, row in enumerate(rows) if (name, number) not in gone
            }
            assert left == kept
        for link, rows_of_link in emptied.items():
            for number in rows_of_link:
                row = schema.rows[link.child][number]
                where = " AND ".join(f"{quoted(name)} IS ?" for name in schema.keys[link.child])
                columns = ", ".join(map(quoted, link.columns))
                found = bench.ask(
                    f"SELECT {columns} FROM {quoted(link.child)} WHERE {where}",
                    *identified(schema, link.child, row),
                )
                assert all(cell is None for cell in found[0])
        assert bench.settle(outcome.backup.backup_id) == "committed"

        assert bench.restore(outcome).problem is None
        assert dump(bench.path) == before
        assert bench.settle(outcome.backup.backup_id) == "not-committed"


def expected_refusal(
    schema: Schema, table: str, fates: tuple[set[tuple[str, int]], Any], heir: int | None
) -> str | None:
    """Why this cannot be, in the order in which it is asked; None when it can."""
    gone, staying = fates
    if staying["block"]:
        return "operations.blocked"
    if heir is None:
        return "operations.nobody-named" if staying["reassign"] else None
    if (table, heir) in gone:
        return "operations.heir-goes"
    loops = any(link.child == table and heir in rows for link, rows in staying["reassign"].items())
    return "operations.heir-points" if loops else None


def cells(bench: Bench, schema: Schema, link: Link, number: int) -> list[Any]:
    """What a link's columns hold in one row, by its key."""
    where = " AND ".join(f"{quoted(name)} IS ?" for name in schema.keys[link.child])
    query = f"SELECT {', '.join(map(quoted, link.columns))} FROM {quoted(link.child)} WHERE {where}"
    (row,) = bench.ask(query, *identified(schema, link.child, schema.rows[link.child][number]))
    return [cell.decode() if isinstance(cell, bytes) else cell for cell in row]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(schemas(), st.data())
def test_every_policy_does_what_the_slow_way_says_and_a_restore_undoes_it(
    schema: Schema, data: st.DataObject
) -> None:
    table = data.draw(st.sampled_from(sorted(schema.rows)))
    places = st.integers(0, len(schema.rows[table]) - 1)
    position, heir = data.draw(places), data.draw(st.one_of(st.none(), places))
    policies = {
        link.label: data.draw(
            st.sampled_from(["follow", "nullify", "block", *(["reassign"] * 3 * (link.parent == table))])
        )
        for link in schema.links
        if data.draw(st.booleans())
    }
    fates = schema.fates(table, position, policies)
    refusal = expected_refusal(schema, table, fates, heir)
    with tempfile.TemporaryDirectory() as folder:
        bench = make_bench(Path(folder), "", table=table, find_by=["u"], policies=policies)
        schema.build(bench.path)
        before = dump(bench.path)
        named = None if heir is None else f"u{heir}"
        if refusal is not None:
            with pytest.raises(CountersignError) as caught:
                bench.plan(f"u{position}", heir=named)
            assert caught.value.key == refusal
            return
        plan, _ = bench.plan(f"u{position}", heir=named)
        moved = fates[1]["reassign"]
        assert {part.name: part.rows for part in plan.reassigned} == {
            link.label: len(rows) for link, rows in moved.items()
        }
        outcome = bench.delete(f"u{position}", heir=named)
        assert outcome.problem is None
        assert sum(outcome.rows.values()) == len(fates[0])
        for link, rows in moved.items():
            wanted = [schema.rows[table][heir or 0][name] for name in link.parent_columns]
            assert all(cells(bench, schema, link, number) == wanted for number in rows)
        for link, rows in fates[1]["nullify"].items():
            assert all(set(cells(bench, schema, link, number)) == {None} for number in rows)
        assert bench.restore(outcome).problem is None
        assert dump(bench.path) == before
