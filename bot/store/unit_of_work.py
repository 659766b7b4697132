"""One transaction with every collection in reach."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from bot.store.audit_log import AuditLog
from bot.store.database import Database
from bot.store.jobs import Backups, Jobs, Permits, Targets
from bot.store.mail import Erasable, Inbox, Outbox, Processes, Roster
from bot.store.requests import Requests, Votes


class Work:
    """The collections of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.requests = Requests(connection)
        self.votes = Votes(connection)
        self.permits = Permits(connection)
        self.jobs = Jobs(connection)
        self.backups = Backups(connection)
        self.targets = Targets(connection)
        self.inbox = Inbox(connection)
        self.outbox = Outbox(connection)
        self.erasable = Erasable(connection)
        self.roster = Roster(connection)
        self.processes = Processes(connection)
        self.audit = AuditLog(connection)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Changes in this block are undone together when it raises; the transaction goes on."""
        with self.connection.begin_nested():
            yield


class Store:
    """Our own database as units of work."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def transact(self) -> Iterator[Work]:
        """One write transaction."""
        with self.database.transact() as connection:
            yield Work(connection)

    @contextmanager
    def read(self) -> Iterator[Work]:
        """One consistent look."""
        with self.database.read() as connection:
            yield Work(connection)
