"""The phones of the sandbox's people: enrolled at the start, so that everybody can approve with a code."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pyotp import TOTP

from bot.proofs.codes import STEP, Tally
from bot.proofs.opening import open_safe
from bot.proofs.tickets import issue
from bot.sandbox.people import TEAM
from bot.store.database import Database
from bot.store.unit_of_work import Store


class Phones:
    """Everybody's phone. It plays the operator too: the ticket is skipped, the boxes are the real ones."""

    def __init__(self, data: Path) -> None:
        self._safe = open_safe(data / "worker", TEAM)
        self._database = Database(f"sqlite:///{data / 'countersign.db'}")
        self._keys: dict[str, str] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def enrol(self, users: Iterable[str], now: datetime) -> None:
        """Bring their codes into use."""
        store = Store(self._database)
        for user in users:
            ticket, handed = issue(self._safe.entropy, now)
            with store.transact() as work:
                tally = self._safe.activate(work, user, ticket.secret, Tally(), now)
            self._safe.ledger.raise_to(user, tally)
            self._keys[user] = handed.key

    def code(self, user: str, now: datetime) -> str | None:
        """What a phone shows now; None for somebody without one."""
        key = self._keys.get(user)
        return None if key is None else TOTP(key).at(now)

    def seconds(self, now: datetime) -> int:
        """How long the codes stay."""
        return STEP - int(now.timestamp()) % STEP
