"""What a user of a MariaDB or MySQL server may not do is told as the statements that allow it, and those are enough."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.errors import CannotProve
from tests.fakes.operations import MysqlBench, bench_on, open_bench
from tests.fakes.servers import SERVERS, mysql_connect

both = pytest.mark.parametrize("kind", SERVERS)
SCHEMA = """
CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(40) UNIQUE);
CREATE TABLE orders (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE notes (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE SET NULL);
INSERT INTO customers VALUES (1, 'ada@x'), (2, 'bob@x');
INSERT INTO orders VALUES (1, 1), (2, 2);
INSERT INTO notes VALUES (1, 1), (2, 2)
"""


@contextmanager
def somebody(kind: str, folder: Path) -> Iterator[tuple[MysqlBench, MysqlBench, str]]:
    """The database as its owner, as somebody with no right but to log in, and that user."""
    name = f"cs_{secrets.token_hex(6)}"
    with bench_on(kind, folder, SCHEMA) as owner:
        database = owner.spec.address.rpartition("/")[2]
        owner.sql(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'")
        owner.sql(f"GRANT SELECT ON {database}.customers TO '{name}'@'%'")
        try:
            where = SERVERS[kind]().partition("@")[2].rpartition("/")[0]
            url = f"mysql://{name}:secret@{where}/{database}"
            made = open_bench(folder, url=url, find_by=["email"])
            yield owner, MysqlBench(made.path, made.spec, made.target, made.vault, made.storage), name
        finally:
            owner.sql(f"DROP USER '{name}'@'%'")


def allow(owner: MysqlBench, bench: MysqlBench) -> list[str]:
    """Run what the refusals name until there are none; everything that was named."""
    named: list[str] = []
    for _ in range(6):
        try:
            bench.plan("ada@x")
        except CannotProve as refusal:
            assert refusal.key == "operations.missing-rights"
            grants = [one for one in str(refusal.params["grants"]).split("; ") if one]
            named += grants
            with closing(mysql_connect(owner.spec.address)) as connection, connection.cursor() as cursor:
                for grant in grants:
                    cursor.execute(grant.removesuffix(";"))
        else:
            return named
    raise AssertionError(named)


@both
def test_the_statements_that_are_named_are_enough_and_no_more_than_needed(kind: str, tmp_path: Path) -> None:
    with somebody(kind, tmp_path) as (owner, bench, _):
        before = owner.dump()
        named = allow(owner, bench)
        assert any("PROCESS" in one for one in named)
        assert any("CREATE TEMPORARY TABLES" in one for one in named)
        assert not any("ALL" in one or "GRANT OPTION" in one for one in named)
        outcome = bench.delete("ada@x")
        assert outcome.problem is None
        assert outcome.rows == {"customers": 1, "orders": 1}
        assert bench.restore(outcome).problem is None
        assert owner.dump() == before


@both
def test_a_user_and_a_password_may_hold_any_signs(kind: str, tmp_path: Path) -> None:
    name, word = f"wörker {secrets.token_hex(4)}@數", "pä$s %/:@數"
    with bench_on(kind, tmp_path, SCHEMA) as owner:
        where, _, database = owner.spec.address.partition("@")[2].rpartition("/")
        owner.sql(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{word}'")
        owner.sql(f"GRANT SELECT ON {database}.customers TO '{name}'@'%'")
        try:
            url = f"mysql://{quote(name, safe='')}:{quote(word, safe='')}@{where}/{database}"
            made = open_bench(tmp_path, url=url, find_by=["email"])
            with pytest.raises(CannotProve) as told:
                MysqlBench(made.path, made.spec, made.target, made.vault, made.storage).plan("ada@x")
            assert told.value.key == "operations.missing-rights"
        finally:
            owner.sql(f"DROP USER '{name}'@'%'")


def test_a_sequence_that_numbers_the_rows_is_asked_for_as_well(tmp_path: Path) -> None:
    with somebody("mariadb", tmp_path) as (owner, bench, _):
        owner.sql("CREATE SEQUENCE `odd``one`")
        owner.sql("ALTER TABLE orders ALTER id SET DEFAULT (NEXT VALUE FOR `odd``one`)")
        named = allow(owner, bench)
        assert any("SELECT, INSERT" in one and "`odd``one`" in one for one in named)
        before = owner.dump()
        outcome = bench.delete("ada@x")
        assert bench.restore(outcome).problem is None
        assert owner.dump() == before
        assert owner.ask("SELECT NEXT VALUE FOR `odd``one`") == [(2,)]


@both
def test_a_right_on_some_columns_is_none(kind: str, tmp_path: Path) -> None:
    with somebody(kind, tmp_path) as (owner, bench, name):
        owner.sql(f"GRANT SELECT (id) ON orders TO '{name}'@'%'")
        assert any("SELECT" in one and "orders" in one for one in allow(owner, bench))


@both
def test_a_key_of_a_database_that_cannot_be_seen_is_found(kind: str, tmp_path: Path) -> None:
    """Its rows would go by the engine's own cascade, and be in no backup."""
    with somebody(kind, tmp_path) as (owner, bench, _):
        allow(owner, bench)
        database = owner.spec.address.rpartition("/")[2]
        owner.sql(f"CREATE DATABASE {database}_beside")
        try:
            owner.sql(
                f"CREATE TABLE {database}_beside.`far-off` (id INT PRIMARY KEY, c INT,"
                f" FOREIGN KEY (c) REFERENCES {database}.customers (id) ON DELETE CASCADE)"
            )
            owner.sql(f"INSERT INTO {database}_beside.`far-off` VALUES (7, 1)")
            before = owner.dump()
            with pytest.raises(CannotProve) as refused:
                bench.plan("ada@x")
            assert f"`{database}_beside`.`far-off`" in str(refused.value.params["grants"])
            allow(owner, bench)
            outcome = bench.delete("ada@x")
            assert outcome.rows[f"{database}_beside.far-off"] == 1
            assert bench.restore(outcome).problem is None
            assert owner.dump() == before
        finally:
            owner.sql(f"DROP DATABASE {database}_beside")
