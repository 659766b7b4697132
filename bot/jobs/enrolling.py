"""Bringing somebody's codes into use: the ticket that an operator handed over, and the first code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.approvals import intents
from bot.approvals.ground import Ground
from bot.errors import CountersignError
from bot.jobs.changing import Changing
from bot.model.doors import Answer
from bot.model.proofs import Letter
from bot.model.requests import State
from bot.proofs.codes import Tally
from bot.proofs.safe import Safe
from bot.proofs.tickets import Entry, Ticket, redeem
from bot.store.proofs import TICKET
from bot.store.unit_of_work import Store, Work


@dataclass(frozen=True)
class Enrolling:
    """Answers the form of an enrolment."""

    store: Store
    ground: Ground
    safe: Safe

    def answer(self, letter: Letter, content: Mapping[str, Any], now: datetime) -> None:
        """One form, once."""
        done: tuple[Ticket, Tally] | None = None
        with self.store.transact() as work:
            if not work.letters.take(letter.id):
                return
            try:
                with work.savepoint():
                    answer, done = self._decide(work, letter.user, content, now)
            except CountersignError as no:
                self._refused(work, letter.user, no.key, now)
                answer = Answer(no.key, no.params, direct=True)
            self.ground.tell(work, letter.user, letter.channel, answer, now)
            if done is not None:
                self._ask_again(work, letter.user, now)
        if done is not None:
            # After the database has it: what a crash lets out here, the next use of a code makes good.
            self.safe.ledger.spend(done[0].id, now)
            self.safe.ledger.raise_to(letter.user, done[1])

    def _decide(
        self, work: Work, user: str, content: Mapping[str, Any], now: datetime
    ) -> tuple[Answer, tuple[Ticket, Tally] | None]:
        ticket = self.safe.ticket(work, user)
        if ticket is None:
            self._refused(work, user, "proof.no-ticket", now)
            return Answer("proof.no-ticket", direct=True), None
        typed, code = str(content.get("ticket") or ""), str(content.get("code") or "")
        entry, after, first = redeem(ticket, typed, code, now)
        if entry is Entry.GOOD and self.safe.has_secret(work, user):
            self.safe.spend_ticket(work, user, ticket, now)
            return Changing(self.store, self.ground, self.safe).ask(work, user, ticket, first, now), None
        if entry is Entry.GOOD:
            tally = self.safe.activate(work, user, ticket.secret, first, now)
            work.boxes.drop(TICKET, user)
            self.ground.log(work, "enrolled", None, {"user": user, "ticket": ticket.id}, now)
            return Answer("proof.enrolled", direct=True), (ticket, tally)
        self._refused(work, user, f"proof.{entry}", now)
        if entry in (Entry.VOID, Entry.LATE):
            self.safe.spend_ticket(work, user, after, now)
            return Answer(f"proof.{entry}", direct=True), None
        self.safe.keep_ticket(work, user, after, now)
        return Answer(f"proof.{entry}", direct=True, button="enrol", value=""), None

    def _ask_again(self, work: Work, user: str, now: datetime) -> None:
        """What this person wanted to approve before, and still may, now with a code."""
        for wish in work.intents.by(user):
            request = work.requests.get(wish.request_id)
            if request is None or request.state is not State.PENDING or request.revision != wish.revision:
                continue
            self.ground.redraw(work, request)
            asked = intents.ask_for_code(work, request, user)
            # A moment later, so that it stands below what was just told.
            self.ground.tell(work, user, request.channel, asked, now + timedelta(milliseconds=1))

    def _refused(self, work: Work, user: str, why: str, now: datetime) -> None:
        self.ground.log(work, "enrol-refused", None, {"by": user, "why": why}, now)
