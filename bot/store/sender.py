"""Which of several bot processes sends what waits in the outbox."""

import fcntl
import os
from pathlib import Path

from bot.errors import BooksDown
from bot.store.database import Database
from bot.store.slots import SENDING, Session


class Sender:
    """One bot sends for all of them: Slack counts their messages together anyway, and nothing goes out twice.

    The lock ends with the process or its session; then the next bot that asks sends, and looks up what the
    other may have posted.
    """

    def __init__(self, database: Database, data_dir: Path) -> None:
        self._database = database
        self._file = data_dir / "sender.lock"
        self._session: Session | None = None
        self._descriptor: int | None = None
        self._ours = False

    def is_ours(self) -> bool:
        """Whether this process sends, asked before every message."""
        return self._hold_file() if self._database.is_sqlite else self._hold_session()

    def close(self) -> None:
        """Let another bot send."""
        if self._session is not None:
            self._session.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._session = self._descriptor = None

    def _hold_session(self) -> bool:
        try:
            if self._session is None:
                self._session, self._ours = Session(self._database), False
            self._ours = self._session.holds() if self._ours else self._session.take(SENDING)
        except BooksDown:
            self._ours = False
        if self._session is not None and not self._ours and not self._session.holds():
            self._session = None
        return self._ours

    def _hold_file(self) -> bool:
        if self._descriptor is None:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
