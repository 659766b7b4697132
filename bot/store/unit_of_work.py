"""One transaction with every collection in reach."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime

from sqlalchemy import Connection

from bot.model.audit import entry_bytes
from bot.store.audit_log import AuditLog
from bot.store.copies import Copies
from bot.store.database import Database
from bot.store.jobs import Backups, Jobs, Permits, Targets
from bot.store.mail import Erasable, Inbox, Outbox, Processes, Roster
from bot.store.members import Members
from bot.store.proofs import Boxes, Intents, Letters, PublicKeys
from bot.store.requests import Requests, Votes
from bot.store.usage import Usage

_Entry = tuple[str, datetime, int | None, Mapping[str, object]]


class Work:
    """The collections of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.requests = Requests(connection)
        self.votes = Votes(connection)
        self.intents = Intents(connection)
        self.letters = Letters(connection)
        self.boxes = Boxes(connection)
        self.public_keys = PublicKeys(connection)
        self.permits = Permits(connection)
        self.jobs = Jobs(connection)
        self.backups = Backups(connection)
        self.copies = Copies(connection)
        self.targets = Targets(connection)
        self.inbox = Inbox(connection)
        self.outbox = Outbox(connection)
        self.erasable = Erasable(connection)
        self.roster = Roster(connection)
        self.processes = Processes(connection)
        self.usage = Usage(connection)
        self.members = Members(connection)
        self._audit = AuditLog(connection)
        self._entries: list[_Entry] = []

    @property
    def audit(self) -> AuditLog:
        """The log, with everything in it that this transaction has said so far."""
        entries, self._entries = self._entries, []
        for entry in entries:
            self._audit.append(*entry)
        return self._audit

    def log(self, kind: str, at: datetime, request_id: int | None, body: Mapping[str, object]) -> None:
        """Say something in the log; it is written at the end of the transaction.

        The log is one chain: whoever has added an entry keeps everybody else waiting until the commit, and
        must not wait for a row of theirs in the meantime.

        Raises:
            CannotProve: the body holds something that does not belong in the log.
        """
        entry_bytes(kind, at, request_id, body)
        self._entries.append((kind, at, request_id, dict(body)))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Changes in this block are undone together when it raises; the transaction goes on."""
        before = list(self._entries)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self._entries = before
            raise


class _Undone(Exception):  # noqa: N818 - the intended end of a rehearsal, not a fault
    """Nothing of it stays."""


class Store:
    """Our own database as units of work."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def transact(self) -> Iterator[Work]:
        """One write transaction."""
        with self.database.transact() as connection:
            work = Work(connection)
            yield work
            _ = work.audit

    @contextmanager
    def rehearse(self) -> Iterator[Work]:
        """A write transaction that is undone at its end; what it says in the log is never said."""
        with suppress(_Undone), self.database.transact() as connection:
            yield Work(connection)
            raise _Undone

    @contextmanager
    def read(self) -> Iterator[Work]:
        """One consistent look."""
        with self.database.read() as connection:
            yield Work(connection)
