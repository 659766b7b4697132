"""A MariaDB or MySQL server that is set up in another way than ours: names without case, transactions that only read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import BadInput, TargetDown
from bot.operations import restore
from tests.fakes.operations import MysqlBench, RecordingGate, open_bench
from tests.fakes.servers import SERVERS, MariaDB, MySQL, MysqlServer, mysql_database, own_mariadb

SCHEMA = """
CREATE TABLE Customers (id INT PRIMARY KEY, Email VARCHAR(40) UNIQUE);
CREATE TABLE Orders (id INT PRIMARY KEY, Customer INT, FOREIGN KEY (Customer) REFERENCES CUSTOMERS (ID) ON DELETE CASCADE);
CREATE TABLE Visits (id INT PRIMARY KEY, Customer INT, FOREIGN KEY (Customer) REFERENCES customers (id) ON DELETE SET NULL);
CREATE TABLE Notes (id INT PRIMARY KEY, Subject INT);
INSERT INTO Customers VALUES (1, 'ada@x'), (2, 'bob@x');
INSERT INTO ORDERS VALUES (1, 1), (2, 2);
INSERT INTO Visits VALUES (1, 1), (2, 2);
INSERT INTO Notes VALUES (1, 1), (2, 2)
"""


class OddMySQL(MySQL):
    """The names of its own tables must have been made like that."""

    kept = "data-of-a-server-without-case"
    options = (*MySQL.options, "--lower-case-table-names=1")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[MysqlServer]:
    made = own_mariadb() if request.param == "mariadb" else OddMySQL()
    try:
        yield made.start("--lower-case-table-names=1")
    finally:
        made.remove()


def bench_at(folder: Path, url: str, table: str = "customers") -> MysqlBench:
    soft = [("notes.Subject", f"{table}.id", None)]
    made = open_bench(folder, url=url, table=table, find_by=["id", "Email"], soft=soft, max_lock=2)
    return MysqlBench(made.path, made.spec, made.target, made.vault, made.storage)


def test_where_names_have_no_case_two_spellings_are_one_database(server: MysqlServer, tmp_path: Path) -> None:
    with mysql_database(server.url) as url:
        head, _, name = url.rpartition("/")
        plain, loud = bench_at(tmp_path, url), bench_at(tmp_path, f"{head}/{name.upper()}")
        plain.sql(SCHEMA)
        before = plain.dump()
        with plain.target.writing(), pytest.raises(TargetDown) as caught, loud.target.writing():
            pass
        assert caught.value.key == "target.locked"
        assert plain.target.identity == loud.target.identity
        for bench in (plain, loud):
            gone = bench.delete("ada@x")
            assert gone.rows == {"customers": 1, "orders": 1, "notes": 1}
            assert list(gone.nullified.values()) == [1]
            assert loud.restore(gone).problem is None
            assert plain.dump() == before
        # The configuration writes names as the server keeps them.
        with pytest.raises(BadInput) as unknown:
            bench_at(tmp_path, url, "Customers").plan("1")
        assert unknown.value.key == "operations.unknown-table"


@pytest.mark.parametrize("name", ["transaction_read_only", "read_only"])
def test_a_server_that_only_reads_is_told_at_the_plan_and_after_it(
    server: MysqlServer, tmp_path: Path, name: str
) -> None:
    with mysql_database(server.url) as url:
        bench = bench_at(tmp_path, url)
        bench.sql(SCHEMA)
        gone = bench.delete("2")
        before, order, back = bench.dump(), bench.order("1"), bench.order_restore(gone.backup)
        acts: list[Callable[[], object]] = [
            lambda: bench.plan("1"),
            lambda: bench.run(order),
            lambda: bench.plan_restore(gone),
            lambda: restore.run(back, bench.target, bench.vault, RecordingGate()),
        ]
        if isinstance(server, MariaDB) and name == "transaction_read_only":
            name = "tx_read_only"
        bench.sql(f"SET GLOBAL {name} = 1")
        try:
            for act in acts:
                with pytest.raises(TargetDown) as caught:
                    act()
                assert caught.value.key == "target.only-reads"
        finally:
            bench.sql(f"SET GLOBAL {name} = 0")
        assert bench.dump() == before
        assert bench.restore(gone).problem is None
