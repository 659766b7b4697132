"""Schemas that only MariaDB can have: deleted, restored, and every byte as it was."""

from pathlib import Path

import pytest

from tests.fakes.operations import mysql_bench

NAMES = ["id", "at.id", "t.", "c.t.p.", "p.`t.", "k.r", "100%", "%s"]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_may_be_called_like_a_piece_of_our_statements(tmp_path: Path, name: str) -> None:
    """Rows below themselves, row by row and in a circle, under names that look like ours."""
    key = f"`{name.replace('`', '``')}`"
    schema = f"""
    CREATE TABLE customers ({key} INT PRIMARY KEY, boss INT, name TEXT, FOREIGN KEY (boss) REFERENCES customers ({key}) ON DELETE CASCADE);
    INSERT INTO customers VALUES (1, NULL, 'a'), (4, NULL, 'd');
    INSERT INTO customers VALUES (2, 1, 'b'), (3, 3, 'c'), (5, 4, 'e');
    UPDATE customers SET boss = 2 WHERE {key} = 1
    """
    with mysql_bench(tmp_path, schema, find_by=[name], label="{name}") as bench:
        before = bench.dump()
        for who, rows in (("1", 2), ("3", 1), ("4", 2)):
            outcome = bench.delete(who)
            assert (outcome.problem, outcome.rows) == (None, {"customers": rows})
            assert bench.restore(outcome).problem is None
            assert bench.dump() == before
