"""Which worker this is, and who is dead: locks that the kernel or the database lets go of by themselves."""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from bot.errors import Broken, NotAllowed
from bot.store.database import Database
from bot.store.slots import PLANNING, WORKER, Session

MOST_WORKERS = 100
_NAME = "slot-"


class WorkerLock(Protocol):
    """Held for the life of the process. ``name`` is what durable execution knows this worker by."""

    name: str

    def held(self) -> bool:
        """Whether this process still is that worker."""

    def bury(self, name: str) -> bool:
        """Whether nobody is the worker of that name: then nobody becomes it until ``buried``."""

    def buried(self, name: str) -> None:
        """What the dead worker left is given to others."""

    def claim(self, request_id: int) -> bool:
        """Whether this worker, and no other, may plan a request now."""

    def done(self, request_id: int) -> None:
        """The request is planned, or not."""

    def release(self) -> None:
        """Let another worker begin."""


def become_a_worker(database: Database, data_dir: Path) -> WorkerLock:
    """The first free number: any number of workers share a server, one has a SQLite file.

    Raises:
        NotAllowed: another worker runs on this SQLite folder.
        Broken: the server cannot be reached.
    """
    return FolderLock(data_dir) if database.is_sqlite else SessionLock(database)


class FolderLock:
    """One worker per data directory: a lock on a file in it."""

    name = f"{_NAME}0"

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(data_dir / "worker.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise NotAllowed("worker.second", folder=str(data_dir)) from None

    def held(self) -> bool:
        """Until the process ends."""
        return True

    def bury(self, name: str) -> bool:  # noqa: ARG002 - the promise's argument
        """There are no others."""
        return False

    def buried(self, name: str) -> None:
        """There was none."""

    def claim(self, request_id: int) -> bool:  # noqa: ARG002 - the promise's argument
        """There are no others."""
        return True

    def done(self, request_id: int) -> None:
        """Nothing was held."""

    def release(self) -> None:
        """Let another worker begin."""
        os.close(self._descriptor)


class SessionLock:
    """The first number that no living session holds."""

    def __init__(self, database: Database) -> None:
        self._session = Session(database)
        free = (number for number in range(MOST_WORKERS) if self._session.take(WORKER, number))
        number = next(free, None)
        if number is None:
            raise Broken("worker.too-many", n=MOST_WORKERS)
        self.name = f"{_NAME}{number}"

    def held(self) -> bool:
        """Whether the session lives."""
        return self._session.holds()

    def bury(self, name: str) -> bool:
        """Take the number of a worker; only the dead let go of it."""
        number = name.removeprefix(_NAME)
        return name != self.name and number.isdigit() and self._session.take(WORKER, int(number))

    def buried(self, name: str) -> None:
        """A new worker may have the number."""
        self._session.give_back(WORKER, int(name.removeprefix(_NAME)))

    def claim(self, request_id: int) -> bool:
        """A claim dies with its worker, so that no request waits for the dead."""
        return self._session.take(PLANNING, request_id)

    def done(self, request_id: int) -> None:
        """Give the claim back."""
        self._session.give_back(PLANNING, request_id)

    def release(self) -> None:
        """Let another worker begin."""
        self._session.close()
