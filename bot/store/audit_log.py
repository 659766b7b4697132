"""The hash-chained log in our database. Entries are added and never touched again."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from bot.errors import NotOurs
from bot.model.audit import GENESIS, LOG_OPENED, Entry, SignedHead, entry_bytes, head_text, link
from bot.store.database import insert_new
from bot.store.tables import audit_heads, audit_log

#: Any fixed number that no other lock of ours uses.
_HEAD_LOCK = 0x636F756E74


class AuditLog:
    """The log, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, kind: str, at: datetime, request_id: int | None, body: Mapping[str, object]) -> str:
        """Add one entry and return the new head, ``seq:hash``.

        From here to the end of the transaction nobody else can append: ``Work.log`` does it last.

        Raises:
            CannotProve: the body holds something that does not belong in the log.
            NotOurs: the log was never opened, so its first entry would carry no key.
        """
        entry = entry_bytes(kind, at, request_id, body)
        self.alone()
        last = self._last()
        if last is None and kind != LOG_OPENED:
            raise NotOurs("audit.not-opened")
        seq, prev = (0, GENESIS) if last is None else (last[0] + 1, last[1])
        digest = link(prev, seq, entry)
        self._connection.execute(
            insert(audit_log).values(seq=seq, at=at, entry=entry.decode(), prev=prev, hash=digest)
        )
        return head_text(seq, digest)

    def alone(self) -> None:
        """From here to the end of the transaction nobody else appends."""
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(select(func.pg_advisory_xact_lock(_HEAD_LOCK)))

    def head(self) -> str | None:
        """The last entry as ``seq:hash``, or None while the log is empty."""
        last = self._last()
        return None if last is None else head_text(*last)

    @property
    def first_entry(self) -> Entry | None:
        """Entry 0, which carries the public key."""
        row = self._connection.execute(select(audit_log).where(audit_log.c.seq == 0)).first()
        return None if row is None else Entry(row.seq, row.prev, row.hash, row.entry)

    def entries(self, from_seq: int = 0) -> list[Entry]:
        """All entries from ``from_seq`` on, in order."""
        rows = self._connection.execute(
            select(audit_log).where(audit_log.c.seq >= from_seq).order_by(audit_log.c.seq)
        )
        return [Entry(row.seq, row.prev, row.hash, row.entry) for row in rows]

    def heads(self) -> list[SignedHead]:
        """All signed heads, oldest first."""
        rows = self._connection.execute(select(audit_heads).order_by(audit_heads.c.seq))
        return [SignedHead(row.seq, row.hash, row.signature) for row in rows]

    def last_head(self) -> SignedHead | None:
        """The newest signed head, or None while nothing is signed."""
        row = self._connection.execute(
            select(audit_heads).order_by(audit_heads.c.seq.desc()).limit(1)
        ).first()
        return None if row is None else SignedHead(row.seq, row.hash, row.signature)

    def add_head(self, seq: int, digest: str, signature: str, at: datetime) -> None:
        """Keep the worker's signature of one head; a head that is there already stays as it is."""
        insert_new(self._connection, audit_heads, seq=seq, hash=digest, signature=signature, at=at)

    def _last(self) -> tuple[int, str] | None:
        row = self._connection.execute(
            select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
        ).first()
        return None if row is None else (row.seq, row.hash)
