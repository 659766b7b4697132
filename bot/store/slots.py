"""Locks that end with the process that holds them: advisory locks on a PostgreSQL session of its own."""

import threading
from contextlib import suppress

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bot.errors import BooksDown
from bot.store.database import Database, what_is_wrong

#: First halves of our two-part lock numbers; the second is a worker's number, a request, or nothing.
WORKER, PLANNING, SENDING = 7301, 7302, 7303

#: A partition of the network ends the session on both sides within about half a minute.
_CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_SERVER = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
_HALF = 2**31


class Session:
    """One session on a server. Its locks hold until it ends, however it ends.

    It needs the server itself: a pooler that lends sessions per transaction would lend the locks too.

    Raises:
        BooksDown: the server cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._turn = threading.Lock()
        engine = create_engine(
            database.url,
            hide_parameters=True,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=_CLIENT,
        )
        try:
            self._connection = engine.connect()
            for setting in _SERVER:
                self._connection.execute(text(f"SET {setting}"))
        except SQLAlchemyError as error:
            raise what_is_wrong(error) from None

    def take(self, kind: int, number: int = 0) -> bool:
        """Whether the lock is ours from now on.

        Raises:
            BooksDown: the session is gone, and every lock with it.
        """
        return bool(self._ask("SELECT pg_try_advisory_lock(:kind, :number)", kind, number))

    def give_back(self, kind: int, number: int = 0) -> None:
        """Let others take it."""
        self._ask("SELECT pg_advisory_unlock(:kind, :number)", kind, number)

    def holds(self) -> bool:
        """Whether the session lives, and with it every lock it took."""
        try:
            return self._ask("SELECT true", 0, 0) is True
        except BooksDown:
            return False

    def close(self) -> None:
        """Let go of everything."""
        with self._turn:
            if not self._connection.closed:
                # The server takes a moment to notice that a session has ended.
                with suppress(SQLAlchemyError):
                    self._connection.execute(text("SELECT pg_advisory_unlock_all()"))
                self._connection.close()

    def _ask(self, query: str, kind: int, number: int) -> object:
        given = {"kind": kind, "number": number % _HALF} if ":kind" in query else {}
        with self._turn:
            if self._connection.closed:
                raise BooksDown("store.unreachable")
            try:
                return self._connection.execute(text(query), given).scalar_one()
            except SQLAlchemyError as error:
                # A connection that comes back by itself would come back without its locks.
                self._connection.invalidate()
                self._connection.close()
                raise what_is_wrong(error) from None
