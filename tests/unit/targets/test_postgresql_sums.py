"""What rows add up to, attacked: whatever differs must add up differently, in either form and forever."""

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.targets.postgresql_admin import Administration, Connection
from bot.targets.postgresql_sums import Seeds, sum_of, sum_rows
from tests.fakes.servers import postgresql_database

FIELDS = Seeds(secrets.randbits(62), secrets.randbits(62), "fields")
TEXT = Seeds(*FIELDS[:2])
ONCE = Seeds(*FIELDS[:2], "once")
#: Two values of a type that the server calls equal, hashes alike, or prints nearly alike.
NEARLY = (
    ("bigint", "0", "4294967297"),
    ("bigint", "-1", "9223372036854775807"),
    ("numeric", "1.0", "1.00"),
    ("numeric", "0", "0.0"),
    ("float8", "0", "'-0'"),
    ("float4", "0", "'-0'"),
    ("timestamptz", "'2026-01-01 00:00:00Z'", "'2026-01-01 00:00:00.000001Z'"),
    ("timestamp", "'epoch'", "timestamp 'epoch' + interval '4294967297 microseconds'"),
    ("interval", "'1 day'", "'24 hours'"),
    ("interval", "'1 month'", "'30 days'"),
    ("text", "''", "NULL"),
    ("text", "'a'", "'a '"),
    ("text COLLATE blind", "'a'", "'A'"),
    ("blind_text", "'a'", "'A'"),
    ("bpchar", "'a'", "'a '"),
    ("citext", "'a'", "'A'"),
    ("bytea", r"'\x00'", r"'\x0000'"),
    ("json", """'{"a":1}'""", """'{"a": 1}'"""),
    ("jsonb", """'{"a": 1}'""", """'{"a": 1.0}'"""),
    ("inet", "'10.0.0.1/32'", "'10.0.0.1/31'"),
    ("numeric[]", "'{1.0}'", "'{1.00}'"),
    ("int[]", "'{1,2}'", "'[0:1]={1,2}'"),
    ("mood", "'well'", "'ill'"),
    ("pair", "ROW(1, 1.0)::pair", "ROW(1, 1.00)::pair"),
    ("bool", "true", "NULL"),
    ("date", "'2026-01-01'", "'infinity'"),
    ("oid", "0", "4294967295"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"),
)
KINDS = """
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TYPE mood AS ENUM ('well', 'ill');
CREATE TYPE pair AS (a int, b numeric);
CREATE DOMAIN blind_text AS text COLLATE blind
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgresql_database() as found:
        with psycopg.connect(found, autocommit=True) as connection:
            for statement in KINDS.split(";\n"):
                connection.execute(statement.encode())
        yield found


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    admin = Administration("crm", url)
    with admin.connected(admin.database) as found:
        found.execute("SET search_path TO public")
        yield found


def table(connection: Connection, columns: str, *rows: str) -> str:
    name = f"public.t{secrets.token_hex(6)}"
    connection.execute(f"CREATE TABLE {name} ({columns})".encode())
    for row in rows:
        connection.execute(f"INSERT INTO {name} VALUES ({row})".encode())
    return name


@pytest.mark.parametrize(("kind", "one", "other"), NEARLY)
def test_values_that_are_nearly_the_same_add_up_differently(
    connection: Connection, kind: str, one: str, other: str
) -> None:
    tables = [table(connection, f"x {kind}", value) for value in (one, other)]
    again = table(connection, f"x {kind}", one)
    for seeds in (FIELDS, ONCE):
        found = {sum_rows(connection, each, seeds) for each in tables}
        assert len(found) == 2
        assert sum_rows(connection, again, seeds) in found


def test_rows_that_exchange_a_value_or_a_column_are_others(connection: Connection) -> None:
    columns = "a text, b text, c bigint"
    tables = [
        ("'x', 'y', 1", "'v', 'w', 2"),
        ("'x', 'w', 1", "'v', 'y', 2"),
        ("'y', 'x', 1", "'v', 'w', 2"),
        ("'x', 'y', 2", "'v', 'w', 1"),
        ("'xy', '', 1", "'v', 'w', 2"),
        ("'x', 'y', 1", "'v', 'w', 2", "'v', 'w', 2"),
        ("NULL, 'y', 1", "'v', 'w', 2"),
        ("'x', 'y', NULL", "'v', 'w', 2"),
    ]
    for seeds in (FIELDS, TEXT, ONCE):
        sums = {sum_rows(connection, table(connection, columns, *rows), seeds) for rows in tables}
        assert len(sums) == len(tables)
    turned = table(connection, columns, *reversed(tables[0]))
    assert sum_rows(connection, turned, FIELDS) == sum_rows(
        connection, table(connection, columns, *tables[0]), FIELDS
    )


def test_odd_tables_have_sums_too(connection: Connection) -> None:
    empty = table(connection, "")
    assert sum_rows(connection, empty, FIELDS) == (0, "0 0")
    connection.execute(f"INSERT INTO {empty} DEFAULT VALUES".encode())
    assert sum_rows(connection, empty, FIELDS)[0] == 1
    columns = ", ".join(f'"c {n}" {kind}' for n, (kind, _, _) in enumerate(NEARLY))
    wide = table(connection, columns, ", ".join("NULL" for _ in NEARLY))
    connection.execute(f'ALTER TABLE {wide} DROP COLUMN "c 1"'.encode())
    assert sum_rows(connection, wide, FIELDS)[0] == 1
    long = table(
        connection, "x text, y bytea", "repeat(md5('a'), 400000), decode(repeat('00', 3000000), 'hex')"
    )
    other = table(
        connection, "x text, y bytea", "repeat(md5('a'), 400000), decode(repeat('00', 2999999), 'hex')"
    )
    assert sum_rows(connection, long, FIELDS) != sum_rows(connection, other, FIELDS)


def test_the_form_of_older_backups_stays_what_it_was(connection: Connection) -> None:
    name = table(connection, "a int, b text, c numeric", "1, 'x \"y', 1.0", "2, NULL, 2.50")
    frozen = Seeds.of([12345, 67890])
    row = connection.execute(
        f"""SELECT count(*), sum(hashtextextended(t::text, 12345)::numeric)::text || ' ' ||
            sum(hashtextextended(t::text, 67890)::numeric)::text FROM ONLY {name} t""".encode()
    ).fetchone()
    assert frozen.form == "text"
    assert sum_rows(connection, name, frozen) == row
    assert sum_of(connection, "SELECT 'a' UNION ALL SELECT 'b'", frozen)[0] == 2


def test_the_forms_of_today_are_frozen_too(connection: Connection) -> None:
    name = table(
        connection,
        "a int, b text, c numeric, d bigint, e timestamptz, f float8, g jsonb",
        "1, 'x \"y', 1.0, 7, '2026-01-01 Z', 1.5, '{\"a\": 1}'",
        "2, NULL, 2.50, NULL, NULL, '-0', NULL",
    )
    first, second = "-4506742715129008028", "-11481284937056225045"
    assert sum_rows(connection, name, Seeds.of([12345, 67890, "fields"])) == (2, f"{first} {second}")
    assert sum_rows(connection, name, Seeds.of([12345, 67890, "once"])) == (2, first)
    assert sum_rows(connection, name, Seeds.of([67890, 12345, "once"])) == (2, second)


@given(
    st.one_of(st.none(), st.integers(), st.text(), st.lists(st.one_of(st.integers(), st.text()), max_size=4))
)
@settings(max_examples=200)
def test_seeds_of_a_strange_manifest_are_refused_and_not_guessed(body: Any) -> None:
    try:
        seeds = Seeds.of(body)
    except (TypeError, ValueError):
        return
    assert list(seeds)[: len(body)] == body
