"""What rows of MariaDB and MySQL add up to, attacked: whatever differs adds up differently, in every form and forever."""

import secrets
from collections.abc import Iterator
from io import BytesIO

import pytest

from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_rows import PLAIN, Sums
from bot.targets.mysql_written import Written
from tests.fakes.mysql_places import Place, a_place
from tests.fakes.servers import SERVERS

FORMS = ("ab" * 16, "2:" + "cd" * 16, PLAIN + "ef" * 16)
#: Rows that would be the same if values were put side by side, or told apart by what they are equal to only.
COLUMNS = "a varchar(20), b text CHARACTER SET latin1, c varbinary(20), d int, e datetime(6), f float, g enum('', 'N')"
NEARLY = (
    "'x', 'y', 'z', 1, NULL, NULL, NULL",
    "'y', 'x', 'z', 1, NULL, NULL, NULL",
    "'X', 'y', 'z', 1, NULL, NULL, NULL",
    "'x ', 'y', 'z', 1, NULL, NULL, NULL",
    "'xy', '', 'z', 1, NULL, NULL, NULL",
    "'xy', NULL, 'z', 1, NULL, NULL, NULL",
    "'xy', 'N', 'z', 1, NULL, NULL, NULL",
    "'x,1:y', '', 'z', 1, NULL, NULL, NULL",
    "'x', 'é', 'z', 1, NULL, NULL, NULL",
    "'x', 'y', 'z', 11, NULL, NULL, NULL",
    "'x', 'y', 'z1', 1, NULL, NULL, NULL",
    "'x', 'y', X'7A00', 1, NULL, NULL, NULL",
    "'x', 'y', 'z', NULL, NULL, NULL, NULL",
    "'x', 'y', 'z', 0, NULL, NULL, NULL",
    "'x', 'y', 'z', 1, '2026-01-01', NULL, NULL",
    "'x', 'y', 'z', 1, '2026-01-01 00:00:00.000001', NULL, NULL",
    "'x', 'y', 'z', 1, NULL, 16777216, NULL",
    "'x', 'y', 'z', 1, NULL, 16777215, NULL",
    "'x', 'y', 'z', 1, NULL, 0, NULL",
    "'x', 'y', 'z', 1, NULL, NULL, ''",
    "'x', 'y', 'z', 1, NULL, NULL, 'N'",
)


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with a_place(f"cs_test_{secrets.token_hex(6)}", "SELECT 1", request.param) as made:
        yield made


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    with Administration("crm", place.at()).connected() as found:
        yield found


@pytest.mark.parametrize("seed", FORMS[1:])
def test_rows_that_are_nearly_the_same_add_up_differently(place: Place, server: Server, seed: str) -> None:
    found = set()
    for nth, row in enumerate(NEARLY):
        place.run(f"CREATE TABLE t{nth} ({COLUMNS})", f"INSERT INTO t{nth} VALUES ({row})")
        found.add(Sums(seed).of(server, place.database, f"t{nth}"))
    assert len(found) == len(NEARLY)


def test_what_is_added_up_while_rows_are_written_is_what_the_server_adds_up(
    place: Place, server: Server
) -> None:
    out = BytesIO()
    place.run(f"CREATE TABLE t ({COLUMNS})", "CREATE TABLE u (x int)", "CREATE TABLE v (x longtext)")
    place.run(*(f"INSERT INTO t VALUES ({row})" for row in NEARLY))
    # More than a line holds, more than comes at once, and rows that are longer than both.
    place.run(
        "INSERT INTO u WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT a.i FROM n a, n b"
    )
    place.run("INSERT INTO v VALUES (REPEAT('a', 600000)), (''), (REPEAT('é', 400000)), (NULL), ('b')")
    written = Written(out)
    for table in ("t", "u", "v"):
        rows, summed = written.of(server, place.database, table)
        assert (rows, summed) == Sums(written.seed).of(server, place.database, table)
        assert summed != "0"
    lines = out.getvalue().splitlines()
    assert all(one.startswith(b"INSERT INTO `") and one.endswith(b");") for one in lines)
    assert max(len(one) for one in lines if b"`u`" in one) < 2_000_000
    place.run("DELETE FROM t", "DELETE FROM u", "DELETE FROM v")
    server.use(place.database)
    server.run(*lines)
    assert written.seed.startswith(PLAIN)
    # The same once more, now of what was loaded.
    again = {table: Sums(written.seed).of(server, place.database, table) for table in ("t", "u", "v")}
    other = Written(BytesIO())
    assert [other.of(server, place.database, table)[0] for table in again] == [
        rows for rows, _ in again.values()
    ]


def test_every_form_stays_what_it_was(place: Place, server: Server) -> None:
    place.run(f"CREATE TABLE t ({COLUMNS})", *(f"INSERT INTO t VALUES ({row})" for row in NEARLY))
    assert [Sums(seed).of(server, place.database, "t") for seed in FORMS] == [
        (21, "176703465349310255220 188624897840834736367"),
        (21, "155261315512128563528"),
        (21, "195710737354438876840"),
    ]
