"""Approvals by code on their way: wishes to approve, letters to the worker, and boxes that only it opens."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from bot.model.proofs import Intent, Letter
from bot.model.requests import Proof
from bot.store import tables as t
from bot.store.database import insert_new, put_row

#: Kinds of boxes.
SECRET, TICKET, CHANGE = "secret", "ticket", "change"
#: The name of the worker's public key for letters.
PROOF_KEY = "proof"


class Intents:
    """One wish per person and revision. It counts for nothing by itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, request_id: int, revision: int) -> tuple[Intent, ...]:
        """The wishes on one revision, oldest first."""
        query = (
            select(t.intents)
            .where(t.intents.c.request_id == request_id, t.intents.c.revision == revision)
            .order_by(t.intents.c.at, t.intents.c.user)
        )
        return tuple(_intent(row) for row in self._connection.execute(query))

    def get(self, request_id: int, revision: int, user: str) -> Intent | None:
        """One person's wish."""
        return next((one for one in self.of(request_id, revision) if one.user == user), None)

    def by(self, user: str) -> tuple[Intent, ...]:
        """One person's wishes, oldest first; many may be about what is over."""
        query = select(t.intents).where(t.intents.c.user == user).order_by(t.intents.c.at)
        return tuple(_intent(row) for row in self._connection.execute(query))

    def put(self, intent: Intent) -> None:
        """Keep one person's wish, replacing an earlier one."""
        put_row(self._connection, t.intents, **{**asdict(intent), "roles": list(intent.roles)})

    def drop(self, request_id: int, revision: int, user: str) -> bool:
        """Forget one person's wish; False when there was none."""
        result = self._connection.execute(
            delete(t.intents).where(
                t.intents.c.request_id == request_id,
                t.intents.c.revision == revision,
                t.intents.c.user == user,
            )
        )
        return result.rowcount == 1


class Letters:
    """What waits for the worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, letter: Letter) -> bool:
        """Hand a letter over; False when it is there already."""
        return insert_new(self._connection, t.letters, **asdict(letter))

    def waiting(self, limit: int = 20) -> list[Letter]:
        """The oldest ones."""
        query = select(t.letters).order_by(t.letters.c.created_at, t.letters.c.id).limit(limit)
        return [Letter(**dict(row)) for row in self._connection.execute(query).mappings()]

    def take(self, letter_id: str) -> bool:
        """Take a letter out; False when somebody else has it."""
        result = self._connection.execute(delete(t.letters).where(t.letters.c.id == letter_id))
        return result.rowcount == 1


class Boxes:
    """Locked by the worker, by kind and person. What lies in them is not for this process to know."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, kind: str, user: str) -> str | None:
        """One box, locked until the end of the transaction."""
        query = select(t.proof_boxes.c.box).where(t.proof_boxes.c.kind == kind, t.proof_boxes.c.user == user)
        return self._connection.execute(query.with_for_update()).scalar_one_or_none()

    def put(self, kind: str, user: str, box: str, now: datetime) -> None:
        """Set one box, replacing an earlier one."""
        put_row(self._connection, t.proof_boxes, kind=kind, user=user, box=box, changed_at=now)

    def drop(self, kind: str, user: str) -> bool:
        """Remove one box; False when there was none."""
        result = self._connection.execute(
            delete(t.proof_boxes).where(t.proof_boxes.c.kind == kind, t.proof_boxes.c.user == user)
        )
        return result.rowcount == 1

    def users(self, kind: str) -> frozenset[str]:
        """Everybody who has a box of a kind."""
        query = select(t.proof_boxes.c.user).where(t.proof_boxes.c.kind == kind)
        return frozenset(self._connection.execute(query).scalars())


class PublicKeys:
    """Public halves of the worker's keys, for the door."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        """One public key, once a worker has published it."""
        query = select(t.worker_keys.c.public).where(t.worker_keys.c.name == name)
        return self._connection.execute(query).scalar_one_or_none()

    def publish(self, name: str, public: str, now: datetime) -> bool:
        """Publish it once; False when there is one already."""
        return insert_new(self._connection, t.worker_keys, name=name, public=public, published_at=now)


def _intent(row: Row[Any]) -> Intent:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public mapping of a row
    values["proof"] = Proof(values["proof"])
    values["roles"] = tuple(values["roles"])
    return Intent(**values)
