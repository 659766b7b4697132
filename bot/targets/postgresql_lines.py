"""Rows that PostgreSQL prints as lines of our CSV, taken off the wire without a Python call for each cell."""

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from bot.model.csv_lines import Block

_BATCH = 64 * 1024


def copied(connection: "psycopg.Connection[Any]", query: str) -> Iterator[Block]:
    """The rows of a query; no other statement may run before its end.

    psycopg's own reading goes through four generators for each row: 3 µs instead of 0.4.

    Raises:
        psycopg.Error: the server refused, or is gone.
    """
    wire = connection.pgconn
    _require(
        wire.exec_(f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)".encode()), ExecStatus.COPY_OUT
    )
    ended = False
    try:
        yield from _blocks(wire)
        ended = True
    finally:
        if not ended:
            _give_up(wire)
    done = wire.get_result()
    _drain(wire)
    _require(done, ExecStatus.COMMAND_OK)


def _blocks(wire: PGconn) -> Iterator[Block]:
    lines: Block = []
    size = 0
    while True:
        # The server sends one message for each row.
        length, line = wire.get_copy_data(0)
        if length < 0:
            break
        lines.append(bytes(line))
        size += length
        if size >= _BATCH:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _require(result: Any, status: ExecStatus) -> None:
    if result is not None and result.status == status:
        return
    error = error_from_result(result, "utf-8") if result is not None else None
    # What has no code comes from the library: there is no server any more.
    raise error if error is not None and error.sqlstate else psycopg.OperationalError


def _give_up(wire: PGconn) -> None:
    """Whoever took the rows has failed: leave the connection as after any statement that was cancelled."""
    try:
        wire.get_cancel().cancel()
        while wire.get_copy_data(0)[0] >= 0:
            pass
        _drain(wire)
    except psycopg.Error:
        # It is lost; the error that made us give up says more.
        wire.finish()


def _drain(wire: PGconn) -> None:
    while wire.get_result() is not None:
        pass
