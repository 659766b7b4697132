"""A new phone for somebody whose codes are in use: confirmed by another with a code, in effect a day later.

Until then the old secret goes on working, and the person or anybody with a role may cancel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from bot.approvals.ground import Ground
from bot.errors import CountersignError, NotAllowed, Refused, Stale
from bot.model.doors import Answer
from bot.model.proofs import CANCEL, Letter
from bot.proofs.changes import WAIT, Change
from bot.proofs.codes import Said, Tally
from bot.proofs.safe import Safe
from bot.proofs.sealing import fingerprint
from bot.proofs.tickets import Ticket
from bot.store.proofs import CHANGE
from bot.store.unit_of_work import Store, Work

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Changing:
    """The worker's side of a change."""

    store: Store
    ground: Ground
    safe: Safe

    def ask(self, work: Work, user: str, ticket: Ticket, first: Tally, now: datetime) -> Answer:
        """Ticket and first code were right, and there is a secret in use: everybody hears of it."""
        change = Change(ticket.id, ticket.secret, first.last_step, int(now.timestamp()))
        self.safe.keep_change(work, user, change, now)
        self.ground.log(work, "change-asked", None, {"user": user, "change": change.id}, now)
        told = Answer("note.change-asked", {"user": user}, button="change-confirm", value=user)
        self.ground.offer(work, self.ground.config.channel, told, now)
        return Answer("proof.change-asked", direct=True, button="change-cancel", value=user)

    def answer(self, letter: Letter, content: Mapping[str, Any], now: datetime) -> None:
        """Somebody confirms or cancels, once."""
        with self.store.transact() as work:
            if not work.letters.take(letter.id):
                return
            try:
                with work.savepoint():
                    answer = self._decide(work, letter, content, now)
            except CountersignError as no:
                if not isinstance(no, Refused):
                    log.error("change refused", action="change-refused", why=no.key)  # noqa: TRY400 - the key says it
                self.ground.log(work, "change-refused", None, {"by": letter.user, "why": no.key}, now)
                answer = Answer(no.key, no.params, direct=True)
            self.ground.tell(work, letter.user, letter.channel, answer, now)

    def sweep(self, now: datetime) -> None:
        """What has waited a day takes effect; what nobody confirmed is over."""
        with self.store.read() as work:
            waiting = work.boxes.users(CHANGE)
        for user in sorted(waiting):
            try:
                self._look(user, now)
            except CountersignError as no:
                # A box that somebody else wrote stays where it is, and is no change.
                log.error("change not read", action="change", user=user, why=no.key)  # noqa: TRY400 - the key says it

    def _look(self, user: str, now: datetime) -> None:
        done: Tally | None = None
        with self.store.transact() as work:
            change = self.safe.change(work, user)
            if change is None or not (change.is_due(now) or change.is_over(now)):
                return
            if change.is_due(now):
                done = self.safe.activate(work, user, change.secret, Tally(last_step=change.step), now)
                body = {"user": user, "change": change.id, "confirmed_by": change.confirmed_by}
                self.ground.log(work, "enrolled", None, body, now)
            self._over(work, user, change, "done" if done else "over", now)
        if done is not None:
            self.safe.ledger.raise_to(user, done)

    def _decide(self, work: Work, letter: Letter, content: Mapping[str, Any], now: datetime) -> Answer:
        user = str(content.get("subject") or "")
        change = self.safe.change(work, user)
        if change is None:
            raise Stale("proof.no-change", user=user)
        if letter.kind == CANCEL:
            self.ground.log(work, "change-cancelled", None, {"user": user, "by": letter.user}, now)
            self._over(work, user, change, "cancelled", now, by=letter.user)
            return Answer("proof.change-cancelled", {"user": user})
        if letter.user == user:
            raise NotAllowed("proof.own-change")
        if change.due is not None or change.is_over(now):
            raise Stale("proof.no-change", user=user)
        checked = self.safe.check(work, letter.user, str(content.get("code")), fingerprint(content), now)
        if checked is None or checked[0] is not Said.GOOD:
            return self._failed(work, letter.user, checked, now)
        due = int((now + WAIT).timestamp())
        self.safe.keep_change(work, user, replace(change, confirmed_by=letter.user, due=due), now)
        body = {"user": user, "by": letter.user, "due": due}
        self.ground.log(work, "change-confirmed", None, body, now)
        told = Answer(
            "note.change-confirmed",
            {"user": user, "by": letter.user, "until": due},
            button="change-cancel",
            value=user,
        )
        self.ground.offer(work, self.ground.config.channel, told, now)
        mine = Answer(
            "proof.change-due", {"by": letter.user, "until": due}, "change-cancel", user, direct=True
        )
        self.ground.tell(work, user, self.ground.config.channel, mine, now)
        return Answer("proof.change-confirmed", {"user": user, "until": due})

    def _failed(self, work: Work, user: str, checked: tuple[Said, Tally] | None, now: datetime) -> Answer:
        if checked is None:
            raise NotAllowed("proof.change-needs-codes")
        said, tally = checked
        self.ground.log(work, "code-failed", None, {"by": user, "why": str(said)}, now)
        if said in (Said.LOCKED, Said.LOCKED_NOW):
            until = tally.locked_until
            if said is Said.LOCKED_NOW:
                self.ground.log(work, "code-locked", None, {"by": user, "until": until}, now)
                channel = self.ground.config.channel
                self.ground.announce(work, channel, "note.code-locked", now, user=user, until=until)
            return Answer("proof.locked", {"until": until}, direct=True)
        return Answer("proof.change-code", direct=True)

    def _over(self, work: Work, user: str, change: Change, how: str, now: datetime, **more: str) -> None:
        """The channel and the person hear how it ended, and nobody can put it back."""
        self.safe.spend_change(work, user, change, now)
        params: dict[str, str | int] = {"user": user, **more}
        self.ground.announce(work, self.ground.config.channel, f"note.change-{how}", now, **params)
        told = Answer(f"note.change-{how}", params, direct=True)
        self.ground.tell(work, user, self.ground.config.channel, told, now)
