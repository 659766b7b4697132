"""On any schema of a real server: exactly the closure goes, everything comes back byte for byte."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fakes.operations import (
    Bench,
    MysqlBench,
    PostgresqlBench,
    bench_on,
    open_bench,
    postgresql_bench,
)
from tests.fakes.servers import mysql_connect
from tests.unit.operations.server_schemas import MARIADB, MYSQL, POSTGRESQL, ServerSchema, server_schemas


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with postgresql_bench(tmp_path_factory.mktemp("servers"), "") as bench:
        yield bench


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench_on("mariadb", tmp_path_factory.mktemp("servers"), "") as bench:
        yield bench


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench_on("mysql", tmp_path_factory.mktemp("servers"), "") as bench:
        yield bench


def on_postgresql(ground: Bench, schema: ServerSchema, table: str) -> Bench:
    """The one database with this schema and nothing else."""
    with psycopg.connect(ground.spec.address) as connection:
        connection.execute('DROP SCHEMA IF EXISTS public, "Sales" CASCADE')
        connection.execute("CREATE SCHEMA public")
        for statement in schema.statements:
            connection.execute(statement.encode())
    fresh = open_bench(ground.path.parent, url=ground.spec.address, table=table, find_by=["u"])
    return PostgresqlBench(fresh.path, fresh.spec, fresh.target, fresh.vault, fresh.storage)


def on_mariadb(ground: Bench, schema: ServerSchema, table: str) -> Bench:
    """The one database with this schema and nothing else."""
    with closing(mysql_connect(ground.spec.address)) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {schema.dialect.quoted(name)}")
        cursor.execute("SET foreign_key_checks = 1, sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES'")
        for statement in schema.statements:
            cursor.execute(statement)
    fresh = open_bench(ground.path.parent, url=ground.spec.address, table=table, find_by=["u"])
    return MysqlBench(fresh.path, fresh.spec, fresh.target, fresh.vault, fresh.storage)


def keys_of(bench: Bench, schema: ServerSchema, table: str) -> set[tuple[Any, ...]]:
    columns = ", ".join(map(schema.dialect.quoted, schema.keys[table]))
    return set(bench.ask(f"SELECT {columns} FROM {schema.named(table)}"))


RANDOMLY = settings(
    max_examples=25,
    # Making a failure smaller takes minutes on a server.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


@RANDOMLY
@given(server_schemas(POSTGRESQL), st.data())
def test_on_postgresql(postgresql: Bench, schema: ServerSchema, data: st.DataObject) -> None:
    exactly_the_closure_goes_and_comes_back(on_postgresql, postgresql, schema, data)


@RANDOMLY
@given(server_schemas(MARIADB), st.data())
def test_on_mariadb(mariadb: Bench, schema: ServerSchema, data: st.DataObject) -> None:
    exactly_the_closure_goes_and_comes_back(on_mariadb, mariadb, schema, data)


# The same code as MariaDB's: fewer will do, for its own types.
@settings(RANDOMLY, max_examples=10)
@given(server_schemas(MYSQL), st.data())
def test_on_mysql(mysql: Bench, schema: ServerSchema, data: st.DataObject) -> None:
    exactly_the_closure_goes_and_comes_back(on_mariadb, mysql, schema, data)


def exactly_the_closure_goes_and_comes_back(
    make: Callable[[Bench, ServerSchema, str], Bench],
    ground: Bench,
    schema: ServerSchema,
    data: st.DataObject,
) -> None:
    table = data.draw(st.sampled_from(sorted(schema.rows)))
    position = data.draw(st.integers(0, len(schema.rows[table]) - 1))
    gone, emptied = schema.closure(table, position)
    bench = make(ground, schema, table)
    before = bench.dump()

    plan, _ = bench.plan(f"u{position}")
    counts = {name: sum(one == name for one, _ in gone) for name in schema.rows}
    assert {part.name: part.rows for part in plan.tables} == {k: v for k, v in counts.items() if v}
    assert sum(part.rows for part in plan.nullified) == sum(map(len, emptied.values()))

    outcome = bench.delete(f"u{position}")
    assert outcome.problem is None
    for name, rows in schema.rows.items():
        kept = [row for number, row in enumerate(rows) if (name, number) not in gone]
        assert keys_of(bench, schema, name) == {tuple(row[one] for one in schema.keys[name]) for row in kept}
    for link, numbers in emptied.items():
        columns = ", ".join(map(schema.dialect.quoted, link.columns))
        where = " AND ".join(f"{schema.dialect.quoted(one)} = %s" for one in schema.keys[link.child])
        for number in numbers:
            key = [schema.rows[link.child][number][one] for one in schema.keys[link.child]]
            found = bench.ask(f"SELECT {columns} FROM {schema.named(link.child)} WHERE {where}", *key)
            assert all(cell is None for cell in found[0])
    assert bench.settle(outcome.backup.backup_id) == "committed"

    assert bench.restore(outcome).problem is None
    assert bench.dump() == before
    assert bench.settle(outcome.backup.backup_id) == "not-committed"
