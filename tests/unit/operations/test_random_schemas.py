"""On any schema: exactly the closure goes, everything comes back byte for byte."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.operations import dump, make_bench
from tests.unit.operations.random_schemas import Schema, quoted, schemas


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
