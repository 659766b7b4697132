"""What else holds copies of what a request removed: who has seen to it, and when."""

from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from bot.model.requests import Tick
from bot.store import tables as t
from bot.store.database import insert_new


class Copies:
    """One row for each copy of the plan, by its place there; there once the request has done its part."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, request_id: int, count: int, now: datetime) -> None:
        """From now on they can be ticked off; what is there stays as it is."""
        for place in range(count):
            insert_new(self._connection, t.copies, request_id=request_id, place=place, since=now)

    def of(self, request_id: int) -> tuple[Tick, ...]:
        """In the order of the plan; empty before ``begin``."""
        query = select(t.copies).where(t.copies.c.request_id == request_id).order_by(t.copies.c.place)
        return tuple(_tick(row) for row in self._connection.execute(query))

    def set(self, request_id: int, place: int, by: str | None, now: datetime) -> bool:
        """Tick off for ``by``, or (None) take that back; False when it stands so already, or is unknown."""
        before = t.copies.c.done_by.is_not(None) if by is None else t.copies.c.done_by.is_(None)
        result = self._connection.execute(
            update(t.copies)
            .where(t.copies.c.request_id == request_id, t.copies.c.place == place, before)
            .values(done_by=by, done_at=None if by is None else now)
        )
        return result.rowcount == 1

    def forgotten(self, before: datetime) -> list[int]:
        """Requests with a copy that is open since then and of which nobody was reminded."""
        query = (
            select(t.copies.c.request_id)
            .where(t.copies.c.done_by.is_(None), t.copies.c.reminded_at.is_(None), t.copies.c.since <= before)
            .distinct()
            .order_by(t.copies.c.request_id)
        )
        return list(self._connection.execute(query).scalars())

    def reminded(self, request_id: int, now: datetime) -> None:
        """Nobody is reminded of this request again."""
        self._connection.execute(
            update(t.copies).where(t.copies.c.request_id == request_id).values(reminded_at=now)
        )


def _tick(row: Row[tuple[object, ...]]) -> Tick:
    return Tick(row.place, row.since, row.done_by, row.done_at, row.reminded_at is not None)
