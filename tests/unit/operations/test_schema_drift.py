"""Tables that have changed since the backup: what still holds the rows takes them, all else is refused."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from bot.errors import CannotProve
from bot.texts import say
from tests.fakes.operations import Bench, make_bench, mysql_bench, oracle_bench, postgresql_bench
from tests.unit.operations.test_widening import WIDER

#: The edges of each type, as SQL writes them.
VALUES: dict[str, list[str]] = {
    "smallint": ["-32768", "0", "32767"],
    "integer": ["-2147483648", "7", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "numeric(8,2)": ["-999999.99", "0.10", "5"],
    "character varying(10)": ["''", "'ab  '", "'漢字 \"x\",\\'"],
    "character varying": ["'ab '", "'x' || chr(10)"],
    "text": ["'ab '", "'\t'"],
    "timestamp(3) without time zone": ["'2026-01-01'", "'2026-01-01 10:00:00.120'", "'infinity'"],
    "timestamp(0) with time zone": ["'2026-03-29 02:30:00+01'", "'-infinity'"],
    "time(2) without time zone": ["'23:59:59.99'", "'24:00'"],
    "bit(3)": ["B'101'", "B'000'"],
    "bit varying(3)": ["B''", "B'10'"],
    "integer[]": ["'{}'", "'{1,NULL,-3}'", "'{{1},{2}}'"],
    "character varying(3)[]": ["""'{"a,b",NULL,"",nul}'""", "'{}'"],
    "mood": ["'fine'"],
}
VALUES_OF_MARIADB: dict[str, list[str]] = {
    "tinyint(1)": ["-128", "127"],
    "tinyint(4)": ["-128", "127"],
    "int(11)": ["-2147483648", "2147483647"],
    "int(10) unsigned": ["0", "4294967295"],
    "bigint(20) unsigned": ["0", "18446744073709551615"],
    "decimal(8,2)": ["-999999.99", "0.10"],
    "decimal(8,2) unsigned": ["0", "999999.99"],
    "float": ["0.1", "-3.402823e38", "16777217"],
    "bit(3)": ["b'101'", "b'0'"],
    "char(3)": ["''", "'ab '", "'漢字é'"],
    "varchar(10)": ["'ab  '", "'漢字'"],
    "varchar(300)": ["''", "REPEAT('é', 300)"],
    "tinytext": ["'a '", "REPEAT('x', 255)"],
    "mediumtext": ["''", "REPEAT('x', 70000)"],
    "binary(3)": ["'a'", "X'000102'", "X'202020'"],
    "varbinary(3)": ["''", "X'00'"],
    "varbinary(255)": ["X'00'", "REPEAT(X'FF', 255)"],
    "blob": ["''", "X'0A00'"],
    "enum('a','it''s')": ["'a'", "'it''s'"],
    "set('a','b')": ["''", "'b,a'"],
}
PAIRS_OF_POSTGRESQL = [pair for pair in WIDER["postgresql"] if pair[0] in VALUES]
PAIRS_OF_MARIADB = [pair for pair in WIDER["mariadb"] if pair[0] in VALUES_OF_MARIADB]
assert len(PAIRS_OF_POSTGRESQL) == len(WIDER["postgresql"])
# One type is left out: a row of MariaDB has no room for it beside the others.
assert len(PAIRS_OF_MARIADB) == len(WIDER["mariadb"]) - 1


def script(pairs: list[tuple[str, str]], values: dict[str, list[str]], before: str = "") -> str:
    """Customer 1 with a sample of every value of every type, and customer 2 without."""
    columns = ", ".join(f"c{place} {was}" for place, (was, _) in enumerate(pairs))
    rows = [
        "({}, 1, {})".format(
            number,
            ", ".join(values[was][number] if number < len(values[was]) else "NULL" for was, _ in pairs),
        )
        for number in range(4)
    ]
    return (
        f"{before}CREATE TABLE customers (id INT PRIMARY KEY);\n"
        f"CREATE TABLE samples (id INT PRIMARY KEY, customer INT, {columns},"
        " FOREIGN KEY (customer) REFERENCES customers (id));\n"
        f"INSERT INTO customers VALUES (1), (2);\nINSERT INTO samples VALUES {', '.join(rows)}"
    )


Place = Callable[[Path], AbstractContextManager[Bench]]
OF_POSTGRESQL = script(PAIRS_OF_POSTGRESQL, VALUES, "CREATE TYPE mood AS ENUM ('fine');\n")
OF_MARIADB = script(PAIRS_OF_MARIADB, VALUES_OF_MARIADB)
CHANGES_OF_POSTGRESQL = "ALTER TABLE samples " + ", ".join(
    f"ALTER c{place} TYPE {now}" for place, (_, now) in enumerate(PAIRS_OF_POSTGRESQL)
)
CHANGES_OF_MARIADB = "ALTER TABLE samples " + ", ".join(
    f"MODIFY c{place} {now}" for place, (_, now) in enumerate(PAIRS_OF_MARIADB)
)
WIDENED = {
    "postgresql": (postgresql_bench, OF_POSTGRESQL, CHANGES_OF_POSTGRESQL, PAIRS_OF_POSTGRESQL),
    "mariadb": (mysql_bench, OF_MARIADB, CHANGES_OF_MARIADB, PAIRS_OF_MARIADB),
    "mysql": (oracle_bench, OF_MARIADB, CHANGES_OF_MARIADB, PAIRS_OF_MARIADB),
}


@pytest.mark.parametrize("kind", WIDENED)
def test_rows_come_back_into_wider_columns_as_if_they_had_been_there(kind: str, tmp_path: Path) -> None:
    """The same change, made around the rows, must have given the same, to the byte."""
    make, schema, change, pairs = WIDENED[kind]
    with make(tmp_path, schema) as bench, make(tmp_path, schema) as stayed:
        stayed.sql(change)
        outcome = bench.delete("1")
        bench.sql(change)
        plan, _ = bench.plan_restore(outcome)
        widened = {str(one.params["column"]) for one in plan.warnings if one.key == "told.widened"}
        # What the server calls by the same name in both is no change.
        assert widened <= {f"c{place}" for place in range(len(pairs))}
        assert len(widened) >= len(pairs) - 3
        assert all(say(one.key, "en", **one.params) for one in plan.warnings)
        done = bench.restore(outcome)
        assert done.problem is None
        assert done.sums == outcome.sums
        assert bench.dump() == stayed.dump()


PLACES: dict[str, Place] = {
    "sqlite": lambda folder: nullcontext(make_bench(folder, SMALL)),
    "postgresql": lambda folder: postgresql_bench(folder, SMALL),
    "mariadb": lambda folder: mysql_bench(folder, SMALL),
    "mysql": lambda folder: oracle_bench(folder, SMALL),
}
SMALL = """
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL);
CREATE TABLE notes (id INT PRIMARY KEY, customer INT NOT NULL, body VARCHAR(20), kind VARCHAR(9),
  FOREIGN KEY (customer) REFERENCES customers (id));
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO notes VALUES (1, 1, 'x', NULL), (2, 1, NULL, 'k'), (3, 2, 'y', 'k')
"""


@pytest.fixture(params=PLACES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with PLACES[request.param](tmp_path) as made:
        yield made


def rebuilt(bench: Bench, columns: str) -> None:
    """The table of notes with other columns and the rows that it has."""
    bench.sql(
        f"CREATE TABLE fresh ({columns}, FOREIGN KEY (customer) REFERENCES customers (id));\n"
        "INSERT INTO fresh (id, customer, body, kind) SELECT id, customer, body, kind FROM notes;\n"
        "DROP TABLE notes;\nALTER TABLE fresh RENAME TO notes"
    )


def test_another_order_and_new_columns_are_no_obstacle_and_told(bench: Bench) -> None:
    outcome = bench.delete("1")
    rebuilt(
        bench,
        "more VARCHAR(9) DEFAULT 'new' NOT NULL, kind VARCHAR(9), body VARCHAR(20), customer INT NOT NULL,"
        " id INT PRIMARY KEY, spare INT",
    )
    plan, _ = bench.plan_restore(outcome)
    new = [one.params["column"] for one in plan.warnings if one.key == "told.column-new"]
    assert new == ["more", "spare"]
    assert bench.restore(outcome).problem is None
    rows = bench.ask("SELECT id, customer, body, kind, more, spare FROM notes ORDER BY id")
    texts = [[one.decode() if isinstance(one, bytes) else one for one in row] for row in rows]
    assert texts == [
        [1, 1, "x", None, "new", None],
        [2, 1, None, "k", "new", None],
        [3, 2, "y", "k", "new", None],
    ]


def test_a_column_that_may_be_empty_now_is_no_obstacle(bench: Bench) -> None:
    outcome = bench.delete("1")
    rebuilt(bench, "id INT PRIMARY KEY, customer INT, body VARCHAR(20), kind VARCHAR(9)")
    assert bench.restore(outcome).problem is None


REFUSED = {
    "a shorter text": ("body VARCHAR(19), kind VARCHAR(9)", "restore.type-changed", "body"),
    "another kind": ("body VARCHAR(20), kind INT", "restore.type-changed", "kind"),
    "no longer empty, with rows that are": (
        "body VARCHAR(20) DEFAULT 'b' NOT NULL, kind VARCHAR(9)",
        "restore.empty",
        "body",
    ),
    "a new one that needs a value": (
        "body VARCHAR(20), kind VARCHAR(9), more INT NOT NULL",
        "restore.column-new",
        "more",
    ),
}


@pytest.mark.parametrize(("columns", "key", "column"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_surely_hold_the_same_is_refused_with_the_column(
    bench: Bench, columns: str, key: str, column: str
) -> None:
    outcome = bench.delete("1")
    if bench.target.identity["kind"] == "sqlite" and "19" in columns:
        columns = columns.replace("VARCHAR(19)", "BLOB")
    bench.sql(f"DROP TABLE notes;\nCREATE TABLE notes (id INT PRIMARY KEY, customer INT NOT NULL, {columns})")
    before = bench.dump()
    with pytest.raises(CannotProve) as caught:
        bench.plan_restore(outcome)
    assert caught.value.key == key
    assert (caught.value.params["table"], caught.value.params["column"]) == ("notes", column)
    assert say(key, "en", **caught.value.params)
    assert bench.dump() == before


def test_no_longer_empty_is_no_obstacle_where_no_row_is(bench: Bench) -> None:
    bench.sql("UPDATE notes SET body = 'b', kind = 'k'")
    outcome = bench.delete("1")
    rebuilt(bench, "id INT PRIMARY KEY, customer INT NOT NULL, body VARCHAR(20) NOT NULL, kind VARCHAR(9)")
    assert bench.restore(outcome).problem is None


def test_the_approval_of_a_plan_does_not_outlive_a_change_of_the_tables(bench: Bench) -> None:
    outcome = bench.delete("1")
    first, _ = bench.plan_restore(outcome)
    rebuilt(bench, "id INT PRIMARY KEY, customer INT, body TEXT, kind VARCHAR(9)")
    again, _ = bench.plan_restore(outcome)
    assert again.fingerprint != first.fingerprint
