"""Rows taken off the wire in bulk, attacked: never other rows than the driver's own, and never fewer in silence."""

import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import pymysql
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymysql.connections import MySQLResult
from pymysql.cursors import SSCursor

from bot.targets.mysql_admin import Administration, Server
from bot.targets.mysql_wire import Incoming
from tests.fakes.mysql_places import SCHEMAS, Place, a_place
from tests.fakes.servers import SERVERS

BOTH = pytest.mark.parametrize("place", SERVERS, indirect=True)
Cells = tuple[bytes | None, ...]
#: Where the length of a value is told in another way, and where a row goes on in a second packet.
EDGES = (0, 1, 250, 251, 252, 65_535, 65_536)
FULL = 0xFFFFFF


class Slow(io.RawIOBase):
    """A socket that hands over a few bytes at a time."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._data = memoryview(data)
        self._sizes = list(sizes)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = min(len(buffer), self._sizes.pop() if self._sizes else len(buffer), len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


def length_of(value: bytes) -> bytes:
    size = len(value)
    if size < 251:
        return bytes([size])
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little")
    if size < 1 << 24:
        return b"\xfd" + size.to_bytes(3, "little")
    return b"\xfe" + size.to_bytes(8, "little")


def sent(rows: Sequence[Cells], end: bytes = b"\xfe\0\0\2\0", number: int = 7) -> bytes:
    """What a server sends: each row in packets, then the end."""
    found = bytearray()
    for row in (*rows, None):
        body = end if row is None else b"".join(b"\xfb" if x is None else length_of(x) + x for x in row)
        while True:
            piece, body = body[:FULL], body[FULL:]
            found += struct.pack("<I", len(piece) | number << 24) + piece
            number = (number + 1) & 0xFF
            if len(piece) < FULL:
                break
    return bytes(found)


def a_connection(data: bytes, sizes: Sequence[int], columns: int, number: int = 7) -> Any:
    """The driver in the middle of an unbuffered result, with these bytes to come."""
    connection: Any = pymysql.connect(defer_connect=True, ssl_disabled=True)
    connection._current_timeout = connection._read_timeout
    connection._sock = object()
    connection._rfile = io.BufferedReader(Slow(data, sizes))
    connection._next_seq_id = number
    result: Any = MySQLResult(connection)
    connection._result = result
    result.field_count, result.unbuffered_active = columns, True
    result.converters = [(None, None)] * columns
    return connection


def ours(connection: Any) -> list[Cells]:
    incoming = Incoming(connection)
    batches = iter(incoming.batch, [])
    return list(chain.from_iterable(zip(*batch, strict=True) for batch in batches))


def the_drivers(connection: Any) -> list[Cells]:
    result = connection._result
    found = []
    while (row := result._read_rowdata_packet_unbuffered()) is not None:
        found.append(tuple(row))
    return found


values = st.none() | st.binary(max_size=300) | st.sampled_from(EDGES).map(lambda size: b"\xfe" * size)
tables = st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[values] * n), min_size=1, max_size=20))
sizes = st.lists(st.integers(1, 3000), max_size=60)


@given(tables, sizes, st.integers(0, 255))
@example([(b"a",)] * 300, [1] * 900, 250)
@example([(None, None), (b"", None)], [], 0)
@example([(b"x" * FULL, b"y"), (b"", b"after")], [5000], 3)
@example([(b"z" * (FULL - 4),), (b"z" * (FULL - 5),), (b"z" * (2 * FULL),), (b"",)], [], 255)
@settings(max_examples=100, deadline=None)
def test_rows_are_those_of_the_driver_however_they_arrive(
    rows: list[Cells], arriving: list[int], number: int
) -> None:
    data, columns = sent(rows, number=number), len(rows[0])
    assert ours(a_connection(data, arriving, columns, number)) == rows
    assert the_drivers(a_connection(data, arriving, columns, number)) == rows


@given(tables, sizes, st.integers(min_value=0), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_gives_no_other_rows_than_the_drivers(
    rows: list[Cells], arriving: list[int], place: int, byte: int
) -> None:
    data, columns = bytearray(sent(rows)), len(rows[0])
    data[place % len(data)] = byte
    connection = a_connection(bytes(data), arriving, columns)
    try:
        found = ours(connection)
    except pymysql.Error:
        return
    # The driver takes a row with too few values, or too many, as it comes.
    assert all(len(row) == columns for row in found)
    assert found == the_drivers(a_connection(bytes(data), arriving, columns))


@given(tables, sizes, st.integers(min_value=0))
@settings(max_examples=100, deadline=None)
def test_what_breaks_off_is_an_error_and_no_end(rows: list[Cells], arriving: list[int], place: int) -> None:
    data = sent(rows)
    connection = a_connection(data[: place % len(data)], arriving, len(rows[0]))
    with pytest.raises(pymysql.OperationalError):
        ours(connection)
    assert not connection.open


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    on = getattr(request, "param", "mariadb")
    with a_place("cs_test_wire", SCHEMAS[on], on) as made:
        yield made


def read(server: Server, query: str) -> list[Cells]:
    server.connection.query(query, unbuffered=True)
    return ours(server.connection)


@BOTH
def test_values_of_every_type_are_those_of_the_driver(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        for table in ("t", "child", "parted", "log", "a_view"):
            query = f"SELECT * FROM `{place.database}`.{table}"
            with server.connection.cursor(SSCursor) as cursor:
                cursor.execute(query)
                # The driver takes the types that it does not know for ASCII.
                cursor._result.converters = [(None, None)] * len(cursor.description)
                expected = list(cursor.fetchall())
            assert read(server, query) == expected
            assert expected or table == "log"


@BOTH
def test_rows_of_many_packets_and_none_at_all(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        (most,) = server.ask("SELECT @@max_allowed_packet")[0]
        size = int(most) - 10
        assert read(server, f"SELECT REPEAT('a', {size}), 'x' UNION ALL SELECT 'b', NULL") == [
            (b"a" * size, b"x"),
            (b"b", None),
        ]
        assert read(server, "SELECT 1 FROM DUAL WHERE FALSE") == []
        assert server.ask("SELECT 'still there'") == [("still there",)]


MANY = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)"


@BOTH
def test_an_error_in_the_middle_is_the_servers_and_the_connection_goes_on(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        bad = "IF(i = 800, (SELECT i FROM n m WHERE m.i < 3), REPEAT('x', 2000))"
        with pytest.raises(pymysql.Error) as caught:
            read(server, f"{MANY} SELECT {bad} FROM n")
        assert caught.value.args[0] == 1242
        assert server.ask("SELECT 'still there'") == [("still there",)]


@BOTH
def test_leaving_early_leaves_nothing_for_the_next_statement(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        server.connection.query(f"{MANY} SELECT i, REPEAT('x', 2000) FROM n", unbuffered=True)
        incoming = Incoming(server.connection)
        first = incoming.batch()
        assert 0 < len(first[0]) < 900
        incoming.close()
        assert incoming.batch() == []
        assert server.ask("SELECT 'mine'") == [("mine",)]


@BOTH
def test_a_session_that_is_ended_in_the_middle_is_lost_and_not_over(place: Place) -> None:
    with (
        Administration("crm", place.at()).connected() as server,
        closing(pymysql.connect(host="127.0.0.1", port=server.connection.port, user="root")) as other,
    ):
        server.connection.query(f"{MANY} SELECT a.i, REPEAT('x', 2000) FROM n a, n b", unbuffered=True)
        incoming = Incoming(server.connection)
        assert incoming.batch()
        other.query(f"KILL CONNECTION {server.connection.thread_id()}")
        with pytest.raises(pymysql.Error):
            incoming.close()
        assert incoming.batch() == []


def test_of_a_closed_connection_nothing_is_left_and_nothing_is_read(place: Place) -> None:
    with Administration("crm", place.at()).connected() as server:
        server.connection.query(f"{MANY} SELECT i, REPEAT('x', 2000) FROM n", unbuffered=True)
        incoming, other = Incoming(server.connection), server.connection
        assert incoming.batch()
    assert not other.open
    incoming.close()
    with pytest.raises(pymysql.OperationalError):
        incoming.batch()
