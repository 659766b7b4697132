"""Secrets and tickets of people, locked in our database; their use is in the worker's file too."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from bot.errors import NotOurs
from bot.proofs.changes import Change
from bot.proofs.codes import Said, Secret, Tally, check, newer
from bot.proofs.keys import ProofKey
from bot.proofs.ledger import Ledger
from bot.proofs.tickets import Ticket
from bot.store.proofs import CHANGE, SECRET, TICKET
from bot.store.unit_of_work import Work


class Safe:
    """Only whoever has the worker's folder has one of these."""

    def __init__(self, key: ProofKey, ledger: Ledger, entropy: Callable[[int], bytes]) -> None:
        self.key = key
        self.ledger = ledger
        self.entropy = entropy

    def has_secret(self, work: Work, user: str) -> bool:
        """Whether this person's codes can be checked."""
        return work.boxes.get(SECRET, user) is not None

    def secret(self, work: Work, user: str) -> tuple[Secret, Tally] | None:
        """One person's secret, and everything that is known of its use; None when there is none.

        Raises:
            NotOurs: the box was not locked here, or is one that a newer one has replaced.
        """
        box = work.boxes.get(SECRET, user)
        if box is None:
            return None
        content = self.key.unlock(SECRET, user, box)
        secret, tally = Secret.from_data(content["secret"]), Tally.from_data(content["tally"])
        tally = newer(self.ledger.tally(user), tally)
        if secret.generation < tally.generation:
            raise NotOurs("proof.put-back")
        return secret, tally

    def check(
        self, work: Work, user: str, typed: str, letter: str, now: datetime
    ) -> tuple[Said, Tally] | None:
        """Check a code and use it up, in the file first; None when this person has no secret."""
        found = self.secret(work, user)
        if found is None:
            return None
        secret, tally = found
        said, after = check(secret, tally, typed, letter, now)
        if after != tally:
            self.ledger.raise_to(user, after)
            self._put_secret(work, user, secret, after, now)
        return said, after

    def activate(self, work: Work, user: str, secret: Secret, first: Tally, now: datetime) -> Tally:
        """Bring a secret into use; returns what to tell the file once the database has it."""
        found = self.secret(work, user)
        known = newer(found[1] if found else Tally(), self.ledger.tally(user))
        generation = max(known.generation, found[0].generation if found else 0) + 1
        step = max(first.last_step, known.last_step)
        tally = Tally(known.version + 1, generation, step)
        self._put_secret(work, user, replace(secret, generation=generation), tally, now)
        return tally

    def ticket(self, work: Work, user: str) -> Ticket | None:
        """One person's ticket, unless it is over."""
        box = work.boxes.get(TICKET, user)
        if box is None:
            return None
        content = self.key.unlock(TICKET, user, box)
        ticket = Ticket(**{**content, "secret": Secret.from_data(content["secret"])})
        return None if self.ledger.is_spent(ticket.id) else ticket

    def keep_ticket(self, work: Work, user: str, ticket: Ticket, now: datetime) -> None:
        """Lock a ticket away, replacing an earlier one."""
        self._put(work, TICKET, user, asdict(ticket), now)

    def spend_ticket(self, work: Work, user: str, ticket: Ticket, now: datetime) -> None:
        """It is over, also when somebody puts it back."""
        self.ledger.spend(ticket.id, now)
        work.boxes.drop(TICKET, user)

    def change(self, work: Work, user: str) -> Change | None:
        """The change of one person's secret that is asked for, unless it is over."""
        box = work.boxes.get(CHANGE, user)
        if box is None:
            return None
        content = self.key.unlock(CHANGE, user, box)
        change = Change(**{**content, "secret": Secret.from_data(content["secret"])})
        return None if self.ledger.is_spent(f"change:{change.id}") else change

    def keep_change(self, work: Work, user: str, change: Change, now: datetime) -> None:
        """Lock a change away, replacing an earlier one."""
        self._put(work, CHANGE, user, asdict(change), now)

    def spend_change(self, work: Work, user: str, change: Change, now: datetime) -> None:
        """It is over, also when somebody puts it back."""
        self.ledger.spend(f"change:{change.id}", now)
        work.boxes.drop(CHANGE, user)

    def _put_secret(self, work: Work, user: str, secret: Secret, tally: Tally, now: datetime) -> None:
        self._put(work, SECRET, user, {"secret": asdict(secret), "tally": asdict(tally)}, now)

    def _put(self, work: Work, kind: str, user: str, content: Mapping[str, Any], now: datetime) -> None:
        work.boxes.put(kind, user, self.key.lock(kind, user, content, self.entropy(12)), now)
