"""Who held each role when it was last looked at, so that a change can be told once."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update

from bot.store import tables as t
from bot.store.database import insert_new


class Members:
    """The last look at each role."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def seen(self, role: str) -> tuple[frozenset[str], datetime] | None:
        """Who held the role, and when that was; None when nobody ever looked."""
        query = select(t.role_members).where(t.role_members.c.role == role)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (frozenset(row.users.split()), row.seen_at)

    def look(self, role: str, users: Iterable[str], was: Iterable[str] | None, now: datetime) -> bool:
        """Note who holds the role now; False when somebody else has looked in between."""
        text = _text(users)
        if was is None:
            return insert_new(self._connection, t.role_members, role=role, users=text, seen_at=now)
        result = self._connection.execute(
            update(t.role_members)
            .where(t.role_members.c.role == role, t.role_members.c.users == _text(was))
            .values(users=text, seen_at=now)
        )
        return result.rowcount == 1


def _text(users: Iterable[str]) -> str:
    return " ".join(sorted(users))
